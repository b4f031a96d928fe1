"""What temperature does to a structure: a regression on the temperature now and as the structure has felt it lately.

Steel and concrete follow the air with a delay, so the regression sees the temperature itself and the same filtered over
some hours (first-order lags). Signal and temperatures are compared after taking away what is slow in both: a seasonal
or lasting change is not temperature's to explain. Sums of squares fade (bounded memory), a ridge keeps them solvable,
wild residuals are clipped, and a caller that sees something suspicious does not call `learn`.
"""

from __future__ import annotations

from math import exp
from typing import Final

import msgspec

from detectors.per_sensor import Moment

LAGS_S: Final = (0.0, 2 * 3600.0, 8 * 3600.0)  # the temperature now, and as thin and thick members feel it
_N = len(LAGS_S)
_PAIRS: Final = tuple((i, j) for i in range(_N) for j in range(i, _N))
_SLOW_S, _SLOW_INTERVALS = 2 * 86400.0, 60  # slower than this is not learned from
_MEMORY_SLOWS = 5  # memory of the sums, in times of the above
_LEAST_SEEN = 2.0  # of the slow time, before anything is taken away
_SOLVE_EVERY = 0.02  # of the slow time
_RIDGE = 1e-3
_CLIP = 3.0
_STALE_S, _STALE_INTERVALS = 2 * 3600.0, 3  # a temperature older than both is none


class Thermal(msgspec.Struct, array_like=True):
    """What is known of one sensor's answer to temperature.

    `part` is what temperature explains of the signal now, in its unit, about 0 where learning began. It moves with the
    temperature only: when the coefficients change, or a silent temperature sensor speaks again, it goes on from where
    it was. `explained` is the share of the signal's faster changes that it explains, 0 to 1; 0 while there is no fresh
    temperature.
    """

    part: float = 0.0
    explained: float = 0.0
    lags: tuple[float, ...] = ()
    slow: tuple[float, ...] = ()
    squares: tuple[float, ...] = (0.0,) * len(_PAIRS)
    products: tuple[float, ...] = (0.0,) * _N
    signal: float = 0.0
    weight: float = 0.0
    scale: float = 0.0
    coefficients: tuple[float, ...] = (0.0,) * _N
    seen_s: float = 0.0
    next_s: float = 0.0
    quality: float = 0.0


def follow(own: Thermal, moment: Moment) -> bool:
    """Take in the temperature as it was before this moment; whether there is a fresh one."""
    found = _temperature(moment)
    if found is None:
        own.explained = 0.0
        return False
    if not own.lags or (own.quality and not own.explained):  # spoken for the first time, or after a silence: anew
        own.lags, own.slow, own.seen_s, own.next_s = (found,) * _N, (), 0.0, 0.0
    rises = tuple(
        (found - lag) * (1 - exp(-moment.dt_s / lag_s) if lag_s else 1.0)
        for lag, lag_s in zip(own.lags, LAGS_S, strict=True)
    )
    own.lags = tuple(lag + rise for lag, rise in zip(own.lags, rises, strict=True))
    own.part += sum(k * rise for k, rise in zip(own.coefficients, rises, strict=True))
    own.explained = own.quality
    return True


def learn(own: Thermal, moment: Moment, signal: float) -> None:
    """Learn from a calm moment, after `follow` found a temperature.

    Parameters
    ----------
    signal
        The reading, better a short median of readings, without anything taken away.
    """
    slow_s = max(_SLOW_S, _SLOW_INTERVALS * moment.usual_s)
    if not own.slow:
        own.slow = (*own.lags, signal)
    gain = 1 - exp(-moment.dt_s / slow_s)
    own.slow = tuple(slow + gain * (now - slow) for slow, now in zip(own.slow, (*own.lags, signal), strict=True))
    fast = [now - slow for now, slow in zip((*own.lags, signal), own.slow, strict=True)]
    own.seen_s += moment.dt_s
    if own.seen_s >= slow_s / 2:  # the slow part has begun to know its level
        _gather(own, fast, moment.dt_s, slow_s)
    if own.seen_s >= max(own.next_s, _LEAST_SEEN * slow_s):
        own.next_s = own.seen_s + _SOLVE_EVERY * slow_s
        own.coefficients, own.quality = _solved(own)


def _temperature(moment: Moment) -> float | None:
    if moment.subject is None:
        return None
    for neighbour in moment.subject.context:
        if neighbour.quantity == "temperature":
            found = moment.around.before(neighbour.sensor, moment.time_us)
            oldest_s = max(_STALE_S, _STALE_INTERVALS * moment.usual_s)
            if found is not None and (moment.time_us - found[0]) * 1e-6 <= oldest_s:
                return found[1]
    return None


def _gather(own: Thermal, fast: list[float], dt_s: float, slow_s: float) -> None:
    """Add one moment to the fading sums; a residual beyond three times the usual one counts less."""
    fade, temperatures, signal = exp(-dt_s / (_MEMORY_SLOWS * slow_s)), fast[:_N], fast[_N]
    residual = abs(signal - sum(k * t for k, t in zip(own.coefficients, temperatures, strict=True)))
    limit = _CLIP * own.scale
    share = limit / residual if own.quality and residual > limit > 0 else 1.0
    own.scale += (1 - exp(-dt_s / slow_s)) * (min(residual, limit or residual) * 1.25 - own.scale)
    added = share * (1 - fade)
    own.squares = tuple(
        fade * old + added * temperatures[i] * temperatures[j] for old, (i, j) in zip(own.squares, _PAIRS, strict=True)
    )
    own.products = tuple(fade * old + added * t * signal for old, t in zip(own.products, temperatures, strict=True))
    own.signal = fade * own.signal + added * signal * signal
    own.weight = fade * own.weight + added


def _solved(own: Thermal) -> tuple[tuple[float, ...], float]:
    """Coefficients per degree, and the share of the signal's square that they explain."""
    matrix = [[0.0] * _N for _ in range(_N)]
    for (i, j), value in zip(_PAIRS, own.squares, strict=True):
        matrix[i][j] = matrix[j][i] = value
    ridge = _RIDGE * sum(matrix[i][i] for i in range(_N)) / _N
    if ridge <= 1e-9 * own.weight or own.signal <= 0:  # the temperature has not moved
        return own.coefficients, 0.0
    for i in range(_N):
        matrix[i][i] += ridge
    found = solve(matrix, list(own.products))
    explained = sum(k * product for k, product in zip(found, own.products, strict=True)) / own.signal
    return tuple(found), max(0.0, min(1.0, explained))


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solution of a small symmetric positive system (n, n) by elimination; `matrix` and `right` are used up.

    >>> solve([[4.0, 2.0], [2.0, 3.0]], [8.0, 8.0])
    [1.0, 2.0]
    """
    n = len(right)
    for i in range(n):
        for below in range(i + 1, n):
            factor = matrix[below][i] / matrix[i][i]
            for column in range(i, n):
                matrix[below][column] -= factor * matrix[i][column]
            right[below] -= factor * right[i]
    for i in reversed(range(n)):
        right[i] = (right[i] - sum(matrix[i][k] * right[k] for k in range(i + 1, n))) / matrix[i][i]
    return right
