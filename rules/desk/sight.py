"""What the desk may ask about an alarm: where it is, when it was last heard of, and how its value moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from city.geo import Place
from rules.alarm.alarm import Alarm
from rules.alarm.track import Track
from rules.conditions.linefit import line

TREND_US = 10 * 60 * 1_000_000
_LEAST = 3  # samples
_LEAST_US = 60 * 1_000_000


def _nowhere(alarm: Alarm) -> Place:
    return Place(0.0, 0.0)


def _never(alarm: Alarm) -> int:
    return alarm.raised_us


def _unknown(alarm: Alarm) -> Mapping[str, float] | None:
    return None


@dataclass(frozen=True)
class Sight:
    """What is known of alarms.

    Attributes
    ----------
    where
        Its place.
    heard_us
        When something was last heard of what it is about (arrival time).
    trend
        How its sensor's value moves (see `trend_of`), None when that is not known.
    failing
        The channels that do not deliver.
    """

    where: Callable[[Alarm], Place] = _nowhere
    heard_us: Callable[[Alarm], int] = _never
    trend: Callable[[Alarm], Mapping[str, float] | None] = _unknown
    failing: Callable[[], frozenset[str]] = frozenset


def trend_of(track: Track) -> Mapping[str, float] | None:
    """How a value moved in the last `TREND_US`: a robust slope per hour, and the seconds it was taken over."""
    times, values, flags = track.values_between(track.newest_us - TREND_US, track.newest_us)
    good = flags <= 3  # neither failed nor missing
    times, values = times[good], values[good]
    if len(times) < _LEAST or times[-1] - times[0] < _LEAST_US:
        return None
    at_s = (times - times[0]) / 1e6
    return {
        "per_hour": float(f"{line(at_s, values.astype(np.float64)).slope * 3600:.4g}"),
        "over_s": round(float(at_s[-1])),
    }
