"""Rainflow counting of a signal as it comes: closed loops of a load history, each counted once.

Turning points wait in a list until the four newest of them close a loop; a range that still contains the first point
waiting is half a cycle (ASTM E1049-85, 5.4.4). What has not closed is kept, so cutting a history into windows changes
no count. Ranges on the list shrink from point to point, so a history of real loads leaves some ten to twenty waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

MOST_WAITING: Final = 256  # turning points; beyond it the oldest range counts as half a cycle, as it would at the end


def take(waiting: list[float], value: float) -> Iterator[tuple[float, int]]:
    """Add one value to a history, and give (range, half cycles) of what it closes: 2 for a cycle, 1 for a half.

    Parameters
    ----------
    waiting
        Turning points not yet counted; the last is where the signal stands. Changed in place; begin with an empty list.
    value
        The next value, finite.

    Examples
    --------
    >>> waiting: list[float] = []
    >>> [found for value in (0, 5, 3, 8, 1) for found in take(waiting, value)], waiting
    ([(2, 2)], [0, 8, 1])
    """
    if not waiting:
        waiting.append(value)
        return
    now = waiting[-1]
    if value == now:
        return
    if len(waiting) == 1:
        waiting.append(value)
    elif (now > waiting[-2]) == (value > now):
        waiting[-1] = value
    else:
        yield from _close(waiting)
        waiting.append(value)
        if len(waiting) > MOST_WAITING:
            yield abs(waiting[1] - waiting[0]), 1
            del waiting[0]


def rest(waiting: list[float]) -> Iterator[tuple[float, int]]:
    """What would still be counted if the history ended here; `waiting` stays as it is."""
    ends = list(waiting)
    yield from _close(ends)
    for one, other in pairwise(ends):
        yield abs(other - one), 1


def _close(points: list[float]) -> Iterator[tuple[float, int]]:
    """Count the loops that the last point has closed, and take them out."""
    while len(points) >= 3:
        older = abs(points[-2] - points[-3])
        if abs(points[-1] - points[-2]) < older:
            return
        if len(points) == 3:
            yield older, 1
            del points[0]
        else:
            yield older, 2
            del points[-3:-1]
