"""The few statistics that detectors share; all refuse to be carried away by a minority of wild values."""

from __future__ import annotations

from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """Middle of at least one value (mean of the middle two when there are evenly many).

    >>> median((3.0, 1.0, 100.0))
    3.0
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def mad(values: Sequence[float], centre: float) -> float:
    """Median absolute deviation from `centre`, unscaled (0.6745 of the standard deviation for normal noise).

    >>> mad((1.0, 2.0, 3.0, 4.0, 100.0), 3.0)
    1.0
    """
    return median([abs(value - centre) for value in values])
