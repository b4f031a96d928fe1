"""Who is on duty when: shifts in a time zone, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Shift:
    """A weekly shift: `person` on `days`, from `from_` until `to` local time (over midnight when `to` <= `from_`)."""

    person: str
    days: frozenset[str]
    from_: time
    to: time

    def covers(self, local: datetime) -> bool:
        """Whether the shift is on at a local time."""
        today, yesterday = DAYS[local.weekday()], DAYS[(local - timedelta(days=1)).weekday()]
        at = local.time()
        if self.from_ < self.to:
            return today in self.days and self.from_ <= at < self.to
        return (today in self.days and at >= self.from_) or (yesterday in self.days and at < self.to)


@dataclass(frozen=True, slots=True)
class Roster:
    """Shifts in a time zone."""

    id: str
    timezone: str
    shifts: tuple[Shift, ...]

    def on_duty(self, now: datetime) -> list[str]:
        """The people on duty at an aware time, in the order of the shifts."""
        local = now.astimezone(ZoneInfo(self.timezone))
        return list(dict.fromkeys(shift.person for shift in self.shifts if shift.covers(local)))
