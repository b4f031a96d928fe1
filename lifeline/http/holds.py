"""The JSON API of what people hold: shelves, sensors out of service, latched alarms, and what silent gateways blind."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from city.clock import Clock
from city.levels import Level
from lifeline.http import commands
from lifeline.http.api import Items, Limit, speaking
from lifeline.http.data import Data
from rules.inputs import HoldKind

Word = Annotated[str | None, Query(max_length=200)]
When = Annotated[AwareDatetime | None, Query(description="RFC 3339 with an offset")]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")

    actor: str = Field(min_length=1, max_length=commands.LONGEST_ACTOR)
    note: str = Field(default="", max_length=commands.LONGEST_NOTE)


class AlarmCommand(_Said):
    """What a person says about an alarm. `until`, `one_shot` are for `shelve`; `reset` needs a note."""

    kind: Literal["shelve", "unshelve", "reset"]
    until: AwareDatetime | None = None
    one_shot: bool = False


class ShelfCommand(_Said):
    """What a person says about `rule/scope`, whether anything stands there or not. `level`: up to which it holds."""

    kind: Literal["shelve", "unshelve"]
    key: str = Field(min_length=3, max_length=200)
    until: AwareDatetime | None = None
    one_shot: bool = False
    level: Literal["blue", "yellow", "orange", "red"] | None = None


class SensorCommand(_Said):
    """What a person says about a sensor. `out_of_service` needs a note and `until`."""

    kind: Literal["out_of_service", "in_service"]
    until: AwareDatetime | None = None


class Decided(BaseModel):
    """The command's row in the journal, and what the engine made of it within two seconds.

    `asked`: it holds a red alarm, so a second person must say the same.
    """

    seq: int
    state: Literal["waiting", "done", "refused", "asked"]
    reason: str


def router(data: Data, clock: Clock) -> APIRouter:
    """Routes of the API, below `/api/v1`."""
    routes = APIRouter()
    _lists(routes, data)

    def decided(request: Request, kind: str, target: str, given: _Said, **how: Any) -> Decided:  # noqa: ANN401 - passed on
        said = speaking(given.actor, given.note)
        seq = commands.record_hold(data, clock, said, HoldKind(kind), target, **how)
        made = commands.hold_outcome(data, seq)
        return Decided.model_validate({"seq": seq, "state": made.state, "reason": made.reason})

    @routes.post("/alarms/{alarm}/commands", status_code=202)
    def about_alarm(request: Request, alarm: str, given: AlarmCommand) -> Decided:
        """Shelve, unshelve or reset an alarm; the engine decides whether it fits."""
        row = data.row("alarm", alarm=alarm)
        if row is None:
            raise HTTPException(404, "no such alarm")
        target = alarm if given.kind == "reset" else f"{row['rule']}/{row['scope']}"
        return decided(request, given.kind, target, given, until=given.until, one_shot=given.one_shot)

    @routes.post("/shelves/commands", status_code=202)
    def about_key(request: Request, given: ShelfCommand) -> Decided:
        """Shelve or unshelve by rule and scope, also where nothing stands yet."""
        level = Level.of(given.level) if given.level else None
        how = {"until": given.until, "one_shot": given.one_shot, "level": level}
        return decided(request, given.kind, given.key, given, **how)

    @routes.post("/sensors/{sensor}/commands", status_code=202)
    def about_sensor(request: Request, sensor: str, given: SensorCommand) -> Decided:
        """Put a sensor out of service, or back into it."""
        if data.row("sensor", sensor=sensor) is None:
            raise HTTPException(404, "no such sensor")
        return decided(request, given.kind, sensor, given, until=given.until)

    return routes


def _lists(routes: APIRouter, data: Data) -> None:
    def items(name: str, limit: int, **given: object) -> Items:
        rows = data.rows(name, limit=limit + 1, **given)
        return Items(items=rows[:limit], more=len(rows) > limit)

    @routes.get("/shelves")
    def shelves(limit: Limit = 100) -> Items:
        """What people hold now, what ends first at the top."""
        return items("shelves", limit)

    @routes.get("/shelves/events")
    def hold_events(key: Word = None, before: When = None, limit: Limit = 100) -> Items:
        """Decisions and refusals about holds, newest first."""
        given: dict[str, str | datetime | None] = {"key": key, "before": before}
        return items("hold_events", limit, **given)

    @routes.get("/blind")
    def blind(gateway: Word = None, limit: Limit = 100) -> Items:
        """Sensors that a silent gateway keeps from being heard."""
        return items("blind", limit, gateway=gateway)
