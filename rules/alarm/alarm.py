"""The alarm: one occurrence, from raise to clear, of one rule on one scope (a sensor or a gateway).

Theory. Four fields are independent of each other: the condition (what the data say), the acknowledgement (what people
know), the hold (why nobody is told) and the latch (whether somebody must look before it may be forgotten). The state
people read is derived from them (`state`), after ISA-18.2:

======  ==========================  =======================================================================
letter  word                        when
======  ==========================  =======================================================================
E       ``shelved``                 stands, held by a person for a while
F       ``suppressed``              stands, held because another alarm explains it
G       ``out_of_service``          stands, its sensor is out of service
C       ``acknowledged``            stands, somebody knows
B       ``unacknowledged``          stands, nobody knows yet
L       ``latched``                 is over, waits for a reset
D       ``returned_unacknowledged`` is over, nobody knows yet
A       ``normal``                  is over; also when it was held to its end, since nobody was told of it
======  ==========================  =======================================================================

What can happen to an alarm, and what it becomes (`_BECOMES`; a dash leaves the field as it was). The condition goes
back and forth between active and clearing without anything happening in this sense (`follow`).

===============  ================  ===============  =================  =========================================
move             condition         acknowledged     hold               also
===============  ================  ===============  =================  =========================================
raised           active            no               –                  level up from none
rose             –                 no               –                  level up
lost_after       –                 no               –                  level one up: it fell silent while it stood
fell             –                 –                –                  level down
found            –                 –                –                  level back to the ladder's: data are back
data_lost        unknown           –                –                  level kept
data_back        active            –                –
cleared          normal            –                none if told       level none; latched if its rule latches
retracted        retracted         –                none               unlatched: late data show that it never was
closed           normal            yes              none               a person closed an orphan
orphaned         orphaned          –                –                  its rule or sensor left the book
revised          –                 –                –                  late data moved its instants or levels
rule_changed     –                 –                –                  only the new clear condition clears it
held             –                 –                as given
released         –                 no if it stands  none
reset            –                 yes              –                  unlatched
passed           –                 yes              –                  over before it was known: nobody was told
===============  ================  ===============  =================  =========================================
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any

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


class Hold(StrEnum):
    """Why nobody is told of an alarm; it is evaluated and recorded all the same."""

    NONE = ""
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"
    MAINTENANCE = "maintenance"  # what people hold so; the alarm itself is SUPPRESSED, with a reason that says it


MAINTENANCE = "maintenance "  # so begins the reason of an alarm that maintenance holds


@dataclass(slots=True)
class Alarm:
    """One occurrence. Times are event times in microseconds; rule and place are copied, so that history stays true.

    Attributes
    ----------
    hold, hold_reason, held_level, free_level
        Why nobody is told, in words, and at which level that began; from `free_level` up (NONE: not yet) an
        inhibition was broken through.
    latching, latched, reset_us
        Whether its end latches it, whether it is latched now, and when (arrival time) a person last reset it.
    lost, lost_peak
        Whether it stands one level up because its sensor fell silent, and the highest level it had so.
    gateway
        Its sensor's gateway, or the gateway it is about.
    drill
        The exercise it belongs to; empty for a real one.
    realarm_us
        By level: after which time it calls people again if it stands acknowledged.
    """

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
    hold: Hold = Hold.NONE
    hold_reason: str = ""
    held_level: Level = Level.NONE
    free_level: Level = Level.NONE
    latching: bool = False
    latched: bool = False
    reset_us: int = 0
    lost: bool = False
    lost_peak: Level = Level.NONE
    gateway: str = ""
    drill: str = ""
    realarm_us: Mapping[Level, int] = field(default_factory=dict)

    @property
    def stands(self) -> bool:
        """Whether it is neither cleared nor retracted."""
        return self.cleared_us is None

    @property
    def tells(self) -> bool:
        """Whether it stands and nothing holds it: incidents and notices count only these."""
        return self.cleared_us is None and self.hold is Hold.NONE

    @property
    def passed(self) -> bool:
        """Whether it was over before anybody could be told of it, and waits for nobody."""
        quiet = self.condition is Condition.NORMAL and self.hold is Hold.NONE and not self.latched
        return quiet and not self.incident and not self.acknowledged

    @property
    def key(self) -> str:
        """`rule/scope`: what occurrences of the same alarm share."""
        return f"{self.rule}/{self.scope}"

    @property
    def state(self) -> str:
        """The derived ISA-18.2 state."""
        return state(self.condition, self.acknowledged, self.hold, self.latched)

    def follow(self, clearing: bool) -> None:
        """Its ladder says that its highest level is on its way down, or is not."""
        self.condition = Condition.CLEARING if clearing else Condition.ACTIVE

    def keep(self, old: Alarm) -> None:
        """Take over from the same occurrence, told before late data came, what people did with it."""
        for name in _PEOPLES:
            setattr(self, name, getattr(old, name))
        self.peak_level = max(self.peak_level, self.lost_peak)

    def __setstate__(self, state: tuple[Any, Any]) -> None:
        fill(self, by_name(state))


_PEOPLES = (
    "acknowledged", "incident", "late", "hold", "hold_reason", "held_level", "free_level", "reset_us", "lost_peak",
)  # fmt: skip


def by_name(state: tuple[Any, Any]) -> Mapping[str, Any]:
    """The attributes in a pickled state: either (names, values), or (None, values by name)."""
    names, values = state
    return values if names is None else dict(zip(names, values, strict=True))


def fill(made: object, given: Mapping[str, Any]) -> None:
    """Give an unpickled value its attributes; what an older version did not know gets its default."""
    for own in fields(made):  # type: ignore[arg-type]  # only dataclasses call this
        if own.name in given:
            setattr(made, own.name, given[own.name])
        elif own.default is not MISSING:
            setattr(made, own.name, own.default)
        elif own.default_factory is not MISSING:
            setattr(made, own.name, own.default_factory())


def state(condition: str, acknowledged: bool, hold: str, latched: bool) -> str:
    """The derived ISA-18.2 state of four fields (see the table above); `city.alarms.state` says the same."""
    if condition not in (Condition.NORMAL, Condition.RETRACTED):
        return hold or ("acknowledged" if acknowledged else "unacknowledged")
    if latched:
        return "latched"
    return "normal" if acknowledged or hold or condition == Condition.RETRACTED else "returned_unacknowledged"


def alarm_id(rule: str, scope: str, raised_us: int, drill: str = "") -> str:
    """A short id, the same for the same occurrence whenever it is computed again from the journal.

    An exercise's begin with `AX-`, a real one's with `A-`.
    """
    name = f"{drill}\0{rule}" if drill else rule
    digest = hashlib.sha256(f"{name}\0{scope}\0{raised_us}".encode()).digest()
    return ("AX-" if drill else "A-") + base64.b32encode(digest[:7]).decode().rstrip("=")


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
    LOST_AFTER = "lost_after"  # its sensor fell silent while it stood, and the gateway did not: one level up
    FOUND = "found"  # its data are back: the level is the ladder's again
    ORPHANED = "orphaned"
    CLOSED = "closed"  # by a person, with its incident
    RULE_CHANGED = "rule_changed"
    HELD = "held"
    RELEASED = "released"
    RESET = "reset"
    PASSED = "passed"  # late data show one that is over already: nobody was told, so nobody need acknowledge it


UP = frozenset({Move.RAISED, Move.ROSE, Move.LOST_AFTER})
ENDS = frozenset({Move.CLEARED, Move.RETRACTED, Move.CLOSED})


@dataclass(frozen=True, slots=True)
class _Becomes:
    """A row of the table: None leaves the field as it was."""

    condition: Condition | None = None
    acknowledged: bool | None = None


_BECOMES: Mapping[Move, _Becomes] = {
    Move.RAISED: _Becomes(Condition.ACTIVE, acknowledged=False),
    Move.ROSE: _Becomes(acknowledged=False),
    Move.LOST_AFTER: _Becomes(acknowledged=False),
    Move.FELL: _Becomes(),
    Move.FOUND: _Becomes(),
    Move.DATA_LOST: _Becomes(Condition.UNKNOWN),
    Move.DATA_BACK: _Becomes(Condition.ACTIVE),
    Move.CLEARED: _Becomes(Condition.NORMAL),
    Move.RETRACTED: _Becomes(Condition.RETRACTED),
    Move.CLOSED: _Becomes(Condition.NORMAL, acknowledged=True),
    Move.ORPHANED: _Becomes(Condition.ORPHANED),
    Move.REVISED: _Becomes(),
    Move.RULE_CHANGED: _Becomes(),
    Move.HELD: _Becomes(),
    Move.RELEASED: _Becomes(),
    Move.RESET: _Becomes(acknowledged=True),
    Move.PASSED: _Becomes(acknowledged=True),
}


@dataclass(frozen=True, slots=True)
class Moved:
    """One thing that happened to an alarm: from what to what, with its reason and what was seen."""

    alarm: Alarm
    move: Move
    at_us: int
    from_level: Level
    to_level: Level
    from_condition: Condition
    to_condition: Condition
    from_hold: Hold
    to_hold: Hold
    reason: str
    evidence: tuple[Evidence, ...]
    rule_version: str
    from_reason: str = ""

    @property
    def was_held(self) -> Hold:
        """What held it before, with maintenance told from what explained it."""
        return Hold.MAINTENANCE if self.from_reason.startswith(MAINTENANCE) else self.from_hold


def happen(
    alarm: Alarm,
    move: Move,
    at_us: int,
    reason: str,
    evidence: tuple[Evidence, ...] = (),
    *,
    level: Level | None = None,
    hold: Hold = Hold.NONE,
) -> Moved:
    """Let something happen to an alarm: the one place in which its fields change.

    Parameters
    ----------
    at_us
        When: event time, or the time of the journal row for what people and the clock do.
    evidence
        What was seen; by default what the alarm rests on anyway.
    level
        The level after it, for the moves that change it.
    hold
        For HELD: which one.
    """
    raised, reason_before = move is Move.RAISED, alarm.hold_reason
    was = (Level.NONE, Condition.NORMAL, alarm.hold) if raised else (alarm.level, alarm.condition, alarm.hold)
    _become(alarm, _BECOMES[move])
    if level is not None:
        _level(alarm, move, level)
    if move in ENDS:
        _end(alarm, move, at_us)
    elif move in (Move.HELD, Move.RELEASED):
        _hold(alarm, hold, reason)
    elif move is Move.RESET:
        alarm.latched, alarm.reset_us = False, at_us
    alarm.evidence = evidence or alarm.evidence
    after = Level.NONE if move in ENDS else alarm.level
    return Moved(
        alarm, move, at_us, was[0], after, was[1], alarm.condition, was[2], alarm.hold, reason, alarm.evidence,
        alarm.rule_version, reason_before,
    )  # fmt: skip


def _become(alarm: Alarm, row: _Becomes) -> None:
    if row.condition is not None:
        alarm.condition = row.condition
    if row.acknowledged is not None:
        alarm.acknowledged = row.acknowledged


def _level(alarm: Alarm, move: Move, level: Level) -> None:
    alarm.level, alarm.peak_level = level, max(alarm.peak_level, level)
    if move is Move.LOST_AFTER:
        alarm.lost_peak = max(alarm.lost_peak, level)


def _end(alarm: Alarm, move: Move, at_us: int) -> None:
    alarm.cleared_us, alarm.lost = at_us, False
    # A reset said of an occurrence holds for it, also when late data move its end about before the reset.
    alarm.latched = move is Move.CLEARED and alarm.latching and not (alarm.reset_us and at_us <= alarm.reset_us)
    if alarm.incident or move is not Move.CLEARED:  # else it was held to its end, and its row goes on saying so
        alarm.hold, alarm.hold_reason = Hold.NONE, ""


def _hold(alarm: Alarm, hold: Hold, reason: str) -> None:
    if hold is not Hold.NONE and alarm.hold is Hold.NONE:
        alarm.held_level = alarm.level
    if hold is Hold.NONE and alarm.stands:
        alarm.acknowledged = False
    alarm.hold, alarm.hold_reason = hold, reason if hold else ""
