"""The year in a slow signal: two harmonics beside a straight trend, only once a whole year has been seen.

Before that a season cannot be told from a trend, and nothing is taken away.
"""

from __future__ import annotations

from math import cos, exp, pi, sin
from typing import Final

import msgspec

from detectors.thermal import solve

YEAR_H: Final = 365.25 * 24
_HARMONICS = 2
_N = 2 + 2 * _HARMONICS
_PAIRS: Final = tuple((i, j) for i in range(_N) for j in range(i, _N))
_MEMORY_H = 5 * YEAR_H
_LEAST_PARTS, _PARTS = 20, 24  # of the year, that must have been seen
_RIDGE = 1e-3
_EVERY_H = 24.0


class Season(msgspec.Struct, array_like=True):
    """What is known of one sensor's year; `coefficients` (cosine, sine per harmonic) are empty until a year is seen."""

    coefficients: tuple[float, ...] = ()
    squares: tuple[float, ...] = (0.0,) * len(_PAIRS)
    products: tuple[float, ...] = (0.0,) * _N
    first_h: float = -1.0
    last_h: float = -1.0
    seen: int = 0


def part(own: Season, hour: float) -> float:
    """What the time of the year adds at an hour, in the signal's unit; 0 until a year is seen."""
    if not own.coefficients:
        return 0.0
    return sum(k * wave for k, wave in zip(own.coefficients, _waves(hour), strict=True))


def learn(own: Season, hour: float, value: float) -> None:
    """Take in a calm value, at most one a day; hours count from any fixed instant."""
    if own.first_h < 0:
        own.first_h = hour
    elif hour - own.last_h < _EVERY_H * 0.99:
        return
    fade = exp(-(hour - own.last_h) / _MEMORY_H) if own.last_h >= 0 else 1.0
    row = (1.0, (hour - own.first_h) / YEAR_H, *_waves(hour))
    own.squares = tuple(fade * old + row[i] * row[j] for old, (i, j) in zip(own.squares, _PAIRS, strict=True))
    own.products = tuple(fade * old + one * value for old, one in zip(own.products, row, strict=True))
    own.seen |= 1 << int(hour / YEAR_H % 1 * _PARTS)
    own.last_h = hour
    if hour - own.first_h >= YEAR_H and own.seen.bit_count() >= _LEAST_PARTS:
        own.coefficients = _solved(own)


def _waves(hour: float) -> list[float]:
    turn = 2 * pi * (hour % YEAR_H) / YEAR_H
    return [wave(k * turn) for k in range(1, _HARMONICS + 1) for wave in (cos, sin)]


def _solved(own: Season) -> tuple[float, ...]:
    matrix = [[0.0] * _N for _ in range(_N)]
    for (i, j), value in zip(_PAIRS, own.squares, strict=True):
        matrix[i][j] = matrix[j][i] = value
    for i in range(2, _N):  # harmonics alone are held back, a little
        matrix[i][i] += _RIDGE * matrix[0][0]
    return tuple(solve(matrix, list(own.products))[2:])
