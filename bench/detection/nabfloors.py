"""What is easily had: the simple detectors that every result on recorded series stands beside.

Each takes the times (us) and values of one series, in order, and gives one score a row from the past alone: NaN while
it has none.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, log
from typing import Final, TypeAlias

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
    """How far out in a Gaussian of the last 6,400 values, renewed every 100, as the benchmark's baseline does it."""
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
    return score


def rarity(bins: int = 50, memory: float = 5000.0) -> Scorer:
    """`-ln p(value)` in a histogram that slowly forgets and widens when a value falls outside."""

    def score(_time_us: Longs, value: Floats) -> Floats:
        told = np.full(len(value), np.nan)
        warm = min(max(len(value) * 15 // 100, 2), 750)
        low, high = float(value[:warm].min()), float(value[:warm].max())
        span = max(high - low, _TINY, 1e-3 * abs(high))
        low, width = low - 0.1 * span, 1.2 * span / bins
        weight, total, one = [0.0] * bins, 0.0, 1.0
        for i, each in enumerate(value):
            at = min(max(int((each - low) / width), 0), bins - 1) if low <= each < low + bins * width else -1
            told[i] = -log(((weight[at] if at >= 0 else 0.0) + 0.5 * one) / (total + 0.5 * one * bins))
            one *= 1 + 1 / memory  # a growing weight of the new forgets the old
            place = min(max(int((each - low) / width), 0), bins - 1)
            weight[place] += one
            total += one
        return told

    return score


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
