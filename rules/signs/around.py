"""What neighbours measured before a sample, for whole batches at once; and the city's wall clock."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from city.levels import Flag
from detectors.columns import Bytes, Floats, Longs
from detectors.subject import Subject
from rules.alarm.tracks import Tracks

_WORST_USABLE = int(Flag.SUSPECT)
_QUARTER_US = 900_000_000  # clocks are put forward and back at full quarters of an hour of UTC
_STEPS = 3  # so many samples are looked at one by one before the place is searched by halving


def local_us(times: Longs, zone: ZoneInfo) -> Longs:
    """Instants as the city's clock shows them, read as if they were UTC."""
    if not len(times):
        return times
    quarters, which = np.unique(times // _QUARTER_US, return_inverse=True)
    clock = Subject("", "", zone=zone)
    offsets = [clock.local_us(at) - at for at in (quarters * _QUARTER_US).tolist()]
    return times + np.array(offsets, dtype=np.int64)[which]


def last_before(tracks: Tracks, rows: Longs, times: Longs, patience_us: Longs) -> Floats:
    """The last usable value of each row strictly before each time; NaN where there is none or it is too old.

    Parameters
    ----------
    rows, times, patience_us
        (n,): rows of the tracks (-1: no neighbour), event times, and how old a value may be.
    """
    result = np.full(len(rows), np.nan)
    some = np.flatnonzero(rows >= 0)
    rows, times = rows[some], times[some]
    low = tracks.start[rows]
    at = low + tracks.count[rows] - 1
    active = np.flatnonzero((at >= low) & (tracks.times[np.maximum(at, 0)] >= times)) if len(tracks.times) else some[:0]
    for _ in range(_STEPS):
        if not len(active):
            break
        at[active] -= 1
        active = active[_later(tracks, at[active], low[active], times[active])]
    if len(active):
        at[active] = _halved(tracks.times, low[active], at[active] + 1, times[active]) - 1
    bad = np.flatnonzero((at >= low) & _unusable(tracks.flags, at))
    while len(bad):
        at[bad] -= 1
        bad = bad[(at[bad] >= low[bad]) & _unusable(tracks.flags, at[bad])]
    good = np.flatnonzero(at >= low)
    good = good[times[good] - tracks.times[at[good]] <= patience_us[some[good]]]
    result[some[good]] = tracks.measured[at[good]]
    return result


def _later(tracks: Tracks, at: Longs, low: Longs, times: Longs) -> NDArray[np.bool_]:
    return np.asarray((at >= low) & (tracks.times[np.maximum(at, 0)] >= times))


def _unusable(flags: Bytes, at: Longs) -> NDArray[np.bool_]:
    return np.asarray(flags[np.maximum(at, 0)] > _WORST_USABLE) if len(flags) else np.zeros(len(at), bool)


def _halved(column: Longs, low: Longs, high: Longs, times: Longs) -> Longs:
    """For each stretch [low, high) of a column in rising order: the first place whose value is not below the time."""
    low, high = low.copy(), high.copy()
    while (open_ := np.flatnonzero(low < high)).size:
        middle = (low[open_] + high[open_]) // 2
        below = column[middle] < times[open_]
        low[open_[below]] = middle[below] + 1
        high[open_[~below]] = middle[~below]
    return low
