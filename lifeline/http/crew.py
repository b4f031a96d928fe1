"""The crew page: what a notice's link opens on a phone. One link, one person, one incident; no account, no script.

Opening the page changes nothing (mail scanners open links); buttons are forms. Every answer is clear in both languages:
a link that is forged or expired, a second tap, a colleague who was first, an incident closed meanwhile.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from city.clock import Clock
from lifeline.http import commands
from lifeline.http.data import Data, Row
from lifeline.http.look import Look, language_for
from rules.inputs import CommandKind
from rules.notify.display import language_of
from rules.notify.links import Claims, Refusal, verify
from rules.notify.policy import short_code

KINDS = (CommandKind.ACKNOWLEDGE, CommandKind.DISPATCH, CommandKind.ON_SITE, CommandKind.REPORT)
_STATUS = {Refusal.FORGED: 403, Refusal.EXPIRED: 410}


def router(data: Data, look: Look, clock: Clock, secret: bytes) -> APIRouter:
    """Routes of the crew page."""
    routes = APIRouter(include_in_schema=False)

    def refused(request: Request, why: Refusal) -> Response:
        return look.page(request, "link.html", data.home(), status=_STATUS[why], why=why.value)

    @routes.get("/n/{token}")
    def page(request: Request, token: str, seq: Annotated[int | None, Query(ge=0)] = None, said: str = "") -> Response:
        claims = verify(secret, token, clock.now_us())
        if isinstance(claims, Refusal):
            return refused(request, claims)
        values = _values(data, claims)
        if values is None:
            return refused(request, Refusal.FORGED)
        language = language_for(request, language_of(values["content"].get("language", "")))
        values["outcome"] = commands.outcome(data, claims.incident, seq) if seq is not None else None
        values["said"] = said if said in _ANSWERS else ""
        return look.page(request, "crew.html", data.home(), language=language, token=token, **values)

    @routes.post("/n/{token}")
    def tap(
        request: Request,
        token: str,
        kind: Annotated[CommandKind, Form()],
        note: Annotated[str, Form(max_length=commands.LONGEST_NOTE)] = "",
        mark: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        claims = verify(secret, token, clock.now_us())
        if isinstance(claims, Refusal):
            return refused(request, claims)
        incident = data.row("incident", incident=claims.incident)
        if incident is None or kind not in KINDS:
            return refused(request, Refusal.FORGED)
        said = _said(data, claims, kind, incident, note)
        query = f"?said={said}" if said else ""
        if not said:
            speaks = commands.Said(claims.person, note, "link", person=claims.person)
            seq = commands.record(data, clock, speaks, claims.incident, kind, mark)
            query = f"?seq={seq}"
        if request.query_params.get("lang"):
            query += f"&lang={language_for(request)}"
        return RedirectResponse(f"/n/{token}{query}", status_code=303)

    return routes


_ANSWERS = ("closed", "again", "done", "note")


def _said(data: Data, claims: Claims, kind: CommandKind, incident: Row, note: str) -> str:
    """What to answer without recording anything; empty when there is something to record."""
    if incident["closed_at"] is not None:
        return "closed"
    events = data.rows("incident_events", incident=claims.incident)
    if kind is CommandKind.ACKNOWLEDGE:
        # A colleague's acknowledgement does not take mine away: it is recorded too. My own, once, is enough.
        mine = _latest(events, kind, claims.person)
        return "again" if incident["acknowledged"] and mine and not _expired_since(events, mine) else ""
    if kind is CommandKind.REPORT and not note.strip():
        return "note"
    if commands.fits(kind, incident):
        return ""
    return "again" if _latest(events, kind, claims.person) else "done" if _latest(events, kind) else ""


def _latest(events: list[Row], kind: CommandKind, actor: str | None = None) -> Row | None:
    return next((row for row in events if row["kind"] == kind and actor in (None, row["actor"])), None)


def _expired_since(events: list[Row], acknowledged: Row) -> bool:
    begun = ("acknowledgement_expired", "level")
    return any(row["kind"] in begun and row["time"] > acknowledged["time"] for row in events)


def _values(data: Data, claims: Claims) -> dict[str, Any] | None:
    notice, incident = data.row("notice", notice=claims.notice), data.row("incident", incident=claims.incident)
    if notice is None or incident is None:
        return None
    content = notice["content"] if isinstance(notice["content"], dict) else {}
    events = data.rows("incident_events", incident=claims.incident)
    alarms = data.rows("alarms", open=None, incident=claims.incident, sensor=None, level=None, before=None, limit=20)
    given = incident["closed_at"] is None
    return {
        "notice": notice,
        "content": content,
        "facts": content.get("facts") if isinstance(content.get("facts"), dict) else {},
        "code": short_code(str(content.get("root", claims.notice))),
        "person_id": claims.person,
        "incident": incident,
        "alarms": alarms,
        "first": next((row for row in alarms if row["sensor"]), None),
        "done": {kind.value: row for kind in CommandKind if (row := _latest(events, kind))},
        "names": {row["target"]: row["name"] for row in data.rows("names", incident=claims.incident)},
        "kinds": [kind for kind in KINDS if given and commands.fits(kind, incident)],
        "mark_value": commands.nonce(),
        "longest_note": commands.LONGEST_NOTE,
    }
