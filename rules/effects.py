"""What a step of the engine asks the shell to record: every effect carries a deterministic id and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from city.levels import Level
from detectors.protocol import Finding
from rules.alarm.alarm import Alarm, Hold
from rules.alarm.holds import Shelf


@dataclass(frozen=True, slots=True)
class AlarmSet:
    """The alarm's row is to be as it is now (a copy: the engine goes on changing its own)."""

    alarm: Alarm


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One thing that happened to an alarm."""

    id: str
    alarm: str
    at_us: int
    kind: str
    from_level: Level
    to_level: Level
    from_condition: str
    to_condition: str
    reason: str
    evidence: tuple[Mapping[str, Any], ...]
    from_hold: str
    to_hold: str
    rule_version: str


@dataclass(frozen=True, slots=True)
class ShelfSet:
    """A hold that people made begins."""

    shelf: Shelf


@dataclass(frozen=True, slots=True)
class ShelfEnded:
    """The hold of that kind on that target is over."""

    hold: Hold
    target: str
    ended_us: int
    why: str


@dataclass(frozen=True, slots=True)
class HoldEvent:
    """What a person decided about an alarm or a sensor, or what became of it: who, what, why."""

    id: str
    at_us: int
    target: str
    kind: str
    actor: str
    note: str
    via: str


@dataclass(frozen=True, slots=True)
class IncidentSet:
    """The incident's row is to be this."""

    id: str
    site: str
    district: str
    level: Level
    peak_level: Level
    stage: str
    acknowledged: bool
    opened_us: int
    closed_us: int | None
    title: Mapping[str, str]
    first_alarm: str
    chain: str
    chain_version: str
    drill: str = ""


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One thing that happened to an incident: who, what, why."""

    id: str
    incident: str
    at_us: int
    kind: str
    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class EscalationSet:
    """An escalation step's row is to be this."""

    incident: str
    round: int
    step: int
    repeat: int
    due_us: int
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoticeQueued:
    """A notice for one person goes into the outbox."""

    id: str
    incident: str
    kind: str
    round: int
    step: int
    target: str
    via: str
    channel: str
    level: Level
    content: Mapping[str, Any]
    late: bool
    drill: str = ""


@dataclass(frozen=True, slots=True)
class FindingMade:
    """A detector's verdict on a sensor changed."""

    finding: Finding


Effect = (
    AlarmSet
    | AlarmEvent
    | ShelfSet
    | ShelfEnded
    | HoldEvent
    | IncidentSet
    | IncidentEvent
    | EscalationSet
    | NoticeQueued
    | FindingMade
)
