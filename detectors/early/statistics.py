"""What each channel says of a sample, and the scales it says it in."""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np

from detectors.early.channels import (
    DAILY,
    DRIFT,
    FLAT,
    LEVEL,
    RARITY,
    RATE,
    SPIKE,
    VARIANCE_DOWN,
    VARIANCE_UP,
)
from detectors.early.layout import (
    ACTIVITY,
    ACTIVITY_USUAL,
    AVERAGE,
    AVERAGE_SCALE,
    BIN,
    CHANGE,
    CHANGE_US,
    CLIP,
    COUNT,
    ECHO,
    ECHO_POWER,
    ECHO_SCALE,
    HELD,
    HISTOGRAM,
    LAST_CHANGE,
    LOW,
    NOISE,
    POWER,
    PREVIOUS,
    SEEN_D,
    SLOW,
    SPREAD,
    STEP,
    TICK_S,
    TREND,
    TREND_SCALE,
    USUAL_S,
)

Row = Any
TO_SIGMA = 1.2533  # mean absolute value of normal noise, to its standard deviation
BINS = 44
LATE = 4.0  # intervals after which the next value says nothing about spikes
UNSEEN = 0.05  # counts that a bin never hit is worth
YOUNG = 1000  # counts until which any value makes room for itself
FULL = 60_000.0  # counts a histogram holds before all are halved
DAY_S = 86_400.0
SCALE_MEMORY_D, SLOW_SCALE_MEMORY_D = 7.0, 20.0


def signed(f: Row, place: int, scale: float, c: int, stat: Row, side: Row) -> None:
    """How many scales a running value is from zero, and on which side."""
    value = np.float64(f[place])
    stat[c] = abs(value) / scale
    side[c] = 1.0 if value > 0.0 else -1.0


def measure(f: Row, d: Row, t: Row, h: Row, p: Row, time_us: int, x: float, u: float, deviation: float,
            innovation: float, habit: float, stat: Row, side: Row) -> None:  # fmt: skip
    """Move the running values on by one sample and fill `stat` and `side`."""
    for c in range(len(stat)):
        stat[c], side[c] = 0.0, 0.0
    finest = 0.5 * np.float64(f[STEP]) + 1e-9 * abs(x) + 1e-12
    noise = max(TO_SIGMA * np.float64(f[NOISE]), finest)
    spread = max(TO_SIGMA * np.float64(f[SPREAD]), finest)
    seen = np.float64(f[SEEN_D]) * DAY_S + np.float64(f[TICK_S])
    usual_s = max(np.float64(f[USUAL_S]), 1e-3)
    if u <= LATE:
        measure_jump(f, x - d[PREVIOUS], innovation, noise, finest, u, stat, side)
    most = p[CLIP] * spread
    pull = max(-most, min(most, deviation))
    measure_levels(f, pull, u, noise, finest, seen / usual_s, stat, side)
    dt_s = min(u, 3.0) * usual_s
    slow = x - habit - d[SLOW]
    f[TREND] = np.float64(f[TREND]) + dt_s / (2.0 * DAY_S + dt_s) * (max(-most, min(most, slow)) - np.float64(f[TREND]))
    if seen > 4.0 * DAY_S:
        signed(f, TREND, max(TO_SIGMA * np.float64(f[TREND_SCALE]), finest), DRIFT, stat, side)
    measure_activity(f, innovation / noise, u, stat, side)
    measure_flat(f, d, t, time_us, x, usual_s, stat)
    measure_rarity(f, h, x, 1.0 if deviation > 0.0 else -1.0, stat, side)
    measure_cycle(f, dt_s, pull, habit, spread, seen, stat, side)


def measure_jump(f: Row, change: float, innovation: float, noise: float, finest: float, u: float, stat: Row,
                 side: Row) -> None:  # fmt: skip
    """How far it is from what came just before, and from what was to come."""
    stat[SPIKE] = abs(innovation) / (noise * widening(f, POWER, noise, u))
    side[SPIKE] = 1.0 if innovation > 0.0 else -1.0
    stat[RATE] = abs(change) / (max(TO_SIGMA * np.float64(f[CHANGE]), finest) * sqrt(max(1.0, u)))
    side[RATE] = 1.0 if change > 0.0 else -1.0


def measure_levels(f: Row, pull: float, u: float, noise: float, finest: float, age: float, stat: Row,
                   side: Row) -> None:  # fmt: skip
    """How far averages over several lengths are from where they belong, once it is so many intervals old."""
    length = 4.0
    for k in range(4):
        at = AVERAGE + k
        f[at] = np.float64(f[at]) + u / (length + u) * (pull - np.float64(f[at]))
        length *= 4.0
    length = 4.0
    for k in range(4):
        if age > 3.0 * length * (16.0 if k < 2 else 1.0):
            shift = shift_of(f, k)
            least = max(noise / sqrt(length), 0.3 * finest)
            stat[LEVEL + k] = abs(shift) / max(TO_SIGMA * np.float64(f[AVERAGE_SCALE + k]), least)
            side[LEVEL + k] = 1.0 if shift > 0.0 else -1.0
        length *= 4.0


def shift_of(f: Row, k: int) -> float:
    """The level over 4 and over 16 intervals against that over 64 and 256; over these against what is expected."""
    average = np.float64(f[AVERAGE + k])
    return float(average - np.float64(f[AVERAGE + k + 2])) if k < 2 else float(average)


def measure_activity(f: Row, z: float, u: float, stat: Row, side: Row) -> None:
    """More or less noise than usual."""
    activity = np.float64(f[ACTIVITY])
    activity = activity + u / (128.0 + u) * (min(z * z, 25.0) - activity)
    f[ACTIVITY] = activity
    if f[COUNT] < 256:
        return
    ratio = 0.5 * log((activity + 1e-3) / (np.float64(f[ACTIVITY_USUAL]) + 1e-3))
    stat[VARIANCE_UP], side[VARIANCE_UP] = max(0.0, ratio), 1.0
    stat[VARIANCE_DOWN], side[VARIANCE_DOWN] = max(0.0, -ratio), -1.0


def measure_flat(f: Row, d: Row, t: Row, time_us: int, x: float, usual_s: float, stat: Row) -> None:
    """How long it has said the same."""
    if abs(x - d[PREVIOUS]) > 1e-9 * abs(x) + 1e-12:
        t[CHANGE_US] = time_us
        return
    if f[STEP] > 0.0:
        stat[FLAT] = sqrt((time_us - t[CHANGE_US]) * 1e-6 / usual_s)


def bin_of(f: Row, x: float) -> int:
    """The histogram's bin of a value; what lies outside counts for the last one on its side."""
    place = (x - np.float64(f[LOW])) / np.float64(f[BIN])
    return int(max(0.0, min(BINS - 1.0, place)))


def measure_rarity(f: Row, h: Row, x: float, up: float, stat: Row, side: Row) -> None:
    """How seldom it has said so."""
    if f[BIN] <= 0.0:
        return
    held = np.float64(f[HELD])
    stat[RARITY] = log((held + UNSEEN * BINS) / (np.float64(h[HISTOGRAM + bin_of(f, x)]) + UNSEEN))
    side[RARITY] = up


def measure_cycle(f: Row, dt_s: float, pull: float, habit: float, spread: float, seen: float, stat: Row,
                  side: Row) -> None:  # fmt: skip
    """How much stronger or weaker its habits of the day are than usual."""
    a = dt_s / (DAY_S + dt_s)
    f[ECHO] = np.float64(f[ECHO]) + a * (pull * habit - np.float64(f[ECHO]))
    f[ECHO_POWER] = np.float64(f[ECHO_POWER]) + a * (habit * habit - np.float64(f[ECHO_POWER]))
    power = np.float64(f[ECHO_POWER])
    if seen < 7.0 * DAY_S or power < 0.25 * spread * spread or f[ECHO_SCALE] <= 0.0:
        return
    echo = np.float64(f[ECHO]) / power
    stat[DAILY] = abs(echo) / max(TO_SIGMA * np.float64(f[ECHO_SCALE]), 0.02)
    side[DAILY] = 1.0 if echo > 0.0 else -1.0


def follow(f: Row, place: int, value: float, gain: float, most: float) -> None:
    """Let a scale follow the size of a value, at most `most` times itself."""
    scale = np.float64(f[place])
    size = abs(value)
    if most > 0.0 and scale > 0.0:
        size = min(size, most * scale)
    f[place] = scale + gain * (size - scale)


def learn_scales(f: Row, d: Row, t: Row, h: Row, x: float, dt_s: float, deviation: float, innovation: float,
                 habit: float, may: float) -> None:  # fmt: skip
    """Let the scales follow, unless the sample is suspicious."""
    change = x - d[PREVIOUS]
    if change != 0.0 and abs(change) > 1e-9 * abs(x):
        step = abs(change)
        finest = np.float64(f[STEP])
        f[STEP] = step if finest <= 0.0 or step < finest else finest
    if may <= 0.0 or dt_s <= 0.0:
        return
    seen = np.float64(f[SEEN_D]) * DAY_S + np.float64(f[TICK_S]) + dt_s
    most = 0.0 if f[COUNT] < 12 else 5.0
    gain = dt_s / (min(seen, SCALE_MEMORY_D * DAY_S) + dt_s)
    slow = dt_s / (min(seen, SLOW_SCALE_MEMORY_D * DAY_S) + dt_s)
    follow(f, NOISE, innovation, gain, most)
    follow(f, CHANGE, change, gain, most)
    follow(f, SPREAD, deviation, gain, most)
    for k in range(4):
        follow(f, AVERAGE_SCALE + k, shift_of(f, k), slow, 5.0)
    follow(f, TREND_SCALE, np.float64(f[TREND]), slow, 5.0)
    f[ACTIVITY_USUAL] = np.float64(f[ACTIVITY_USUAL]) + gain * (np.float64(f[ACTIVITY]) - np.float64(f[ACTIVITY_USUAL]))
    power = np.float64(f[ECHO_POWER])
    if power > 0.0 and seen > 3.0 * DAY_S:
        follow(f, ECHO_SCALE, np.float64(f[ECHO]) / power, slow, 5.0)
    learn_pace(f, POWER, LAST_CHANGE, change, 5.0 * np.float64(f[CHANGE]), gain)
    learn_histogram(f, h, x)


def widening(f: Row, power: int, noise: float, u: float) -> float:
    """By how much longer a time than usual widens what may come next."""
    if u <= 1.0:
        return 1.0
    wander = max(0.0, np.float64(f[power]) + 2.0 * min(0.0, np.float64(f[power + 1])))
    return sqrt(1.0 + min(1.0, wander / (noise * noise)) * (u - 1.0))


def gain_of(f: Row, power: int, u: float) -> float:
    """How far a local level follows a sample `u` intervals after the last, by the moments of the changes.

    Changes of a wandering level with white noise on top have the variance q + 2 r and the covariance -r with the next.
    """
    noise = max(0.0, -np.float64(f[power + 1]))
    wander = max(0.0, np.float64(f[power]) - 2.0 * noise)
    if noise <= 0.0:
        return 1.0
    ratio = max(wander / noise, 1e-4) * min(u, 100.0)
    return float(0.5 * (sqrt(ratio * ratio + 4.0 * ratio) - ratio))


def learn_pace(f: Row, power: int, last: int, change: float, most: float, gain: float) -> None:
    """Let the moments of the changes follow."""
    now = max(-most, min(most, change))
    before = np.float64(f[last])
    f[power] = np.float64(f[power]) + gain * (now * now - np.float64(f[power]))
    f[power + 1] = np.float64(f[power + 1]) + gain * (now * before - np.float64(f[power + 1]))
    f[last] = now


def learn_histogram(f: Row, h: Row, x: float) -> None:
    """Count the value; make room on a side where too many lie outside; halve when full."""
    if f[BIN] <= 0.0:
        if f[COUNT] >= 23:
            start_histogram(f, x)
        return
    for _ in range(4 if f[HELD] < YOUNG else 0):
        place = (x - np.float64(f[LOW])) / np.float64(f[BIN])
        if place < 0.0:
            widen(f, h, 0)
        elif place >= BINS:
            widen(f, h, BINS - 1)
    at = bin_of(f, x)
    h[HISTOGRAM + at] += 1
    held = np.float64(f[HELD]) + 1.0
    f[HELD] = held
    if (at == 0 or at == BINS - 1) and h[HISTOGRAM + at] > 8.0 + 0.02 * held:
        widen(f, h, at)
    if held >= FULL:
        left = 0
        for k in range(BINS):
            h[HISTOGRAM + k] = h[HISTOGRAM + k] // 2
            left += h[HISTOGRAM + k]
        f[HELD] = left


def start_histogram(f: Row, x: float) -> None:
    """Half as wide again on both sides as what the warm-up showed."""
    spread = max(TO_SIGMA * np.float64(f[SPREAD]), np.float64(f[STEP]))
    if spread <= 0.0:
        return
    f[BIN] = 8.0 * spread / BINS
    f[LOW] = x - 4.0 * spread


def widen(f: Row, h: Row, at: int) -> None:
    """Twice as wide, towards the side of bin `at`; two old bins become one."""
    wide, half = np.float64(f[BIN]), BINS // 2
    if at == 0:
        for k in range(half):
            j = BINS - 1 - k
            h[HISTOGRAM + j] = h[HISTOGRAM + BINS - 1 - 2 * k] + h[HISTOGRAM + BINS - 2 - 2 * k]
        for k in range(half):
            h[HISTOGRAM + k] = 0
        f[LOW] = np.float64(f[LOW]) - BINS * wide
    else:
        for k in range(half):
            h[HISTOGRAM + k] = h[HISTOGRAM + 2 * k] + h[HISTOGRAM + 2 * k + 1]
        for k in range(half, BINS):
            h[HISTOGRAM + k] = 0
    f[BIN] = 2.0 * wide
