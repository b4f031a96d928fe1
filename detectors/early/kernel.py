"""The step of one sample, on one sensor's row. Plain Python on arrays; `compiled` makes machine code of the same text.

`f`, `d`, `t` and `h` are the float32, float64, int64 and uint16 faces of a row, `p` its nature's parameters, `stat` and
`side` what each channel says of the sample: how unusual, and in which direction. Every number read from `f` is widened
before it is used, so that both ways of running round alike.
"""

from __future__ import annotations

from math import exp, isfinite, log10
from typing import Any

import numpy as np

from detectors.columns import ABNORMAL, BLIND, NORMAL
from detectors.early import layout
from detectors.early.channels import NOT_NEWER, PAUSED, RAIN, UNUSABLE, WARMING
from detectors.early.habits import habit_at, learn_habit, place_of, turn_of
from detectors.early.hours import learn_hour, loudness, start_hours, stretch_of
from detectors.early.layout import (
    AVERAGE,
    BAND,
    CHANNEL_COUNT,
    COUNT,
    FROZEN_S,
    HELD,
    LARGEST,
    LAST_US,
    LEVEL,
    NEAR,
    NOISE,
    POWER,
    PREVIOUS,
    SEEN_D,
    SHOWN,
    SLOW,
    SPREAD,
    STEP,
    TICK_S,
    TREND,
    USUAL_S,
    WAITING,
)
from detectors.early.memory import LINE_BYTES, lent, soon
from detectors.early.neighbours import gather, learn_rest, measure_rest, rains, rest_of, solve
from detectors.early.statistics import gain_of, learn_scales, measure, measure_activity
from detectors.early.tails import (
    SPEAKS_D,
    TICK_LEAST_S,
    close_block,
    loudest,
    raise_tops,
    start_tail,
    start_tails,
    tick_y,
    turns,
)
from detectors.early.together import raise_together, settled
from detectors.early.transforms import back, transformed

Row = Any  # a 1-d array; what numba sees is typed by its arguments
WORST_USABLE = 3  # city.levels.Flag.SUSPECT
WARM_UP, AFTER_PAUSE = 24, 3
DONE, UNEVEN = -1, -2  # how a run ends
AHEAD = 5  # samples ahead of which their columns are fetched
DAY_S = 86_400.0
SLOT_US = 300_000_000  # of the samples of five minutes the histograms count one
SUSPICIOUS = 0.1  # of the budget's return period, by the loudest channel alone: from here on nothing is learned
LEVEL_MEMORY_D, SLOW_MEMORY_D = 2.0, 20.0


def begin(f: Row, d: Row, t: Row, h: Row, p: Row, time_us: int, x: float) -> None:
    """The first sample of a sensor."""
    t[LAST_US] = time_us
    d[LEVEL] = x
    d[SLOW] = x
    d[layout.OWN_MEAN] = x
    d[PREVIOUS] = x
    f[layout.HOUR] = -1.0
    start_tails(f, p)
    start_hours(h)


def pace(f: Row, p: Row, dt_s: float) -> None:
    """Keep the usual interval; a pause makes the sensor wait and forgets what is short-lived."""
    usual_s = float(np.float64(f[USUAL_S]))
    if usual_s <= 0.0:
        f[USUAL_S] = dt_s
        return
    if dt_s > p[layout.GAP_S] and dt_s > 5.0 * usual_s:
        f[WAITING] = AFTER_PAUSE
        f[NEAR] = 0.0
    f[USUAL_S] = usual_s + 0.1 * (min(dt_s, 2.0 * usual_s) - usual_s)


def learning(f: Row, years: float, p: Row, dt_s: float) -> float:
    """1 when the sample may be learned, 0 while it is suspicious; never 0 for longer than the bound."""
    frozen_s = float(np.float64(f[FROZEN_S]))
    if frozen_s < 0.0:  # relearning after a long freeze
        f[FROZEN_S] = min(0.0, frozen_s + dt_s)
        return 1.0
    if years * p[layout.BUDGET] < SUSPICIOUS:
        f[FROZEN_S] = max(0.0, frozen_s - dt_s)
        return 1.0
    frozen_s = frozen_s + dt_s
    bound_s = min(3.0 * DAY_S, max(0.25 * DAY_S * np.float64(f[SEEN_D]), 64.0 * np.float64(f[USUAL_S])))
    f[FROZEN_S] = frozen_s if frozen_s < bound_s else -0.5 * bound_s
    return 0.0


def shift(f: Row, by: float) -> None:
    """What is expected jumps, where a weekend begins: what was found of late jumps with it."""
    if by != 0.0:
        f[NEAR] = np.float64(f[NEAR]) + by
        for k in range(4):
            f[AVERAGE + k] = np.float64(f[AVERAGE + k]) + by
        f[layout.REST] = np.float64(f[layout.REST]) + by * np.float64(f[layout.SLOPE])


def relearn(f: Row, d: Row) -> None:
    """What has lasted beyond the freeze is the new normal; where it stands now does not jump by that."""
    shift = np.float64(f[AVERAGE + 2])
    d[LEVEL] += shift
    d[SLOW] += shift
    f[NEAR] = np.float64(f[NEAR]) - shift
    f[TREND] = 0.0
    for k in range(4):
        f[AVERAGE + k] = 0.0


def learn(f: Row, d: Row, p: Row, dt_s: float, deviation: float, place: float, weekend: int) -> None:
    """Level and habits; from the end of the warm-up a single sample moves them only so far."""
    if dt_s <= 0.0:
        return
    seen_s = np.float64(f[SEEN_D]) * DAY_S + np.float64(f[TICK_S]) + dt_s
    spread = np.float64(f[SPREAD])
    most = float(4.0 * spread + np.float64(f[STEP]))
    if f[COUNT] < WARM_UP:
        most = LARGEST
    pull = max(-most, min(most, deviation))
    d[LEVEL] += dt_s / (min(seen_s, LEVEL_MEMORY_D * DAY_S) + dt_s) * pull
    d[SLOW] += dt_s / (min(seen_s, SLOW_MEMORY_D * DAY_S) + dt_s) * (pull + d[LEVEL] - d[SLOW])
    if f[USUAL_S] < 10_000.0:
        learn_habit(f, place, weekend, dt_s, pull)


def usual_at(f: Row, place: float, weekend: int, usual_s: float) -> tuple[float, bool, float]:
    """What its habits are there (0 for a sensor too slow to have any), whether an hour begins, how far they jump."""
    hour = int(place) + 24 * weekend
    turned = hour != f[layout.HOUR]
    habit, jump = 0.0, 0.0
    if usual_s < 10_000.0:
        habit = habit_at(f, place, weekend)
        if turned:
            jump = turn_of(f, place, weekend)
            shift(f, jump)
    f[layout.HOUR] = hour
    return habit, turned, abs(jump)


def expected_of(f: Row, carried: float, may: float, u: float) -> float:
    """The deviation to be expected: what goes on while it is suspicious is not, so it goes back to the habits."""
    if may > 0.0:
        f[SHOWN] = carried
        return carried
    held = float(np.float64(f[SHOWN]) * exp(-u / 256.0))
    f[SHOWN] = held
    return held


def tell(f: Row, p: Row, expected: float, loud: float, out: Row) -> None:
    """Fill in what would have been normal, in the sensor's unit."""
    reach = np.float64(f[BAND]) * max(1.2533 * loud * np.float64(f[NOISE]), 0.5 * np.float64(f[STEP]))
    out[3], out[4], out[5] = back(expected, p), back(expected - reach, p), back(expected + reach, p)


def count(f: Row, p: Row, known_dt_s: float, usual_s: float) -> None:
    """The sample is one more; a tick may be over."""
    f[TICK_S] = np.float64(f[TICK_S]) + known_dt_s
    if f[TICK_S] >= max(TICK_LEAST_S, 16.0 * usual_s):
        close_block(f, p)
    f[COUNT] = min(np.float64(f[COUNT]) + 1.0, 1e6)


def why_blind(f: Row, warm: bool, wet: bool) -> int:
    """The reason for being blind, 0 when it is not."""
    if warm:
        return WARMING
    if f[WAITING] > 0:
        f[WAITING] = np.float64(f[WAITING]) - 1.0
        return PAUSED
    return RAIN if wet else 0


def change_side(f: Row, p: Row) -> None:
    """With its first neighbour, or without its last, a sensor forgets what stood in the place they share.

    Channels that listen to something else from now on begin with the tails that all start with.
    """
    if (f[layout.REST_D] < 0.0) == (p[layout.NEIGHBOURS] == 0.0):
        return
    for k in range(layout.COVARIANCE, layout.REST_D):
        f[k] = 0.0
    for k in range(layout.REST_AVERAGE, layout.LAST_CHANGE):
        f[k] = 0.0
    f[layout.REST_LAST], f[layout.REST_LAST_CHANGE] = 0.0, 0.0
    f[layout.REST_D] = 0.0
    if p[layout.NEIGHBOURS] == 0.0:
        f[layout.REST_D] = -1.0
        for k in range(layout.HISTOGRAM // 2, layout.SHOWN):
            f[k] = 0.0
        f[HELD] = 0.0  # all histograms of a row are sought together
    for c in range(CHANNEL_COUNT):
        if turns(c):
            start_tail(f, p, c)


def step(f: Row, d: Row, t: Row, h: Row, p: Row, kinds: Row, time_us: int, local_us: int, value: float, context: Row,
         stat: Row, side: Row, z: Row, work: Row, out: Row) -> int:  # fmt: skip
    """Take one usable sample in; the reason for being blind, 0 when not.

    `out` becomes return period (years), channel, direction, expected, low, high.
    """
    x = transformed(value, p)
    if f[COUNT] == 0:
        begin(f, d, t, h, p, time_us, x)
    change_side(f, p)
    dt_s = (time_us - t[LAST_US]) * 1e-6
    if dt_s > 0.0:
        pace(f, p, dt_s)
    slot = time_us // SLOT_US != t[LAST_US] // SLOT_US
    t[LAST_US] = time_us
    usual_s = max(np.float64(f[USUAL_S]), 1e-3)
    known_dt_s, u = min(dt_s, 3.0 * usual_s), dt_s / usual_s  # a pause teaches nothing
    place, weekend = place_of(local_us)
    habit, turned, jump = usual_at(f, place, weekend, usual_s)
    mean, carried = d[LEVEL] + habit, np.float64(f[NEAR])
    deviation = x - mean
    f[NEAR] = carried + gain_of(f, POWER, u) * (deviation - carried)
    stretch = stretch_of(place)
    loud = loudness(h, stretch) if p[layout.HOURLY] > 0.0 else 1.0
    if jump > 0.0:  # nobody changes habits at midnight sharp
        loud = loud + jump / max(np.float64(f[NOISE]), 0.5 * np.float64(f[STEP]) + 1e-12)
    measure(f, d, h, p, x, u, deviation, deviation - carried, habit, loud, stat, side)
    wet = p[layout.GATE] > 0.0 and rains(f, kinds, context, dt_s)
    y, rest, surprise = x - d[layout.OWN_MEAN], 0.0, 0.0
    whole = kinds[0] > 0 and gather(f, h, p, kinds, context, habit, known_dt_s, z)
    if whole:
        rest = rest_of(f, z, y)
        surprise = measure_rest(f, p, rest, u, usual_s, x, loud, stat, side)
    if p[layout.NEIGHBOURS] == 0.0 or f[layout.REST_D] <= SPEAKS_D:
        noise = max(1.2533 * loud * np.float64(f[NOISE]), 0.5 * np.float64(f[STEP]) + 1e-9 * abs(x) + 1e-12)
        measure_activity(f, (deviation - carried) / noise, u, stat, side)
    tick = tick_y(f)
    years, channel = loudest(f, p, stat, tick)
    told = settled(f, p, years, tick, channel)
    warm = f[COUNT] < WARM_UP
    may = 0.0 if wet else 1.0 if warm else learning(f, years, p, known_dt_s)
    if f[FROZEN_S] < 0.0 and may == 0.0:
        relearn(f, d)
    if slot and may > 0.0 and p[layout.HOURLY] > 0.0 and f[COUNT] > 256 and f[STEP] > 0.0:
        usual = loud * max(np.float64(f[NOISE]), 0.1 * np.float64(f[STEP]))
        learn_hour(h, stretch, time_us // SLOT_US, known_dt_s, np.float64(f[SEEN_D]), abs(deviation - carried) / usual)
    learn_scales(f, d, h, x, known_dt_s, deviation, deviation - carried, habit, loud, may, p, slot)
    if whole and may > 0.0:
        learn_rest(f, d, z, y, rest, surprise, known_dt_s, loud)
        if turned:
            solve(f, h, work)
    if may > 0.0:
        learn(f, d, p, known_dt_s, deviation, place, weekend)
    if not warm and not wet:
        raise_tops(f, stat)
        raise_together(f, years, tick)
    count(f, p, known_dt_s, usual_s)
    d[PREVIOUS] = x
    out[0], out[1], out[2] = told, channel, side[channel]
    tell(f, p, mean + expected_of(f, carried, may, u), loud, out)
    return why_blind(f, warm, wet)


def score_of(years: float, budget: float) -> float:
    """1 at the budget, a quarter more for each ten times rarer; exactly when it is 1 or more is it abnormal."""
    q = years * budget
    if q >= 1.0:
        return 1.0 + 0.25 * log10(q)
    return max(0.0, min(1.0 + 0.25 * log10(max(q, 1e-9)), 1.0 - 1e-12))


def in_rows(row: Row, order: Row, begin: Row) -> None:
    """Fill `order` with the one that takes samples row by row, and within a row as they came: a counting sort."""
    sensors = len(begin) - 1
    for r in range(sensors + 1):
        begin[r] = 0
    for r in row:
        begin[r + 1] += 1
    for r in range(sensors):
        begin[r + 1] += begin[r]
    for i in range(len(row)):
        order[begin[row[i]]] = i
        begin[row[i]] += 1


def hasten(order: Row, n: int, last: int, row: Row, time_us: Row, local_us: Row, value: Row, flag: Row, context: Row,
           rows: Row, marks: Row, numbers: Row, words: Row) -> None:  # fmt: skip
    """Have fetched what comes soon: samples lie anywhere, and each column would be waited for, one after the other."""
    ahead = order[min(n + AHEAD, last)]
    soon(row, order[min(n + 2 * AHEAD, last)], 0)
    soon(time_us, ahead, 0)
    soon(local_us, ahead, 0)
    soon(value, ahead, 0)
    soon(flag, ahead, 0)
    soon(context, ahead, 0)
    soon(numbers, ahead, 0)
    soon(words, ahead, 0)
    r = row[order[min(n + 2, last)]]
    width = layout.COVARIANCE if marks[r, 1] == 0 else layout.WIDTH  # what stands behind is fetched when it is needed
    for offset in range(0, 4 * width, LINE_BYTES):
        soon(rows, r, offset)


def take(f: Row, d: Row, t: Row, h: Row, p: Row, kinds: Row, time_us: int, local_us: int, value: float, flag: int,
         context: Row, stat: Row, side: Row, z: Row, work: Row, out: Row, number: Row, word: Row) -> None:  # fmt: skip
    """Take one sample in, if it can be used; its answer into `number` (5,) and `word` (4,), as `run` has them."""
    word[0], word[1], word[2], word[3] = BLIND, 0, 0, 0
    number[0] = 0.0
    for k in range(1, 5):
        number[k] = np.nan
    if f[COUNT] > 0 and time_us <= t[LAST_US]:
        word[3] = NOT_NEWER
        return
    if flag > WORST_USABLE or not isfinite(value) or abs(value) > LARGEST:
        word[3] = UNUSABLE
        return
    why = step(f, d, t, h, p, kinds, time_us, local_us, value, context, stat, side, z, work, out)
    word[3] = why
    if why == WARMING:
        return
    number[2], number[3], number[4] = out[3], out[4], out[5]
    if why > 0:
        return
    score = score_of(out[0], p[layout.BUDGET])
    number[0], number[1] = score, out[0]
    word[0], word[1], word[2] = (ABNORMAL if score >= 1.0 else NORMAL), int(out[1]), int(out[2])


RUN = (  # what `run` is compiled for, in numba's words
    "i8(i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], u1[::1], f8[:, ::1], "
    "f4[:, ::1], f8[:, ::1], i8[:, ::1], f8[:, ::1], f8[:, ::1], i1[:, ::1])"
)


def run(order: Row, row: Row, time_us: Row, local_us: Row, value: Row, flag: Row, context: Row, rows: Row,
        natures: Row, marks: Row, scratch: Row, numbers: Row, words: Row) -> int:  # fmt: skip
    """Take samples in, row by row, and write the answer to each at its own place; `DONE`, or why nothing was done.

    That is the place of a sample whose row is none, or `UNEVEN`. `order` is how to take them, or longer by the number
    of sensors and one: room to find it in. `marks` are (sensors, 5): nature and what the neighbours are; `scratch`
    (11, channels) is overwritten. `numbers` (n, 5) become score, years, expected, low, high; `words` (n, 4) verdict,
    channel, direction, reason.
    """
    row, time_us, local_us, value, flag = lent(row), lent(time_us), lent(local_us), lent(value), lent(flag)
    context, natures, marks, numbers, words = lent(context), lent(natures), lent(marks), lent(numbers), lent(words)
    order, rows, scratch = lent(order), lent(rows), lent(scratch)
    last = len(row) - 1
    if not (len(time_us) == len(local_us) == len(value) == len(flag) == len(context) == last + 1):
        return UNEVEN
    for i in range(last + 1):
        if row[i] < 0 or row[i] >= len(rows):
            return i
    if len(order) > len(row):
        in_rows(row, order[: last + 1], order[last + 1 :])
    f, d, t, h = rows, rows.view(np.float64), rows.view(np.int64), rows.view(np.uint16)
    for n in range(last + 1):
        i = order[n]
        hasten(order, n, last, row, time_us, local_us, value, flag, context, rows, marks, numbers, words)
        r = row[i]
        take(f[r], d[r], t[r], h[r], natures[marks[r, 0]], marks[r, 1:], time_us[i], local_us[i], value[i], flag[i],
             context[i], scratch[0], scratch[1], scratch[2], scratch[4:], scratch[3], numbers[i], words[i])  # fmt: skip
    return DONE
