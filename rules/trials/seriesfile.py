"""Reads what sensors measure in rule tests and drills: `{sensor: …, values: "0x10 20x5", unit: cm}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from city import units
from city.clock import from_us
from city.errors import InputError
from city.levels import Flag
from city.model import Sensor
from city.positions import Path, show
from rules.trials.arrivals import Measured
from rules.trials.reading import Reading
from rules.trials.series import DAY_US, Daily, Mark, Value
from rules.trials.series import parse as parse_series

SERIES = ("unit", "start", "interval", "flag")
DAILY = ("swing", "noise", "seed", "peak")


@dataclass(frozen=True)
class Series:
    """What one sensor measures: `values`, one each `every_us` from `start_us` on, in the canonical unit."""

    sensor: str
    start_us: int
    every_us: int
    values: Sequence[Value]
    flag: Flag

    def measured(self) -> Iterator[Measured]:
        """Its readings in order; a stale one carries the value before it."""
        last = 0.0
        for at, value in enumerate(self.values):
            if value is Mark.GAP:
                continue
            flag = Flag.MISSING if isinstance(value, Mark) else self.flag
            last = last if isinstance(value, Mark) else value
            yield Measured(self.sensor, self.start_us + at * self.every_us, last, flag)


def series_of(reading: Reading, entry: Mapping[str, object], path: Path, every_us: int) -> list[Series]:
    """A series, for each sensor it names; `every_us`: how far apart its values are unless it says so."""
    names = reading.names(entry, "sensor", path, reading.city.sensors, "sensor")
    start_us = reading.moment_us(entry, "start", path) if "start" in entry else reading.start_us
    flag = Flag.PASS
    if "flag" in entry:
        flag = Flag[reading.word(entry, "flag", path, [f.name.lower() for f in Flag]).upper()]
    found = []
    for at, name in enumerate(names):
        sensor = reading.city.sensors[name]
        own_us = reading.span_us(entry, "interval", path, every_us or round(sensor.interval_s * 1e6))
        values = _values(reading, entry["values"], (*path, "values"), start_us, own_us, at)
        found.append(Series(name, start_us, own_us, _canonical(reading, entry, path, values, sensor), flag))
    return found


def _values(reading: Reading, value: object, path: Path, start_us: int, every_us: int, nth: int) -> list[Value]:
    """Notation, a day that repeats, or a list of both, one after the other."""
    if isinstance(value, list):
        values: list[Value] = []
        for at, part in enumerate(value):
            values += _values(reading, part, (*path, at), start_us + len(values) * every_us, every_us, nth)
        return values
    if isinstance(value, Mapping):
        return _daily(reading, value, path, start_us, every_us, nth)
    if not isinstance(value, str):
        reading.fault(path, "values: expected text", show(value), '"0x10 0+2x15" in quotes')
        return []
    try:
        return parse_series(value)
    except InputError as error:
        reading.fault(path, str(error))
        return []


def _daily(
    reading: Reading, value: Mapping[str, object], path: Path, start_us: int, every_us: int, nth: int
) -> list[Value]:
    day, here = value.get("daily"), (*path, "daily")
    if not reading.keys(value, path, ("daily", "for"), ()) or not reading.keys(day, here, ("mean",), DAILY):
        return []
    if not isinstance(day, Mapping):
        return []
    length_us = reading.span_us(value, "for", path)
    peak_us = DAY_US * 15 // 24
    if "peak" in day:
        try:
            at = time.fromisoformat(str(day["peak"]))
            peak_us = (at.hour * 3600 + at.minute * 60 + at.second) * 1_000_000
        except ValueError:
            reading.fault((*here, "peak"), "peak: expected a time of day", show(day["peak"]), '"15:00"')
    daily = Daily(
        reading.number(day, "mean", here), reading.number(day, "swing", here, least=0),
        reading.number(day, "noise", here, least=0), int(reading.number(day, "seed", here, least=0)) + nth, peak_us,
    )  # fmt: skip
    local = from_us(start_us).astimezone(ZoneInfo(reading.city.timezone))
    midnight_us = (local.hour * 3600 + local.minute * 60 + local.second) * 1_000_000
    return [round(each, 6) for each in daily.values(midnight_us, every_us, length_us // every_us)]


def _canonical(
    reading: Reading, entry: Mapping[str, object], path: Path, values: list[Value], sensor: Sensor
) -> Sequence[Value]:
    """The values in the sensor's canonical unit; written in the one that its gateway sends, unless told."""
    unit, own = str(entry.get("unit", sensor.unit)), sensor.quantity.unit
    try:
        if units.converter(unit, own) == (1.0, 0.0):
            return values
    except InputError as error:
        reading.fault((*path, "unit") if "unit" in entry else path, f"{sensor.quantity.id}: {error}")
        return []
    done: dict[float, float] = {v: units.convert(v, unit, own) for v in set(values) if not isinstance(v, Mark)}
    return [value if isinstance(value, Mark) else done[value] for value in values]
