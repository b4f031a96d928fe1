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
    BACK,
    CHANGE,
    CLIP,
    COUNT,
    ECHO,
    ECHO_POWER,
    ECHO_SCALE,
    LAST_CHANGE,
    NOISE,
    POWER,
    PREVIOUS,
    SAME_S,
    SEEN_D,
    SLOW,
    SPREAD,
    STEP,
    TICK_S,
    TREND,
    TREND_SCALE,
    USUAL_S,
)
from detectors.early.surprise import learn_histograms, measure_rarity

Row = Any
TO_SIGMA = 1.2533  # mean absolute value of normal noise, to its standard deviation
LATE = 4.0  # intervals after which the next value says nothing about spikes
DAY_S = 86_400.0
LEAST_WANDER = 2e-3  # of the noise's variance, a sample
SCALE_MEMORY_D, SLOW_SCALE_MEMORY_D = 7.0, 20.0


def signed(f: Row, place: int, scale: float, c: int, stat: Row, side: Row) -> None:
    """How many scales a running value is from zero, and on which side."""
    value = np.float64(f[place])
    stat[c] = abs(value) / scale
    side[c] = 1.0 if value > 0.0 else -1.0


def measure(f: Row, d: Row, h: Row, p: Row, x: float, u: float, deviation: float,
            innovation: float, habit: float, loud: float, stat: Row, side: Row) -> None:  # fmt: skip
    """Move the running values on by one sample and fill `stat` and `side`."""
    for c in range(len(stat)):
        stat[c], side[c] = 0.0, 0.0
    finest = 0.5 * np.float64(f[STEP]) + 1e-9 * abs(x) + 1e-12
    noise = max(TO_SIGMA * np.float64(f[NOISE]), finest)
    spread = max(TO_SIGMA * np.float64(f[SPREAD]), finest)
    seen = np.float64(f[SEEN_D]) * DAY_S + np.float64(f[TICK_S])
    usual_s = max(np.float64(f[USUAL_S]), 1e-3)
    if u <= LATE:
        measure_jump(f, p, x - d[PREVIOUS], innovation, noise, finest, u, loud, stat, side)
    most = p[CLIP] * spread
    pull = max(-most, min(most, deviation))
    measure_levels(f, pull, u, noise, finest, seen / usual_s, stat, side)
    dt_s = min(u, 3.0) * usual_s
    slow = x - habit - d[SLOW]
    f[TREND] = np.float64(f[TREND]) + dt_s / (2.0 * DAY_S + dt_s) * (max(-most, min(most, slow)) - np.float64(f[TREND]))
    if seen > 4.0 * DAY_S:
        signed(f, TREND, max(TO_SIGMA * np.float64(f[TREND_SCALE]), finest), DRIFT, stat, side)
    measure_flat(f, d, x, dt_s, usual_s, stat)
    measure_rarity(f, h, p, x, slow, 1.0 if deviation > 0.0 else -1.0, stat, side)
    measure_cycle(f, dt_s, pull, habit, spread, seen, stat, side)


def measure_jump(f: Row, p: Row, change: float, innovation: float, noise: float, finest: float, u: float, loud: float,
                 stat: Row, side: Row) -> None:  # fmt: skip
    """How far it is from what came just before, and from what was to come."""
    stat[SPIKE] = abs(innovation) / (max(loud * noise, finest) * widening(f, POWER, noise, u))
    side[SPIKE] = 1.0 if innovation > 0.0 else -1.0
    jump = change
    if p[BACK] > 0.0:
        before = np.float64(f[LAST_CHANGE])
        jump = 0.0 if change * before >= 0.0 else before if abs(before) < abs(change) else -change
    stat[RATE] = abs(jump) / (max(TO_SIGMA * loud * np.float64(f[CHANGE]), finest) * sqrt(max(1.0, u)))
    side[RATE] = 1.0 if jump > 0.0 else -1.0


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


def measure_flat(f: Row, d: Row, x: float, dt_s: float, usual_s: float, stat: Row) -> None:
    """How long it has said the same; what a pause hid does not count."""
    if abs(x - d[PREVIOUS]) > 1e-9 * abs(x) + 1e-12:
        f[SAME_S] = 0.0
        return
    f[SAME_S] = np.float64(f[SAME_S]) + dt_s
    if f[STEP] > 0.0:
        stat[FLAT] = sqrt(np.float64(f[SAME_S]) / usual_s)


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


def learn_scales(f: Row, d: Row, h: Row, x: float, dt_s: float, deviation: float, innovation: float,
                 habit: float, loud: float, may: float, p: Row, slot: bool) -> None:  # fmt: skip
    """Let the scales follow, unless the sample is suspicious."""
    change = x - d[PREVIOUS]
    if change != 0.0 and abs(change) > 1e-9 * abs(x):
        step = abs(change)
        finest = np.float64(f[STEP])
        f[STEP] = step if finest <= 0.0 or step < finest else finest
    if slot:
        learn_histograms(f, h, p, x, x - habit - d[SLOW])
    before = np.float64(f[LAST_CHANGE])
    f[LAST_CHANGE] = change
    if may <= 0.0 or dt_s <= 0.0:
        return
    seen = np.float64(f[SEEN_D]) * DAY_S + np.float64(f[TICK_S]) + dt_s
    most = 0.0 if f[COUNT] < 12 else 5.0
    gain = dt_s / (min(seen, SCALE_MEMORY_D * DAY_S) + dt_s)
    slow = dt_s / (min(seen, SLOW_SCALE_MEMORY_D * DAY_S) + dt_s)
    follow(f, NOISE, innovation, gain, most * loud)
    follow(f, CHANGE, change, gain, most * loud)
    follow(f, SPREAD, deviation, gain, most)
    for k in range(4):
        follow(f, AVERAGE_SCALE + k, shift_of(f, k), slow, 5.0)
    follow(f, TREND_SCALE, np.float64(f[TREND]), slow, 5.0)
    f[ACTIVITY_USUAL] = np.float64(f[ACTIVITY_USUAL]) + gain * (np.float64(f[ACTIVITY]) - np.float64(f[ACTIVITY_USUAL]))
    power = np.float64(f[ECHO_POWER])
    if power > 0.0 and seen > 3.0 * DAY_S:
        follow(f, ECHO_SCALE, np.float64(f[ECHO]) / power, slow, 5.0)
    learn_pace(f, POWER, before, change, 5.0 * np.float64(f[CHANGE]), gain)


def widening(f: Row, power: int, noise: float, u: float) -> float:
    """By how much longer a time than usual widens what may come next."""
    if u <= 1.0:
        return 1.0
    wander = max(0.0, np.float64(f[power]) + 2.0 * min(0.0, np.float64(f[power + 1])))
    return sqrt(1.0 + min(1.0, wander / (noise * noise)) * (u - 1.0))


def gain_of(f: Row, power: int, u: float) -> float:
    """How far a local level follows a sample `u` intervals after the last, by the moments of the changes.

    Changes of a wandering level with white noise on top have the variance q + 2 r and the covariance -r with the next.
    It never follows more slowly than in some 20 samples: behind a level that climbs for hours every sample was a jump.
    """
    noise = max(0.0, -np.float64(f[power + 1]))
    wander = max(0.0, np.float64(f[power]) - 2.0 * noise)
    if noise <= 0.0:
        return 1.0
    ratio = max(wander / noise, LEAST_WANDER) * min(u, 100.0)
    return float(0.5 * (sqrt(ratio * ratio + 4.0 * ratio) - ratio))


def learn_pace(f: Row, power: int, before: float, change: float, most: float, gain: float) -> None:
    """Let the moments of the changes follow."""
    now, before = max(-most, min(most, change)), max(-most, min(most, before))
    f[power] = np.float64(f[power]) + gain * (now * now - np.float64(f[power]))
    f[power + 1] = np.float64(f[power + 1]) + gain * (now * before - np.float64(f[power + 1]))
