"""The JSON API of what people hold: shelves, sensors out of service, maintenance, latched alarms; and what is blind."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from city.clock import Clock
from city.levels import Level
from lifeline.http import commands
from lifeline.http.answers import Decided
from lifeline.http.api import ALWAYS, WRITING, speaking
from lifeline.http.data import Data
from lifeline.http.models import Blind, HoldEvent, Page, Shelf
from lifeline.http.paging import NO_ZERO, After, Limit, Plain, When, Word, listed
from rules.inputs import HoldKind


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")

    actor: str = Field(default="", max_length=commands.LONGEST_ACTOR, pattern=NO_ZERO)
    note: str = Field(default="", max_length=commands.LONGEST_NOTE, pattern=NO_ZERO)


class AlarmCommand(_Said):
    """What a person says about an alarm. `until`, `one_shot` are for `shelve`; `reset` needs a note."""

    kind: Literal["shelve", "unshelve", "reset"]
    until: AwareDatetime | None = None
    one_shot: bool = False


class ShelfCommand(_Said):
    """What a person says about `rule/scope`, whether anything stands there or not. `level`: up to which it holds."""

    kind: Literal["shelve", "unshelve"]
    key: str = Field(min_length=3, max_length=200, pattern=NO_ZERO, examples=["underpass-depth/wl-017"])
    until: AwareDatetime | None = None
    one_shot: bool = False
    level: Literal["blue", "yellow", "orange", "red"] | None = None


class SensorCommand(_Said):
    """What a person says about a sensor. `out_of_service` needs a note and `until`."""

    kind: Literal["out_of_service", "in_service"]
    until: AwareDatetime | None = None


class MaintenanceCommand(_Said):
    """Work at a sensor, site or gateway; `maintain` needs a note and `until`. `level`: up to which it holds."""

    kind: Literal["maintain", "end_maintenance"]
    target: str = Field(pattern=r"^(sensor|site|gateway)/[^\x00]+$", max_length=200, examples=["site/up-01"])
    until: AwareDatetime | None = None
    level: Literal["blue", "yellow", "orange", "red"] | None = None


def router(data: Data, clock: Clock) -> APIRouter:
    """Routes of the API, below `/api/v1`."""
    routes = APIRouter(responses=ALWAYS, tags=["holds"])
    _lists(routes, data)

    def decided(kind: str, target: str, given: _Said, **how: Any) -> Decided:  # noqa: ANN401 - passed on
        said = speaking(given.actor, given.note)
        seq = commands.record_hold(data, clock, said, HoldKind(kind), target, **how)
        made = commands.hold_outcome(data, seq)
        return Decided.model_validate({"seq": seq, "state": made.state, "reason": made.reason})

    @routes.post("/alarms/{alarm}/commands", status_code=202, responses=WRITING)
    def about_alarm(alarm: Plain, given: AlarmCommand) -> Decided:
        """Shelve, unshelve or reset an alarm; the engine decides whether it fits."""
        row = data.row("api_alarm", alarm=alarm)
        if row is None:
            raise HTTPException(404, "no such alarm")
        target = alarm if given.kind == "reset" else f"{row['rule']}/{row['scope']}"
        return decided(given.kind, target, given, until=given.until, one_shot=given.one_shot)

    @routes.post("/shelves/commands", status_code=202, responses=WRITING)
    def about_key(given: ShelfCommand) -> Decided:
        """Shelve or unshelve by rule and scope, also where nothing stands yet."""
        _seen(data, given.key.partition("/")[2])
        level = Level.of(given.level) if given.level else None
        return decided(given.kind, given.key, given, until=given.until, one_shot=given.one_shot, level=level)

    @routes.post("/sensors/{sensor}/commands", status_code=202, responses=WRITING)
    def about_sensor(sensor: Plain, given: SensorCommand) -> Decided:
        """Put a sensor out of service, or back into it."""
        if data.row("api_sensor", sensor=sensor) is None:
            raise HTTPException(404, "no such sensor")
        return decided(given.kind, sensor, given, until=given.until)

    @routes.post("/maintenance/commands", status_code=202, responses=WRITING)
    def about_work(given: MaintenanceCommand) -> Decided:
        """Say that work is done somewhere, or that it has ended; windows of calendar.yaml come by themselves."""
        _seen(data, given.target.partition("/")[2])
        level = Level.of(given.level) if given.level else None
        return decided(given.kind, given.target, given, until=given.until, level=level)

    return routes


def _seen(data: Data, scope: str) -> None:
    """HTTPException 404 when a scope is nothing that who asks may see."""
    if data.row("scope_seen", scope=scope) is None:
        raise HTTPException(404, "no such sensor, gateway or site")


def _lists(routes: APIRouter, data: Data) -> None:
    @routes.get("/shelves")
    def shelves(request: Request, response: Response, limit: Limit = 100, after: After = None) -> Page[Shelf]:
        """What people hold now, what ends first at the top."""
        return Page[Shelf].model_validate(listed(data, request, response, "api_shelves", limit, after))

    @routes.get("/shelves/events")
    def hold_events(
        request: Request, response: Response, key: Word = None, before: When = None, limit: Limit = 100,
        after: After = None,
    ) -> Page[HoldEvent]:  # fmt: skip
        """Decisions and refusals about holds, newest first."""
        found = listed(data, request, response, "api_hold_events", limit, after, key=key, before=before)
        return Page[HoldEvent].model_validate(found)

    @routes.get("/blind")
    def blind(
        request: Request, response: Response, gateway: Word = None, limit: Limit = 100, after: After = None
    ) -> Page[Blind]:
        """Sensors that a silent gateway keeps from being heard."""
        return Page[Blind].model_validate(listed(data, request, response, "api_blind", limit, after, gateway=gateway))
