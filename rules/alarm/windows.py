"""Maintenance windows: planned work, during which the alarms that it makes are held; all is recorded all the same.

A window begins by the local clock of its zone, as RFC 5545 has it: in the hour that is left out it begins as much later
as the clock was put on, in the hour that comes twice the first time; it lasts as long by a clock that nobody changes.
It holds alarms up to its level that match all its selector says, except one that has been higher in this occurrence.
Nothing is expanded ahead of need: each window knows the occurrence that runs or comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from city.clock import from_us, to_us
from city.levels import Level
from city.model import City, Sensor
from rules.alarm.alarm import Alarm

DAY_US = 24 * 3600 * 1_000_000
SHOWN_US = 14 * DAY_US


@dataclass(frozen=True, slots=True)
class Selector:
    """What a window is about: alarms that match all of what is given (empty: any)."""

    sites: frozenset[str] = frozenset()
    districts: frozenset[str] = frozenset()
    gateways: frozenset[str] = frozenset()
    sensors: frozenset[str] = frozenset()
    quantities: frozenset[str] = frozenset()
    site_kind: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def takes(self, alarm: Alarm, city: City) -> bool:
        """Whether an alarm matches. One of a gateway is at no site, and measures nothing."""
        if (self.rules and alarm.rule not in self.rules) or not _in(self.districts, alarm.district):
            return False
        if not _in(self.gateways, alarm.gateway):
            return False
        sensor = city.sensors.get(alarm.sensor or "")
        if sensor is not None:
            return self.fits(sensor, city)
        return not (self.sites or self.sensors or self.quantities or self.site_kind or self.tags)

    def fits(self, sensor: Sensor, city: City) -> bool:
        """Whether alarms of a sensor match, those of the rules named."""
        site = city.sites[sensor.site]
        return (
            _in(self.sites, site.id) and _in(self.districts, site.district) and _in(self.gateways, sensor.gateway)
            and _in(self.sensors, sensor.id) and _in(self.quantities, sensor.quantity.id)
            and _in(self.site_kind, site.kind) and sensor.tags >= self.tags
        )  # fmt: skip

    def districts_in(self, city: City) -> frozenset[str]:
        """The districts whose sensors and gateways it can be about."""
        found = {city.district_of(sensor) for sensor in city.sensors.values() if self.fits(sensor, city)}
        return frozenset(found) | {city.gateways[name].district for name in self.gateways if name in city.gateways}

    def spelled(self) -> dict[str, list[str]]:
        """What is given, as JSON says it."""
        return {name: sorted(own) for name in self.__slots__ if (own := getattr(self, name))}


def _in(own: frozenset[str], name: str) -> bool:
    return not own or name in own


@dataclass(frozen=True, slots=True)
class Window:
    """One window of `calendar.yaml`.

    Attributes
    ----------
    start
        When it first begins, by the clock of `zone` (naive).
    repeat
        An RFC 5545 rule; empty: once.
    last
        It does not begin after this local time, whatever the rule says.
    skipped, only
        Local days on which it does not begin, and if not None, the only ones on which it does.
    up_to
        A higher level is told all the same.
    """

    id: str
    title: Mapping[str, str]
    selector: Selector
    zone: ZoneInfo
    start: datetime
    duration_us: int
    repeat: str
    last: datetime | None
    skipped: frozenset[date]
    only: frozenset[date] | None
    up_to: Level
    approver: str
    reason: str

    def starts_us(self) -> Iterator[int]:
        """All its beginnings, in order."""
        locals_: Iterable[datetime] = rrulestr(self.repeat, dtstart=self.start) if self.repeat else [self.start]
        for local in locals_:
            if self.last is not None and local > self.last:
                return
            day = local.date()
            if day not in self.skipped and (self.only is None or day in self.only):
                yield to_us(local.replace(tzinfo=self.zone))

    def occurrences(self) -> Iterator[Occurrence]:
        """All its occurrences, in order."""
        return (Occurrence(self, start_us, start_us + self.duration_us) for start_us in self.starts_us())


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A window in time: from `start_us` until before `end_us`."""

    window: Window
    start_us: int
    end_us: int

    @property
    def id(self) -> str:
        """The same whenever it is worked out."""
        return occurrence_id(self.window.id, self.start_us)


@dataclass(frozen=True, slots=True)
class Planned:
    """What is known to have been recorded of a window: the occurrence that runs or comes next."""

    start_us: int
    end_us: int
    running: bool

    @property
    def edge_us(self) -> int:
        """When that changes."""
        return self.end_us if self.running else self.start_us


@dataclass(frozen=True, slots=True)
class Turned:
    """What became of a window's occurrence: it is `planned` or `running` (`now`), or it `ended` or was `dropped`."""

    id: str
    occurrence: str
    state: str
    began: bool
    now: Occurrence | None = None


def occurrence_id(window: str, start_us: int) -> str:
    """The name of an occurrence: the window and when it starts."""
    return f"{window}@{from_us(start_us).isoformat()}"


def upcoming(windows: Iterable[Window], now_us: int, span_us: int = SHOWN_US) -> list[Occurrence]:
    """What runs at `now_us` or begins within `span_us` from then, in order of time (for pages; `Book.windows`)."""
    found: list[Occurrence] = []
    for window in windows:
        for occurrence in window.occurrences():
            if occurrence.start_us > now_us + span_us:
                break
            if occurrence.end_us > now_us:
                found.append(occurrence)
    return sorted(found, key=lambda one: (one.start_us, one.window.id))


@dataclass
class _Cursor:
    """The occurrence of a window that runs or comes next; it only goes forward."""

    rest: Iterator[Occurrence]
    at: Occurrence | None = None

    def by(self, now_us: int) -> Occurrence | None:
        """The first one that is not over."""
        while self.at is None or self.at.end_us <= now_us:
            self.at = next(self.rest, None)
            if self.at is None:
                return None
        return self.at


@dataclass
class Windows:
    """The windows of a book, and which of them run.

    Parameters
    ----------
    windows, city
        As in the book.
    planned
        What is recorded of each; `turn` changes it.
    """

    windows: Mapping[str, Window]
    city: City | None
    planned: dict[str, Planned]
    _cursors: dict[str, _Cursor] = field(init=False)
    _running: list[Occurrence] = field(init=False)

    def __post_init__(self) -> None:
        self._cursors = {name: _Cursor(window.occurrences()) for name, window in self.windows.items()}
        self._run()

    def due_us(self) -> int | None:
        """When the next window begins or ends."""
        return min((planned.edge_us for planned in self.planned.values()), default=None)

    def turn(self, now_us: int, *, all_: bool = False) -> list[Turned]:
        """What began, ended and is planned by `now_us`. `all_`: the book is new, so every window is recorded again."""
        due_us = self.due_us()
        if not all_ and (due_us is None or due_us > now_us):
            return []
        turned: list[Turned] = []
        for name in sorted(self.windows.keys() | self.planned.keys()):
            turned += self._turn(name, now_us, all_=all_)
        self._run()
        return turned

    def by(self, alarm: Alarm) -> Occurrence | None:
        """The window that holds an alarm: of several the one that ends last."""
        found = [
            one
            for one in self._running
            if self.city and alarm.peak_level <= one.window.up_to and one.window.selector.takes(alarm, self.city)
        ]
        return max(found, key=lambda one: (one.end_us, one.window.id), default=None)

    def _turn(self, name: str, now_us: int, *, all_: bool) -> list[Turned]:
        was = self.planned.get(name)
        now = self._cursors[name].by(now_us) if name in self._cursors else None
        if was is not None and not all_ and was.edge_us > now_us:
            return []
        turned: list[Turned] = []
        if was is not None and (now is None or now.start_us != was.start_us):
            state = "ended" if was.running or was.end_us <= now_us else "dropped"
            turned.append(Turned(name, occurrence_id(name, was.start_us), state, began=was.running))
            del self.planned[name]
        if now is not None:
            running = now.start_us <= now_us
            began = running and not (was is not None and was.running and was.start_us == now.start_us)
            self.planned[name] = Planned(now.start_us, now.end_us, running)
            turned.append(Turned(name, now.id, "running" if running else "planned", began, now))
        return turned

    def _run(self) -> None:
        """Work out which windows run, as it is recorded."""
        self._running = [
            Occurrence(self.windows[name], planned.start_us, planned.end_us)
            for name, planned in self.planned.items()
            if planned.running and name in self.windows
        ]
