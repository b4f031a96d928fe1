"""Labelled events: what really happened, and how alarms did against it.

A CSV with the columns `start`, `end`, `place` and optionally `kind`: times with their offset, the place a sensor, a
site or a district of the register, the kind a domain, a quantity or a rule. An alarm *hits* an event when it is raised
at its place (of its kind) while the event goes on or up to the longest useful lead before, or stood when it began.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from city.clock import to_us
from city.errors import Fault, FaultyInput
from city.levels import COLOURS, Level
from city.model import City
from rules.trials.backtest import Occurrence
from rules.trials.sources import Span

YEAR_US = 365.25 * 86_400e6
LEAD_US = 3_600_000_000
_COLUMNS = ("start", "end", "place", "kind")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that really happened, from start to end (microseconds), at `sensors`; `kind` is empty for any."""

    start_us: int
    end_us: int
    place: str
    kind: str
    sensors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Score:
    """How alarms of at least `level` did.

    Attributes
    ----------
    hits, misses
        Events with such an alarm, and without.
    right, false
        Alarms that belong to an event, and that do not.
    false_per_sensor_year
        False alarms by the sensors that could have raised one, and the length of the span.
    lead_s
        (median, p10, p90) of how long before the start an event's first alarm came; negative: after it. Alarms that
        stood since before the longest useful lead hit, but say nothing about it. None: no other.
    """

    level: Level
    hits: int
    misses: int
    right: int
    false: int
    false_per_sensor_year: float
    lead_s: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores by level, from blue to red (only levels at which an alarm stood), and the events nobody saw."""

    scores: tuple[Score, ...]
    missed: tuple[Event, ...]
    events: int


def read_events(text: str, file: str, city: City, rules: Collection[str]) -> list[Event]:
    """Labelled events, by start. `rules`: the ids a kind may name, besides domains and quantities.

    Raises
    ------
    FaultyInput
        With every fault: a column, a time, a place or a kind that is none.
    """
    reader = csv.reader(io.StringIO(text))
    header = [name.strip().lstrip("\ufeff") for name in next(reader, [])]
    faults = [
        Fault(file, 1, 1, "missing column", name, "start,end,place,kind") for name in _COLUMNS[:3] if name not in header
    ]
    faults += [
        Fault(file, 1, 1, "unknown column", name, "start,end,place,kind") for name in header if name not in _COLUMNS
    ]
    if faults:
        raise FaultyInput(faults)
    kinds = {*rules, *city.quantities, *(quantity.domain for quantity in city.quantities.values())}
    events = []
    for cells in reader:
        if any(cell.strip() for cell in cells):
            row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
            event = _event(row, city, kinds, (file, reader.line_num), faults)
            if event is not None:
                events.append(event)
    if faults:
        raise FaultyInput(faults)
    return sorted(events, key=lambda event: (event.start_us, event.place))


def _event(
    row: dict[str, str], city: City, kinds: Collection[str], at: tuple[str, int], faults: list[Fault]
) -> Event | None:
    def fault(name: str, what: str, hint: str) -> None:
        column = 1 + sum(len(row.get(key, "")) + 1 for key in list(row)[: list(row).index(name)]) if name in row else 1
        faults.append(Fault(*at, column, what, repr(row.get(name, "")), hint))

    before = len(faults)
    times_us = []
    for name in ("start", "end"):
        try:
            times_us.append(to_us(datetime.fromisoformat(row.get(name, ""))))
        except ValueError:
            fault(name, f"{name}: not a time with its offset", "2026-07-01T08:00:00+08:00")
    place, kind = row.get("place", ""), row.get("kind", "")
    sensors = _sensors(place, city)
    if not sensors:
        fault("place", "place: no sensor, site or district with sensors", "an id of sensors.csv")
    if len(times_us) == 2 and times_us[1] < times_us[0]:
        fault("end", "end: before the start", "a later time")
    if kind and kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, 1) or ["one of " + ", ".join(sorted(kinds)[:12])]
        fault("kind", "kind: no domain, no quantity and no rule", near[0])
    if len(faults) > before:
        return None
    return Event(times_us[0], times_us[1], place, kind, sensors)


def _sensors(place: str, city: City) -> frozenset[str]:
    if place in city.sensors:
        return frozenset({place})
    if place in city.sites:
        return frozenset(s.id for s in city.sensors.values() if s.site == place)
    return frozenset(s.id for s in city.sensors.values() if city.district_of(s) == place)


def score(
    events: Sequence[Event], alarms: Sequence[Occurrence], city: City, watched: frozenset[str], span: Span,
    lead_us: int = LEAD_US,
) -> Scored:  # fmt: skip
    """Judge alarms by events.

    Parameters
    ----------
    events, alarms
        What happened; what was raised (diagnostic alarms are left out, and alarms of a kind no event has, unless there
        is an event of any kind).
    watched
        Sensors that rules of these kinds watch.
    lead_us
        How long before its start an alarm still belongs to an event.
    """
    inside = [event for event in events if event.start_us < span.to_us and event.end_us >= span.from_us]
    judged = [a for a in alarms if not a.diagnostic and (not inside or any(_of_kind(a, e, city) for e in inside))]
    levels = [level for level in COLOURS if any(lv is level for a in judged for _, lv in a.levels)] or [COLOURS[0]]
    years = len(watched) * (span.to_us - span.from_us) / YEAR_US
    scores, missed = [], inside
    for level in levels:
        one, lost = _at(level, inside, judged, city, years, lead_us)
        scores.append(one)
        if level is levels[0]:
            missed = lost
    return Scored(tuple(scores), tuple(missed), len(inside))


def _at(
    level: Level, events: Sequence[Event], judged: Sequence[Occurrence], city: City, years: float, lead_us: int
) -> tuple[Score, list[Event]]:
    by_sensor: dict[str, list[tuple[int, Occurrence]]] = {}
    count = 0
    for alarm in judged:
        at_us = alarm.reached_us(level)
        if at_us is not None and alarm.sensor is not None:
            by_sensor.setdefault(alarm.sensor, []).append((at_us, alarm))
            count += 1
    right: set[str] = set()
    leads_s: list[float] = []
    missed: list[Event] = []
    hit_count = 0
    for event in events:
        hits = [
            (at_us, alarm)
            for sensor in event.sensors
            for at_us, alarm in by_sensor.get(sensor, ())
            if at_us <= event.end_us and _belongs(at_us, alarm, event, lead_us) and _of_kind(alarm, event, city)
        ]
        right |= {alarm.id for _, alarm in hits}
        timely = [at_us for at_us, _ in hits if at_us >= event.start_us - lead_us]
        hit_count += bool(hits)
        if timely:
            leads_s.append((event.start_us - min(timely)) / 1e6)
        if not hits:
            missed.append(event)
    spread = tuple(float(np.quantile(leads_s, q)) for q in (0.5, 0.1, 0.9)) if leads_s else None
    false = count - len(right)
    lead_s = (spread[0], spread[1], spread[2]) if spread else None
    rate = false / years if years else 0.0
    return Score(level, hit_count, len(missed), len(right), false, rate, lead_s), missed


def _belongs(at_us: int, alarm: Occurrence, event: Event, lead_us: int) -> bool:
    stood = alarm.cleared_us is None or alarm.cleared_us > event.start_us
    return at_us >= event.start_us - lead_us or (stood and at_us < event.start_us)


def _of_kind(alarm: Occurrence, event: Event, city: City) -> bool:
    if not event.kind:
        return True
    sensor = city.sensors.get(alarm.sensor or "")
    return event.kind in (alarm.rule, alarm.domain, sensor.quantity.id if sensor else "")
