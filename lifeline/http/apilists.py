"""The JSON API of what is only read: alarms, notices, sensors, readings, findings, places, floods, health."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from city.clock import Clock
from lifeline.http.api import ALWAYS, NOT_FOUND
from lifeline.http.data import WAIT_S, Data
from lifeline.http.models import (
    Alarm,
    AlarmEvent,
    Finding,
    Flood,
    FloodAlarm,
    Gateway,
    Health,
    Level,
    Maintenance,
    Notice,
    Page,
    Reading,
    Rejection,
    Sensor,
    Site,
)  # fmt: skip
from lifeline.http.paging import After, Limit, Many, Plain, When, Word, cursor, listed, part, place, span
from rules.notify import outbox

READINGS, FINDINGS = timedelta(days=2), timedelta(days=7)
AHEAD = timedelta(days=1)  # readings of gateways whose clocks run fast are shown too


def router(data: Data, clock: Clock) -> APIRouter:
    """Routes below `/api/v1`."""
    routes = APIRouter(responses=ALWAYS)
    _alarms(routes, data)
    _notices(routes, data, clock)
    _sensors(routes, data)
    _series(routes, data, clock)
    _register(routes, data)
    _floods(routes, data)
    return routes


def _alarms(routes: APIRouter, data: Data) -> None:
    @routes.get("/alarms", tags=["alarms"])
    def alarms(
        request: Request, response: Response, open: bool | None = None, incident: Word = None, sensor: Word = None,
        level: Level | None = None, district: Word = None, before: When = None, limit: Limit = 100, after: After = None,
    ) -> Page[Alarm]:  # fmt: skip
        """Alarms, the highest standing ones first."""
        given = {"open": open, "incident": incident, "sensor": sensor, "level": level, "district": district}
        found = listed(data, request, response, "api_alarms", limit, after, **given, before=before)
        return Page[Alarm].model_validate(found)

    @routes.get("/alarms/{alarm}", responses=NOT_FOUND, tags=["alarms"])
    def alarm(alarm: Plain) -> Alarm:
        """One alarm."""
        return Alarm.model_validate(_one(data, "api_alarm", "no such alarm", alarm=alarm))

    @routes.get("/alarms/{alarm}/events", responses=NOT_FOUND, tags=["alarms"])
    def events(
        request: Request, response: Response, alarm: Plain, limit: Limit = 100, after: After = None
    ) -> Page[AlarmEvent]:
        """What happened to an alarm, with the evidence, newest first."""
        _one(data, "api_alarm", "no such alarm", alarm=alarm)
        found = listed(data, request, response, "api_alarm_events", limit, after, alarm=alarm, incident=None)
        return Page[AlarmEvent].model_validate(found)


def _notices(routes: APIRouter, data: Data, clock: Clock) -> None:
    @routes.get("/notices", tags=["notices"])
    def notices(
        request: Request, response: Response, incident: Word = None, state: Word = None, target: Word = None,
        before: When = None, limit: Limit = 100, after: After = None,
    ) -> Page[Notice]:  # fmt: skip
        """Messages to people, newest first."""
        given = {"incident": incident, "state": state, "target": target, "before": before}
        return Page[Notice].model_validate(listed(data, request, response, "api_notices", limit, after, **given))

    @routes.get("/notices/{notice}", responses=NOT_FOUND, tags=["notices"])
    def notice(notice: Plain) -> Notice:
        """One message."""
        return Notice.model_validate(_one(data, "api_notice", "no such notice", notice=notice))

    @routes.post("/notices/{notice}/receipt", responses=NOT_FOUND, tags=["notices"])
    def receipt(notice: Plain) -> Notice:
        """The receiving system says that the person has it; `notice` is the `Idempotency-Key` it came with."""
        _one(data, "api_notice", "no such notice", notice=notice)
        with data.connections.connection(timeout=WAIT_S) as conn:
            outbox.delivered(conn, notice, clock.now(), "receipt")
        return Notice.model_validate(_one(data, "api_notice", "no such notice", notice=notice))


def _sensors(routes: APIRouter, data: Data) -> None:
    @routes.get("/sensors", tags=["sensors"])
    def sensors(
        request: Request, response: Response, site: Word = None, district: Word = None, gateway: Word = None,
        quantity: Word = None, stale: bool | None = None, limit: Limit = 100, after: After = None,
    ) -> Page[Sensor]:  # fmt: skip
        """Sensors with their newest value and its age."""
        given = {"site": site, "district": district, "gateway": gateway, "quantity": quantity, "stale": stale}
        return Page[Sensor].model_validate(listed(data, request, response, "api_sensors", limit, after, **given))

    @routes.get("/sensors/{sensor}", responses=NOT_FOUND, tags=["sensors"])
    def sensor(sensor: Plain) -> Sensor:
        """One sensor."""
        return Sensor.model_validate(_one(data, "api_sensor", "no such sensor", sensor=sensor))


def _series(routes: APIRouter, data: Data, clock: Clock) -> None:
    @routes.get("/sensors/{sensor}/readings", responses=NOT_FOUND, tags=["sensors"])
    def readings(
        request: Request, response: Response, sensor: Plain, since: When = None, until: When = None,
        limit: Many = 1000, after: After = None,
    ) -> Page[Reading]:  # fmt: skip
        """Readings of a sensor, newest first; the last two days unless told."""
        _one(data, "api_sensor", "no such sensor", sensor=sensor)
        begin, end = span(since, until, clock.now() + AHEAD, READINGS)
        if (seen := place("api_readings", after)) is not None:
            end = min(end, _moment(seen))
        rows = data.rows("api_readings", sensor=sensor, since=begin, until=end, limit=limit + 1)
        following = cursor("api_readings", rows[limit - 1]["time"].isoformat()) if len(rows) > limit else None
        return Page[Reading].model_validate(part(request, response, rows[:limit], following))

    @routes.get("/findings", tags=["findings"])
    def findings(
        request: Request, response: Response, sensor: Word = None, since: When = None, until: When = None,
        limit: Limit = 100, after: After = None,
    ) -> Page[Finding]:  # fmt: skip
        """Detectors' verdicts, newest first; the last seven days unless told."""
        begin, end = span(since, until, clock.now() + AHEAD, FINDINGS)
        given: dict[str, Any] = {"sensor": sensor, "since": begin, "until": end}
        return Page[Finding].model_validate(listed(data, request, response, "api_findings", limit, after, **given))


def _register(routes: APIRouter, data: Data) -> None:
    @routes.get("/sites", tags=["register"])
    def sites(
        request: Request, response: Response, district: Word = None, kind: Word = None, limit: Limit = 100,
        after: After = None,
    ) -> Page[Site]:  # fmt: skip
        """Places."""
        found = listed(data, request, response, "api_sites", limit, after, district=district, kind=kind)
        return Page[Site].model_validate(found)

    @routes.get("/gateways", tags=["register"])
    def gateways(
        request: Request, response: Response, district: Word = None, limit: Limit = 100, after: After = None
    ) -> Page[Gateway]:
        """Gateways and what they sent."""
        found = listed(data, request, response, "api_gateways", limit, after, district=district)
        return Page[Gateway].model_validate(found)

    @routes.get("/rejections", tags=["register"])
    def rejections(
        request: Request, response: Response, reason: Word = None, gateway: Word = None, limit: Limit = 100,
        after: After = None,
    ) -> Page[Rejection]:  # fmt: skip
        """What was not taken in, and why, newest first."""
        found = listed(data, request, response, "api_rejections", limit, after, reason=reason, gateway=gateway)
        return Page[Rejection].model_validate(found)

    @routes.get("/health", tags=["health"])
    def health(request: Request, response: Response, limit: Limit = 100, after: After = None) -> Page[Health]:
        """How Lifeline itself is, faults first."""
        return Page[Health].model_validate(listed(data, request, response, "api_health", limit, after))


def _floods(routes: APIRouter, data: Data) -> None:
    @routes.get("/floods", tags=["floods"])
    def floods(
        request: Request, response: Response, desk: Word = None, running: bool | None = None, limit: Limit = 100,
        after: After = None,
    ) -> Page[Flood]:  # fmt: skip
        """Floods of desks, newest first."""
        found = listed(data, request, response, "api_floods", limit, after, desk=desk, running=running)
        return Page[Flood].model_validate(found)

    @routes.get("/floods/{flood}/alarms", responses=NOT_FOUND, tags=["floods"])
    def flood_alarms(
        request: Request, response: Response, flood: Plain, limit: Limit = 100, after: After = None
    ) -> Page[FloodAlarm]:
        """What came in a flood, in the order in which it was told."""
        _one(data, "api_flood", "no such flood", flood=flood)
        found = listed(data, request, response, "api_flood_alarms", limit, after, flood=flood)
        return Page[FloodAlarm].model_validate(found)

    @routes.get("/maintenance", tags=["maintenance"])
    def maintenance(
        request: Request, response: Response, running: bool | None = None, limit: Limit = 100, after: After = None
    ) -> Page[Maintenance]:
        """Windows in which work is done, the earliest first."""
        found = listed(data, request, response, "api_maintenance", limit, after, running=running)
        return Page[Maintenance].model_validate(found)


def _one(data: Data, name: str, missing: str, **given: object) -> dict[str, Any]:
    row = data.row(name, **given)
    if row is None:
        raise HTTPException(404, missing)
    return row


def _moment(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
        if found.tzinfo is not None:
            return found
    except ValueError:
        pass
    raise HTTPException(422, "after: not a place in this list, try `next` of its part before")
