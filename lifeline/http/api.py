"""The JSON API. Lists answer `{"items": […], "more": …}`; errors are problem documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from city.clock import Clock
from lifeline.http import commands
from lifeline.http.data import Data, Row
from lifeline.http.who import current
from rules.inputs import CommandKind

Limit = Annotated[int, Query(ge=1, le=1000, description="at most so many items")]
Word = Annotated[str | None, Query(max_length=100)]
LevelWord = Literal["none", "blue", "yellow", "orange", "red"]
When = Annotated[datetime | None, Query(description="RFC 3339 with an offset")]


class Items(BaseModel):
    """A list of rows of a public view; `more`: the limit cut it off."""

    items: list[dict[str, Any]]
    more: bool


class Command(BaseModel):
    """What a person says about an incident."""

    model_config = ConfigDict(extra="forbid")

    kind: CommandKind
    actor: str = Field(min_length=1, max_length=commands.LONGEST_ACTOR)
    note: str = Field(default="", max_length=commands.LONGEST_NOTE)


class Recorded(BaseModel):
    """The command's row in the journal, and what the engine made of it within two seconds."""

    seq: int
    state: Literal["waiting", "done", "refused"]
    reason: str
    incident: dict[str, Any]


def router(data: Data, clock: Clock) -> APIRouter:
    """Routes of the API, below `/api/v1`."""
    routes = APIRouter()
    _incidents(routes, data, clock)
    _alarms(routes, data)
    _sensors(routes, data, clock)

    @routes.get("/health")
    def health() -> Items:
        """How Lifeline itself is, faults first."""
        return Items(items=data.rows("health"), more=False)

    return routes


def _items(data: Data, name: str, limit: int, **given: object) -> Items:
    rows = data.rows(name, limit=limit + 1, **given)
    return Items(items=rows[:limit], more=len(rows) > limit)


def _incidents(routes: APIRouter, data: Data, clock: Clock) -> None:
    @routes.get("/incidents")
    def incidents(
        open: bool | None = None,
        district: Word = None,
        level: LevelWord | None = None,
        before: When = None,
        limit: Limit = 100,
    ) -> Items:
        """Incidents, the most urgent first."""
        return _items(data, "incidents", limit, open=open, district=district, level=level, before=_aware(before))

    @routes.get("/incidents/{incident}")
    def incident(incident: str) -> dict[str, Any]:
        """One incident with its alarms, events, notices and escalation steps."""
        return _found(data, incident) | {
            "alarms": data.rows(
                "alarms", open=None, incident=incident, sensor=None, level=None, before=None, limit=1000
            ),
            "events": data.rows("incident_events", incident=incident),
            "alarm_events": data.rows("alarm_events", incident=incident),
            "notices": data.rows("notices", incident=incident, state=None, before=None, limit=1000),
            "escalation": data.rows("escalations", incident=incident),
        }

    @routes.post("/incidents/{incident}/commands", status_code=202)
    def command(request: Request, incident: str, given: Command) -> Recorded:
        """Append a command; the engine decides whether it fits."""
        _found(data, incident)
        seq = commands.record(data, clock, speaking(given.actor, given.note), incident, given.kind)
        made = commands.outcome(data, incident, seq)
        return Recorded.model_validate(
            {"seq": seq, "state": made.state, "reason": made.reason, "incident": _found(data, incident)}
        )


def _alarms(routes: APIRouter, data: Data) -> None:
    @routes.get("/alarms")
    def alarms(
        open: bool | None = None,
        incident: Word = None,
        sensor: Word = None,
        level: LevelWord | None = None,
        before: When = None,
        limit: Limit = 100,
    ) -> Items:
        """Alarms, the highest standing ones first."""
        given = {"open": open, "incident": incident, "sensor": sensor, "level": level, "before": _aware(before)}
        return _items(data, "alarms", limit, **given)

    @routes.get("/findings")
    def findings(sensor: Word = None, before: When = None, limit: Limit = 100) -> Items:
        """Detectors' verdicts, newest first."""
        return _items(data, "findings", limit, sensor=sensor, before=_aware(before))

    @routes.get("/notices")
    def notices(incident: Word = None, state: Word = None, before: When = None, limit: Limit = 100) -> Items:
        """Notices, newest first."""
        return _items(data, "notices", limit, incident=incident, state=state, before=_aware(before))


def _sensors(routes: APIRouter, data: Data, clock: Clock) -> None:
    @routes.get("/sensors")
    def sensors(
        site: Word = None,
        district: Word = None,
        quantity: Word = None,
        stale: bool | None = None,
        after: Word = None,
        limit: Limit = 100,
    ) -> Items:
        """Sensors with their newest value and its age; page on with `after`."""
        given = {"site": site, "district": district, "quantity": quantity, "stale": stale, "after": after}
        return _items(data, "sensors", limit, **given)

    @routes.get("/sensors/{sensor}")
    def sensor(sensor: str) -> dict[str, Any]:
        """One sensor."""
        row = data.row("sensor", sensor=sensor)
        if row is None:
            raise HTTPException(404, "no such sensor")
        return row

    @routes.get("/sensors/{sensor}/readings")
    def readings(
        sensor: str,
        since: When = None,
        until: When = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> Items:
        """Readings of a sensor, newest first; the last day unless told."""
        if data.row("sensor", sensor=sensor) is None:
            raise HTTPException(404, "no such sensor")
        end = _aware(until) or clock.now() + timedelta(days=1)
        begin = _aware(since) or end - timedelta(days=2)
        return _items(data, "readings", limit, sensor=sensor, since=begin, until=end)


def speaking(actor: str, note: str) -> commands.Said:
    """Who speaks: the account or token; on this machine, before there are accounts, whoever they say they are."""
    asks = current.get()
    if asks is None:
        raise HTTPException(401)
    said = commands.Said.of(asks, note, "api")
    return replace(said, actor=actor) if asks.how == "local" and actor else said


def _found(data: Data, incident: str) -> Row:
    row = data.row("incident", incident=incident)
    if row is None:
        raise HTTPException(404, "no such incident")
    return row


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise HTTPException(422, "times need an offset, try 2026-07-01T08:00:00Z (and %2B for +)")
    return moment
