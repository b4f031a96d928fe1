"""Samples and findings of many sensors as equally long columns: how the fleet engine is fed and answers."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Bytes = NDArray[np.uint8]

CONTEXTS: Final = 4  # neighbours of a sensor that the fleet engine looks at, at most
NORMAL, ABNORMAL, BLIND = 0, 1, 2  # verdicts in columns


class Columns(NamedTuple):
    """Samples (n,), each sensor's in rising order of event time.

    Attributes
    ----------
    row
        Number of the sensor in its fleet.
    time_us, local_us
        Event time in microseconds since 1970, and the same instant as the city's wall clock shows it, read as if it
        were UTC (for habits of the day and the week; never for durations).
    value, flag
        In the canonical unit; `city.levels.Flag`.
    context
        (n, CONTEXTS): last usable value of each neighbour strictly before the sample, in the order of
        `Subject.context`; NaN where there is none or it is too old to count.
    """

    row: Longs
    time_us: Longs
    local_us: Longs
    value: Floats
    flag: Bytes
    context: Floats


class Found(NamedTuple):
    """Answers (n,) to `Columns`, in the same order.

    Attributes
    ----------
    verdict
        NORMAL, ABNORMAL or BLIND.
    score
        >= 0, higher is more unusual; >= 1 exactly when ABNORMAL; 0 when BLIND.
    return_period_years
        How rarely so unusual a sample comes by chance for this sensor; NaN while it cannot be said.
    channel
        Which statistic spoke loudest: a place in `detectors.early.channels.CHANNELS`.
    direction
        1 up, -1 down, 0 neither.
    expected, low, high
        What it would have called normal, in the sensor's unit; NaN when unknown.
    reason
        Why BLIND: a place in `detectors.early.channels.BLIND_REASONS`; 0 when not.
    """

    verdict: Bytes
    score: Floats
    return_period_years: Floats
    channel: Bytes
    direction: NDArray[np.int8]
    expected: Floats
    low: Floats
    high: Floats
    reason: Bytes
