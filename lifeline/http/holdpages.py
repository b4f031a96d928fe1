"""What is held: shelved alarms, sensors out of service, maintenance; and the forms that hold and let go."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from city.clock import from_us, to_us
from city.levels import COLOURS, Level
from lifeline.http import commands, who
from lifeline.http.console import Console, Text, back, given_name, speaks
from lifeline.http.data import Row
from rules.alarm.alarm import MAINTENANCE
from rules.alarm.windows import upcoming
from rules.desk.shelving import LONGEST_OUT_US, LONGEST_US, SECOND_WITHIN_US
from rules.inputs import HoldKind

MINUTES = (15, 30, 60, 240, 480, 1440, 7 * 1440, 30 * 1440)
LISTED = 500
_UNTYPED = dict.fromkeys(("kind", "target", "minutes", "one_shot", "level", "note", "actor", "alarm", "sensor"), "")


def router(console: Console) -> APIRouter:
    """Routes of holds."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/shelves")
    def shelves(
        request: Request, alarm: Text = "", sensor: Text = "", seq: Annotated[int | None, Query(ge=0)] = None
    ) -> Response:  # fmt: skip
        return _shelves(console, request, {"alarm": alarm, "sensor": sensor}, seq)

    @routes.get("/maintenance")
    def maintenance(request: Request, seq: Annotated[int | None, Query(ge=0)] = None) -> Response:
        return _maintenance(console, request, {}, seq)

    @routes.post("/holds")
    def hold(
        request: Request,
        kind: Annotated[HoldKind, Form()],
        target: Annotated[str, Form(min_length=1, max_length=200)],
        page: Annotated[Literal["shelves", "maintenance"], Form()] = "shelves",
        minutes: Annotated[int | None, Form(ge=1, le=max(MINUTES))] = None,
        one_shot: Annotated[bool, Form()] = False,
        level: Annotated[Literal["", "blue", "yellow", "orange", "red"], Form()] = "",
        note: Annotated[str, Form(max_length=commands.LONGEST_NOTE)] = "",
        actor: Annotated[str, Form(max_length=commands.LONGEST_ACTOR)] = "",
    ) -> Response:
        until = console.clock.now() + timedelta(minutes=minutes) if minutes else None
        said = console.said(request, actor, note)
        seq = commands.record_hold(
            console.data, console.clock, said, kind, target.strip(), until=until, one_shot=one_shot,
            level=Level.of(level) if level else None,
        )  # fmt: skip
        made = commands.hold_outcome(console.data, seq)
        if made.state == "refused":
            typed = {"kind": kind.value, "target": target, "minutes": minutes, "one_shot": one_shot, "level": level}
            typed |= {"note": note, "actor": actor}
            show = _maintenance if page == "maintenance" else _shelves
            return show(console, request, typed, seq)
        answer = back(f"/{page}", seq=seq, lang=request.query_params.get("lang"))
        if speaks(request) is None:
            answer.set_cookie("actor", said.actor, samesite="lax", httponly=True, secure=request.state.secure)
        return answer

    return routes


def _shelves(console: Console, request: Request, typed: dict[str, Any], seq: int | None) -> Response:
    data = console.data
    held = data.rows("shelves", limit=LISTED)
    alarms = data.rows("held_alarms", limit=LISTED)
    chosen = data.row("alarm_to_hold", alarm=typed["alarm"]) if typed.get("alarm") else None
    values = {
        **_form(console, request, typed, seq),
        "shelves": [row for row in held if row["kind"] == "shelved"],
        "out": [row for row in held if row["kind"] == "out_of_service"],
        "maintained": [row for row in held if row["kind"] == "maintenance"],
        "alarms": alarms,
        "asked": data.rows("asked"),
        "chosen": chosen,
        "chosen_key": f"{chosen['rule']}/{chosen['scope']}" if chosen else typed.get("target", ""),
        "standing": data.rows(
            "alarms", open=True, incident=None, sensor=None, level=None, before=None, limit=LISTED
        ) if chosen is None else [],
        "caps": [(level.word, LONGEST_US[level] / 1e6) for level in reversed(COLOURS)],
        "longest_out_s": LONGEST_OUT_US / 1e6,
        "second_within_s": SECOND_WITHIN_US / 1e6,
        "events": data.rows("hold_events", key=None, before=None, limit=40),
    }  # fmt: skip
    return console.page(request, "shelves.html", values, status=_status(values), live="holds incidents")


def _maintenance(console: Console, request: Request, typed: dict[str, Any], seq: int | None) -> Response:
    rows = console.data.rows("maintenance", limit=LISTED)
    alarms = console.data.rows("held_alarms", limit=LISTED)
    values = {
        **_form(console, request, typed, seq),
        "running": [row for row in rows if row["running"]],
        "coming": _coming(console),
        "alarms": [row for row in alarms if str(row["hold_reason"]).startswith(MAINTENANCE)],
        "asked": [row for row in console.data.rows("asked") if row["kind"] == "asked_maintain"],
        "second_within_s": SECOND_WITHIN_US / 1e6,
        "longest_s": LONGEST_OUT_US / 1e6,
        "levels": [level.word for level in COLOURS],
    }
    return console.page(request, "maintenance.html", values, status=_status(values), live="holds")


def _coming(console: Console) -> list[Row]:
    """What begins within two weeks, of the districts that the account sees."""
    checked, asks = console.in_force.get(console.data), who.current.get()
    if checked is None:
        return []
    now_us = to_us(console.clock.now())
    seen = asks.districts if asks else None
    return [
        {
            "window": one.window.id,
            "kind": "file",
            "title": one.window.title.get("en") or one.window.id,
            "title_zh": one.window.title.get("zh"),
            "selector": one.window.selector.spelled(),
            "starts_at": from_us(one.start_us),
            "ends_at": from_us(one.end_us),
            "up_to": one.window.up_to.word,
            "by": one.window.approver,
            "reason": one.window.reason,
            "running": False,
        }
        for one in upcoming(checked.book.windows.values(), now_us)
        if one.start_us > now_us and (seen is None or seen & one.window.selector.districts_in(checked.city))
    ]


def _form(console: Console, request: Request, typed: dict[str, Any], seq: int | None) -> dict[str, Any]:
    return {
        "typed": _UNTYPED | typed,
        "outcome": commands.hold_outcome(console.data, seq) if seq is not None else None,
        "signed": speaks(request),
        "actor": typed.get("actor") or given_name(request),
        "minutes": MINUTES,
        "may_hold": (asks := who.current.get()) is None or asks.may(who.Role.OPERATOR),
        "longest_note": commands.LONGEST_NOTE,
    }


def _status(values: dict[str, Any]) -> int:
    outcome = values["outcome"]
    return 409 if outcome is not None and outcome.state == "refused" else 200
