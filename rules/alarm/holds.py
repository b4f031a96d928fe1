"""Holds: why nobody is told of an alarm that is evaluated and recorded all the same.

Three kinds, the stronger first: its sensor is out of service, people shelved it, another alarm explains it
(`rules.alarm.inhibition`). A shelf is about an alarm's key (`rule/scope`), so it outlasts the occurrence; one-shot
shelves end with it. A level above the one that was held breaks through: a shelf ends by that, an inhibition lets the
alarm go from that level up. Out of service holds every level, because nobody believes the sensor.

Everything here follows from what is stored and from the alarms that stand, so that a restart changes nothing; a stored
hold that cannot be read holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from city.clock import from_us
from city.levels import Level
from rules.alarm.alarm import ENDS, Alarm, Hold, Move, Moved, fill, happen
from rules.alarm.inhibition import Inhibition


@dataclass(frozen=True, slots=True)
class Shelf:
    """What people hold: an alarm's key (SHELVED) or a sensor (OUT_OF_SERVICE), up to `level`, until `until_us`.

    `by`: one person, or two (`Li and Bo`); `one_shot`: it ends as soon as the condition is normal.
    """

    id: str
    hold: Hold
    target: str
    level: Level
    since_us: int
    until_us: int
    one_shot: bool
    by: str
    reason: str
    via: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The first of two people asked for a hold at `at_us`."""

    by: str
    at_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A hold that people made is over, and why."""

    hold: Hold
    target: str
    why: str


@dataclass
class Holds:
    """All holds that people made, and all alarms they may be about.

    Attributes
    ----------
    shelves, out
        By `rule/scope`, and by sensor.
    asked
        What waits for a second person, by kind and target.
    listed
        The alarms that stand or are latched, by id.
    unreadable
        Targets whose stored hold could not be read.
    """

    shelves: dict[str, Shelf] = field(default_factory=dict)
    out: dict[str, Shelf] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    listed: dict[str, Alarm] = field(default_factory=dict)
    unreadable: dict[str, Hold] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)
        for kept, hold in ((self.shelves, Hold.SHELVED), (self.out, Hold.OUT_OF_SERVICE)):
            for target in [target for target, shelf in kept.items() if not _readable(shelf, hold)]:
                del kept[target]
                self.unreadable[target] = hold

    def standing(self) -> Iterator[Alarm]:
        """The alarms that stand."""
        return (alarm for alarm in self.listed.values() if alarm.stands)

    def due_us(self) -> int | None:
        """When the next hold ends by time; 0 when one could not be read."""
        if self.unreadable:
            return 0
        return min((shelf.until_us for shelf in (*self.shelves.values(), *self.out.values())), default=None)

    def note(self, alarm: Alarm) -> None:
        """Something happened to an alarm."""
        if alarm.stands or alarm.latched:
            self.listed[alarm.id] = alarm
        else:
            self.listed.pop(alarm.id, None)

    def settle(
        self, inhibition: Inhibition, moves: list[Moved], now_us: int, touched: Mapping[str, str], *, all_: bool = False
    ) -> tuple[list[Moved], list[Ended]]:
        """Hold and release what must be, after `moves` and what people said.

        Parameters
        ----------
        touched
            Targets of holds that people made or ended, with the words for it.
        all_
            Look at every alarm (after a restart or a reload).

        Returns
        -------
        tuple
            What happened to alarms by it, and which holds ended.
        """
        whys = dict(touched)
        ended = [*self._over(now_us), *self._one_shots(moves)]
        whys.update({end.target: end.why for end in ended})
        dirty: dict[str, Alarm] = {}
        for moved in moves:
            self.note(moved.alarm)
            inhibition.note(moved.alarm)
            dirty[moved.alarm.id] = moved.alarm
        for moved in moves:
            dirty.update((other.id, other) for other in inhibition.explained_by(moved.alarm))
        if whys or all_:
            dirty.update((a.id, a) for a in self.listed.values() if all_ or a.key in whys or a.sensor in whys)
        told: list[Moved] = []
        for alarm in dirty.values():
            if alarm.stands:
                told += self._settle_one(alarm, inhibition, now_us, whys, ended)
        return told, ended

    def _settle_one(
        self, alarm: Alarm, inhibition: Inhibition, now_us: int, whys: Mapping[str, str], ended: list[Ended]
    ) -> list[Moved]:
        why = whys.get(alarm.key) or whys.get(alarm.sensor or "")
        shelf = self.shelves.get(alarm.key)
        if shelf is not None and alarm.level > shelf.level:
            why = f"broke through: {alarm.level.word} is above {shelf.level.word}"
            ended.append(Ended(Hold.SHELVED, alarm.key, why))
            del self.shelves[alarm.key]
            shelf = None
        hold, reason = self._wanted(alarm, shelf, inhibition)
        if (hold, reason) == (alarm.hold, alarm.hold_reason):
            return []
        if hold is Hold.NONE:
            why = why or (f"broke through at {alarm.level.word}" if alarm.free_level else "what explained it is over")
            return [happen(alarm, Move.RELEASED, now_us, f"no longer {alarm.hold}: {why}")]
        return [happen(alarm, Move.HELD, now_us, reason, hold=hold)]

    def _wanted(self, alarm: Alarm, shelf: Shelf | None, inhibition: Inhibition) -> tuple[Hold, str]:
        out = self.out.get(alarm.sensor or "")
        if out is not None:
            return Hold.OUT_OF_SERVICE, f"{out.target} is out of service {_words(out)}"
        if shelf is not None:
            return Hold.SHELVED, f"shelved {_words(shelf)}"
        source = inhibition.by(alarm)
        if source is None:
            alarm.free_level = Level.NONE
            return Hold.NONE, ""
        if alarm.hold is Hold.SUPPRESSED and alarm.level > alarm.held_level:
            alarm.free_level = alarm.level
        if alarm.free_level and alarm.level >= alarm.free_level:
            return Hold.NONE, ""
        return Hold.SUPPRESSED, f"inhibited by {source.id}"

    def _over(self, now_us: int) -> list[Ended]:
        ended = [Ended(hold, target, "it could not be read") for target, hold in self.unreadable.items()]
        self.unreadable.clear()
        for kept in (self.shelves, self.out):
            for shelf in [shelf for shelf in kept.values() if shelf.until_us <= now_us]:
                del kept[shelf.target]
                ended.append(Ended(shelf.hold, shelf.target, "its time is up"))
        return ended

    def _one_shots(self, moves: list[Moved]) -> list[Ended]:
        ended = []
        for moved in moves:
            shelf = self.shelves.get(moved.alarm.key)
            if shelf is not None and shelf.one_shot and moved.move in ENDS:
                del self.shelves[moved.alarm.key]
                ended.append(Ended(Hold.SHELVED, shelf.target, "one-shot: the condition is normal"))
        return ended


def _words(shelf: Shelf) -> str:
    until = "until it is normal, at most " if shelf.one_shot else "until "
    return f"{until}{from_us(shelf.until_us).isoformat()} by {shelf.by}: {shelf.reason}"


def _readable(shelf: object, hold: Hold) -> bool:
    """Whether a stored hold is whole: nobody may be kept in the dark by one that is not."""
    kinds = {"hold": Hold, "target": str, "level": Level, "since_us": int, "until_us": int, "one_shot": bool, "by": str}
    whole = all(isinstance(getattr(shelf, name, None), kind) for name, kind in kinds.items())
    return whole and isinstance(shelf, Shelf) and shelf.hold is hold
