"""Readings averaged into blocks of time, and the lines through them: what slow movements are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

from detectors.robust import mad, median

SIGMA_PER_MAD: Final = 1.4826
_MEDIAN_COST = 1.25  # standard error of a median over that of a mean, normal noise


class Ring(msgspec.Struct, array_like=True):
    """The newest closed blocks as (mean hour, mean value), and the open one."""

    points: tuple[tuple[float, float], ...] = ()
    from_h: float = 0.0
    count: int = 0
    hours: float = 0.0
    total: float = 0.0


def add(own: Ring, hour: float, value: float, block_h: float, most: int) -> bool:
    """Take a value in; whether it closed the block before it. At most `most` closed blocks are kept.

    >>> ring = Ring()
    >>> [add(ring, hour, value, 2.0, 9) for hour, value in ((0, 1.0), (1, 3.0), (2, 7.0))], ring.points
    ([False, False, True], ((0.5, 2.0),))
    """
    closes = own.count > 0 and hour - own.from_h >= block_h * 0.999
    if closes:
        own.points = (*own.points, (own.hours / own.count, own.total / own.count))[-most:]
        own.count, own.hours, own.total = 0, 0.0, 0.0
    if own.count == 0:
        own.from_h = hour
    own.count += 1
    own.hours += hour
    own.total += value
    return closes


def resistant_line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Rate (per hour) of Tukey's resistant line through three or more (hour, value); its standard error per scatter.

    >>> resistant_line([(0, 0.0), (1, 2.0), (2, 99.0), (3, 6.0), (4, 8.0), (5, 10.0)])[0]
    2.0
    """
    third = len(points) // 3
    first, last = points[:third], points[-third:]
    span_h = median([hour for hour, _ in last]) - median([hour for hour, _ in first])
    rate = (median([mm for _, mm in last]) - median([mm for _, mm in first])) / span_h
    return rate, _MEDIAN_COST * sqrt(2 / third) / span_h


def bend_free_scatter(values: Sequence[float]) -> float:
    """Standard deviation of three or more values from their second differences, which see neither trend nor bend."""
    steps = [a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return SIGMA_PER_MAD * mad(steps, 0.0) / sqrt(6)
