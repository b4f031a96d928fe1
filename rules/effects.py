"""What a step of the engine asks the shell to record: every effect carries a deterministic id and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from city.levels import Level
from detectors.protocol import Finding
from rules.alarm.alarm import Alarm, Hold
from rules.alarm.holds import Shelf
from rules.drillplan import Drill
from rules.signs.watch import Band


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
class MaintenanceSet:
    """The row of a maintenance window's occurrence is to be this; `state` is `planned` or `running`."""

    id: str
    window: str
    title: Mapping[str, str]
    selector: Mapping[str, Any]
    districts: tuple[str, ...]
    start_us: int
    end_us: int
    up_to: Level
    approver: str
    reason: str
    state: str


@dataclass(frozen=True, slots=True)
class MaintenanceOver:
    """That occurrence is over: `ended`, or `dropped` before it began."""

    id: str
    state: str


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
    """The incident's row is to be this.

    Attributes
    ----------
    version
        Grows with every change by a command, a stage, a level, or an alarm that joins.
    falls_us
        When its level falls if the lower one holds until then.
    chain_copy, memory
        The chain as it was copied in; what else the engine must know to go on with the incident.
    """

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
    version: int = 1
    acknowledged_us: int | None = None
    falls_us: int | None = None
    chain_copy: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One thing that happened to an incident: who, what, why. `person`: who of `escalation.yaml`, when known."""

    id: str
    incident: str
    at_us: int
    kind: str
    actor: str
    note: str
    person: str = ""


@dataclass(frozen=True, slots=True)
class ClockSet:
    """An incident's clock's row is to be this: `running`, `met`, `missed` or `cancelled`."""

    incident: str
    number: int
    clock: str
    level: Level
    began_us: int
    due_us: int
    state: str
    settled_us: int | None
    reason: str


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
    settled_us: int | None = None


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
class DrillSet:
    """A drill's row is to be this: `running`, `ended` or `refused`, and why."""

    drill: Drill
    state: str
    districts: tuple[str, ...]
    ended_us: int | None
    why: str


@dataclass(frozen=True, slots=True)
class NoticeGathered:
    """A notice waits for a digest, which is the notice `digest` of `person` when it goes out."""

    id: str
    digest: str
    flood: str
    person: str
    district: str
    domain: str
    incident: str
    kind: str
    round: int
    step: int
    repeat: int
    alarms: tuple[str, ...]
    channels: tuple[str, ...]
    via: str
    level: Level
    at_us: int


@dataclass(frozen=True, slots=True)
class Annunciated:
    """An alarm is told at a desk. `counted`: not diagnostic; `first`: the first of its zone in a flood."""

    id: str
    desk: str
    drill: str
    alarm: str
    incident: str
    district: str
    domain: str
    counted: bool
    first: bool
    at_us: int


@dataclass(frozen=True, slots=True)
class FloodSet:
    """The flood's row is to be this."""

    id: str
    desk: str
    drill: str
    since_us: int
    started_us: int
    ended_us: int | None
    alarms: int
    peak: int
    digests: int


@dataclass(frozen=True, slots=True)
class FindingMade:
    """A detector's verdict on a sensor changed."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class BandDrawn:
    """What was expected of some sensors at some instants, for drawing; columns of the same length."""

    band: Band


Effect = (
    AlarmSet
    | AlarmEvent
    | ShelfSet
    | ShelfEnded
    | MaintenanceSet
    | MaintenanceOver
    | HoldEvent
    | IncidentSet
    | IncidentEvent
    | EscalationSet
    | ClockSet
    | NoticeQueued
    | NoticeGathered
    | Annunciated
    | FloodSet
    | DrillSet
    | FindingMade
    | BandDrawn
)
