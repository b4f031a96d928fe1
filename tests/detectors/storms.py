"""Rain on a street with a low point: storms, the gauge beside it and the depth it leaves, seeded, minute by minute.

Two kinds of storm (bursts of under an hour, fronts of hours) run off through two linear reservoirs, a drain takes what
it can, the rest stands in a hollow. The gauge stands elsewhere: it catches each storm too heavy or too light. Only the
wet hours are made, `BEFORE_MIN` before each storm until `AFTER_MIN` after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
BEFORE_MIN, AFTER_MIN = 60, 300


@dataclass(frozen=True)
class Storm:
    """One storm: minute it begins (of the site's time), rain at the gauge (mm) and true depth (cm) by minute."""

    begin_min: int
    gauge_mm: Signal
    depth_cm: Signal


@dataclass(frozen=True)
class Street:
    """A site with its storms; `noise_cm` is its sensor's."""

    storms: tuple[Storm, ...]
    noise_cm: float
    years: float


def rain(random: np.random.Generator) -> Signal:
    """True rain of a storm (mm/h each minute)."""
    if random.random() < 0.6:
        minutes, peak_mm_h = int(20 + random.gamma(2.0, 15)), 14.0 * math.exp(0.8 * random.normal())
    else:
        minutes, peak_mm_h = int(random.uniform(180, 600)), 5.0 * math.exp(0.7 * random.normal())
    at = np.linspace(0, 1, minutes)
    early = random.uniform(0.2, 0.6)
    shape = np.where(at < early, at / early, np.maximum(0.0, 1 - (at - early) / (1 - early)))
    waver = np.repeat(random.gamma(3.0, 1 / 3.0, minutes // 8 + 1), 8)[:minutes]
    return np.asarray(peak_mm_h * shape * np.convolve(waver, np.ones(5) / 5, "same"), dtype=np.float64)


def runoff(rain_mm_h: Signal, first_min: float, second_min: float) -> Signal:
    """What arrives at the low point (mm/h over the catchment)."""
    out, a, b = np.empty(len(rain_mm_h)), 0.0, 0.0
    for i, fallen in enumerate(rain_mm_h.tolist()):
        a += (fallen - a) / first_min
        b += (a - b) / second_min
        out[i] = b
    return out


def standing(inflow_mm_h: Signal, drain_mm_h: float, hollow_min: float) -> Signal:
    """Volume that stands (mm over the catchment); the hollow seeps away with its own time constant."""
    out, volume = np.empty(len(inflow_mm_h)), 0.0
    for i, inflow in enumerate(inflow_mm_h.tolist()):
        volume = max(0.0, volume + (inflow - drain_mm_h) / 60 - volume / hollow_min)
        out[i] = volume
    return out


def street(seed: int, years: float, *, storms_a_year: float = 50.0, limit_cm: float = 15.0) -> Street:
    """A site that reaches `limit_cm` one to four times a year, on average."""
    random = np.random.default_rng(seed)
    first_min, second_min = random.uniform(5, 15), random.uniform(8, 30)
    hollow_min, bend = random.uniform(40, 150), random.uniform(0.6, 1.0)
    count = max(8, int(random.poisson(storms_a_year * years)))
    rains = [rain(random) for _ in range(count)]
    wet = [np.concatenate([np.zeros(BEFORE_MIN), one, np.zeros(AFTER_MIN)]) for one in rains]
    arrives = [runoff(one, first_min, second_min) for one in wet]
    peaks = np.sort([float(one.max()) for one in arrives])
    drain_mm_h = float(np.quantile(peaks, random.uniform(0.6, 0.85)))
    volumes = [standing(one, drain_mm_h, hollow_min) for one in arrives]
    tops = np.sort([float(one.max()) for one in volumes])
    crossing = max(1, round(random.uniform(1, 4) * years))
    scale = limit_cm / max(float(tops[-crossing - 1] + tops[-crossing]) / 2, 1e-3) ** bend
    begins = np.sort(random.choice(int(years * 365), count, replace=years * 365 < count)) * 1440
    begins += np.arange(count) * 1440  # never two at once
    made = []
    for begin, one, volume in zip(begins.tolist(), wet, volumes, strict=True):
        caught_mm = one / 60 * math.exp(0.25 * random.normal())
        tips_mm = np.diff(np.floor(np.cumsum(caught_mm) / 0.1), prepend=0.0) * 0.1
        made.append(Storm(int(begin), tips_mm, scale * volume**bend))
    return Street(tuple(made), random.uniform(0.15, 0.4), years)
