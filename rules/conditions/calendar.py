"""Calendars: which instants of event time a rule or condition is meant for, by the local clock of a place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from city.clock import from_us

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKING = frozenset(range(5))  # Monday to Friday
MIDNIGHT = time(0)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days and hours by the local clock; a window over midnight belongs to the day it begins on.

    Attributes
    ----------
    zone
        Whose clock. When it is put back, the hour that comes twice counts twice; an hour that is left out never comes.
    written
        How it is written: its name in calendar.yaml, or what an inline one says.
    days
        Weekdays, Monday is 0.
    from_, to
        From `from_` until before `to`; when `to` is not after `from_`, until `to` of the next day. Both
        midnight: all day.
    months
        1 to 12; empty means all.
    holidays
        `only`, `never`, or empty when holidays do not matter.
    free, exchanged
        Public holidays, and weekend days that are worked instead. Where `holidays` is given, an exchanged day is a
        working day: in calendars that have all of Monday to Friday, and in no others.
    """

    zone: ZoneInfo
    written: str
    days: frozenset[int] = frozenset(range(7))
    from_: time = MIDNIGHT
    to: time = MIDNIGHT
    months: frozenset[int] = frozenset()
    holidays: str = ""
    free: frozenset[date] = frozenset()
    exchanged: frozenset[date] = frozenset()

    def holds(self, time_us: int) -> bool:
        """Whether event time `time_us` (microseconds since 1970) lies inside."""
        local = from_us(time_us).astimezone(self.zone)
        today, at = local.date(), local.time()
        if self.from_ < self.to:
            return self.from_ <= at < self.to and self._has(today)
        return (at >= self.from_ and self._has(today)) or (at < self.to and self._has(today - _DAY))

    def _has(self, day: date) -> bool:
        """Whether a window begins on a day."""
        if self.months and day.month not in self.months:
            return False
        if not self.holidays:
            return day.weekday() in self.days
        if self.holidays == "only":
            return day in self.free and day.weekday() in self.days
        if day in self.exchanged:
            return self.days >= WORKING
        return day not in self.free and day.weekday() in self.days

    def ever(self) -> bool:
        """Whether there is a day for it at all: public holidays may all lie on other weekdays and in other months."""
        return self.holidays != "only" or any(self._has(day) for day in self.free)

    @property
    def window_us(self) -> int | None:
        """How long its windows are, in microseconds by a clock that nobody changes; None when days may follow on."""
        if self.from_ == self.to:
            return None
        minutes = (self.to.hour - self.from_.hour) * 60 + self.to.minute - self.from_.minute
        return minutes % (24 * 60) * 60_000_000

    @property
    def spelled(self) -> str:
        """All that decides, as text: equal exactly for calendars that always agree by what they say."""
        listed = [sorted(self.days), str(self.from_), str(self.to), sorted(self.months), self.holidays]
        if self.holidays:
            listed += [[str(day) for day in sorted(days)] for days in (self.free, self.exchanged)]
        return f"{self.zone.key} {listed}"
