"""A gas station's years: demand with its day, week and winter, pressure that falls with flow; seeded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Station:
    """Columns by `step_s`: time (us), air temperature, flow (m3/h), own pressure and that of two peers (kPa)."""

    time_us: NDArray[np.int64]
    air: Signal
    flow: Signal
    pressure: Signal
    peers: tuple[Signal, Signal]


def slow(random: np.random.Generator, n: int, memory: float) -> Signal:
    """Slow noise, spread 1, correlation `memory` samples."""
    keep = float(np.exp(-1 / memory))
    shocks = random.normal(0, np.sqrt(1 - keep * keep), n).tolist()
    out, value = np.empty(n), float(random.normal())
    for i, shock in enumerate(shocks):
        value = keep * value + shock
        out[i] = value
    return out


def lagged(values: Signal, memory: float) -> Signal:
    """What a house feels of the weather."""
    out, felt = np.empty(len(values)), float(values[0])
    for i, value in enumerate(values.tolist()):
        felt += (value - felt) / memory
        out[i] = felt
    return out


def station(seed: int, days: float, step_s: int = 300) -> Station:
    """A city of 30 000; the first day is a Thursday in January."""
    random = np.random.default_rng(seed)
    n = round(days * 86400 / step_s)
    second = np.arange(n) * step_s
    day, hour = second / 86400, second % 86400 / 3600
    weekend = ((day.astype(int) + 3) % 7) >= 5
    a_day = 86400 / step_s
    weather = 4 * slow(random, n, 3 * a_day)
    air = 14 - 12 * np.cos(2 * np.pi * (day - 15) / 365) + weather + 4 * np.cos(2 * np.pi * (hour - 15) / 24)
    shift = np.where(weekend, 1.2, 0.0)
    bustle = 0.35 + sum(
        high * np.exp(-((((hour - at - shift + 12) % 24 - 12) / width) ** 2))
        for at, width, high in ((7.3, 1.5, 0.7), (12.0, 1.8, 0.4), (18.7, 2.2, 0.9))
    )
    heat = 1 + 0.16 * np.maximum(0.0, 17 - lagged(air, 18 * 3600 / step_s))  # houses cool slowly
    size = random.uniform(60, 400)
    rough = np.exp(random.uniform(0.02, 0.05) * slow(random, n, 0.3 * a_day) + random.normal(0, 0.02, n))
    flow = size * bustle * heat * rough
    grid = random.uniform(300, 420) + 2.0 * slow(random, n, 2 * a_day)
    loss = random.uniform(8, 25) * (flow / np.quantile(flow, 0.95)) ** 1.75
    others = tuple(
        grid + random.uniform(-3, 3) - loss * random.uniform(0.5, 1.1) + random.normal(0, 0.3, n) for _ in range(2)
    )
    own = np.round(grid - loss + random.normal(0, 0.3, n), 1)
    return Station(
        (second * 1_000_000).astype(np.int64), air, np.round(flow, 1), own,
        (np.round(others[0], 1), np.round(others[1], 1)),
    )  # fmt: skip
