"""What is news in a stream of return periods: an alarm that stands is not raised again, the tenth of a kind is less.

A return period is said of every sample, also of the hundredth of one bout. Who counts samples as alarms (public
benchmarks do) wants it of the bout's first sample alone.
"""

from __future__ import annotations

from collections import deque
from math import exp, isfinite
from typing import Final

_QUIET = 100  # samples for which only what is clearly rarer is news again
_CLEARLY: Final = 4.0  # times rarer
_MEMORY = 5000.0  # samples in which an earlier bout fades
_FORGOTTEN = 25_000  # samples after which it counts for nothing


class Onsets:
    """Of one sensor; feed it every return period in order."""

    def __init__(self) -> None:
        self._at = 0
        self._standing: deque[tuple[int, float]] = deque()  # news of late, falling
        self._before: deque[tuple[int, float]] = deque()

    def take(self, years: float) -> float:
        """The return period as news, years: 0 when it is none; NaN (blind) stays NaN.

        News is divided by the square of one more than the earlier bouts as rare: what came so often comes so often, and
        who is often wrong is believed less.
        """
        self._at += 1
        if not isfinite(years):
            return years
        while self._standing and self._at - self._standing[0][0] > _QUIET:
            self._standing.popleft()
        if years <= 0 or (self._standing and years <= self._standing[0][1] * _CLEARLY):
            return 0.0
        while self._before and self._at - self._before[0][0] > _FORGOTTEN:
            self._before.popleft()
        often = sum(exp((at - self._at) / _MEMORY) for at, other in self._before if other * _CLEARLY >= years)
        self._standing = deque([(self._at, years)])  # rarer than all that stood
        self._before.append((self._at, years))
        return years / (1.0 + often) ** 2
