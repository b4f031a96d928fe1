"""How people and messages did: spreads of durations and shares, and what counts as good. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations are spread: how many, half of them within `p50_s`, and so on (seconds); their mean."""

    n: int
    p50_s: float
    p90_s: float
    p95_s: float
    mean_s: float


def spread(durations_s: Iterable[float | None]) -> Spread | None:
    """The spread of the durations that are known; None when there are none.

    Percentiles are values that occurred (nearest rank), so that two of anything are not averaged into a third.
    """
    known = sorted(value for value in durations_s if value is not None)
    if not known:
        return None
    p50_s, p90_s, p95_s = (known[max(0, ceil(share * len(known)) - 1)] for share in (0.5, 0.9, 0.95))
    return Spread(len(known), p50_s, p90_s, p95_s, sum(known) / len(known))


def share(part: int, whole: int) -> float | None:
    """`part / whole` (0 to 1); None of nothing."""
    return part / whole if whole else None


def rating(value: float | None, good: float, fair: float | None = None, *, below: bool = False) -> str:
    """`good` up to `good` (`below`: only less than it), `fair` up to `fair`, else `poor`; empty of nothing known."""
    if value is None:
        return ""
    if value < good or (value == good and not below):
        return "good"
    return "fair" if fair is not None and value <= fair else "poor"
