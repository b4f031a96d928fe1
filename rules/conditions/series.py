"""What is asked of a time of samples: aggregates, counts, changes, forecasts, silence; of any sensor, at any instant.

Only samples with event time inside [instant - time, instant] are looked at, both ends counted.
"""

from __future__ import annotations

from functools import lru_cache
from math import fsum, isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from city.levels import Flag
from detectors.protocol import Finding, Verdict
from rules.alarm.track import Track
from rules.conditions.kinds import Ask, Compare, CountOf, Detect, Found, Quiet, Reaches, Trend, Window
from rules.conditions.linefit import Line, change, line
from rules.conditions.truth import Truth, any_of

TREND_NEEDS, FORECAST_NEEDS = 3, 5  # samples: with fewer the answer is unknown


class Answer(NamedTuple):
    """An answer with what it rests on: the value judged, the newest sample's time, the worst flag, what was tested."""

    truth: Truth
    value: float | None
    time_us: int
    flag: int
    test: str


class Samples(NamedTuple):
    """Usable samples, oldest first, and the worst flag among them."""

    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    worst: int

    def answer(self, truth: Truth, value: float | None, test: str) -> Answer:
        """An answer that rests on these samples."""
        newest_us = int(self.time_us[-1]) if len(self.time_us) else 0
        return Answer(truth, value, newest_us, self.worst, test)


@lru_cache
def _accepts(usable: frozenset[Flag]) -> NDArray[np.bool_]:
    table = np.zeros(max(Flag) + 1, dtype=np.bool_)
    table[[int(flag) for flag in usable]] = True
    return table


def usable_samples(track: Track, from_us: int, to_us: int, usable: frozenset[Flag]) -> Samples:
    """The samples of a time whose flag is in `usable`."""
    times, values, flags = track.values_between(from_us, to_us)
    good = _accepts(usable)[flags]
    if not good.all():
        times, values, flags = times[good], values[good], flags[good]
    return Samples(times, values, int(flags.max(initial=0)))


def judge(ask: Ask, track: Track, to_us: int, usable: frozenset[Flag], deadband: float = 0.0) -> Answer:
    """What `ask` says of a track at an instant."""
    match ask:
        case Quiet(window_us):
            times, _, _ = track.values_between(to_us - window_us, to_us)
            newest_us = int(times[-1]) if len(times) else 0
            return Answer(Truth.of(not len(times)), None, newest_us, 0, "")
        case Window():
            return window(ask, usable_samples(track, to_us - ask.window_us, to_us, usable), deadband)
        case Trend():
            return trend(ask, usable_samples(track, to_us - ask.within_us, to_us, usable))
        case Found(detect, window_us):
            samples = usable_samples(track, to_us - window_us, to_us, usable)
            if not len(samples.value):
                return Answer(Truth.UNKNOWN, None, 0, 0, detect.written)
            times = samples.time_us[::-1].tolist()
            truth = any_of(found(detect, track.finding(at_us, detect.detector)) for at_us in times)
            return samples.answer(truth, float(samples.value[-1]), detect.written)


def found(detect: Detect, finding: Finding | None) -> Truth:
    """Whether a finding is what a detector condition asks for."""
    if finding is None or finding.verdict is Verdict.BLIND:
        return Truth.UNKNOWN
    if finding.verdict is Verdict.NORMAL:
        return Truth.FALSE
    fits = not detect.direction or finding.direction == detect.direction
    fits &= not detect.channels or finding.channel in detect.channels
    if detect.years > 0 and fits and finding.return_period_years is None:
        return Truth.UNKNOWN
    return Truth.of(fits and finding.score >= detect.score and (finding.return_period_years or 0.0) >= detect.years)


def window(ask: Window, samples: Samples, deadband: float) -> Answer:
    """An aggregate against its comparison; unknown without a sample."""
    if not len(samples.value):
        return Answer(Truth.UNKNOWN, None, 0, 0, ask.written)
    value = _aggregate(ask, samples.value)
    return samples.answer(Truth.of(ask.compare.test(value, deadband)), value, ask.written)


def _aggregate(ask: Window, values: NDArray[np.float64]) -> float:
    match ask.aggregate:
        case "sum":
            return fsum(values.tolist())
        case "mean":  # rounding must not take it out of its samples' range
            return min(max(fsum(values.tolist()) / len(values), float(values.min())), float(values.max()))
        case "min":
            return float(values.min())
        case "max":
            return float(values.max())
        case "range":
            return float(values.max() - values.min())
        case "count":
            return float(len(values))
        case "extreme":
            return _extreme(ask.compare, float(values.min()), float(values.max()))
        case _:
            return float(values[-1])


def _extreme(compare: Compare, least: float, greatest: float) -> float:
    """Of the least and the greatest, the one that meets the comparison (else the one that comes nearer by its side)."""
    if compare.high is None or (compare.test(least, 0.0) and not compare.test(greatest, 0.0)):
        return least
    return greatest


def count_of(ask: CountOf, samples: Samples, deadband: float) -> Answer:
    """How many of the last samples meet it; unknown while those that are missing could still decide."""
    values = samples.value[-ask.of :].tolist()
    met = sum(ask.compare.test(value, deadband) for value in values)
    missing = ask.of - len(values)
    if met >= ask.need:
        truth = Truth.TRUE
    elif len(values) < ask.need or met + missing >= ask.need:
        truth = Truth.UNKNOWN
    else:
        truth = Truth.FALSE
    return samples.answer(truth, values[-1] if values else None, f"{ask.written}: {met} of {len(values)}")


def trend(ask: Trend, samples: Samples) -> Answer:
    """The change of a robust line over the time the samples cover."""
    if len(samples.value) < TREND_NEEDS:
        newest_us = int(samples.time_us[-1]) if len(samples.value) else 0
        return Answer(Truth.UNKNOWN, None, newest_us, samples.worst, ask.written)
    by = change((samples.time_us - samples.time_us[-1]) / 1e6, samples.value)
    return samples.answer(Truth.of(by >= ask.by if ask.by > 0 else by <= ask.by), by, ask.written)


def reaches(ask: Reaches, samples: Samples, value: float, deadband: float) -> Answer:
    """Whether `value` is there, or the robust line gets there in time; the test says when, with its interval."""
    level = ask.level - deadband if ask.rising else ask.level + deadband
    if value >= level if ask.rising else value <= level:
        return samples.answer(Truth.TRUE, value, f"{ask.written}: it is there")
    if len(samples.value) < FORECAST_NEEDS:
        return samples.answer(Truth.UNKNOWN, value, f"{ask.written}: too few samples for a forecast")
    fit = line((samples.time_us - samples.time_us[-1]) / 1e6, samples.value)
    sure = fit.slope_low > 0 if ask.rising else fit.slope_high < 0
    in_time = sure and fit.seconds_to(level)[0] * 1e6 <= ask.within_us
    return samples.answer(Truth.of(in_time), value, f"{ask.written}: {_when(ask, fit, level)}")


def _when(ask: Reaches, fit: Line, level: float) -> str:
    if not (fit.slope > 0 if ask.rising else fit.slope < 0):
        return "it is not " + ("rising" if ask.rising else "falling")
    unit, unit_s = ("h", 3600) if ask.within_us > 3 * 3_600_000_000 else ("min", 60)
    central, earliest, latest = (round(s / unit_s) if isfinite(s) else None for s in fit.seconds_to(level))
    return f"in {central} {unit} ({earliest}..{'' if latest is None else latest})"
