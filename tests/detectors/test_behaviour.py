"""What each native detector does on simulated signals: calm months, onsets, and the numbers its docstring claims."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Detector, Finding, Verdict
from detectors.registry import create

Signal = NDArray[np.float64]
MINUTES_A_DAY = 1440


def _ar1(random: np.random.Generator, n: int, sigma: float, memory: float) -> Signal:
    """Slow noise: standard deviation `sigma`, correlation time `memory` samples."""
    keep = math.exp(-1 / memory)
    shocks = random.normal(0, sigma * math.sqrt(1 - keep * keep), n)
    out = np.empty(n)
    value = random.normal(0, sigma)
    for i, shock in enumerate(shocks.tolist()):
        value = keep * value + shock
        out[i] = value
    return out


def _bumps(
    random: np.random.Generator, n: int, every: float, length: tuple[int, int], height: tuple[float, float]
) -> Signal:
    """Passing things: bumps of random length and height, on average one in `every` samples."""
    out = np.zeros(n)
    for start in np.flatnonzero(random.random(n) < 1 / every).tolist():
        out[start : start + int(random.integers(*length))] += random.uniform(*height)
    return out


def _phase(n: int, step_min: float) -> Signal:
    return 2 * np.pi * np.arange(n) * step_min / MINUTES_A_DAY


def calm_methane(seed: int, days: float) -> Signal:
    """%LEL each minute: a well at 0.3 to 2 with a daily swing, weather, plumes of 1 to 3 min, 0.1 resolution."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY)
    swing = 0.25 * np.cos(_phase(n, 1) - random.uniform(0, 6)) + _ar1(random, n, 0.25, 600)
    level = random.uniform(0.3, 1.5) * np.exp(swing) + _bumps(random, n, 500, (1, 4), (0.5, 5))
    level = level * (1 + random.normal(0, 0.03, n)) + random.normal(0, 0.05, n)
    return np.asarray(np.round(np.maximum(level, 0), 1), dtype=np.float64)


def calm_depth(seed: int, days: float) -> Signal:
    """Depth in cm each minute, dry: sensor noise, a slow offset of the ultrasonic kind, passing cars."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY)
    slow = 0.6 * np.cos(_phase(n, 1)) + _ar1(random, n, 0.4, 120)
    cars = _bumps(random, n, 1500, (1, 2), (5, 40))
    return np.round(np.maximum(1 + slow + random.normal(0, 0.3, n), 0) + cars, 1)


def calm_strain(seed: int, days: float) -> Signal:
    """um/m each minute: thermal +-20 a day with weather, noise 2 to 5, traffic peaks and jams of 2 to 4 min."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY)
    thermal = 20 * np.cos(_phase(n, 1)) * random.uniform(0.5, 1) + _ar1(random, n, 8, 1200)
    traffic = _bumps(random, n, 15, (1, 2), (10, 60)) + _bumps(random, n, 700, (2, 5), (10, 30))
    return thermal + random.normal(0, random.uniform(2, 5), n) + traffic


def calm_settlement(seed: int, days: float) -> Signal:
    """Settlement in mm each five minutes: -0.02 mm/h, noise 0.1, a thermal cycle of 0.2, slow wander."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY / 5)
    trend = -0.02 * np.arange(n) / 12 + 0.2 * np.cos(_phase(n, 5)) + _ar1(random, n, 0.1, 150)
    return trend + random.normal(0, 0.1, n)


CALM: dict[str, tuple[Callable[[int, float], Signal], float]] = {
    "methane_onset": (calm_methane, 60),
    "flood_onset": (calm_depth, 60),
    "baseline_shift": (calm_strain, 60),
    "settlement_rate": (calm_settlement, 300),
}


def run(detector: Detector, values: Signal, step_s: float, sensor: str = "s") -> list[Finding]:
    return detector.update(
        [Sample(sensor, round(i * step_s * 1e6), value, Flag.PASS, 0) for i, value in enumerate(values.tolist())]
    )


def onsets(findings: Sequence[Finding]) -> list[int]:
    """Where ABNORMAL begins."""
    abnormal = [finding.verdict is Verdict.ABNORMAL for finding in findings]
    return [i for i, now in enumerate(abnormal) if now and not (i and abnormal[i - 1])]
