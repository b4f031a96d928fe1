"""The alarm: one occurrence, from raise to clear, of one rule on one scope (a sensor or a gateway)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from city.levels import Level
from rules.conditions.truth import Evidence


class Condition(StrEnum):
    """Where an alarm stands (acknowledgement, hold and latch are fields of their own)."""

    ACTIVE = "active"
    CLEARING = "clearing"
    UNKNOWN = "unknown"  # its data are lost; the level is kept
    NORMAL = "normal"
    ORPHANED = "orphaned"  # its rule or sensor left the book; a person closes it
    RETRACTED = "retracted"  # late data show that it never was


@dataclass(slots=True)
class Alarm:
    """One occurrence. Times are event times in microseconds; rule and place are copied, so that history stays true."""

    id: str
    rule: str
    rule_version: str
    scope: str
    sensor: str | None
    site: str
    district: str
    domain: str
    title: Mapping[str, str]
    raised_us: int
    level: Level
    peak_level: Level
    late: bool
    condition: Condition = Condition.ACTIVE
    acknowledged: bool = False
    cleared_us: int | None = None
    incident: str = ""
    evidence: tuple[Evidence, ...] = ()
    guidance: Mapping[str, str] = field(default_factory=dict)
    escalate: str = ""
    diagnostic: bool = False

    @property
    def stands(self) -> bool:
        """Whether it is neither cleared nor retracted."""
        return self.cleared_us is None


def alarm_id(rule: str, scope: str, raised_us: int) -> str:
    """A short id, the same for the same occurrence whenever it is computed again from the journal."""
    digest = hashlib.sha256(f"{rule}\0{scope}\0{raised_us}".encode()).digest()
    return "A-" + base64.b32encode(digest[:7]).decode().rstrip("=")


class Move(StrEnum):
    """What happened to an alarm."""

    RAISED = "raised"
    ROSE = "rose"
    FELL = "fell"
    CLEARED = "cleared"
    REVISED = "revised"  # late data moved its instants or levels
    RETRACTED = "retracted"
    DATA_LOST = "data_lost"
    DATA_BACK = "data_back"
    ORPHANED = "orphaned"
    CLOSED = "closed"  # by a person, with its incident


@dataclass(frozen=True, slots=True)
class Moved:
    """One thing that happened to an alarm, with its reason and what was seen."""

    alarm: Alarm
    move: Move
    at_us: int
    from_level: Level
    from_condition: Condition
    reason: str
    evidence: tuple[Evidence, ...] = ()
