"""At a glance: which readings of a batch provably change nothing, told for the whole batch at once.

Most readings lie where no level of an idle ladder can begin (`rules.conditions.calm`). Those are only stored. What this
room cannot prove goes the one road that decides (`rules.intake`); it never decides anything itself, so leaving it out
(`off`) changes no effect and no state, only the time taken.

Theory. A ladder that was idle is idle after a calm sample, whatever the sample's flag: what is not TRUE begins nothing.
Windows are judged by the extremes of a longer span than theirs, so also without looking at each sample in them; where
that proves nothing the sample is decided on, and the extremes are taken anew. A neighbour's reading that comes late,
behind samples already decided on, is harmless where all of those were calm: what they say, no neighbour can change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf

import numpy as np
from numpy.typing import NDArray

from rules.alarm.fold import Fold
from rules.alarm.track import RARE
from rules.alarm.tracks import Longs, Tracks, ramp
from rules.book import WAIT_US, Book

Marks = NDArray[np.bool_]
_NEVER = np.iinfo(np.int64).max


class Glance:
    """What is known of each row of the tracks, as arrays.

    Parameters
    ----------
    tracks, book
        What is read and by which rules; both are to stay.
    folds
        Those that have something to remember, by instance key.
    detected
        Sensors that detectors look at: their readings are always decided on.
    off
        Prove nothing.
    """

    def __init__(
        self, tracks: Tracks, book: Book, folds: Mapping[str, Fold], detected: Collection[str], *, off: bool = False
    ) -> None:
        rows = len(tracks.start)
        self._tracks, self._off = tracks, off
        self.detected = np.zeros(rows, bool)
        self.detected[[tracks[name].row for name in detected]] = True
        self._plain = ~self.detected  # nothing but calm own values matters to its rules
        self._low, self._high = np.full(rows, -inf), np.full(rows, inf)
        self._unsigned = np.zeros(rows, bool)  # whether an early sign matters to its rules
        self._band = np.zeros(rows, bool)  # whether earlier samples must be between low and high, too
        self._below, self._span_us = np.full(rows, inf), np.zeros(rows, np.int64)
        self._least, self._most = np.full(rows, -inf), np.full(rows, inf)  # extremes over at least that span
        self._stirred_us = tracks.newest_us.copy()  # up to here samples may not have been calm
        self._reach_us = np.zeros(rows, np.int64)
        self._busy = np.zeros(rows, np.int64)  # folds that remember something
        self._hold_us = np.full(rows, _NEVER, np.int64)  # from where on those may begin again
        self._stale_us = np.full(rows, _NEVER // 2, np.int64)  # the least of its rules' patience with missing data
        self._bounds(book)
        self._lookers(book)
        for key in folds:
            row = tracks[book.instances[key].sensor.id].row
            self._busy[row] += 1
            self._hold_us[row] = min(int(self._hold_us[row]), folds[key].checks[0].at_us)
        tracks.needed_us = self.needed_us

    def _bounds(self, book: Book) -> None:
        for sensor, instances in book.of_sensor.items():
            row = self._tracks[sensor].row
            for instance in instances:
                calm = instance.calm
                self._stale_us[row] = min(self._stale_us[row], instance.ladder.stale_after_us)
                if calm is None:
                    self._plain[row] = False
                    continue
                self._low[row], self._high[row] = max(self._low[row], calm.low), min(self._high[row], calm.high)
                self._below[row] = min(self._below[row], calm.range_below)
                self._span_us[row] = max(self._span_us[row], calm.since_us, calm.span_us)
                self._band[row] |= calm.since_us > 0
                self._unsigned[row] |= calm.unsigned
        for sensor, reach_us in book.reach_us.items():
            self._reach_us[self._tracks[sensor].row] = reach_us

    def _lookers(self, book: Book) -> None:
        """For each row, the rows whose rules look at it: side by side."""
        lookers: list[Longs] = [np.zeros(0, np.int64)]
        self._first, self._many = np.zeros(len(self._plain), np.int64), np.zeros(len(self._plain), np.int64)
        end = 0
        for sensor, instances in book.near_sensor.items():
            found = np.array(sorted({self._tracks[i.sensor.id].row for i in instances}), dtype=np.int64)
            row = self._tracks[sensor].row
            self._first[row], self._many[row] = end, len(found)
            end += len(found)
            lookers.append(found)
        self._looker = np.concatenate(lookers)

    # -- judging -------------------------------------------------------------------------------------------------

    def calm(self, rows: Longs, values: NDArray[np.float64], first: NDArray[np.intp], signs: Marks) -> Marks:
        """For each run of readings (sorted by row; runs begin at `first`): all calm, so far as its rules ask.

        `signs`: which of them are early signs.
        """
        if self._off:
            return np.zeros(len(first), bool)
        own = rows[first]
        least, most = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
        good = (least > self._low[own]) & (most < self._high[own])
        windowed = self._span_us[own] > 0
        if windowed.any():
            least, most = np.minimum(least, self._least[own]), np.maximum(most, self._most[own])
            self._least[own], self._most[own] = least, most
            steady = most - least < self._below[own]
            inside = ~self._band[own] | ((least > self._low[own]) & (most < self._high[own]))
            good &= ~windowed | (steady & inside)
        if self._unsigned[own].any():
            good &= ~(self._unsigned[own] & np.logical_or.reduceat(signs, first))
        return np.asarray(good & self._plain[own])

    def restless(self) -> Marks:
        """Rows in whose kept samples something may have begun, so far as their rules ask; for a glance just made."""
        tracks, result = self._tracks, np.zeros(len(self._plain), bool)
        rows = np.flatnonzero(tracks.count)
        if len(rows):
            at, first = ramp(tracks.start[rows], tracks.count[rows])
            self._least[rows], self._most[rows] = inf, -inf
            signs = tracks.signs[at] == RARE
            result[rows] = ~self.calm(np.repeat(rows, tracks.count[rows]), tracks.measured[at], first, signs)
        return result

    def idle(self, own: Longs) -> Marks:
        """Rows whose folds have nothing to remember."""
        return np.asarray(self._busy[own] == 0)

    def unheard(self, listening_us: int, until_us: int) -> Longs:
        """Rows with folds that missing data, proven up to `until_us`, may change: all times are of arrival."""
        rows = np.flatnonzero(self._busy)
        last_us = np.maximum(self._tracks.received_us[rows], listening_us)
        return rows[last_us + self._stale_us[rows] < until_us]

    def seen(self, own: Longs) -> Marks:
        """Rows that rules of other sensors look at."""
        return np.asarray(self._many[own] > 0)

    def harmless(self, own: Longs, times: Longs) -> Marks:
        """Rows whose samples from `times` on change nothing of what was decided on other sensors.

        To be asked before they are stored.
        """
        result = np.ones(len(own), bool)
        some = np.flatnonzero(self._many[own])
        if not len(some):
            return result
        rows = own[some]
        at, first = ramp(self._first[rows], self._many[rows])
        looker, since_us = self._looker[at], np.repeat(times[some], self._many[rows])
        late = self._tracks.newest_us[looker] >= since_us
        if late.any():
            calm = self._plain[looker] & (self._busy[looker] == 0) & (self._stirred_us[looker] < since_us)
            result[some] = ~np.logical_or.reduceat(late if self._off else late & ~calm, first)
        return result

    # -- learning ------------------------------------------------------------------------------------------------

    def stirred(self, own: Longs) -> None:
        """Their newest samples, or older ones, may not have been calm."""
        self._stirred_us[own] = self._tracks.newest_us[own]

    def look_again(self, rows: Longs) -> None:
        """Take the extremes of rows anew, from what their windows can still see."""
        tracks = self._tracks
        rows = rows[self._span_us[rows] > 0]
        if not len(rows):
            return
        many = tracks.count[rows]
        at, first = ramp(tracks.start[rows], many)
        since_us = np.repeat(tracks.newest_us[rows] - self._span_us[rows], many)
        outside = tracks.times[at] < since_us
        values = tracks.measured[at]
        self._least[rows] = np.minimum.reduceat(np.where(outside, inf, values), first)
        self._most[rows] = np.maximum.reduceat(np.where(outside, -inf, values), first)

    def remember(self, row: int, folds: int, hold_us: int) -> None:
        """How many folds of a row have something to remember, and from where on they may begin again."""
        self._busy[row], self._hold_us[row] = folds, hold_us if folds else _NEVER

    def needed_us(self, rows: Longs) -> Longs:
        """From which event time on the samples of rows are still needed: by their own rules, and by those that look.

        A sensor that looks and has not been heard itself is waited for, but not for ever.
        """
        tracks = self._tracks
        newest = tracks.newest_us[rows]
        needed = self._settled_us(rows)
        some = np.flatnonzero(self._many[rows])
        if len(some):
            many = self._many[rows[some]]
            at, first = ramp(self._first[rows[some]], many)
            looker = self._looker[at]
            heard = tracks.newest_us[looker]
            awaited = (heard > 0) & (heard > np.repeat(newest[some], many) - WAIT_US)
            wanted = np.where(awaited, self._settled_us(looker), _NEVER)
            needed[some] = np.minimum(needed[some], np.minimum.reduceat(wanted, first))
        return needed - self._reach_us[rows]

    def _settled_us(self, rows: Longs) -> Longs:
        return np.minimum(self._tracks.newest_us[rows] - self._tracks.reorder_us - 1, self._hold_us[rows])
