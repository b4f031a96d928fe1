"""Incidents: alarms of one place and time, grouped (`grouping`), with a level, a stage (`loop`), and a chain copied in.

All that an incident is can be stored: its row, its waiting steps, its running clocks, and `memory`. Its version grows
with every change that a person who looks at it must know of: a command, a stage, a level, an alarm that joins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_type_hints

import msgspec

from city.geo import Place
from city.levels import Level
from rules.alarm.alarm import Alarm, Hold, by_name, fill
from rules.desk.plan import Chain
from rules.effects import IncidentSet

RANKS: Mapping[str, int] = {
    "raised": 0, "confirmed": 1, "analysed": 2, "dispatched": 3, "on_site": 4, "reported": 5, "closed": 6,
}  # fmt: skip
UNDER_WAY = frozenset({"dispatched", "on_site", "reported", "closed"})
SETTLED = frozenset({"false_alarm", "reported"})  # people have given their answer


@dataclass(frozen=True, slots=True)
class Due:
    """A stored escalation step: repeat 0 is the step itself. `due_us` is absolute.

    The step after the last one is the fallback; its repeats are numbered through a round.
    """

    round: int
    step: int
    repeat: int
    due_us: int


@dataclass(frozen=True, slots=True)
class Clock:
    """A running clock: by when people have to come as far as it says. `number`: how often the clocks had begun."""

    name: str
    number: int
    level: Level
    began_us: int
    due_us: int


@dataclass(slots=True)
class Incident:
    """One incident.

    Attributes
    ----------
    round, extras
        How often its chain began; how often the fallback was called in this round.
    told, told_us
        Person id -> (name, channel, via) of the last notice, and when that was.
    owes_clear
        Whether somebody was told of something that has not been told to be over.
    released
        The alarms whose holds ended when the round began, and which: they have stood for longer.
    falls_us, lower
        When the level falls if nothing higher comes, and to what: the highest level since the lower one began.
    clocks, numbers
        Those that run, and how often they began.
    crew
        Who went, or says so: their names (as `loop.speaker` gives them) -> dispatch, on_site, report, or earlier.
    owners, cannot
        Who has acknowledged in this round (names), and who cannot go (person ids).
    quiet
        It has no new reading for a day: it is listed, and repeats have ended.
    alone
        It is about a part of Lifeline itself, and no other alarm joins.
    by, note
        Who said its stage last, and with which words.
    nobody, missed
        In this round: behind which targets nobody was, and which clocks ran out (name, when they were due).
    drill
        The exercise it belongs to; empty for a real one.
    """

    id: str
    site: str
    district: str
    place: Place
    title: Mapping[str, str]
    first_alarm: str
    diagnostic: bool
    opened_us: int
    newest_us: int
    chain: Chain | None
    stage: str = "raised"
    level: Level = Level.NONE
    peak_level: Level = Level.NONE
    acknowledged: bool = False
    acknowledged_us: int = 0
    closed_us: int | None = None
    round: int = 0
    due: list[Due] = field(default_factory=list)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    told: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    owes_clear: bool = False
    released: dict[str, Hold] = field(default_factory=dict)
    drill: str = ""
    version: int = 0
    falls_us: int | None = None
    lower: Level = Level.NONE
    clocks: list[Clock] = field(default_factory=list)
    numbers: int = 0
    extras: int = 0
    crew: dict[str, str] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()
    quiet: bool = False
    alone: bool = False
    told_us: dict[str, int] = field(default_factory=dict)
    by: str = ""
    note: str = ""
    nobody: tuple[str, ...] = ()
    missed: tuple[tuple[str, int], ...] = ()

    def __setstate__(self, state: tuple[Any, Any]) -> None:
        fill(self, by_name(state))

    @property
    def open(self) -> bool:
        """Whether nobody has closed it yet."""
        return self.closed_us is None

    @property
    def stands(self) -> bool:
        """Whether any of its alarms stands, held or not."""
        return any(alarm.stands for alarm in self.alarms.values())

    def standing(self) -> Level:
        """The highest level of its alarms that stand now and are not held."""
        return max((alarm.level for alarm in self.alarms.values() if alarm.tells), default=Level.NONE)

    def gravest(self) -> Alarm:
        """The alarm to speak of: the highest standing one that is not held, the earliest among equals."""
        return max(self.alarms.values(), key=lambda a: (a.tells, a.stands, a.level, a.peak_level, -a.raised_us))

    def met(self, what: str) -> bool:
        """Whether it is `acknowledged`, or has come as far as a stage.

        It is `dispatched` only while somebody goes: not when all who said so cannot after all.
        """
        if what == "acknowledged":
            return self.acknowledged
        if what == "confirmed" and self.stage == "false_alarm":
            return True  # judged
        if what == "dispatched" and self.stage == "dispatched":
            return "dispatch" in self.crew.values()
        return what in RANKS and RANKS.get(self.stage, -1) >= RANKS[what]

    def memory(self) -> dict[str, Any]:
        """What of it no other column says."""
        return {name: msgspec.to_builtins(getattr(self, name)) for name in MEMORY}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take back what `memory` gave; what is not in it stays as it is."""
        for name in MEMORY:
            if name in memory:
                setattr(self, name, msgspec.convert(memory[name], _hints()[name], strict=False))

    def row(self) -> IncidentSet:
        """Its row now."""
        return IncidentSet(
            self.id, self.site, self.district, self.level, self.peak_level, self.stage, self.acknowledged,
            self.opened_us, self.closed_us, dict(self.title), self.first_alarm,
            self.chain.id if self.chain else "", self.chain.version if self.chain else "", self.drill, self.version,
            self.acknowledged_us if self.acknowledged else None, self.falls_us,
            msgspec.to_builtins(self.chain) if self.chain else {}, self.memory(),
        )  # fmt: skip


MEMORY = (
    "place", "newest_us", "diagnostic", "acknowledged_us", "round", "told", "told_us", "owes_clear", "released",
    "lower", "numbers", "extras", "crew", "owners", "cannot", "quiet", "alone", "by", "note", "nobody", "missed",
)  # fmt: skip


@cache
def _hints() -> Mapping[str, Any]:
    return get_type_hints(Incident)
