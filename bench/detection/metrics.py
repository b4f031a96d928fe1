"""What is counted and how: alarms by their onsets, false alarms with intervals, recall, delay, lead.

An alarm begins with the first score at its threshold after `QUIET_US` without one; only beginnings count, and a fault
is found only by an alarm that begins while it lasts. What begins while something real goes on (a flood) is neither
right nor wrong. Nothing is ever adjusted to labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, isfinite, log, sqrt
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gateway.noise import Floats, Ints

Flags: TypeAlias = NDArray[np.bool_]

QUIET_US: Final = 6 * 3_600_000_000
BUDGETS: Final = (0.1, 1.0, 12.0)  # false alarms per sensor and year


def onsets(time_us: Ints, score: Floats, threshold: float) -> Ints:
    """Places where alarms begin. NaN scores are no alarm."""
    above = np.flatnonzero(score >= threshold)
    if not len(above):
        return above
    begins = np.diff(time_us[above], prepend=time_us[above[0]] - QUIET_US - 1) > QUIET_US
    return above[begins]


class Heard(NamedTuple):
    """A sensor's scores (n,) of calm time, or the highest of them: when, how much, and whether an alarm would count."""

    time_us: Ints
    score: Floats
    counts: Flags


class Interval(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def poisson(count: int, exposure: float) -> Interval:
    """Rate of a Poisson count over an exposure > 0, with the exact (Garwood) interval."""
    low = _gamma_quantile(count, 0.025) if count else 0.0
    return Interval(count / exposure, low / exposure, _gamma_quantile(count + 1, 0.975) / exposure)


def _gamma_quantile(shape: int, level: float) -> float:
    """Quantile of the gamma distribution of whole shape and scale 1, by bisection of its Poisson tail."""
    low, high = 0.0, shape + 10.0 * sqrt(shape) + 20.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _gamma_below(shape, middle) < level else (low, middle)
    return (low + high) / 2.0


def _gamma_below(shape: int, x: float) -> float:
    """P(gamma < x) = P(Poisson(x) >= shape)."""
    if x <= 0.0:
        return 0.0
    total, term = 0.0, -x
    for k in range(shape):
        total += exp(term)
        term += log(x) - log(k + 1)
    return 1.0 - total


def wilson(hits: int, of: int) -> Interval:
    """A share and its Wilson score interval; NaN of nothing."""
    if not of:
        return Interval(np.nan, np.nan, np.nan)
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def alarms_of(run: Heard, threshold: float) -> int:
    """How many alarms begin where they count."""
    return int(run.counts[onsets(run.time_us, run.score, threshold)].sum())


def threshold_for(runs: Sequence[Heard], exposure_years: float, budget: float) -> float:
    """The lowest threshold at which fault-free runs give at most `budget` alarms a year.

    inf when even one alarm is more than the exposure allows.
    """
    allowed = int(budget * exposure_years)
    known = [run.score[np.isfinite(run.score)] for run in runs]
    levels = np.unique(np.concatenate(known)) if known else np.zeros(0)
    if not allowed or not len(levels):
        return inf
    low, high = -1, len(levels) - 1  # `high` may be too loose still: then nothing short of silence serves

    def alarms(at: int) -> int:
        return sum(alarms_of(run, float(levels[at])) for run in runs)

    if alarms(high) > allowed:
        return inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if alarms(middle) <= allowed else (middle, high)
    return float(levels[high])


class Found(NamedTuple):
    """How one fault case went for one candidate at one threshold, in hours since its onset; inf: never.

    `lasts_h` is how long it was to be seen. `static_h` is when the static limit was crossed, `lasts_h` if it was not.
    """

    detected_h: float
    anchor_h: float
    static_h: float
    lasts_h: float
    channel: int

    @property
    def hit(self) -> bool:
        """Whether it was found while it lasted."""
        return isfinite(self.detected_h)

    @property
    def lead_h(self) -> float:
        """How long before the static limit (or the end) it was found; 0 for a miss."""
        return max(0.0, self.static_h - self.detected_h) if self.hit else 0.0

    @property
    def efficiency(self) -> float:
        """The lead over the lead that the anchor allows; 0 for a miss, NaN where no lead was to be had."""
        possible = self.static_h - self.anchor_h
        return min(1.0, self.lead_h / possible) if possible > 0 else np.nan


def delay_quantile(found: Sequence[Found], part: float) -> float:
    """Quantile of the delays in hours with misses as endless ones (right-censored): inf when it lies among them."""
    delays = sorted(one.detected_h for one in found)
    return delays[min(len(delays) - 1, int(np.ceil(part * len(delays))) - 1)] if delays else np.nan


def paired_bootstrap(mine: Floats, theirs: Floats, owner: Ints, *, draws: int = 1000, seed: int = 1) -> Interval:
    """Mean of mine - theirs (n,) with its interval from resampling owners (sensors), not cases."""
    owners = np.unique(owner)
    differences = mine - theirs
    sums = np.array([differences[owner == one].sum() for one in owners])
    counts = np.array([(owner == one).sum() for one in owners])
    chosen = np.random.Generator(np.random.Philox(seed)).integers(0, len(owners), (draws, len(owners)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(differences.mean()), float(low), float(high))
