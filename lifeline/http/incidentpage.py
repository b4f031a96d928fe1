"""The incident page: what happened, how sure, who was told, what is due, and the buttons that answer it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from markupsafe import Markup
from pydantic import AwareDatetime
from starlette.responses import Response

from city.geo import Place
from lifeline.http import commands, sitemap, timeline, who
from lifeline.http.console import Console, back, given_name, speaks
from lifeline.http.data import Data, Row
from lifeline.http.look import language_for
from lifeline.http.plotting import picture
from rules.inputs import CommandKind
from rules.notify.zone import Home

HOURS = 24.0
MORE_PLOTS = 2
SPOTS = 120


def router(console: Console) -> APIRouter:
    """Routes of the incident page."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/incidents/{incident}")
    def incident(request: Request, incident: str, seq: Annotated[int | None, Query(ge=0)] = None) -> Response:
        return _page(console, request, incident, seq=seq)

    @routes.post("/incidents/{incident}/commands")
    def command(
        request: Request,
        incident: str,
        kind: Annotated[CommandKind, Form()],
        actor: Annotated[str, Form(max_length=commands.LONGEST_ACTOR)] = "",
        note: Annotated[str, Form(max_length=commands.LONGEST_NOTE)] = "",
        mark: Annotated[str, Form(max_length=40)] = "",
        expected: Annotated[int | None, Form(ge=0)] = None,
        seen: Annotated[AwareDatetime | None, Form()] = None,
    ) -> Response:
        found = console.data.row("incident", incident=incident)
        if found is None:
            raise HTTPException(404, "no such incident")
        said = console.said(request, actor, note)
        typed = {"note": note, "actor": actor}
        if expected is not None and found["version"] != expected:
            return _page(console, request, incident, typed=typed, since=seen, kind=kind)
        if commands.needs_note(kind, found) and not note.strip():
            return _page(console, request, incident, typed=typed, kind=kind, no_note=True)
        seq = commands.record(console.data, console.clock, said, incident, kind, mark, expected)
        made = commands.outcome(console.data, incident, seq)
        if made.state == "refused":
            return _page(console, request, incident, typed=typed, seq=seq, kind=kind, since=seen)
        answer = back(f"/incidents/{incident}", seq=seq, lang=request.query_params.get("lang"))
        if speaks(request) is None:
            answer.set_cookie("actor", said.actor, samesite="lax", httponly=True, secure=request.state.secure)
        return answer

    return routes


def _page(
    console: Console, request: Request, incident: str, *, seq: int | None = None, kind: CommandKind | None = None,
    typed: dict[str, str] | None = None, since: datetime | None = None, no_note: bool = False,
) -> Response:  # fmt: skip
    """The page; `typed` and `kind` when a form was not taken: its words stay, and what changed is told."""
    data, home, language = console.data, console.data.home(), language_for(request)
    found = data.row("incident", incident=incident)
    if found is None:
        raise HTTPException(404, "no such incident")
    outcome = commands.outcome(data, incident, seq) if seq is not None else None
    story = _story(console, incident)
    stale = kind is not None and not no_note and (outcome is None or outcome.state == "refused")
    asks = who.current.get()
    values = {
        "incident": found,
        **story,
        **_alarms(console, home, found, language),
        "map": site_map(data, found, language),
        "guidance": (data.row("guidance", incident=incident, language=language) or {}).get("guidance"),
        "kinds": _fitting(found) if asks is None or asks.may(who.Role.OPERATOR) else [],
        "outcome": outcome,
        "not_taken": kind.value if kind is not None else "",
        "no_note": no_note,
        "changed": [e for e in story["story"] if since is not None and e.at >= since] if stale else [],
        "conflict": stale,
        "typed": {"note": "", **(typed or {})},
        "mark_value": commands.nonce(),
        "signed": speaks(request),
        "actor": (typed or {}).get("actor") or given_name(request),
        "longest_note": commands.LONGEST_NOTE,
    }
    status = 409 if stale else 422 if no_note else 200
    return console.page(request, "incident.html", values, status=status, live="incidents notices holds")


def _fitting(found: Row) -> list[tuple[str, bool]]:
    return [(kind.value, commands.needs_note(kind, found)) for kind in CommandKind if commands.fits(kind, found)]


def _story(console: Console, incident: str) -> dict[str, Any]:
    data = console.data
    events = data.rows("incident_events", incident=incident)
    notices = data.rows("notices", incident=incident, state=None, before=None, limit=200)
    steps = data.rows("chain_steps", incident=incident)
    clocks = data.rows("all_clocks", incident=incident)
    evidence = data.rows("alarm_events", incident=incident)
    origins = console.origins(incident)
    return {
        "story": timeline.merged(evidence, events, notices, steps, clocks, origins),
        "notices": notices,
        "steps": [row for row in steps if row["state"] == "due"],
        "clocks": [row for row in clocks if row["number"] == clocks[0]["number"]],
        "names": {row["target"]: row["name"] for row in data.rows("names", incident=incident)},
        "joined": _joined(events),
        "photos": data.rows("attachments", incident=incident),
        "cap": data.rows("cap_drafts", incident=incident),
    }


def _joined(events: list[Row]) -> dict[str, str]:
    """Why each alarm joined: its id and the reason are the event's note."""
    notes = [str(row["note"]).partition(": ") for row in events if row["kind"] == "joined"]
    return {alarm: why for alarm, _, why in notes}


def _alarms(console: Console, home: Home, found: Row, language: str) -> dict[str, Any]:
    """The incident's alarms, and the last day of the sensors they are about, the first one's before the others."""
    data = console.data
    alarms = data.rows("alarms", open=None, incident=found["incident"], sensor=None, level=None, before=None, limit=200)
    first = [row for row in alarms if row["alarm"] == found["first_alarm"]]
    sensors = list(dict.fromkeys(row["sensor"] for row in [*first, *alarms] if row["sensor"]))
    until = min(found["closed_at"], console.clock.now()) if found["closed_at"] else None
    plots = [
        (sensor, drawn)
        for sensor in sensors[: 1 + MORE_PLOTS]
        if (drawn := picture(data, home, console.clock, sensor, HOURS, language, until)) is not None
    ]
    return {"alarms": alarms, "plots": plots, "more_sensors": sensors[1 + MORE_PLOTS :], "hours": HOURS}


def site_map(data: Data, found: Row, language: str) -> Markup | None:
    """Where it is, with what is around; None without coordinates."""
    if found["lat"] is None or found["lon"] is None:
        return None
    middle = Place(found["lon"], found["lat"])
    near = sitemap.Window(middle, sitemap.FARTHEST_M / 4).edges
    here = {"lon": middle.lon, "lat": middle.lat, "limit": SPOTS}
    sites, sensors = data.rows("sites_around", **near, **here), data.rows("sensors_around", **near, **here)
    window = sitemap.Window.around(middle, [Place(row["lon"], row["lat"]) for row in [*sites[:8], *sensors[:12]]])
    spots = [_site_spot(row, found, language) for row in sites] + [
        sitemap.Spot(
            "sensor", row["sensor"], Place(row["lon"], row["lat"]), row["level"], row["stale"],
            f"/sensors/{row['sensor']}",
        )
        for row in sensors
    ]  # fmt: skip
    name = (found["site_name_zh"] if language == "zh" else None) or found["site_name"] or found["site"]
    return sitemap.draw(window, spots, str(name), language)


def _site_spot(row: Row, found: Row, language: str) -> sitemap.Spot:
    own = row["site"] == found["site"]
    name = str((row["name_zh"] if language == "zh" else None) or row["name"])
    level = found["level"] if own and not found["closed_at"] else "none"
    return sitemap.Spot("own" if own else "site", name, Place(row["lon"], row["lat"]), level)
