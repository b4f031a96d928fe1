"""Writes effects: each kind to its table, in the order that foreign keys ask for, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from city.clock import from_us
from rules.alarm.alarm import Alarm
from rules.effects import (
    AlarmEvent,
    AlarmSet,
    Effect,
    EscalationSet,
    FindingMade,
    IncidentEvent,
    IncidentSet,
    NoticeQueued,
)
from store.connection import Connection
from store.statements import statements

_SQL = statements("effects", package="rules")


def persist(conn: Connection, effects: Iterable[tuple[Effect, datetime]]) -> None:
    """Write effects, each with the time of the journal row that caused it."""
    rows: dict[type, list[Mapping[str, Any]]] = {}
    for effect, at in effects:
        rows.setdefault(type(effect), []).append(_ROWS[type(effect)](effect, at))
    with conn.cursor() as cursor:
        for kind, statement in _ORDER.items():
            if kind in rows:
                cursor.executemany(_SQL[statement], rows[kind])


_ORDER: Mapping[type, str] = {
    FindingMade: "finding",
    IncidentSet: "incident",
    AlarmSet: "alarm",
    AlarmEvent: "alarm_event",
    IncidentEvent: "incident_event",
    EscalationSet: "escalation",
    NoticeQueued: "notice",
}


def _time(time_us: int | None) -> datetime | None:
    return None if time_us is None else from_us(time_us)


def _alarm(effect: AlarmSet, at: datetime) -> Mapping[str, Any]:
    alarm: Alarm = effect.alarm
    return {
        "alarm": alarm.id, "rule": alarm.rule, "rule_version": alarm.rule_version, "scope": alarm.scope,
        "sensor": alarm.sensor, "site": alarm.site, "district": alarm.district, "domain": alarm.domain,
        "level": alarm.level, "peak_level": alarm.peak_level, "condition": alarm.condition,
        "acknowledged": alarm.acknowledged, "raised_at": _time(alarm.raised_us), "cleared_at": _time(alarm.cleared_us),
        "late": alarm.late, "incident": alarm.incident or None, "title": Jsonb(dict(alarm.title)),
    }  # fmt: skip


def _alarm_event(effect: AlarmEvent, at: datetime) -> Mapping[str, Any]:
    return {
        "event": effect.id, "time": from_us(effect.at_us), "recorded_at": at, "alarm": effect.alarm,
        "kind": effect.kind, "from_level": effect.from_level, "to_level": effect.to_level,
        "from_condition": effect.from_condition, "to_condition": effect.to_condition, "reason": effect.reason,
        "evidence": Jsonb(list(effect.evidence)),
    }  # fmt: skip


def _incident(effect: IncidentSet, at: datetime) -> Mapping[str, Any]:
    return {
        **asdict(effect), "incident": effect.id, "title": Jsonb(dict(effect.title)),
        "opened_at": _time(effect.opened_us), "closed_at": _time(effect.closed_us),
    }  # fmt: skip


def _incident_event(effect: IncidentEvent, at: datetime) -> Mapping[str, Any]:
    return {**asdict(effect), "event": effect.id, "time": from_us(effect.at_us)}


def _escalation(effect: EscalationSet, at: datetime) -> Mapping[str, Any]:
    return {**asdict(effect), "due_at": from_us(effect.due_us)}


def _notice(effect: NoticeQueued, at: datetime) -> Mapping[str, Any]:
    return {**asdict(effect), "notice": effect.id, "content": Jsonb(dict(effect.content)), "at": at}


def _finding(effect: FindingMade, at: datetime) -> Mapping[str, Any]:
    return {**asdict(effect.finding), "time": from_us(effect.finding.time_us)}


_ROWS: Mapping[type, Callable[[Any, datetime], Mapping[str, Any]]] = {
    AlarmSet: _alarm,
    AlarmEvent: _alarm_event,
    IncidentSet: _incident,
    IncidentEvent: _incident_event,
    EscalationSet: _escalation,
    NoticeQueued: _notice,
    FindingMade: _finding,
}
