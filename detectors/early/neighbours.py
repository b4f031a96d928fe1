"""What neighbours explain of a sensor, and what is left: a regression on them that follows slowly.

Each neighbour counts as its deviation from its own mean of ten days; a thermometer also as what a mass that lags hours
behind would feel; the sensor's own habits of the day are one regressor more. The moments of all are kept, fading over
two months, and solved for the slopes every hour, so that one wild sample moves nothing.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from detectors.early.channels import CONTEXT
from detectors.early.layout import (
    BACK,
    CLIP,
    COVARIANCE,
    LAGGED,
    LARGEST,
    NEIGHBOUR_LAST,
    NEIGHBOUR_MEAN,
    OWN_MEAN,
    PRESENT,
    REGRESSORS,
    REST,
    REST_AVERAGE,
    REST_D,
    REST_LAST,
    REST_LAST_CHANGE,
    REST_NOISE,
    REST_POWER,
    REST_SCALE,
    REST_SPREAD,
    SLOPE,
    STEP,
    WET_S,
)
from detectors.early.statistics import LATE, TO_SIGMA, follow, gain_of, learn_pace, measure_activity, widening
from detectors.early.tails import LONG_D, SPEAKS_D
from detectors.early.transforms import transformed

Row = Any
NONE, REGRESSOR, PEER, THERMOMETER, RAIN_GAUGE = 0, 1, 2, 3, 4  # as what a neighbour counts
MEMORY_D, LAG_S, DAY_S = 20.0, 10_800.0, 86_400.0
SLOPE_D, MEAN_D = 60.0, 10.0  # slopes change slowly, or they learn what neighbours share of a sign; the season does not
HALF, USUALLY = 32_768, 60_000  # of 65,535
RAIN_FOR_S = 6.0 * 3600.0  # so long after rain depth is still its doing
LENGTHS = (4.0, 16.0, 64.0, 256.0)
PUFF = 2.0  # spreads from where it stands that one sample may draw the average over 64


def heard(f: Row, h: Row, j: int, value: float, dt_s: float) -> bool:
    """Whether a neighbour has something to say: a value, and a new one if it usually has a new one."""
    at = 2 * (PRESENT + j)
    here, new = abs(value) <= LARGEST, False
    if here:
        new = value != np.float64(f[NEIGHBOUR_LAST + j])
        f[NEIGHBOUR_LAST + j] = value
    first = h[at] == 0
    share = dt_s / (DAY_S + dt_s)
    h[at] = faded(h[at], here, share) if not first else (HALF if here else 0)
    often = h[at + 1]
    if here:
        h[at + 1] = faded(often, new, share) if not first else HALF
    return bool(here and (new or often < USUALLY))


def faded(share: int, true: bool, part: float) -> int:
    """A share in 65,535ths, moved by a part of the way towards what is true now, at least by one."""
    if true:
        return min(65_535, int(share) + 1 + int(part * (65_535 - int(share))))
    return max(1, int(share) - 1 - int(part * int(share)))


def gather(f: Row, h: Row, p: Row, kinds: Row, context: Row, habit: float, dt_s: float, z: Row) -> bool:
    """Fill `z` (REGRESSORS) with what is known around the sensor; whether all that usually is there is there."""
    z[0] = habit
    complete, any_there = True, False
    z[REGRESSORS - 1] = 0.0
    for j in range(4):
        z[1 + j] = 0.0
        if kinds[j] == NONE or kinds[j] == RAIN_GAUGE:
            continue
        value = context[j]
        if not heard(f, h, j, value, dt_s):
            complete = bool(complete and h[2 * (PRESENT + j)] < HALF)
            continue
        if kinds[j] == PEER:
            value = transformed(value, p)
        if f[NEIGHBOUR_MEAN + j] == 0.0:
            f[NEIGHBOUR_MEAN + j] = value
        mean = np.float64(f[NEIGHBOUR_MEAN + j])
        z[1 + j] = value - mean
        any_there = True
        if kinds[j] == THERMOMETER and z[REGRESSORS - 1] == 0.0:
            lagged = np.float64(f[LAGGED])
            lagged = lagged + dt_s / (LAG_S + dt_s) * (z[1 + j] - lagged)
            f[LAGGED] = lagged
            z[REGRESSORS - 1] = lagged
    return complete and any_there


def rains(f: Row, kinds: Row, context: Row, dt_s: float) -> bool:
    """Whether rain explains what a sensor of standing water does."""
    wet_s = max(0.0, np.float64(f[WET_S]) - dt_s)
    for j in range(4):
        if kinds[j] == RAIN_GAUGE and context[j] > 0.02:
            wet_s = RAIN_FOR_S
    f[WET_S] = wet_s
    return wet_s > 0.0


def rest_of(f: Row, z: Row, y: float) -> float:
    """What the neighbours leave of the deviation `y` from the slow level."""
    rest = y
    for i in range(REGRESSORS):
        rest -= np.float64(f[SLOPE + i]) * z[i]
    return rest


def rest_shift(f: Row, k: int) -> float:
    """As `statistics.shift_of`, of what is left."""
    average = np.float64(f[REST_AVERAGE + k])
    return float(average - np.float64(f[REST_AVERAGE + k + 2])) if k < 2 else float(average)


def measure_rest(f: Row, p: Row, rest: float, u: float, usual_s: float, x: float, loud: float, stat: Row,
                 side: Row) -> float:  # fmt: skip
    """Move the averages of what is left on, and fill the context channels; the innovation of what is left."""
    finest = 0.5 * np.float64(f[STEP]) + 1e-9 * abs(x) + 1e-12
    noise = max(TO_SIGMA * np.float64(f[REST_NOISE]), finest)
    spread = max(TO_SIGMA * np.float64(f[REST_SPREAD]), finest)
    innovation = rest - np.float64(f[REST])
    f[REST] = np.float64(f[REST]) + gain_of(f, REST_POWER, u) * innovation
    speaks = f[REST_D] > SPEAKS_D
    if speaks:
        measure_activity(f, innovation / max(loud * noise, finest), u, stat, side)
    if speaks and u <= LATE:
        stat[CONTEXT] = abs(innovation) / (max(loud * noise, finest) * widening(f, REST_POWER, noise, u))
        side[CONTEXT] = 1.0 if innovation > 0.0 else -1.0
    most = p[CLIP] * spread
    pull = max(-most, min(most, rest))
    for k in range(5):
        length = LENGTHS[k] if k < 4 else 2.0 * DAY_S / usual_s
        average = np.float64(f[REST_AVERAGE + k])
        toward = pull
        if p[BACK] > 0.0 and k == 2:  # puffs fade within the hour: none moves it far
            toward = average + max(-PUFF * spread, min(PUFF * spread, pull - average))
        elif p[BACK] > 0.0 and k > 2:
            toward = np.float64(f[REST_AVERAGE + 2])
        f[REST_AVERAGE + k] = average + u / (length + u) * (toward - average)
    if not speaks:
        return float(innovation)
    for k in range(5):
        length = LENGTHS[k] if k < 4 else 2.0 * DAY_S / usual_s
        if f[REST_D] * DAY_S > 3.0 * length * usual_s:
            shift = rest_shift(f, k)
            least = max(noise / sqrt(length), 0.2 * finest)
            stat[CONTEXT + 1 + k] = abs(shift) / max(TO_SIGMA * np.float64(f[REST_SCALE + k]), least)
            side[CONTEXT + 1 + k] = 1.0 if shift > 0.0 else -1.0
    return float(innovation)


def learn_rest(f: Row, d: Row, z: Row, y: float, rest: float, innovation: float, dt_s: float, loud: float) -> None:
    """Let moments and scales follow; a wild sample counts only so far."""
    if dt_s <= 0.0:
        return
    days = np.float64(f[REST_D])
    gain = dt_s / (min(days, MEMORY_D) * DAY_S + dt_s)
    spread = np.float64(f[REST_SPREAD])
    most = 6.0 * spread
    tame = rest
    if spread > 0.0 and days > 1.0:
        tame = max(-most, min(most, rest))
    target = y - rest + tame
    slowly = dt_s / (min(days, SLOPE_D) * DAY_S + dt_s)
    at = COVARIANCE
    for i in range(REGRESSORS + 1):
        first = z[i] if i < REGRESSORS else target
        for j in range(i + 1):
            second = z[j] if j < REGRESSORS else target
            moment = np.float64(f[at])
            f[at] = moment + slowly * (first * second - moment)
            at += 1
    limit = 0.0 if days < 1.0 else 5.0
    follow(f, REST_NOISE, innovation, gain, limit * loud)
    follow(f, REST_SPREAD, rest, gain, limit)
    last = np.float64(f[REST_LAST])
    f[REST_LAST] = rest
    before = np.float64(f[REST_LAST_CHANGE])
    f[REST_LAST_CHANGE] = rest - last
    learn_pace(f, REST_POWER, before, rest - last, 5.0 * TO_SIGMA * np.float64(f[REST_NOISE]), gain)
    for k in range(5):
        follow(f, REST_SCALE + k, rest_shift(f, k), gain, 5.0)
    steady = dt_s / (min(days, MEAN_D) * DAY_S + dt_s)
    for j in range(4):
        f[NEIGHBOUR_MEAN + j] = np.float64(f[NEIGHBOUR_MEAN + j]) + steady * z[1 + j]
    d[OWN_MEAN] += steady * y
    f[REST_D] = min(LONG_D, days + dt_s / DAY_S)


def moment_at(f: Row, i: int, j: int) -> float:
    """One of the kept moments, i >= j."""
    return float(np.float64(f[COVARIANCE + i * (i + 1) // 2 + j]))


def solve(f: Row, h: Row, work: Row) -> None:
    """New slopes from the moments: a slightly ridged regression, by Cholesky's decomposition in `work` (7, 6)."""
    n = REGRESSORS
    ridge = 1e-3 + 0.02 / (0.1 + np.float64(f[REST_D]))
    for i in range(n):
        own = moment_at(f, i, i)
        dead = own < 1e-12 or (1 <= i <= 4 and h[2 * (PRESENT + i - 1)] < HALF)
        work[n, i] = 0.0 if dead else 1.0 / sqrt(own)
    for i in range(n):
        for j in range(i + 1):
            entry = moment_at(f, i, j) * work[n, i] * work[n, j]
            if i == j:
                entry = 1.0 + ridge
            for k in range(j):
                entry -= work[i, k] * work[j, k]
            work[i, j] = sqrt(max(entry, 1e-9)) if i == j else entry / work[j, j]
    for i in range(n):
        entry = moment_at(f, n, i) * work[n, i]
        for k in range(i):
            entry -= work[i, k] * np.float64(f[SLOPE + k])
        f[SLOPE + i] = entry / work[i, i]
    for back in range(n):
        i = n - 1 - back
        entry = np.float64(f[SLOPE + i])
        for k in range(i + 1, n):
            entry -= work[k, i] * np.float64(f[SLOPE + k])
        f[SLOPE + i] = entry / work[i, i]
    for i in range(n):
        f[SLOPE + i] = np.float64(f[SLOPE + i]) * work[n, i]
