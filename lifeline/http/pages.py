"""The operations pages."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Query, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from city.clock import Clock
from lifeline.http import commands, plot
from lifeline.http.data import Data
from lifeline.http.guard import user
from lifeline.http.look import Look, language_for, quantity
from rules.inputs import CommandKind
from rules.notify.zone import Home

STALE_AFTER_S = 300.0  # no reading at all for so long: the whole page says so
SILENT_ROLE_S = 10.0
MOST_POINTS = 20_000
WANTED_ROLES = ("recorder", "watcher", "notifier")


def router(data: Data, look: Look, clock: Clock) -> APIRouter:
    """Routes of the operations pages."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def operations(request: Request) -> Response:
        return look.page(request, "operations.html", data.home(), **_operations(data))

    @routes.get("/incidents/{incident}")
    def incident(request: Request, incident: str, seq: Annotated[int | None, Query(ge=0)] = None) -> Response:
        home = data.home()
        return look.page(request, "incident.html", home, **_incident(data, home, clock, incident, seq, request))

    @routes.post("/incidents/{incident}/commands")
    def command(
        request: Request,
        incident: str,
        kind: Annotated[CommandKind, Form()],
        actor: Annotated[str, Form(min_length=1, max_length=commands.LONGEST_ACTOR)],
        note: Annotated[str, Form(max_length=commands.LONGEST_NOTE)] = "",
        mark: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        if data.row("incident", incident=incident) is None:
            raise HTTPException(404, "no such incident")
        seq = commands.record(data, clock, commands.Said(actor, note, "console"), incident, kind, mark)
        language = language_for(request)
        return RedirectResponse(f"/incidents/{quote(incident, safe='')}?seq={seq}&lang={language}", status_code=303)

    @routes.get("/sensors/{sensor}")
    def sensor(request: Request, sensor: str, hours: Annotated[float, Query(gt=0, le=24 * 31)] = 6.0) -> Response:
        home = data.home()
        return look.page(
            request, "sensor.html", home, **_sensor(data, home, clock, sensor, hours, language_for(request))
        )

    @routes.get("/gateways")
    def gateways(request: Request) -> Response:
        return look.page(request, "gateways.html", data.home(), gateways=data.rows("gateways"))

    @routes.get("/rejections")
    def rejections(request: Request, reason: Annotated[str | None, Query(max_length=60)] = None) -> Response:
        values: dict[str, Any] = {
            "reasons": data.rows("rejection_reasons"),
            "rejections": data.rows("rejections", reason=reason, limit=200),
            "reason": reason,
        }
        return look.page(request, "rejections.html", data.home(), **values)

    return routes


def _operations(data: Data) -> dict[str, Any]:
    head = data.row("now") or {}
    roles = {row["role"]: row for row in data.rows("roles")}
    silent_roles = [name for name in WANTED_ROLES if name not in roles or roles[name]["age_s"] > SILENT_ROLE_S]
    newest_age_s = (head["now"] - head["newest"]).total_seconds() if head["newest"] else None
    gateways = data.rows("gateways")
    return {
        "head": head,
        "newest_age_s": newest_age_s,
        "blind": newest_age_s is None or newest_age_s > STALE_AFTER_S,
        "silent_roles": silent_roles,
        "standing": data.rows("standing"),
        "incidents": data.rows("incidents", open=True, district=None, level=None, before=None, limit=100),
        "closed": data.rows("incidents", open=False, district=None, level=None, before=None, limit=10),
        "stale": data.rows("stale"),
        "gateways": gateways,
        "silent": [row for row in gateways if row["silent"]],
        "roles": roles,
        "health": [row for row in data.rows("health") if row["state"] != "ok"],
        "notices": {row["state"]: row["n"] for row in data.rows("notice_states")},
        "ledger": data.row("ledger") or {},
    }


def _incident(data: Data, home: Home, clock: Clock, incident: str, seq: int | None, request: Request) -> dict[str, Any]:
    found = data.row("incident", incident=incident)
    if found is None:
        raise HTTPException(404, "no such incident")
    alarms = data.rows("alarms", open=None, incident=incident, sensor=None, level=None, before=None, limit=200)
    first = next((row for row in alarms if row["alarm"] == found["first_alarm"]), alarms[0] if alarms else None)
    sensor = first["sensor"] if first else None
    names = {row["target"]: row["name"] for row in data.rows("names", incident=incident)}
    password_user = user(request.headers, request.app.state.password) if request.app.state.password else None
    return {
        "incident": found,
        "alarms": alarms,
        "events": data.rows("incident_events", incident=incident),
        "evidence": data.rows("alarm_events", incident=incident),
        "notices": data.rows("notices", incident=incident, state=None, before=None, limit=200),
        "steps": data.rows("escalations", incident=incident),
        "names": names,
        "kinds": [(kind, commands.needs_note(kind, found)) for kind in CommandKind if commands.fits(kind, found)],
        "outcome": commands.outcome(data, incident, seq) if seq is not None else None,
        "mark_value": commands.nonce(),
        "actor": password_user or "",
        "longest_note": commands.LONGEST_NOTE,
        "sensor": sensor,
        "picture": picture(data, home, clock, sensor, 6.0, language_for(request)) if sensor else None,
    }


def _sensor(data: Data, home: Home, clock: Clock, sensor: str, hours: float, language: str) -> dict[str, Any]:
    found = data.row("sensor", sensor=sensor)
    if found is None:
        raise HTTPException(404, "no such sensor")
    now = clock.now()
    given = {"sensor": sensor, "since": now - timedelta(hours=hours), "until": now + timedelta(minutes=3)}
    return {
        "sensor": found,
        "hours": hours,
        "picture": picture(data, home, clock, sensor, hours, language),
        "readings": data.rows("readings", **given, limit=30),
        "alarms": data.rows("alarms", open=None, incident=None, sensor=sensor, level=None, before=None, limit=30),
        "findings": data.rows("findings", sensor=sensor, before=None, limit=30),
    }


def picture(data: Data, home: Home, clock: Clock, sensor: str, hours: float, language: str) -> Markup | None:
    """The plot of a sensor's last `hours`; None when there is no such sensor."""
    found = data.row("sensor", sensor=sensor)
    if found is None:
        return None
    until: datetime = clock.now()
    since = until - timedelta(hours=hours)
    rows = data.rows("readings", sensor=sensor, since=since, until=until + timedelta(minutes=3), limit=MOST_POINTS)
    points = [plot.Point(row["time"], row["value"], row["flag"], row["late"]) for row in reversed(rows)]
    thinned = plot.thin(points)
    spacing = math.ceil(len(points) / max(1, len(thinned)))  # thinning must not look like gaps
    bounds = plot.bounds(data.rows("sensor_evidence", sensor=sensor), sensor)
    label = f"{sensor} {quantity(found['quantity'], language)} [{found['unit']}]"
    interval_s = found["interval_s"] * (2 * spacing if spacing > 1 else 1)
    return plot.draw(thinned, bounds, plot.Frame(since, until, interval_s, home.zone, label, language))
