"""From statistics to return periods: each channel's tail, learned from the largest value of every block of time.

A block is six hours (or 16 usual intervals, if that is longer; two days for the slow channels), so that one bout counts
once. The threshold is steered to be passed in one block of four. What passes it has a generalised Pareto tail, by its
moments, shrunk to where every sensor starts; the less a sensor has seen, the heavier the tail it is given.
"""

from __future__ import annotations

from math import exp, log, log1p
from typing import Any

import numpy as np

from detectors.early.channels import (
    CONTEXT,
    CONTEXT_DRIFT,
    DAILY,
    DRIFT,
    FLAT,
    LEVEL,
    RARITY,
    SPIKE,
    VARIANCE_DOWN,
    VARIANCE_UP,
)
from detectors.early.layout import (
    BAND,
    BUDGET,
    CHANNEL_COUNT,
    EXCESS,
    EXCESS_2,
    NEIGHBOURS,
    REST_D,
    SEEN_D,
    START_EXCESS,
    START_SHAPE,
    START_THRESHOLD,
    TAIL,
    THRESHOLD,
    TICK_S,
    TICKS,
    TOGETHER_THRESHOLD,
    TOP,
    UNKNOWN,
    USUAL_S,
    WEIGHT,
)
from detectors.early.together import START, learn_together, unsettled

Row = Any
SHARE = 0.25  # of blocks pass the threshold
YEAR_S = 31_557_600.0
AT_START = 8.0  # blocks that the starting tail is worth
DOUBT = 1.0  # passes that stand for what is not known of a tail
MOST_BLOCKS = 800.0  # older ones are forgotten
LONGEST = 1e6  # years
TICK_LEAST_S = 21_600.0
LIGHTEST, RESTLESS = -0.05, 0.15  # least shapes
GROWN_Y = 42.0 / 365.25
YOUNG_D = 28.0
SPEAKS_D = 3.0  # days of neighbours before what is left of them is listened to
LONG_D = 60.0  # of neighbours: no longer are they counted
BAND_WEIGHT = 0.18  # of the spike channel where it is silent: people want a band all the same
TRUSTED_Y = 28.0 / 365.25  # age from which a sensor's tails have their whole part of the budget
KNOWN_D = 84.0  # age from which the tails of a sensor whose kind nobody knows are known
NATS_S, DENSEST = 300.0, 0.2  # interval for which nats tell, and what they keep where readings are that much denser


def tick_y(f: Row) -> float:
    """How many years a tick lasts."""
    return float(max(TICK_LEAST_S, 16.0 * np.float64(f[USUAL_S])) / YEAR_S)


def blocks_of(channel: int) -> int:
    """How many ticks a block of a channel lasts."""
    return 8 if channel in (DRIFT, CONTEXT_DRIFT, DAILY) else 1


def turns(c: int) -> bool:
    """Whether a channel looks at something else with neighbours than without."""
    return c >= CONTEXT or c in (VARIANCE_UP, VARIANCE_DOWN, RARITY)


def beside_d(f: Row, c: int) -> float:
    """Days that neighbours were there, for a channel that listens to them and if they came late; else endless."""
    days, listens = float(f[REST_D]), c >= CONTEXT or c in (VARIANCE_UP, VARIANCE_DOWN)
    late = SPEAKS_D < days < min(LONG_D, 0.5 * np.float64(f[SEEN_D]))
    return days if late and listens else LONGEST


def start_tail(f: Row, p: Row, c: int) -> None:
    """Give a channel the tail that it starts with."""
    at = TAIL + c
    mean, shape = p[START_EXCESS + c], p[START_SHAPE + c]
    f[at + TOP] = 0.0
    f[at + THRESHOLD] = p[START_THRESHOLD + c]
    f[at + EXCESS] = mean
    f[at + EXCESS_2] = 2.0 * mean * mean * (1.0 - shape) / (1.0 - 2.0 * shape)


def start_tails(f: Row, p: Row) -> None:
    """Give a new sensor the tails that all start with."""
    for c in range(CHANNEL_COUNT):
        start_tail(f, p, c)
    f[TOGETHER_THRESHOLD] = START
    f[BAND] = 8.0


def shape_of(mean: float, square: float) -> float:
    """Shape of the tail from the first two moments of what passes the threshold."""
    variance = square - mean * mean
    if variance <= 0.0:
        return LIGHTEST
    return max(LIGHTEST, min(0.5, 0.5 * (1.0 - mean * mean / variance)))


def experience(f: Row, c: int, tick: float, days: float) -> float:
    """How many independent things a channel has seen: blocks, but for averages over hours fewer."""
    ticks = min(np.float64(f[TICKS]), days / (365.25 * tick))
    seen = ticks * tick * YEAR_S / (4.0 * length_of(c) * np.float64(f[USUAL_S]))
    return min(ticks / blocks_of(c), seen, MOST_BLOCKS)


def length_of(c: int) -> float:
    """Over how many intervals a channel averages."""
    if c in (LEVEL + 2, CONTEXT + 3):
        return 64.0
    if c in (LEVEL + 3, CONTEXT + 4):
        return 256.0
    if c in (VARIANCE_UP, VARIANCE_DOWN):
        return 128.0
    return 4.0


def years_of(f: Row, p: Row, c: int, s: float, tick: float) -> float:
    """Return period of a statistic of channel c beyond its threshold, for its part of the budget; ticks in years."""
    at = TAIL + c
    mean = np.float64(f[at + EXCESS])
    shape = shape_of(mean, np.float64(f[at + EXCESS_2]))
    scale = mean * (1.0 - shape)
    if c in (LEVEL + 2, LEVEL + 3, DRIFT, CONTEXT_DRIFT):
        shape = max(shape, RESTLESS)  # a level has years of its own: the past weeks never show all of it
    days = beside_d(f, c)
    known = experience(f, c, tick, days)
    shape = max(0.01, shape + 1.0 / (DOUBT + SHARE * known))
    per_year = SHARE / (tick * blocks_of(c))
    exponent = log1p(max(-0.9, shape * (s - np.float64(f[at + THRESHOLD])) / scale)) / shape
    years = exp(min(exponent, 40.0)) / per_year
    seen = float(min(np.float64(f[SEEN_D]) / 365.25 + np.float64(f[TICK_S]) / YEAR_S, days / 365.25))
    if c == RARITY and p[NEIGHBOURS] == 0.0 and seen < known_d(p) / 365.25:
        return surprise_years(f, p, s, years, seen)
    if c != FLAT and p[UNKNOWN] > 0.0 and p[NEIGHBOURS] == 0.0 and seen < KNOWN_D / 365.25:
        return 0.0  # jumps, shifts and noise may be its life: until then it is judged by their rarity
    trust = min(1.0, seen / TRUSTED_Y)
    most = seen * (1.0 + known * known / 16.0) + 1e-6
    if years > most:  # beyond what its history can vouch for only gross signs get far
        years = most * exp(0.3 * log(years / most))
    if seen < GROWN_Y and p[NEIGHBOURS] == 0.0:
        years = min(years, gross_years(f, p, c, s, seen))
    return float(min(LONGEST, p[WEIGHT + c] * trust * trust * years))


def gross_years(f: Row, p: Row, c: int, s: float, seen_y: float) -> float:
    """The most that a young sensor without neighbours may say: its tails are not known, only gross jumps are sure."""
    doubt = min(1.0, 2.0 - 2.0 * seen_y / GROWN_Y)
    threshold = max(np.float64(f[TAIL + THRESHOLD + c]), p[START_THRESHOLD + c])
    times = min(s / threshold, 1e3) * exp(-3.4 * doubt)
    cube = times * times * times
    most = 100.0 * seen_y * cube * cube
    return float(most if c == SPIKE else most * exp(-9.2 * doubt))


def known_d(p: Row) -> float:
    """Age in days from which the tail of its own rarity is believed."""
    return KNOWN_D if p[UNKNOWN] > 0.0 else 2.0 * YOUNG_D


def surprise_years(f: Row, p: Row, s: float, years: float, seen_y: float) -> float:
    """Nats tell by themselves, in the first weeks less; the tail of its own is believed as it becomes known.

    They are counted of one reading in five minutes. Of a kind nobody knows as many more chances count as come oftener.
    """
    known = max(0.0, min(1.0, (seen_y - TRUSTED_Y) / (known_d(p) / 365.25 - TRUSTED_Y)))
    young = min(1.0, seen_y / (0.5 * TRUSTED_Y))
    slow = 1.0 if p[UNKNOWN] > 0.0 else young
    dense = max(DENSEST, min(1.0, np.float64(f[USUAL_S]) / NATS_S)) if p[UNKNOWN] > 0.0 else 1.0
    plain = p[WEIGHT + RARITY] * dense * young * slow * exp(min(s - 1.4, 40.0)) / 365.25
    return float(min(LONGEST, exp((1.0 - known) * log(plain) + known * log(p[WEIGHT + RARITY] * years))))


def loudest(f: Row, p: Row, stat: Row, tick: float) -> tuple[float, int]:
    """The return period in years of the channel that finds the sample least usual, and which it is; ticks in years."""
    years, channel, near, nearest = 0.0, -1, -1.0, 0
    for c in range(CHANNEL_COUNT):
        if p[WEIGHT + c] <= 0.0:
            continue
        threshold = np.float64(f[TAIL + THRESHOLD + c])
        s = stat[c]
        if s > threshold or (c == RARITY and s > 0.0 and p[NEIGHBOURS] == 0.0 and f[SEEN_D] < known_d(p)):
            found = years_of(f, p, c, s, tick)
            if found > years:
                years, channel = found, c
        elif s > near * threshold:
            near, nearest = s / threshold, c
    if channel >= 0:
        return years, channel
    # Nothing passes: somewhere below the return period of the threshold itself.
    per_year = SHARE / tick
    young = min(1.0, np.float64(f[SEEN_D]) / YOUNG_D)
    return 0.05 / per_year * young * young * max(near, 0.0) * max(near, 0.0), nearest


def raise_tops(f: Row, stat: Row) -> None:
    """Keep the largest of the block."""
    for c in range(CHANNEL_COUNT):
        if stat[c] > f[TAIL + TOP + c]:
            f[TAIL + TOP + c] = stat[c]


def close_block(f: Row, p: Row) -> None:
    """A tick is over: learn from the tops of the channels whose block ends."""
    f[SEEN_D] = np.float64(f[SEEN_D]) + np.float64(f[TICK_S]) / 86_400.0
    f[TICK_S] = 0.0
    ticks = np.float64(f[TICKS]) + 1.0
    f[TICKS] = ticks if ticks < 1e6 else 1e6 - 8.0
    tick = tick_y(f)
    for c in range(CHANNEL_COUNT):
        if ticks % blocks_of(c) == 0.0:
            learn_top(f, p, c, min(ticks, beside_d(f, c) / (365.25 * tick)) / blocks_of(c))
    learn_together(f, p)
    at = TAIL
    mean = np.float64(f[at + EXCESS])
    shape = shape_of(mean, np.float64(f[at + EXCESS_2]))
    per_year = SHARE / tick
    years = unsettled(f, p, 1.0 / p[BUDGET], tick, SPIKE)
    rarer = max(1.0, per_year * years / (p[WEIGHT] if p[WEIGHT] > 0.0 else BAND_WEIGHT))
    shape = max(0.01, shape + 1.0 / (DOUBT + SHARE * min(ticks, MOST_BLOCKS)))
    f[BAND] = np.float64(f[at + THRESHOLD]) + mean / shape * (exp(shape * log1p(rarer - 1.0)) - 1.0)


def learn_top(f: Row, p: Row, c: int, blocks: float) -> None:
    """Learn from the largest statistic of a block; what is beyond anything to be expected by now counts as that."""
    at = TAIL + c
    top, threshold = np.float64(f[at + TOP]), np.float64(f[at + THRESHOLD])
    mean = np.float64(f[at + EXCESS])
    f[at + TOP] = 0.0
    gain = max(0.04, 1.0 / (blocks + 4.0))
    if top <= threshold:
        f[at + THRESHOLD] = max(threshold - SHARE * gain * mean * 2.0, 0.1 * p[START_THRESHOLD + c])
        return
    shape = max(0.01, shape_of(mean, np.float64(f[at + EXCESS_2])))
    passes = SHARE * (blocks + AT_START)
    most = mean * (1.0 - shape) / shape * (exp(shape * log1p(4.0 * passes)) - 1.0)
    excess = min(top - threshold, most)
    part = 1.0 / (min(passes, SHARE * MOST_BLOCKS) + 1.0)
    f[at + EXCESS] = max(mean + part * (excess - mean), 0.1 * p[START_EXCESS + c])
    f[at + EXCESS_2] = np.float64(f[at + EXCESS_2]) + part * (excess * excess - np.float64(f[at + EXCESS_2]))
    f[at + THRESHOLD] = threshold + (1.0 - SHARE) * gain * mean * 2.0
