"""How often so large a statistic comes by chance: the largest of each day, and Gumbel's law through them."""

from __future__ import annotations

from math import exp, log, pi, sqrt

import msgspec

_DAY_US = 86_400_000_000
_DAYS_A_YEAR = 365.25
_EULER, _GUMBEL = 0.5772156649, sqrt(6) / pi
_PRIOR_DAYS = 10.0  # what the prior weighs
_MEMORY_DAYS = 90.0
_FULL_DAY = 0.5  # a day counts when this part of it was seen


class Extremes(msgspec.Struct, array_like=True):
    """Days seen, mean and mean square of their largest values, today's largest, when today began, time seen of it."""

    days: float = _PRIOR_DAYS
    mean: float = 2.5
    square: float = 2.5 * 2.5 + 0.7 * 0.7
    largest: float = 0.0
    begun_us: int = 0
    seen_us: int = 0

    def take(self, value: float, time_us: int, dt_s: float, years: float) -> None:
        """Take in a value; beyond what comes once in `years` it counts as that much, so that no event deafens it."""
        self.begun_us = self.begun_us or time_us
        if time_us - self.begun_us >= _DAY_US:
            if self.seen_us >= _FULL_DAY * _DAY_US:
                self.close(min(self.largest, self.limit(years)))
            self.largest, self.begun_us, self.seen_us = 0.0, time_us, 0
        self.largest = max(self.largest, value)
        self.seen_us += min(round(dt_s * 1e6), _DAY_US // 24)

    def close(self, largest: float) -> None:
        """Take in the largest of a whole day."""
        self.days = min(self.days + 1, _MEMORY_DAYS)
        self.mean += (largest - self.mean) / self.days
        self.square += (largest * largest - self.square) / self.days

    @property
    def _scale(self) -> float:
        return _GUMBEL * sqrt(max(self.square - self.mean * self.mean, 1e-4 + (0.1 * self.mean) ** 2))

    def limit(self, years: float) -> float:
        """The value that comes once in `years`."""
        return self.mean + self._scale * (log(years * _DAYS_A_YEAR) - _EULER)

    def years(self, value: float) -> float:
        """How rarely a value comes, at most once in 10,000 years (nobody can know more from months)."""
        rate = exp(-max(min((value - self.mean) / self._scale + _EULER, 40.0), -3.0))
        part = rate if rate < 1e-6 else 1 - exp(-rate)
        return min(1 / (max(part, 1e-9) * _DAYS_A_YEAR), 1e4)
