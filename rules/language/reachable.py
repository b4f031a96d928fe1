"""Whether a condition can hold at all: by what its sensors can report, what fits into a time, and the register."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from city.duration import write as write_duration
from city.model import City, Sensor
from rules.conditions.kinds import (
    All,
    Any_,
    Ask,
    Beside,
    Compare,
    Condition,
    CountOf,
    Found,
    Near,
    Only,
    Quiet,
    Reaches,
    Trend,
    Window,
)
from rules.conditions.kinds import Sequence as InOrder


class Span(NamedTuple):
    """The least and the greatest value there can be, in the canonical unit."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def meets(self, compare: Compare) -> bool:
        """Whether some value of the span meets a comparison."""
        above = compare.high is not None and self.high >= compare.high
        return above or (compare.low is not None and self.low <= compare.low)


def span_of(sensor: Sensor) -> Span:
    """What a sensor can report: the range of its own that the register gives, inside that of its quantity."""
    low, high = sensor.quantity.hard_min, sensor.quantity.hard_max
    own_low = low if sensor.range_min is None else max(low, sensor.range_min)
    return Span(own_low, high if sensor.range_max is None else min(high, sensor.range_max))


def why_never(condition: Condition, sensor: Sensor, city: City) -> str:
    """Why a condition can never hold for a sensor; empty when it can."""
    match condition:
        case Compare() | CountOf() | Window() | Trend() | Reaches():
            return _why_never_own(condition, sensor)
        case Near():
            return _why_never_near(condition, city)
        case Beside(site="", written=written):
            return f"by the register it is not {written}"
        case All(parts) | InOrder(parts):
            return next((why for part in parts if (why := why_never(part, sensor, city))), "")
        case Any_(parts):
            whys = [why_never(part, sensor, city) for part in parts]
            return whys[0] if all(whys) else ""
        case Only(calendar, part, written):
            ever = getattr(calendar, "ever", None)
            return (
                f"there is no day in the calendar ({written})"
                if ever is not None and not ever()
                else why_never(part, sensor, city)
            )
        case _:
            return ""


def _why_never_own(condition: Compare | CountOf | Window | Trend | Reaches, sensor: Sensor) -> str:
    span, unit = span_of(sensor), sensor.quantity.unit
    match condition:
        case Compare():
            return "" if span.meets(condition) else _outside(condition.written, span, unit)
        case CountOf(compare, need, span_us=span_us):
            if (fit := _samples(span_us, sensor)) < need:
                return f"{fit} samples at most come in {_time(span_us)}, and {need} must meet it"
            return "" if span.meets(compare) else _outside(compare.written, span, unit)
        case Window(aggregate, window_us, compare, written):
            reached = _aggregate_span(aggregate, span, _samples(window_us, sensor))
            return "" if reached.meets(compare) else _outside(written, reached, "" if aggregate == "count" else unit)
        case Trend(by, written=written):
            return "" if abs(by) <= span.high - span.low else _outside(written, span, unit)
        case Reaches(level, written=written):
            return "" if span.low <= level <= span.high else _outside(written, span, unit)


def _why_never_near(condition: Near, city: City) -> str:
    if not condition.sensors:
        return f"there is no such neighbour ({condition.written})"
    if len(condition.sensors) < condition.need:
        return f"{condition.need} neighbours must meet it, and there are {len(condition.sensors)} ({condition.written})"
    if isinstance(condition.ask, Window | Trend):
        whys = [_why_never_own(condition.ask, city.sensors[name]) for name in condition.sensors]
        return whys[0] if all(whys) else ""
    return ""


def _samples(time_us: int, sensor: Sensor) -> int:
    return int(time_us / 1e6 / sensor.interval_s) + 1 if sensor.interval_s > 0 else 1 << 30


def _aggregate_span(aggregate: str, span: Span, samples: int) -> Span:
    match aggregate:
        case "sum":
            return Span(min(span.low, span.low * samples), max(span.high, span.high * samples))
        case "range":
            return Span(0.0, span.high - span.low)
        case "count":
            return Span(1.0, float(samples))
        case _:
            return span


def _outside(written: str, span: Span, unit: str) -> str:
    return f"{written} lies outside what there can be, {span} {unit}".rstrip()


def _time(time_us: int) -> str:
    return write_duration(time_us / 1e6)


def looks_back_us(condition: Condition) -> int:
    """How long a time of the sensor's own samples a condition looks at; 0 when it looks at one sample."""
    match condition:
        case CountOf(span_us=time_us) | Trend(within_us=time_us) | Reaches(over_us=time_us):
            return time_us
        case Window(aggregate, time_us):
            return 0 if aggregate in ("last", "count", "extreme") else time_us
        case _:
            return 0


def too_short(condition: Condition, sensors: Sequence[Sensor], city: City, intervals: int) -> tuple[int, Sensor] | None:
    """The time a condition looks at and a sensor of which fewer than `intervals` samples come in it; None if enough."""
    if isinstance(condition, Near):
        time_us = _ask_us(condition.ask)
        looked_at = [city.sensors[name] for name in condition.sensors]
    else:
        time_us, looked_at = looks_back_us(condition), list(sensors)
    if time_us <= 0 or not looked_at:
        return None
    slowest = max(looked_at, key=lambda sensor: sensor.interval_s)
    return (time_us, slowest) if time_us < intervals * slowest.interval_s * 1e6 else None


def _ask_us(ask: Ask) -> int:
    match ask:
        case Quiet(time_us) | Found(window_us=time_us):
            return time_us
        case _:
            return looks_back_us(ask)
