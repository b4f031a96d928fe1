"""The incident list: what asks for somebody, the most urgent first."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from city.words import catalogue, say
from lifeline.http import who
from lifeline.http.console import PAGE, Console, Page, Text, by, named, pages
from lifeline.http.data import Data, Row
from lifeline.http.look import language_for
from rules.desk.plan import ONLY_DESK, Escalation

STALE_AFTER_S = 300.0  # no reading at all for so long: the whole page says so
SILENT_ROLE_S = 10.0
WANTED_ROLES = ("recorder", "watcher", "notifier")
LEVELS = ("red", "orange", "yellow", "blue")
_OPEN = {"open": True, "closed": False, "any": None}

State = Literal["open", "closed", "any"]


def router(console: Console) -> APIRouter:
    """The route of the list."""
    routes = APIRouter(include_in_schema=False)
    data = console.data

    @routes.get("/")
    def operations(
        request: Request,
        q: Text = "",
        level: Text = "",
        district: Text = "",
        domain: Text = "",
        desk: Text = "",
        mine: Text = "",
        state: Annotated[State, Query()] = "open",
        page: Page = 1,
    ) -> Response:
        chosen = {"q": q.strip(), "level": level, "district": district, "domain": domain, "desk": desk, "mine": mine}
        escalation = console.escalation()
        filters = filtered(chosen, escalation)
        rows = data.rows("incident_list", open=_OPEN[state], limit=PAGE, offset=(page - 1) * PAGE, **filters)
        values = {
            **city(data),
            **_around(data, rows),
            **_choices(data, escalation, language_for(request)),
            "chosen": {**chosen, "state": state},
            "filtered": any(chosen.values()),
            "incidents": rows,
            "total": rows[0]["total"] if rows else 0,
            "page": page,
            "pages": pages(rows[0]["total"]) if rows else 1,
            "floods": data.rows("floods_now"),
            "drills": data.rows("drills_now"),
            "stale": (stale := data.rows("stale")),
            "stale_total": stale[0]["total"] if stale else 0,
            "closed": [] if state != "open" else _lately_closed(data),
        }
        return console.page(request, "operations.html", values, live="incidents notices")

    return routes


def filtered(chosen: dict[str, str], escalation: Escalation) -> dict[str, Any]:
    """Parameters of `incident_list` for what was chosen in the form."""
    asks = who.current.get()
    me = [name for name in (asks.person, asks.name) if name] if asks else []
    desks = [
        {"n": n, "id": d.id, "districts": sorted(d.districts), "domains": sorted(d.domains), "chains": sorted(d.chains)}
        for n, d in enumerate(escalation.desks)
    ]
    return {
        "words": chosen["q"] or None,
        "level": chosen["level"] or None,
        "district": chosen["district"] or None,
        "domain": chosen["domain"] or None,
        "desk": chosen["desk"] or None,
        "desks": json.dumps(desks),
        "mine": me if chosen["mine"] and me else None,
    }


def city(data: Data) -> dict[str, Any]:
    """How the city and the platform are, for the tops of pages."""
    head = data.row("now") or {}
    roles = {row["role"]: row for row in data.rows("roles")}
    newest_age_s = (head["now"] - head["newest"]).total_seconds() if head["newest"] else None
    gateways = data.rows("gateways")
    standing = data.rows("standing")
    return {
        "head": head,
        "newest_age_s": newest_age_s,
        "blind": newest_age_s is None or newest_age_s > STALE_AFTER_S,
        "silent_roles": [n for n in WANTED_ROLES if n not in roles or roles[n]["age_s"] > SILENT_ROLE_S],
        "standing": standing,
        "waiting": sum(row["waiting"] for row in standing if row["level"] != "none"),
        "silent": [row for row in gateways if row["silent"]],
        "roles": roles,
        "health": [row for row in data.rows("health") if row["state"] != "ok"],
        "notices": {row["state"]: row["n"] for row in data.rows("notice_states")},
        "ledger": data.row("ledger") or {},
    }


def _around(data: Data, rows: list[Row]) -> dict[str, Any]:
    """Clocks and notices of the incidents on a page."""
    shown = [row["incident"] for row in rows]
    return {
        "clocks": by(data.rows("clocks_of", incidents=shown), "incident"),
        "told": by(data.rows("told", incidents=shown), "incident"),
    }


def _choices(data: Data, escalation: Escalation, language: str) -> dict[str, Any]:
    domains = [row["domain"] for row in data.rows("domains")]
    known = catalogue()
    asks = who.current.get()
    desks = [(d.id, d.name.get(language) or d.name.get("en") or d.id) for d in escalation.desks]
    return {
        "level_options": [(level, say(f"levels.{level}", language)) for level in LEVELS],
        "district_options": named(data.rows("districts"), "district", language),
        "domain_options": [
            (name, say(f"domains.{name}", language) if f"domains.{name}" in known else name)
            for name in (*domains, "platform")
        ],
        "desk_options": [*desks, (ONLY_DESK.id, say("console.desk_city", language))] if desks else [],
        "mine_possible": asks is not None and asks.how != "local",
    }


def _lately_closed(data: Data) -> list[Row]:
    return data.rows("incidents", open=False, district=None, level=None, before=None, limit=10)
