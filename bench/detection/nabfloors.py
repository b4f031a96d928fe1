"""What is easily had: the simple detectors that every result on recorded series stands beside.

Each takes the times (us) and values of one series, in order, and gives one score a row from the past alone: NaN while
it has none.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from math import erfc, log
from typing import Any, Final, TypeAlias

import numpy as np

from bench.detection.nabcorpus import Floats, Longs

Scorer: TypeAlias = Callable[[Longs, Floats], Floats]

_WINDOW, _STEP = 6400, 100  # the benchmark's own parameters of the windowed Gaussian
_DAY_US: Final = 86_400_000_000
_TINY = 1e-6


def silent(_time_us: Longs, value: Floats) -> Floats:
    """Never an alarm."""
    return np.full(len(value), np.nan)


def always(_time_us: Longs, value: Floats) -> Floats:
    """Always an alarm."""
    return np.ones(len(value))


def chance(seed: int) -> Scorer:
    """Scores by lot."""
    rng = np.random.default_rng(seed)
    return lambda _time_us, value: rng.random(len(value))


def windowed_gaussian(_time_us: Longs, value: Floats) -> Floats:
    """How far out in a Gaussian of the last 6,400 values, renewed every 100, as the benchmark's baseline does it.

    Its published scores were written with twelve digits: what differs further down counts as equal there, so here too.
    """
    n = len(value)
    moved = value - value[0]
    total, squares = np.append(0.0, np.cumsum(moved)), np.append(0.0, np.cumsum(moved**2))
    row = np.arange(n)
    end = np.where(row <= _WINDOW, row, _WINDOW + (row - _WINDOW) // _STEP * _STEP)
    start = np.maximum(end - _WINDOW, 0)
    count = np.maximum(end - start, 1)
    mean = (total[end] - total[start]) / count
    spread = np.sqrt(np.maximum((squares[end] - squares[start]) / count - mean**2, 0))
    spread[spread == 0] = _TINY
    z = np.abs(moved - mean) / spread / 1.4142
    score = 1 - 0.5 * np.array([erfc(one) for one in z])
    score[0] = 0.0
    return score.round(12)


def rarity(bins: int = 40, memory_rows: float = 4000.0, prior: float = 0.03, quiet_rows: int = 100) -> Scorer:
    """`-ln p(value)` in a histogram that slowly forgets; after a report only what is clearly rarer is told again."""

    def score(_time_us: Longs, value: Floats) -> Floats:
        warm = min(max(len(value) * 15 // 100, 2), 750)
        low, high = float(value[:warm].min()), float(value[:warm].max())
        span = max(high - low, 1e-3 * abs(high), _TINY)
        low, width = low - span / 4, 1.5 * span / bins
        weight, total, one = np.zeros(bins), 0.0, 1.0
        told = np.full(len(value), np.nan)
        for i, each in enumerate(value.tolist()):
            while not low <= each < low + bins * width:  # twice as wide, to the side where the value is
                down = each < low
                low -= bins * width if down else 0.0
                weight = np.bincount((np.arange(bins) + bins * down) // 2, weight, bins).astype(np.float64)
                width *= 2
            at = min(int((each - low) / width), bins - 1)
            if i >= warm // 2:
                told[i] = -log((weight[at] / one + prior) / (total / one + prior * bins))
            one *= memory_rows / (memory_rows - 1)  # the new weighs more instead of the old less
            weight[at] += one
            total += one
        return _onsets(told, quiet_rows)

    return score


def _onsets(told: Floats, quiet_rows: int) -> Floats:
    """What exceeds every report of the last rows by half a nat; 0 elsewhere."""
    reports: list[tuple[int, float]] = []
    shown = np.where(np.isnan(told), np.nan, 0.0)
    for i in np.flatnonzero(told > 0).tolist():
        reports = [one for one in reports if i - one[0] <= quiet_rows]
        if told[i] > max((size for _, size in reports), default=-1.0) + 0.5:
            shown[i] = told[i]
            reports = [*(one for one in reports if one[1] > told[i]), (i, told[i])]
    return shown


def jump(_time_us: Longs, value: Floats) -> Floats:
    """`|difference|` over its running mean."""
    told, mean = np.full(len(value), np.nan), 0.0
    for i in range(1, len(value)):
        size = abs(value[i] - value[i - 1])
        told[i] = size / (mean + _TINY) if i > 1 else 0.0
        mean += (size - mean) / min(i, 2016)
    return told


def static_limit(_time_us: Longs, value: Floats) -> Floats:
    """How far beyond the range of the start, as somebody would set a limit after looking at it for a while."""
    warm = min(max(len(value) * 15 // 100, 2), 750)
    middle, half = np.median(value[:warm]), np.ptp(value[:warm]) / 2 + _TINY
    told = np.abs(value - middle) / half
    told[:warm] = np.nan
    return told


def seasonal_z(time_us: Longs, value: Floats) -> Floats:
    """Robust deviation from a running mean for the half hour of the day, apart for weekends."""
    bins = time_us % _DAY_US // (_DAY_US // 48) + 48 * ((time_us // _DAY_US + 3) % 7 >= 5)
    mean, seen = np.zeros(96), np.zeros(96)
    told, level, scale = np.full(len(value), np.nan), float(value[0]), 0.0
    for i, (bin_, each) in enumerate(zip(bins, value, strict=True)):
        expected = mean[bin_] if seen[bin_] else level
        size = abs(each - expected)
        told[i] = size / (scale + _TINY) if i else 0.0
        scale += (min(size, 5 * scale if scale else size) - scale) / min(i + 1, 2016)
        level += (each - level) / min(i + 1, 288)
        seen[bin_] += 1
        mean[bin_] += (each - mean[bin_]) / min(seen[bin_], 60)
    return told


def _river(name: str, **settings: object) -> Any:  # noqa: ANN401 - river has no types
    return getattr(import_module("river.anomaly"), name)(**settings)


def river_gaussian(_time_us: Longs, value: Floats) -> Floats:
    """`river`'s GaussianScorer over all that was before."""
    model = _river("GaussianScorer", window_size=None)
    told = np.full(len(value), np.nan)
    for i, each in enumerate(value.tolist()):
        told[i] = model.score_one(None, each) if model.gaussian.sigma > 0 else 0.0  # a constant would always be 1
        model.learn_one(None, each)
    return told


def river_trees(_time_us: Longs, value: Floats, *, seed: int) -> Floats:
    """`river`'s HalfSpaceTrees (10 trees of height 6, window 250) on the value scaled by the range seen so far."""
    model = _river("HalfSpaceTrees", n_trees=10, height=6, window_size=250, seed=seed)
    told = np.full(len(value), np.nan)
    low = np.minimum.accumulate(value)
    span = np.maximum(np.maximum.accumulate(value) - low, _TINY)
    for i, each in enumerate(((value - low) / span).tolist()):
        told[i] = model.score_one({"value": each})
        model.learn_one({"value": each})
    return told
