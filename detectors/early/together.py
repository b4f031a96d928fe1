"""What all channels say together, held against how often they said it before.

Channels share readings, and one tail that is wrong makes the loudest of them too loud or too quiet for years. So the
loudest return period is a statistic in its turn: of every tick its largest is kept, in ticks. If the channels were
right, one in 16 would pass 16; where it truly stands is learned. Beyond that its logarithm has a generalised Pareto
tail, exponential with a mean of 1 if the channels were right. Mean and shape are told by the kind of sensor, because a
sensor's own few would mostly be its faults; what is rarest has causes of its own, so the shape is above 0.
"""

from __future__ import annotations

from math import exp, log, log1p
from typing import Any

import numpy as np

from detectors.early.channels import CONTEXT, RARITY
from detectors.early.layout import (
    BACK,
    NEIGHBOURS,
    REST_D,
    SEEN_D,
    TICKS,
    TOGETHER_EXCESS,
    TOGETHER_SHAPE,
    TOGETHER_THRESHOLD,
    TOGETHER_TOP,
    UNKNOWN,
)

Row = Any
PART = 1.0 / 16.0  # of ticks pass the threshold
START = 16.0
KNOWN, GUESSED = 224.0, 112.0  # ticks that the starting threshold is worth; of a kind nobody knows half as many
MOST_TICKS = 800.0  # older ones are forgotten
LEAST = 0.05  # of the threshold at the start
# Mean excess while a sensor is young, where its tails are too light: what nobody knows is judged by its rarity
# alone, and puffs that neighbours do not share are rare. From `YOUNG_D` on it becomes that of its kind.
RARE_EXCESS, PUFFS_EXCESS = 0.78, 1.0
YOUNG_D, PUFFS_D, RARE_D = 28.0, 42.0, 56.0


def excess_of(f: Row, p: Row, channel: int) -> float:
    """Mean excess of the tail, by what spoke: larger for young sensors that nobody knows, or that have puffs."""
    excess, days = float(p[TOGETHER_EXCESS]), np.float64(f[SEEN_D])
    young, grown_d = RARE_EXCESS, RARE_D
    if p[NEIGHBOURS] > 0.0:
        young, grown_d = PUFFS_EXCESS, PUFFS_D
        if channel == RARITY or channel >= CONTEXT:  # these began anew where neighbours came late
            days = min(days, np.float64(f[REST_D]))
    if p[BACK if p[NEIGHBOURS] > 0.0 else UNKNOWN] <= 0.0:
        return excess
    part = max(0.0, min(1.0, (grown_d - days) / (grown_d - YOUNG_D)))
    return float(excess + part * (young - excess))


def settled(f: Row, p: Row, years: float, tick_y: float, channel: int) -> float:
    """The return period in years of a loudest one, with ticks of so many years, by the channel that is loudest."""
    excess = excess_of(f, p, channel)
    over = years / (tick_y * np.float64(f[TOGETHER_THRESHOLD]))
    if over <= 1.0:
        # Of a kind nobody knows one scale throughout: what is rare is compared across series. Of others no usual budget
        # lies below the threshold: a plain line, by which also a young sensor's scores still differ.
        if p[UNKNOWN] > 0.0:
            return float(exp(log(max(over, 1e-30)) / excess) * tick_y / PART)
        return float(over * tick_y / PART)
    times = log1p(p[TOGETHER_SHAPE] * log(over) / excess) / p[TOGETHER_SHAPE]
    return float(tick_y / PART * exp(min(times, 40.0)))


def unsettled(f: Row, p: Row, years: float, tick_y: float, channel: int) -> float:
    """The loudest return period of a channel that is settled as `years`."""
    excess = excess_of(f, p, channel)
    rare = years * PART / tick_y
    least = tick_y * np.float64(f[TOGETHER_THRESHOLD])
    if rare <= 1.0:
        if p[UNKNOWN] > 0.0:
            rare = exp(log(rare) * excess)
        return float(rare * least)
    shape = p[TOGETHER_SHAPE]
    return float(least * exp(min(excess * (exp(shape * log(rare)) - 1.0) / shape, 40.0)))


def raise_together(f: Row, years: float, tick_y: float) -> None:
    """Keep the largest of the tick."""
    ticks = years / tick_y
    if ticks > f[TOGETHER_TOP]:
        f[TOGETHER_TOP] = ticks


def learn_together(f: Row, p: Row) -> None:
    """A tick is over: let the threshold follow, so that it is passed as often as it should be."""
    threshold = np.float64(f[TOGETHER_THRESHOLD])
    start = GUESSED if p[UNKNOWN] > 0.0 else KNOWN
    gain = p[TOGETHER_EXCESS] / (PART * (min(np.float64(f[TICKS]), MOST_TICKS) + start))
    if f[TOGETHER_TOP] > threshold:
        f[TOGETHER_THRESHOLD] = threshold * exp((1.0 - PART) * gain)
    else:
        f[TOGETHER_THRESHOLD] = max(threshold * exp(-PART * gain), LEAST * START)
    f[TOGETHER_TOP] = 0.0
