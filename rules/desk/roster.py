"""Who is told, and when: people, rosters, groups, channels and chains of `escalation.yaml`, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from city.levels import Level

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be told; `reach` has the addresses (`email`, `webhook`, `phone`)."""

    id: str
    name: Mapping[str, str]
    language: str
    reach: Mapping[str, str]


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


@dataclass(frozen=True, slots=True)
class ChainStep:
    """Tell `notify` through the first of `via` (the rest stand by) `after_us` after the round began.

    `unless`: skipped when the incident is `acknowledged` or `dispatched` by then. Repeats every `repeat_us` until
    `until` (`acknowledged` or `dispatched`). `levels`: only these; empty means all.
    """

    notify: str
    via: tuple[str, ...]
    after_us: int = 0
    unless: str = ""
    levels: frozenset[Level] = frozenset()
    repeat_us: int = 0
    until: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """An escalation chain; `version` is a hash of what it says."""

    id: str
    version: str
    steps: tuple[ChainStep, ...]
    fallback: str = ""


@dataclass(frozen=True)
class Escalation:
    """All of `escalation.yaml`."""

    people: Mapping[str, Person] = field(default_factory=dict)
    rosters: Mapping[str, Roster] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    acknowledgement_expires_us: Mapping[Level, int] = field(default_factory=dict)

    def who(self, target: str, now: datetime) -> list[Person]:
        """The people behind `person/x`, `group/x` or `roster/x` at an aware time; empty when nobody is on duty."""
        kind, _, name = target.partition("/")
        match kind:
            case "roster":
                ids = self.rosters[name].on_duty(now) if name in self.rosters else []
            case "group":
                members = self.groups.get(name, ())
                return list(
                    {p.id: p for m in members for p in self.who(m if "/" in m else f"person/{m}", now)}.values()
                )
            case _:
                ids = [name]
        return [self.people[person] for person in ids if person in self.people]
