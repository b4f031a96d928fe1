"""Holds: why nobody is told of an alarm that is evaluated and recorded all the same.

Four kinds, the stronger first: its sensor is out of service, people shelved it, its place is under maintenance (by
people, or by a window of the calendar, `rules.alarm.windows`), another alarm explains it (`rules.alarm.inhibition`);
the last two read as suppressed. A shelf is about an alarm's key (`rule/scope`), so it outlasts the occurrence; one-shot
shelves end with it. A level above the one that was held breaks through: a shelf ends by that, an inhibition lets the
alarm go from that level up, maintenance lets it go for good. Out of service holds every level, because nobody believes
the sensor.

Everything here follows from what is stored and from the alarms that stand, so that a restart changes nothing; a stored
hold that cannot be read holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from city.clock import from_us
from city.levels import Level
from rules.alarm.alarm import ENDS, MAINTENANCE, Alarm, Hold, Move, Moved, fill, happen
from rules.alarm.inhibition import Inhibition
from rules.alarm.windows import Planned, Windows
from rules.reasons import because

PEOPLES = (Hold.SHELVED, Hold.OUT_OF_SERVICE, Hold.MAINTENANCE)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What people hold, up to `level`, until `until_us`.

    An alarm's key (SHELVED), a sensor (OUT_OF_SERVICE), or `sensor/x`, `site/x` or `gateway/x` (MAINTENANCE).
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
    shelves, out, maintained
        By `rule/scope`, by sensor, and by `sensor/x`, `site/x` or `gateway/x`.
    planned
        What is recorded of each window of the calendar.
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
    maintained: dict[str, Shelf] = field(default_factory=dict)
    planned: dict[str, Planned] = field(default_factory=dict)

    def kept(self, hold: Hold) -> dict[str, Shelf]:
        """The holds of one kind that people made."""
        kinds = {Hold.SHELVED: self.shelves, Hold.OUT_OF_SERVICE: self.out, Hold.MAINTENANCE: self.maintained}
        return kinds[hold]

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)
        for hold in PEOPLES:
            kept = self.kept(hold)
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
        return min((shelf.until_us for hold in PEOPLES for shelf in self.kept(hold).values()), default=None)

    def note(self, alarm: Alarm) -> None:
        """Something happened to an alarm."""
        if alarm.stands or alarm.latched:
            self.listed[alarm.id] = alarm
        else:
            self.listed.pop(alarm.id, None)

    def settle(
        self,
        inhibition: Inhibition,
        windows: Windows,
        moves: list[Moved],
        now_us: int,
        touched: Mapping[str, str],
        *,
        all_: bool = False,
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
            dirty.update((a.id, a) for a in self.listed.values() if all_ or _why(a, whys))
        told: list[Moved] = []
        for alarm in dirty.values():
            if alarm.stands:
                told += self._settle_one(alarm, inhibition, windows, now_us, whys, ended)
        return told, ended

    def _settle_one(
        self, alarm: Alarm, inhibition: Inhibition, windows: Windows, now_us: int, whys: Mapping[str, str],
        ended: list[Ended],
    ) -> list[Moved]:  # fmt: skip
        why = _why(alarm, whys)
        shelf = self.shelves.get(alarm.key)
        if shelf is not None and alarm.level > shelf.level:
            why = because("broke_through", level=alarm.level.word, cap=shelf.level.word)
            ended.append(Ended(Hold.SHELVED, alarm.key, why))
            del self.shelves[alarm.key]
            shelf = None
        hold, reason = self._wanted(alarm, shelf, inhibition, windows)
        if (hold, reason) == (alarm.hold, alarm.hold_reason):
            return []
        if hold is Hold.NONE:
            why = why or _over(alarm)
            return [happen(alarm, Move.RELEASED, now_us, because("no_longer", hold=alarm.hold, why=why))]
        return [happen(alarm, Move.HELD, now_us, reason, hold=hold)]

    def _wanted(self, alarm: Alarm, shelf: Shelf | None, inhibition: Inhibition, windows: Windows) -> tuple[Hold, str]:
        out = self.out.get(alarm.sensor or "")
        if out is not None:
            return Hold.OUT_OF_SERVICE, because("out_of_service", target=out.target, until=_words(out))
        if shelf is not None:
            return Hold.SHELVED, because("shelved", until=_words(shelf))
        own = [found for key in _places(alarm) if (found := self.maintained.get(key)) is not None]
        own = [one for one in own if alarm.peak_level <= one.level]
        if own:
            longest = max(own, key=lambda one: (one.until_us, one.id))
            return Hold.SUPPRESSED, because("maintenance", target=longest.target, until=_words(longest))
        window = windows.by(alarm)
        if window is not None:
            end = from_us(window.end_us).isoformat()
            return Hold.SUPPRESSED, because("maintenance_window", target=window.window.id, time=end)
        source = inhibition.by(alarm)
        if source is None:
            alarm.free_level = Level.NONE
            return Hold.NONE, ""
        if alarm.hold is Hold.SUPPRESSED and alarm.level > alarm.held_level:
            alarm.free_level = alarm.level
        if alarm.free_level and alarm.level >= alarm.free_level:
            return Hold.NONE, ""
        return Hold.SUPPRESSED, because("inhibited", alarm=source.id)

    def _over(self, now_us: int) -> list[Ended]:
        ended = [Ended(hold, target, because("unreadable")) for target, hold in self.unreadable.items()]
        self.unreadable.clear()
        for kept in map(self.kept, PEOPLES):
            for shelf in [shelf for shelf in kept.values() if shelf.until_us <= now_us]:
                del kept[shelf.target]
                ended.append(Ended(shelf.hold, shelf.target, because("time_up")))
        return ended

    def _one_shots(self, moves: list[Moved]) -> list[Ended]:
        ended = []
        for moved in moves:
            shelf = self.shelves.get(moved.alarm.key)
            if shelf is not None and shelf.one_shot and moved.move in ENDS:
                del self.shelves[moved.alarm.key]
                ended.append(Ended(Hold.SHELVED, shelf.target, because("one_shot_over")))
        return ended


def _places(alarm: Alarm) -> tuple[str, ...]:
    """What maintenance of which an alarm belongs to; a gateway's alarm is at no site."""
    own = (f"sensor/{alarm.sensor}", f"site/{alarm.site}") if alarm.sensor else ()
    return (*own, f"gateway/{alarm.gateway}")


def _why(alarm: Alarm, whys: Mapping[str, str]) -> str:
    """What was said, or came to its end, about an alarm."""
    held = alarm.hold_reason.removeprefix(MAINTENANCE).partition(" ")[0]
    keys = (alarm.key, alarm.sensor or "", *_places(alarm), f"window/{held}")
    return next((whys[key] for key in keys if key in whys), "")


def _over(alarm: Alarm) -> str:
    """Why a suppressed alarm is let go, when nothing that was said or ended explains it."""
    through = alarm.free_level or alarm.hold_reason.startswith(MAINTENANCE)
    return because("broke_through_at", level=alarm.level.word) if through else because("explained_over")


def _words(shelf: Shelf) -> str:
    key = "until_normal" if shelf.one_shot else "until"
    return because(key, time=from_us(shelf.until_us).isoformat(), by=shelf.by, note=shelf.reason)


def _readable(shelf: object, hold: Hold) -> bool:
    """Whether a stored hold is whole: nobody may be kept in the dark by one that is not."""
    kinds = {"hold": Hold, "target": str, "level": Level, "since_us": int, "until_us": int, "one_shot": bool, "by": str}
    whole = all(isinstance(getattr(shelf, name, None), kind) for name, kind in kinds.items())
    return whole and isinstance(shelf, Shelf) and shelf.hold is hold
