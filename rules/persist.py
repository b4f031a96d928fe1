"""Writes effects: each kind to its table, in the order that foreign keys ask for, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from city.clock import from_us
from rules.alarm.alarm import Alarm, Hold
from rules.effects import (
    AlarmEvent,
    AlarmSet,
    Annunciated,
    BandDrawn,
    ClockSet,
    DrillSet,
    Effect,
    EscalationSet,
    FindingMade,
    FloodSet,
    HoldEvent,
    IncidentEvent,
    IncidentSet,
    MaintenanceOver,
    MaintenanceSet,
    NoticeGathered,
    NoticeQueued,
    ShelfEnded,
    ShelfSet,
)
from store.connection import Connection
from store.statements import statements

_SQL = statements("effects", package="rules")


def persist(conn: Connection, effects: Iterable[tuple[Effect, datetime, int]]) -> None:
    """Write effects, each with the time and the number of the journal row that caused it."""
    rows: dict[type, list[Mapping[str, Any]]] = {}
    with conn.cursor() as cursor:
        for effect, at, seq in effects:
            row = _ROWS[type(effect)](effect, at)
            if type(effect) in _TRACED:
                row = {**row, "seq": seq}
            if type(effect) in _IN_ORDER:  # few, and one ends what another began
                cursor.execute(_SQL[_IN_ORDER[type(effect)]], row)
            else:
                rows.setdefault(type(effect), []).append(row)
        for kind, statement in _ORDER.items():
            if kind in rows:
                cursor.executemany(_SQL[statement], rows[kind])


_TRACED = frozenset({AlarmSet, IncidentSet, NoticeQueued})  # rows that keep which journal row decided them first
_IN_ORDER: Mapping[type, str] = {
    ShelfSet: "shelf", ShelfEnded: "shelf_ended", MaintenanceSet: "maintenance", MaintenanceOver: "maintenance_over",
}  # fmt: skip


_ORDER: Mapping[type, str] = {
    FindingMade: "finding",
    IncidentSet: "incident",
    AlarmSet: "alarm",
    AlarmEvent: "alarm_event",
    HoldEvent: "hold_event",
    IncidentEvent: "incident_event",
    EscalationSet: "escalation",
    ClockSet: "clock",
    NoticeQueued: "notice",
    Annunciated: "annunciation",
    FloodSet: "flood",
    NoticeGathered: "digest_entry",
    DrillSet: "drill",
    BandDrawn: "band",
}


def _own(effect: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the effects
    """An effect's fields as they are: nothing below them is copied."""
    return {field.name: getattr(effect, field.name) for field in fields(effect)}


def _time(time_us: int | None) -> datetime | None:
    return None if time_us is None else from_us(time_us)


def _alarm(effect: AlarmSet, at: datetime) -> Mapping[str, Any]:
    alarm: Alarm = effect.alarm
    return {
        "alarm": alarm.id, "rule": alarm.rule, "rule_version": alarm.rule_version, "scope": alarm.scope,
        "sensor": alarm.sensor, "site": alarm.site, "district": alarm.district, "domain": alarm.domain,
        "level": alarm.level, "peak_level": alarm.peak_level, "condition": alarm.condition,
        "acknowledged": alarm.acknowledged, "hold": alarm.hold, "hold_reason": alarm.hold_reason,
        "latched": alarm.latched, "gateway": alarm.gateway, "raised_at": _time(alarm.raised_us),
        "cleared_at": _time(alarm.cleared_us), "late": alarm.late, "incident": alarm.incident or None,
        "title": Jsonb(dict(alarm.title)), "drill": alarm.drill,
    }  # fmt: skip


def _alarm_event(effect: AlarmEvent, at: datetime) -> Mapping[str, Any]:
    return {
        "event": effect.id, "time": from_us(effect.at_us), "recorded_at": at, "alarm": effect.alarm,
        "kind": effect.kind, "from_level": effect.from_level, "to_level": effect.to_level,
        "from_condition": effect.from_condition, "to_condition": effect.to_condition, "reason": effect.reason,
        "evidence": Jsonb(list(effect.evidence)), "from_hold": effect.from_hold, "to_hold": effect.to_hold,
        "rule_version": effect.rule_version,
    }  # fmt: skip


def _shelf(effect: ShelfSet, at: datetime) -> Mapping[str, Any]:
    shelf = effect.shelf
    rule, slash, scope = shelf.target.partition("/") if shelf.hold is not Hold.OUT_OF_SERVICE else ("", "", "")
    return {
        "shelf": shelf.id, "hold": shelf.hold, "target": shelf.target, "rule": rule,
        "scope": scope if slash else shelf.target, "level": shelf.level, "one_shot": shelf.one_shot,
        "since": from_us(shelf.since_us), "until": from_us(shelf.until_us), "by": shelf.by, "reason": shelf.reason,
        "via": shelf.via,
    }  # fmt: skip


def _shelf_ended(effect: ShelfEnded, at: datetime) -> Mapping[str, Any]:
    return {"hold": effect.hold, "target": effect.target, "ended_at": from_us(effect.ended_us), "why": effect.why}


def _maintenance(effect: MaintenanceSet, at: datetime) -> Mapping[str, Any]:
    return {
        **_own(effect), "occurrence": effect.id, "title": Jsonb(dict(effect.title)),
        "selector": Jsonb(dict(effect.selector)), "districts": list(effect.districts),
        "starts_at": from_us(effect.start_us), "ends_at": from_us(effect.end_us),
    }  # fmt: skip


def _maintenance_over(effect: MaintenanceOver, at: datetime) -> Mapping[str, Any]:
    return {"occurrence": effect.id, "state": effect.state}


def _hold_event(effect: HoldEvent, at: datetime) -> Mapping[str, Any]:
    return {**_own(effect), "event": effect.id, "time": from_us(effect.at_us)}


def _incident(effect: IncidentSet, at: datetime) -> Mapping[str, Any]:
    return {
        **_own(effect), "incident": effect.id, "title": Jsonb(dict(effect.title)),
        "opened_at": _time(effect.opened_us), "closed_at": _time(effect.closed_us),
        "acknowledged_at": _time(effect.acknowledged_us), "falls_at": _time(effect.falls_us),
        "chain_copy": Jsonb(dict(effect.chain_copy)), "memory": Jsonb(dict(effect.memory)),
        "drill": effect.drill != "", "drill_id": effect.drill,
    }  # fmt: skip


def _incident_event(effect: IncidentEvent, at: datetime) -> Mapping[str, Any]:
    return {**_own(effect), "event": effect.id, "time": from_us(effect.at_us)}


def _escalation(effect: EscalationSet, at: datetime) -> Mapping[str, Any]:
    return {**_own(effect), "due_at": from_us(effect.due_us), "settled_at": _time(effect.settled_us)}


def _clock(effect: ClockSet, at: datetime) -> Mapping[str, Any]:
    began, due, settled = _time(effect.began_us), _time(effect.due_us), _time(effect.settled_us)
    return {**_own(effect), "began_at": began, "due_at": due, "settled_at": settled}


def _notice(effect: NoticeQueued, at: datetime) -> Mapping[str, Any]:
    drill = effect.drill != ""
    return {**_own(effect), "notice": effect.id, "content": Jsonb(dict(effect.content)), "at": at, "drill": drill}


def _drill(effect: DrillSet, at: datetime) -> Mapping[str, Any]:
    drill, plan = effect.drill, effect.drill.plan
    return {
        "drill": drill.id, "state": effect.state, "scenario": plan.scenario, "digest": plan.digest,
        "title": Jsonb(dict(plan.title)), "by": drill.by, "people": list(plan.people), "sensors": list(plan.sensors),
        "districts": list(effect.districts), "wishes": Jsonb([dict(wish) for wish in plan.wishes]), "seq": drill.seq,
        "started_at": from_us(drill.began_us), "until": from_us(plan.until_us), "ended_at": _time(effect.ended_us),
        "why": effect.why,
    }  # fmt: skip


def _annunciation(effect: Annunciated, at: datetime) -> Mapping[str, Any]:
    return {**_own(effect), "annunciation": effect.id, "at": from_us(effect.at_us)}


def _flood(effect: FloodSet, at: datetime) -> Mapping[str, Any]:
    return {
        **_own(effect), "flood": effect.id, "since": from_us(effect.since_us),
        "started_at": from_us(effect.started_us), "ended_at": _time(effect.ended_us),
    }  # fmt: skip


def _digest_entry(effect: NoticeGathered, at: datetime) -> Mapping[str, Any]:
    lists = {"alarms": list(effect.alarms), "channels": list(effect.channels)}
    return {**_own(effect), **lists, "entry": effect.id, "at": from_us(effect.at_us)}


def _finding(effect: FindingMade, at: datetime) -> Mapping[str, Any]:
    finding = effect.finding
    return {
        **_own(finding),
        "time": from_us(finding.time_us),
        "evidence": Jsonb([list(one) for one in finding.evidence]),
    }


def _band(effect: BandDrawn, at: datetime) -> Mapping[str, Any]:
    band = effect.band
    return {
        "sensors": list(band.sensors), "times": [from_us(time_us) for time_us in band.times_us],
        "expected": list(band.expected), "low": list(band.low), "high": list(band.high),
    }  # fmt: skip


_ROWS: Mapping[type, Callable[[Any, datetime], Mapping[str, Any]]] = {
    AlarmSet: _alarm,
    AlarmEvent: _alarm_event,
    ShelfSet: _shelf,
    ShelfEnded: _shelf_ended,
    MaintenanceSet: _maintenance,
    MaintenanceOver: _maintenance_over,
    HoldEvent: _hold_event,
    IncidentSet: _incident,
    IncidentEvent: _incident_event,
    EscalationSet: _escalation,
    ClockSet: _clock,
    NoticeQueued: _notice,
    Annunciated: _annunciation,
    FloodSet: _flood,
    NoticeGathered: _digest_entry,
    DrillSet: _drill,
    FindingMade: _finding,
    BandDrawn: _band,
}
