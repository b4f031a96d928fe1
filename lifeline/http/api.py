"""The JSON API: incidents and commands about them. Lists answer in parts (`paging`), errors are problem documents.

The other nouns have files of their own: `apilists` (alarms, sensors and what else is only read), `holds` (shelves and
service), `apiduty` (rosters, statistics), `apiadmin` (accounts, tokens, audit log).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from city.clock import Clock
from lifeline.http import commands
from lifeline.http.answers import Asker, Recorded
from lifeline.http.data import Data, Row
from lifeline.http.models import (
    Alarm,
    AlarmEvent,
    Incident,
    IncidentEvent,
    IncidentWhole,
    Level,
    Notice,
    Page,
    Problem,
    Step,
)
from lifeline.http.models import Clock as ClockRow
from lifeline.http.paging import NO_ZERO, After, Limit, Plain, When, Word, listed
from lifeline.http.problem import KINDS
from lifeline.http.who import current
from rules.inputs import CommandKind

MOST_BESIDE = 200  # rows of each kind that come with one incident
MATCH = Annotated[
    str,
    Header(
        max_length=100,
        description="The ETag of the incident as it was read; `*`: as it is now, whatever that is.",
        examples=['"v7"'],
    ),
]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides success, for the API's description."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {status: {"description": KINDS[status][1], "content": content} for status in sorted(statuses)}


ALWAYS = problems(401, 403, 408, 422, 429, 500, 503)
NOT_FOUND = problems(404)
WRITING = problems(400, 404, 411, 413, 415)


class Command(BaseModel):
    """What a person says about an incident. `actor` counts only on this machine before there are accounts."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "acknowledge", "note": "seen, calling the crew"}]}
    )

    kind: CommandKind
    actor: str = Field(default="", max_length=commands.LONGEST_ACTOR, pattern=NO_ZERO)
    note: str = Field(default="", max_length=commands.LONGEST_NOTE, pattern=NO_ZERO)


def router(data: Data, clock: Clock) -> APIRouter:
    """Routes of incidents, below `/api/v1`."""
    routes = APIRouter(responses=ALWAYS, tags=["incidents"])
    _lists(routes, data)

    @routes.get("/incidents/{incident}", responses=NOT_FOUND)
    def incident(request: Request, response: Response, incident: Plain) -> IncidentWhole:
        """One incident with its alarms, events, notices, steps and clocks. Its ETag is its version."""
        found = found_incident(data, incident)
        response.headers["ETag"] = etag(found)

        def beside(name: str, **given: object) -> list[Row]:
            return data.page(name, MOST_BESIDE, None, incident=incident, **given)

        nothing = {"open": None, "sensor": None, "level": None, "district": None, "before": None}
        return IncidentWhole.model_validate(
            found | {
                "alarms": beside("api_alarms", **nothing),
                "events": beside("api_incident_events"),
                "alarm_events": beside("api_alarm_events", alarm=None),
                "notices": beside("api_notices", state=None, target=None, before=None),
                "escalation": beside("api_escalation"),
                "clocks": beside("api_clocks", state=None),
            }
        )  # fmt: skip

    @routes.post(
        "/incidents/{incident}/commands", status_code=202, responses={**WRITING, **problems(412, 428)},
    )  # fmt: skip
    def command(response: Response, incident: Plain, given: Command, if_match: MATCH) -> Recorded:
        """Append a command; the engine decides whether it fits. `If-Match` says which version you saw."""
        expected = matched(found_incident(data, incident), if_match)
        seq = commands.record(data, clock, speaking(given.actor, given.note), incident, given.kind, expected=expected)
        made, now = commands.outcome(data, incident, seq), found_incident(data, incident)
        response.headers["ETag"] = etag(now)
        return Recorded.model_validate({"seq": seq, "state": made.state, "reason": made.reason, "incident": now})

    @routes.get("/me", tags=["accounts"])
    def me() -> Asker:
        """Who you are."""
        asks = current.get()
        if asks is None:
            raise HTTPException(401)
        districts = None if asks.districts is None else sorted(asks.districts)
        return Asker(name=asks.name, role=asks.role.word, districts=districts, person=asks.person, how=asks.how)

    return routes


def _lists(routes: APIRouter, data: Data) -> None:
    @routes.get("/incidents")
    def incidents(
        request: Request, response: Response, open: bool | None = None, district: Word = None,
        level: Level | None = None, stage: Word = None, drill: bool | None = None, since: When = None,
        before: When = None, limit: Limit = 100, after: After = None,
    ) -> Page[Incident]:  # fmt: skip
        """Incidents, the most urgent first."""
        given = {"open": open, "district": district, "level": level, "stage": stage, "drill": drill}
        found = listed(data, request, response, "api_incidents", limit, after, **given, since=since, before=before)
        return Page[Incident].model_validate(found)

    def of_incident(
        name: str, request: Request, response: Response, incident: str, limit: int, after: str | None, **given: object
    ) -> Any:  # noqa: ANN401 - a part of some list
        found_incident(data, incident)
        return listed(data, request, response, name, limit, after, **given, incident=incident)

    @routes.get("/incidents/{incident}/events", responses=NOT_FOUND)
    def events(
        request: Request, response: Response, incident: Plain, limit: Limit = 100, after: After = None
    ) -> Page[IncidentEvent]:
        """What happened to an incident, newest first."""
        found = of_incident("api_incident_events", request, response, incident, limit, after)
        return Page[IncidentEvent].model_validate(found)

    @routes.get("/incidents/{incident}/alarms", responses=NOT_FOUND)
    def alarms(
        request: Request, response: Response, incident: Plain, limit: Limit = 100, after: After = None
    ) -> Page[Alarm]:
        """The alarms of an incident, the highest standing ones first."""
        nothing = {"open": None, "sensor": None, "level": None, "district": None, "before": None}
        found = of_incident("api_alarms", request, response, incident, limit, after, **nothing)
        return Page[Alarm].model_validate(found)

    @routes.get("/incidents/{incident}/alarm-events", responses=NOT_FOUND)
    def alarm_events(
        request: Request, response: Response, incident: Plain, limit: Limit = 100, after: After = None
    ) -> Page[AlarmEvent]:
        """What happened to the alarms of an incident, with the evidence, newest first."""
        found = of_incident("api_alarm_events", request, response, incident, limit, after, alarm=None)
        return Page[AlarmEvent].model_validate(found)

    @routes.get("/incidents/{incident}/notices", responses=NOT_FOUND)
    def notices(
        request: Request, response: Response, incident: Plain, limit: Limit = 100, after: After = None
    ) -> Page[Notice]:
        """The messages about an incident, newest first."""
        nothing = {"state": None, "target": None, "before": None}
        found = of_incident("api_notices", request, response, incident, limit, after, **nothing)
        return Page[Notice].model_validate(found)

    @routes.get("/incidents/{incident}/escalation", responses=NOT_FOUND)
    def escalation(
        request: Request, response: Response, incident: Plain, limit: Limit = 100, after: After = None
    ) -> Page[Step]:
        """The steps of an incident's chain, those of the newest round first."""
        return Page[Step].model_validate(
            of_incident("api_escalation", request, response, incident, limit, after)
        )  # fmt: skip

    @routes.get("/clocks", tags=["clocks"])
    def clocks(
        request: Request, response: Response, incident: Word = None, state: Word = None, limit: Limit = 100,
        after: After = None,
    ) -> Page[ClockRow]:  # fmt: skip
        """Clocks of incidents, what is due first at the top."""
        found = listed(data, request, response, "api_clocks", limit, after, incident=incident, state=state)
        return Page[ClockRow].model_validate(found)


def found_incident(data: Data, incident: str) -> Row:
    """An incident that who asks may see (HTTPException 404 when there is none)."""
    row = data.row("api_incident", incident=incident)
    if row is None:
        raise HTTPException(404, "no such incident")
    return row


def etag(incident: Mapping[str, Any]) -> str:
    """The ETag of an incident: its version."""
    return f'"v{incident["version"]}"'


def matched(incident: Mapping[str, Any], if_match: str) -> int | None:
    """The version that a person saw, for the engine to hold the command against; None: they do not mind.

    Raises
    ------
    HTTPException
        412 when the incident has moved on already.
    """
    if if_match.strip() == "*":
        return None
    if etag(incident) not in [part.strip() for part in if_match.split(",")]:
        raise HTTPException(412, f"it is {etag(incident)} by now", {"ETag": etag(incident)})
    return int(incident["version"])


def speaking(actor: str, note: str) -> commands.Said:
    """Who speaks: the account or token; on this machine, before there are accounts, whoever they say they are."""
    asks = current.get()
    if asks is None:
        raise HTTPException(401)
    said = commands.Said.of(asks, note, "api")
    return replace(said, actor=actor) if asks.how == "local" and actor.strip() else said
