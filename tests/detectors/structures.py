"""Bridges and ground for tests: seeded weather, and what it does to steel, concrete and soil; signs are added to it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.protocol import Detector, Finding
from detectors.subject import Neighbour, Subject
from tests.detectors.playing import play

Signal = NDArray[np.float64]
DAY_S = 86_400.0


def wander(random: np.random.Generator, n: int, sigma: float, memory: float) -> Signal:
    """First-order noise of standard deviation `sigma` and a correlation time of `memory` samples."""
    keep = math.exp(-1 / memory)
    shocks = random.normal(0, sigma * math.sqrt(1 - keep * keep), n).tolist()
    out, value = np.empty(n), random.normal(0, sigma)
    for i, shock in enumerate(shocks):
        value = keep * value + shock
        out[i] = value
    return out


def delayed(signal: Signal, samples: float) -> Signal:
    """What a body with a time constant of so many samples makes of a temperature."""
    gain, out, value = 1 - math.exp(-1 / samples), np.empty(len(signal)), float(signal[0])
    for i, now in enumerate(signal.tolist()):
        value += gain * (now - value)
        out[i] = value
    return out


def air(random: np.random.Generator, n: int, step_s: float, swing: float = 5.0) -> Signal:
    """Air temperature (Cel): the year, the day with clouds, weather over days, a cold front in every six days."""
    time = np.arange(n) * step_s / DAY_S
    cloud = 1 + np.clip(wander(random, n, 0.35, 1.5 * DAY_S / step_s), -0.8, 0.8)
    year = 10 * np.cos(2 * np.pi * (time / 365.25 + random.uniform(0, 1)))
    front, fall = np.zeros(n), DAY_S / step_s
    for start in np.flatnonzero(random.random(n) < 1 / (6 * fall)).tolist():
        front[start:] -= random.uniform(2, 8) * np.exp(-np.arange(n - start) / fall)
    front = delayed(front, max(0.01, 900 / step_s))
    warm: Signal = (
        15 + year + front + swing * cloud * np.cos(2 * np.pi * time) + wander(random, n, 2.5, 2 * DAY_S / step_s)
    )
    return warm


def lorries(random: np.random.Generator, n: int, step_s: float, size: float = 1.0) -> Signal:
    """Peaks of single readings (um/m): busy by day, quiet by night and on one day of seven."""
    time = np.arange(n) * step_s / DAY_S
    busy = (0.15 + 0.85 * np.clip(-np.cos(2 * np.pi * time), 0, 1)) * np.where(time % 7 < 1, 0.4, 1.0)
    here = random.random(n) < 0.07 * busy
    peaks: Signal = here * size * (10 + random.gamma(2.0, 12.0, n))
    return peaks


def strain(seed: int, days: float, step_s: float = 60.0, *, traffic: float = 1.0) -> tuple[Signal, Signal]:
    """Strain of a girder (um/m) and the air's temperature; part of the strain follows the air after hours."""
    random, n = np.random.default_rng(seed), round(days * DAY_S / step_s)
    warm = air(random, n, step_s)
    per_degree, hours = random.uniform(2, 6), random.uniform(0.5, 5)
    thermal = per_degree * (0.3 * warm + 0.7 * delayed(warm, hours * 3600 / step_s))
    sun = wander(random, n, 2.0, 4 * 3600 / step_s)  # gradients that no air temperature tells
    return thermal + sun + lorries(random, n, step_s, traffic) + random.normal(0, 2, n), warm


def watched(
    detector: Detector,
    values: Signal,
    step_s: float,
    quantity: str,
    around: Mapping[str, tuple[str, Signal, float | None]] | None = None,
) -> list[Finding]:
    """Findings of a sensor `s` beside neighbours (quantity, values at the same times, metres away)."""
    around = around or {}
    times = [round(i * step_s * 1e6) for i in range(len(values))]
    context = tuple(Neighbour(name, kind, away) for name, (kind, _, away) in around.items())
    series = {name: (times, column.tolist()) for name, (_, column, _) in around.items()}
    return play(detector, Subject("s", quantity, step_s, context), {"s": (times, values.tolist())} | series)


def ground(seed: int, days: float, step_s: float = 300.0, *, noise: float = 0.1) -> tuple[Signal, Signal]:
    """Settlement (mm) of a point that creeps, with a thermal part, a season and slow wander; and the temperature."""
    random, n = np.random.default_rng(seed), round(days * DAY_S / step_s)
    time = np.arange(n) * step_s / DAY_S
    warm = air(random, n, step_s)
    thermal = random.uniform(0.02, 0.06) * delayed(warm, random.uniform(1, 6) * 3600 / step_s)
    season = random.uniform(0.5, 2) * np.cos(2 * np.pi * (time / 365.25 + random.uniform(0, 1)))
    slow = wander(random, n, 0.1, 12 * 3600 / step_s) - random.uniform(0.005, 0.03) * time
    return thermal + season + slow + random.normal(0, noise, n), warm


def creep(n: int, step_s: float, begin: int, failure: int, still: float = 0.01) -> Signal:
    """Settlement (mm) that speeds up towards a failure, 1/v falling in a straight line (Fukuzono), from `still` mm/h.

    `begin` and `failure` are samples; the curve ends one sample before its failure.
    """
    hours = np.arange(n) * step_s / 3600
    left = np.maximum((failure - np.arange(n)) * step_s / 3600, step_s / 3600)
    whole = (failure - begin) * step_s / 3600
    moved = np.where(np.arange(n) < begin, 0.0, still * whole * np.log(whole / left))
    out: Signal = -(still * np.minimum(hours, begin * step_s / 3600) + moved)
    return out
