"""How seldom a sensor was as it is: histograms of its values, and without neighbours of more than that.

A sensor of a known kind has two more: of its deviation from level and habits over four samples, and of how restless it
is. One of a kind that nobody knows is looked at on five scales, because nobody can tell on which it goes wrong: its
value, and that over 24 samples; its deviation, that over 16, and over 64. What is rare on several scales at once counts
for more than the mean, what is rare on one for less than the loudest: the root of the mean square.
"""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np

from detectors.early.channels import RARITY
from detectors.early.layout import (
    AVERAGE,
    CENTRE,
    COUNT,
    HELD,
    HISTOGRAM,
    HISTOGRAM_2,
    HISTOGRAM_3,
    LOW,
    LOW_2,
    LOW_3,
    NEIGHBOURS,
    SCALES,
    SCALES_LOW,
    SLOWER,
    SMOOTH,
    SMOOTHER,
    SOUGHT,
    SPREAD,
    UNKNOWN,
    WOBBLE,
)

Row = Any
BINS, FEWER = 38, 26  # of the first three histograms; of one scale
MORE = 4  # scales besides the value
UNSEEN = 0.1  # samples that a bin never hit is worth
UNIT = 12  # of a sample's mass, shared by two bins
FULL, FULLER = 5_300.0, 10_600.0  # samples a histogram holds before all are halved; that of a kind nobody knows
MOST = 65_535  # a bin holds: of the longer memory half
LEAST_HELD = 200
PAD = 0.25


def place_in(f: Row, low: int, bins: int, value: float) -> float:
    """Where a value lies between the first and the last bin of a histogram whose lower end and width stand at `low`."""
    place = (value - np.float64(f[low])) / np.float64(f[low + 1])
    return min(bins - 1.0, place) if place > 0.0 else 0.0  # also when the row was damaged, and it is no number


def nats(f: Row, h: Row, counts: int, low: int, bins: int, value: float) -> float:
    """-ln of how often a histogram has seen about this value."""
    place = place_in(f, low, bins, value)
    k = min(int(place), bins - 2)
    part = place - k
    seen = (1.0 - part) * np.float64(h[counts + k]) + part * np.float64(h[counts + k + 1])
    return log((np.float64(f[HELD]) + UNSEEN * bins) / (seen / UNIT + UNSEEN))


def measure_rarity(f: Row, h: Row, p: Row, x: float, off: float, up: float, stat: Row, side: Row) -> None:
    """How seldom it has said so; without neighbours also how seldom the rest was so. `off` is off level and habits."""
    alone, unknown = p[NEIGHBOURS] == 0.0, p[UNKNOWN] > 0.0
    if alone and unknown:
        move_scales(f, x, off)
    elif alone:
        move_features(f, x, off)
    if f[HELD] < LEAST_HELD:
        return
    surprise: float = nats(f, h, HISTOGRAM, LOW, BINS, x)
    if alone and unknown:
        squares = surprise * surprise
        for k in range(MORE):
            one = nats(f, h, SCALES + FEWER * k, SCALES_LOW + 2 * k, FEWER, on_scale(f, k, x, off))
            squares += one * one
        surprise = sqrt(squares / (1.0 + MORE))
    elif alone:
        surprise += nats(f, h, HISTOGRAM_2, LOW_2, BINS, np.float64(f[SMOOTH]))
        surprise += nats(f, h, HISTOGRAM_3, LOW_3, BINS, restless(f))
        surprise = surprise / 3.0
    stat[RARITY] = surprise
    side[RARITY] = up


def on_scale(f: Row, k: int, x: float, off: float) -> float:
    """What the histogram of a scale counts."""
    if k == 0:
        return off
    if k == 1:
        return float(np.float64(f[SMOOTHER]))
    if k == 2:
        return float(np.float64(f[SLOWER]))
    return float(np.float64(f[AVERAGE + 2]))


def move_scales(f: Row, x: float, off: float) -> None:
    """The deviation over 16 samples, and the value over 24."""
    n = np.float64(f[COUNT]) + 1.0
    f[SMOOTHER] = np.float64(f[SMOOTHER]) + (off - np.float64(f[SMOOTHER])) / min(n, 16.0)
    f[SLOWER] = np.float64(f[SLOWER]) + (x - np.float64(f[SLOWER])) / min(n, 24.0)


def restless(f: Row) -> float:
    """Ln of the standard deviation of late."""
    return 0.5 * log(np.float64(f[WOBBLE]) + 1e-6 * np.float64(f[SPREAD]) * np.float64(f[SPREAD]) + 1e-24)


def move_features(f: Row, x: float, deviation: float) -> None:
    """What the second and third histogram count: the deviation over four samples; the variance over 32."""
    n = np.float64(f[COUNT]) + 1.0
    f[SMOOTH] = np.float64(f[SMOOTH]) + (deviation - np.float64(f[SMOOTH])) / min(n, 4.0)
    if n <= 1.0:
        f[CENTRE] = x
    off = x - np.float64(f[CENTRE])
    f[CENTRE] = np.float64(f[CENTRE]) + off / min(n, 32.0)
    f[WOBBLE] = np.float64(f[WOBBLE]) + (off * off - np.float64(f[WOBBLE])) / min(n, 32.0)


def learn_histograms(f: Row, h: Row, p: Row, x: float, off: float) -> None:
    """Count the sample in every histogram; halve all when full."""
    alone, unknown = p[NEIGHBOURS] == 0.0, p[UNKNOWN] > 0.0
    count(f, h, HISTOGRAM, LOW, BINS, x)
    if alone and unknown:
        for k in range(MORE):
            count(f, h, SCALES + FEWER * k, SCALES_LOW + 2 * k, FEWER, on_scale(f, k, x, off))
    elif alone:
        count(f, h, HISTOGRAM_2, LOW_2, BINS, np.float64(f[SMOOTH]))
        count(f, h, HISTOGRAM_3, LOW_3, BINS, restless(f))
    held = float(np.float64(f[HELD]) + 1.0)
    if held >= (FULLER if unknown else FULL):
        held = 0.5 * held
        halve(h, HISTOGRAM, BINS)
        if alone and unknown:
            halve(h, SCALES, MORE * FEWER)
        elif alone:
            halve(h, HISTOGRAM_2, BINS)
            halve(h, HISTOGRAM_3, BINS)
    f[HELD] = held


def halve(h: Row, counts: int, bins: int) -> None:
    """What is older counts half."""
    for k in range(bins):
        h[counts + k] = h[counts + k] // 2


def count(f: Row, h: Row, counts: int, low: int, bins: int, value: float) -> None:
    """Count a value for the two nearest bins; first its range is sought, later doubled when it is left."""
    held = f[HELD]
    if held < SOUGHT:
        if held == 0.0:
            f[low], f[low + 1] = value, value
        f[low], f[low + 1] = min(np.float64(f[low]), value), max(np.float64(f[low + 1]), value)
        if held == SOUGHT - 1:
            span = max(np.float64(f[low + 1]) - np.float64(f[low]), 1e-3 * abs(value) + 1e-9)
            f[low] = np.float64(f[low]) - PAD * span
            f[low + 1] = (1.0 + 2.0 * PAD) * span / (bins - 1)
        return
    for _ in range(40):
        place = (value - np.float64(f[low])) / np.float64(f[low + 1])
        if place < 0.0:
            widen(f, h, counts, low, bins, 1)
        elif place > bins - 1:
            widen(f, h, counts, low, bins, 0)
        else:
            break
    found = place_in(f, low, bins, value)
    k = min(int(found), bins - 2)
    upper = int((found - k) * UNIT + 0.5)
    h[counts + k] = min(int(h[counts + k]) + UNIT - upper, MOST)
    h[counts + k + 1] = min(int(h[counts + k + 1]) + upper, MOST)


def widen(f: Row, h: Row, counts: int, low: int, bins: int, below: int) -> None:
    """Twice as wide, to below or above: what lies between two new bins is shared by them."""
    last = bins - 1
    if below:
        for i in range(bins):  # from the top: old place j becomes (j + last) / 2
            k = last - i
            j = 2 * k - last
            mass = 0
            if j >= 0:
                mass = int(h[counts + j]) + (int(h[counts + j + 1]) // 2 if j < last else 0)
            if j - 1 >= 0:
                mass += int(h[counts + j - 1]) - int(h[counts + j - 1]) // 2
            elif j == -1:
                mass = int(h[counts]) // 2
            h[counts + k] = min(mass, MOST)
        f[low] = np.float64(f[low]) - last * np.float64(f[low + 1])
    else:
        for k in range(bins):
            j = 2 * k
            mass = 0
            if j <= last:
                mass = int(h[counts + j])
                if j + 1 <= last:
                    mass += int(h[counts + j + 1]) // 2
            if 1 <= j <= last + 1:
                mass += int(h[counts + j - 1]) - int(h[counts + j - 1]) // 2
            h[counts + k] = min(mass, MOST)
    f[low + 1] = 2.0 * np.float64(f[low + 1])
