"""What the engine knows of one sensor, and what each of its channels says of a sample, to be read by people."""

from __future__ import annotations

from math import isnan, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Longs
from detectors.early import layout
from detectors.early.channels import BLIND_REASONS, CHANNELS
from detectors.early.kernel import step
from detectors.early.tails import shape_of, tick_y, years_of

Row = NDArray[np.float32]


class Heard(NamedTuple):
    """One channel.

    Attributes
    ----------
    channel, statistic, direction
        Which; how unusual the sample is by it, in its own scales (NaN: none asked); 1 up, -1 down, 0 neither.
    threshold, scale, shape
        Of its tail: passed in a quarter of all blocks; mean excess beyond it; how heavy.
    weight
        Its part of the false-alarm budget; 0: off.
    return_period_years
        Of the sample by this channel's part of the budget, before all channels together are held against what they said
        before; NaN below the threshold, 0 while the channel is not believed yet.
    """

    channel: str
    statistic: float
    direction: int
    threshold: float
    scale: float
    shape: float
    weight: float
    return_period_years: float


class Explanation(NamedTuple):
    """One sensor after its last sample, or faced with one more; numbers in the sensor's unit.

    Attributes
    ----------
    time_us, value
        Of the sample.
    expected, low, high
        What would have been normal; NaN when no sample was asked for.
    return_period_years, channel
        What all channels make of it together, and which spoke; NaN and empty when not known.
    blind
        Why it cannot be judged; empty when it can.
    seen_days, interval_s
        What the engine knows the sensor by.
    channels
        All of them, in the order of `CHANNELS`.
    """

    time_us: int
    value: float
    expected: float
    low: float
    high: float
    return_period_years: float
    channel: str
    blind: str
    seen_days: float
    interval_s: float
    channels: tuple[Heard, ...]


def explain(row: Row, p: Floats, kinds: Longs, sample: Columns | None) -> Explanation:
    """Explain a copy of a sensor's row (layout.WIDTH,), after one usable sample more if there is one."""
    f = np.array(row, np.float32)
    d, t, h = f.view(np.float64), f.view(np.int64), f.view(np.uint16)
    stat, side, out = np.full(len(CHANNELS), nan), np.zeros(len(CHANNELS)), np.full(6, nan)
    tails, blind = f.copy(), 0
    if sample is not None:
        z, work = np.zeros(layout.REGRESSORS), np.zeros((layout.REGRESSORS + 1, layout.REGRESSORS))
        time_us, local_us = int(sample.time_us[0]), int(sample.local_us[0])
        blind = step(
            f, d, t, h, p, kinds, time_us, local_us, float(sample.value[0]), sample.context[0], stat, side, z, work, out
        )
    spoke = "" if isnan(out[0]) else CHANNELS[int(out[1])]
    value = float(sample.value[0]) if sample is not None else nan
    return Explanation(
        int(t[layout.LAST_US]), value, float(out[3]), float(out[4]), float(out[5]), float(out[0]), spoke,
        BLIND_REASONS[blind], float(f[layout.SEEN_D]), float(f[layout.USUAL_S]),
        tuple(_heard(tails, p, c, float(stat[c]), int(side[c])) for c in range(len(CHANNELS))),
    )  # fmt: skip


def _heard(f: Row, p: Floats, c: int, statistic: float, side: int) -> Heard:
    at = layout.TAIL + c
    threshold, mean = float(f[at + layout.THRESHOLD]), float(f[at + layout.EXCESS])
    weight = float(p[layout.WEIGHT + c])
    years = years_of(f, p, c, statistic, tick_y(f)) if weight > 0 and statistic > threshold else nan
    shape = shape_of(mean, float(f[at + layout.EXCESS_2])) if mean > 0 else nan
    return Heard(CHANNELS[c], statistic, side, threshold, mean, shape, weight, years)
