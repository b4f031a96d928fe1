"""A robust straight line through irregular samples, and where it leads.

Theory. The slope is the median of the slopes of all pairs of points (Theil 1950, Sen 1968): up to 29 % of the points
may be wild without moving it much. Its interval comes from the same sorted slopes: under no trend, Kendall's score of n
points has the variance n (n - 1) (2 n + 5) / 18, and the ranks that far from the middle bound the slope (Sen 1968). The
points are taken as independent; where errors hang together in time, the interval is too narrow.

Many points are thinned first: the medians of equal parts of the time, so that the work is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_POINTS = 60
_Z_90 = 1.6448536269514722  # two-sided 90 %


@dataclass(frozen=True, slots=True)
class Line:
    """Where the line stands at the newest point, and its slope per second with its (about 90 %) interval."""

    level: float
    slope: float
    slope_low: float
    slope_high: float

    def seconds_to(self, target: float) -> tuple[float, float, float]:
        """Seconds from the newest point until the line is at `target`: central, earliest and latest; infinite: never.

        A line that is there already, or beyond it and going on, needs 0 seconds.
        """
        rising = self.slope > 0
        away = (target - self.level) if rising else (self.level - target)
        if away <= 0:
            return 0.0, 0.0, 0.0
        steep = (self.slope, *((self.slope_high, self.slope_low) if rising else (self.slope_low, self.slope_high)))
        central, earliest, latest = (away / abs(s) if s != 0 and (s > 0) is rising else inf for s in steep)
        return central, earliest, latest


@lru_cache(maxsize=MOST_POINTS + 1)
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(n, 1)
    return first, second


def thinned(at_s: Floats, value: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """At most `most` points: the median time and value of each of `most` equal parts of the time."""
    if len(at_s) <= most:
        return at_s, value
    part = ((at_s - at_s[0]) * (most / (at_s[-1] - at_s[0]))).astype(np.intp).clip(0, most - 1)
    cuts = np.flatnonzero(np.diff(part)) + 1
    times, values = np.split(at_s, cuts), np.split(value, cuts)
    return np.array([np.median(t) for t in times]), np.array([np.median(v) for v in values])


def slopes(at_s: Floats, value: Floats) -> Floats:
    """The slopes of all pairs of points, sorted; times in seconds, strictly rising."""
    first, second = _pairs(len(at_s))
    return np.sort((value[second] - value[first]) / (at_s[second] - at_s[first]))


def change(at_s: Floats, value: Floats) -> float:
    """How much the robust line changes over the time the points cover, never more than their range.

    Parameters
    ----------
    at_s, value
        (n,) with n at least 2; seconds, strictly rising.
    """
    sorted_slopes = slopes(*thinned(at_s, value))
    by = _median(sorted_slopes) * float(at_s[-1] - at_s[0])
    span = float(value.max() - value.min())
    return min(max(by, -span), span)


def line(at_s: Floats, value: Floats) -> Line:
    """The robust line through the points (n at least 3; seconds, strictly rising)."""
    newest_s = float(at_s[-1])
    at_s, value = thinned(at_s, value)
    sorted_slopes = slopes(at_s, value)
    slope = _median(sorted_slopes)
    n, pairs = len(at_s), len(sorted_slopes)
    spread = _Z_90 * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = max(round((pairs - spread) / 2) - 1, 0), min(round((pairs + spread) / 2), pairs - 1)
    level = float(np.median(value - slope * (at_s - newest_s)))
    return Line(level, slope, float(sorted_slopes[low]), float(sorted_slopes[high]))


def _median(ordered: Floats) -> float:
    half = len(ordered) // 2
    return float(ordered[half]) if len(ordered) % 2 else float(ordered[half - 1] + ordered[half]) / 2
