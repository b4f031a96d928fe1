"""Who is on duty when: weekly shifts, calendars and exceptions by the clock of a place, as values.

A shift begins and ends at instants. A local time that comes twice when clocks go back means its first coming; one that
is left out when they go forward is reckoned by the clock as it went before. So two shifts that meet by the clock on the
wall meet on every day.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from city.clock import from_us, to_us
from rules.conditions.calendar import WORKING

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_US = 86_400_000_000
_DAY = timedelta(days=1)
_REMEMBERED = 2000  # days a roster keeps in mind


@dataclass(frozen=True, slots=True)
class DaysOff:
    """The city's public holidays, and the weekend days that are worked instead."""

    free: frozenset[date] = frozenset()
    exchanged: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody's time on duty, from `start_us` until before `end_us`."""

    start_us: int
    end_us: int
    person: str


class Source(Protocol):
    """Something that says who has which turns."""

    @property
    def people(self) -> Iterable[str]:
        """Everybody who ever has one."""
        ...

    def turns(self, start_us: int, end_us: int, zone: ZoneInfo, off: DaysOff) -> Iterable[Turn]:
        """All turns that touch the span from `start_us` until before `end_us`, the earliest first."""
        ...


@dataclass(frozen=True, slots=True)
class Shift:
    """A weekly shift: `person` on `days`, from `from_` until `to` local time (the next day when `to` <= `from_`).

    `holidays`: `skip`, `only`, or empty when they do not matter. With `skip`, a weekend day that is worked instead of
    another is a working day: it has the shifts that run on all of Monday to Friday, and no others.
    """

    person: str
    days: frozenset[str]
    from_: time
    to: time
    holidays: str = ""

    @property
    def people(self) -> Iterable[str]:
        """The person."""
        return (self.person,)

    def begins_on(self, day: date, off: DaysOff) -> bool:
        """Whether one of its turns begins on a local day."""
        usual = DAYS[day.weekday()] in self.days
        match self.holidays:
            case "only":
                return usual and day in off.free
            case "skip" if day in off.exchanged:
                return all(DAYS[weekday] in self.days for weekday in WORKING)
            case "skip":
                return usual and day not in off.free
            case _:
                return usual

    def turns(self, start_us: int, end_us: int, zone: ZoneInfo, off: DaysOff) -> Iterator[Turn]:
        """All turns that touch a span."""
        day, last = from_us(start_us).astimezone(zone).date() - 2 * _DAY, from_us(end_us).astimezone(zone).date()
        while day <= last:
            if self.begins_on(day, off):
                until = day if self.from_ < self.to else day + _DAY
                begin, end = (to_us(datetime.combine(*at, zone)) for at in ((day, self.from_), (until, self.to)))
                if begin < end_us and end > max(start_us, begin):
                    yield Turn(begin, end, self.person)
            day += _DAY


@dataclass(frozen=True, slots=True)
class Override:
    """An exception: `person` is on duty in place of `instead_of`, whenever they would be (empty: of everybody, always).

    An empty `person`: nobody stands in.
    """

    start_us: int
    end_us: int
    person: str = ""
    instead_of: str = ""

    def over(self, people: tuple[str, ...]) -> tuple[str, ...]:
        """Who is on duty in its time, in place of these."""
        own = (self.person,) if self.person else ()
        if not self.instead_of:
            return own
        put = [one for was in people for one in (own if was == self.instead_of else (was,))]
        return tuple(dict.fromkeys(put))


_Day = tuple[list[int], list[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is on duty when.

    Attributes
    ----------
    timezone
        Whose clock its shifts go by (IANA).
    shifts
        Weekly ones and calendars; whoever has a turn is on duty.
    overrides
        Exceptions, each over those before it.
    off
        The city's holidays.
    gaps_meant
        Hours without anybody are no mistake.
    """

    id: str
    timezone: str
    shifts: tuple[Source, ...]
    overrides: tuple[Override, ...] = ()
    off: DaysOff = DaysOff()
    gaps_meant: bool = False
    _days: dict[int, _Day] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def people(self) -> frozenset[str]:
        """Everybody who ever has a turn, as far as the shifts and exceptions say."""
        return frozenset(
            [*(p for shift in self.shifts for p in shift.people), *(o.person for o in self.overrides if o.person)]
        )

    def on_duty(self, now: datetime) -> list[str]:
        """The people on duty at an aware time, in the order of the shifts."""
        return list(self.at(to_us(now)))

    def at(self, now_us: int) -> tuple[str, ...]:
        """The same at microseconds since 1970."""
        starts, people = self._day(now_us // DAY_US)
        return people[bisect_right(starts, now_us) - 1]

    def changes(self, start_us: int, end_us: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Who is on duty at `start_us`, and every later change before `end_us`, with its time."""
        before: tuple[str, ...] | None = None
        for day in range(start_us // DAY_US, -(-end_us // DAY_US)):
            starts, people = self._day(day)
            for at, end, some in zip(starts, [*starts[1:], (day + 1) * DAY_US], people, strict=True):
                if end > start_us and at < end_us and some != before:
                    before = some
                    yield max(at, start_us), some

    def _day(self, day: int) -> _Day:
        """Who is on duty through one day of UTC: when each state begins, and who it is."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _REMEMBERED:
                self._days.clear()
            found = self._days[day] = self._expand(day * DAY_US, (day + 1) * DAY_US)
        return found

    def _expand(self, start_us: int, end_us: int) -> _Day:
        zone = ZoneInfo(self.timezone)
        turns = [turn for shift in self.shifts for turn in shift.turns(start_us, end_us, zone, self.off)]
        overrides = [o for o in self.overrides if o.start_us < end_us and o.end_us > start_us]
        beginning: dict[int, list[str]] = {start_us: []}
        ending: dict[int, list[str]] = {}
        for turn in turns:
            beginning.setdefault(max(turn.start_us, start_us), []).append(turn.person)
            ending.setdefault(turn.end_us, []).append(turn.person)
        edges = {*beginning, *ending, *(at for o in overrides for at in (o.start_us, o.end_us))}
        order = list(dict.fromkeys(turn.person for turn in turns))
        starts: list[int] = []
        states: list[tuple[str, ...]] = []
        present: Counter[str] = Counter()
        for at in sorted(at for at in edges if start_us <= at < end_us):
            present.update(beginning.get(at, ()))
            present.subtract(ending.get(at, ()))
            people = tuple(person for person in order if present[person] > 0)
            for override in overrides:
                if override.start_us <= at < override.end_us:
                    people = override.over(people)
            if not states or people != states[-1]:
                starts.append(at)
                states.append(people)
        return starts, states
