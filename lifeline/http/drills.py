"""The JSON API of drills: which there were, what became of them, and their end. `lifeline drill` plays them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from city.clock import Clock
from lifeline import drillplayer, drillreport
from lifeline.http import commands
from lifeline.http.api import ALWAYS, NOT_FOUND, WRITING, speaking
from lifeline.http.data import WAIT_S, Data
from lifeline.http.models import Page, Row
from lifeline.http.needs import needs
from lifeline.http.paging import NO_ZERO, After, Limit, Plain, listed
from lifeline.http.who import Role

State = Literal["running", "ended", "refused"]


class Drill(Row):
    """An exercise: nothing it raised is real."""

    drill: str
    state: State
    scenario: str
    title: str
    title_zh: str | None
    by: str
    people: list[str]
    sensors: list[str]
    started_at: datetime
    until: datetime
    ended_at: datetime | None
    ended_why: str


class DrillReport(BaseModel):
    """What became of a drill: seconds from each incident's opening on; null where something never came."""

    model_config = ConfigDict(extra="allow")

    drill: str
    state: State
    title: dict[str, str]
    verdict: Literal["met", "missed", ""]
    expectations: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    people: list[dict[str, Any]]


class DrillEnd(BaseModel):
    """Why it is ended. `actor` counts only on this machine before there are accounts."""

    model_config = ConfigDict(extra="forbid")

    actor: str = Field(default="", max_length=commands.LONGEST_ACTOR, pattern=NO_ZERO)
    note: str = Field(default="", max_length=commands.LONGEST_NOTE, pattern=NO_ZERO)


class DrillEnded(BaseModel):
    """Whether the engine has ended it yet (`ended`), or will (`waiting`)."""

    drill: str
    state: Literal["ended", "waiting"]


def router(data: Data, clock: Clock) -> APIRouter:
    """Routes of the API, below `/api/v1`."""
    routes = APIRouter(responses=ALWAYS, tags=["drills"])

    @routes.get("/drills")
    def drills(
        request: Request, response: Response, state: State | None = None, limit: Limit = 100, after: After = None
    ) -> Page[Drill]:
        """Drills, newest first."""
        return Page[Drill].model_validate(listed(data, request, response, "api_drills", limit, after, state=state))

    @routes.get("/drills/{drill}", responses=NOT_FOUND)
    def drill(drill: Plain) -> DrillReport:
        """The report of a drill: response times of people and of the system against what was expected."""
        return DrillReport.model_validate(_found(data, drill))

    @routes.post("/drills/{drill}/end", status_code=202, responses=WRITING, dependencies=[needs(Role.ENGINEER)])
    def end(drill: Plain, given: DrillEnd) -> DrillEnded:
        """End a drill that runs: what stands is taken back, its incidents are closed, and who was told hears of it."""
        if _found(data, drill)["state"] != "running":
            raise HTTPException(409, "the drill is over")
        said = speaking(given.actor, given.note)
        with data.connections.connection(timeout=WAIT_S) as conn:
            row = drillplayer.end(conn, clock, drill, said.actor, said.note, "api", commands.PATIENCE_S)
        return DrillEnded(drill=drill, state="ended" if row else "waiting")

    return routes


def _found(data: Data, drill: str) -> dict[str, Any]:
    with data.reading() as conn:
        found = drillreport.of(conn, drill)
    if found is None:
        raise HTTPException(404, "no such drill")
    return found
