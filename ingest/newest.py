"""Keeps `lifeline.latest` beside the batches, which need not wait for it.

The newest values of ten thousand sensors take longer to write than what arrived in the last few milliseconds: they go
in slices, with pauses between them, so that no batch waits behind them. What is lost with the process or the database,
the next connection finds in the readings.
"""

from __future__ import annotations

import logging
from typing import Final

import numpy as np

from city.reading import Readings
from ingest.beside import Beside
from store.batch import newest_of
from store.readings import ReadingWriter

log = logging.getLogger(__name__)

_SLICE: Final = 1_000  # sensors in one transaction
_NOTHING: Final = Readings.of([])


class Newest(Beside):
    """Writes newest values, each sensor's at most once in `HOLD_S`."""

    def __init__(self, dsn: str) -> None:
        self._heard: list[Readings] = []  # not yet held: what many batches say is sorted once
        self._held = _NOTHING
        self._after = -1  # the sensor that was written last; the next slice follows it
        super().__init__(dsn, "newest")

    def hear(self, newest: Readings) -> None:
        """Take committed newest values, one of each sensor, by sensor."""
        if len(newest):
            with self._changed:
                self._heard.append(newest)
                self._changed.notify()

    def _waiting(self) -> bool:
        return bool(self._heard) or len(self._held) > 0

    def _work(self) -> int:
        with self._changed:
            self._hold()
            slices, held = -(-len(self._held) // _SLICE), self._slice()
        if len(held):
            try:
                conn = self._connection()
                with conn.transaction():
                    ReadingWriter(conn).write_newest(held)
            except BaseException:
                with self._changed:
                    self._held = newest_of(held, self._held)
                raise
        return slices

    def _hold(self) -> None:
        heard, self._heard = self._heard, []
        if heard:
            self._held = newest_of(self._held, *heard)

    def _slice(self) -> Readings:
        """Take the next sensors' values, round and round."""
        first = int(np.searchsorted(self._held.sensor_id, self._after, side="right"))
        if first == len(self._held) or len(self._held) <= _SLICE:
            first = 0
        which = np.zeros(len(self._held), np.bool_)
        which[first : first + _SLICE] = True
        taken, self._held = self._held.take(which), self._held.take(~which)
        self._after = int(taken.sensor_id[-1]) if len(taken) else -1
        return taken

    def _say(self, error: Exception) -> None:
        log.warning("newest values are not written: %s", error, extra={"action": "newest_held"})
