"""Keeps `lifeline.latest` over a connection of its own, beside the batches, which need not wait for it.

The newest values of ten thousand sensors take longer to write than what arrived in the last few milliseconds: they go
in slices, with pauses between them, so that no batch waits behind them. What is lost with the process or the database,
the next connection finds in the readings.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

import numpy as np
import psycopg

from city.clock import stopwatch_s
from city.errors import LifelineError
from city.reading import Readings
from store.batch import newest_of
from store.connection import Connection, connect
from store.readings import ReadingWriter

log = logging.getLogger(__name__)

HOLD_S: Final = 0.25  # a sensor's newest value is written no more often
MOST_S: Final = 2.0  # and stays behind its readings by about this, however many sensors speak
_SLICE: Final = 1_000  # sensors in one transaction
_REST: Final = 9  # times as long as it writes
_AGAIN_S: Final = 1.0
_NOTHING: Final = Readings.of([])


class Newest:
    """Writes newest values in a thread of its own, a tenth of its time and each sensor's at most once in `HOLD_S`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Connection | None = None
        self._changed = threading.Condition()
        self._heard: list[Readings] = []  # not yet held: what many batches say is sorted once
        self._held, self._ending, self._failed = _NOTHING, False, False
        self._after = -1  # the sensor that was written last; the next slice follows it
        self._thread = threading.Thread(target=self._run, name="recorder-newest", daemon=True)
        self._thread.start()

    def hear(self, newest: Readings) -> None:
        """Take committed newest values, one of each sensor, by sensor."""
        if len(newest):
            with self._changed:
                self._heard.append(newest)
                self._changed.notify()

    def close(self) -> None:
        """Write what is held, as far as the database lets us, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(5.0)

    def _run(self) -> None:
        due_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or self._heard or len(self._held))
                if not self._ending:
                    self._changed.wait_for(lambda: self._ending, due_s - stopwatch_s())
                ending = self._ending
                self._hold()
                slices = -(-len(self._held) // _SLICE)
                held = self._slice()
            began_s = stopwatch_s()
            self._try(held)
            if ending and (self._failed or slices <= 1):
                break
            rest_s = min(max(_REST * (stopwatch_s() - began_s), HOLD_S / slices), MOST_S / slices)
            due_s = began_s + (_AGAIN_S if self._failed else rest_s)
        if self._conn is not None:
            self._conn.close()

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

    def _try(self, held: Readings) -> None:
        if not len(held):
            return
        try:
            self._write(held)
        except (psycopg.Error, LifelineError) as error:
            if not self._failed:
                log.warning("newest values are not written: %s", error, extra={"action": "newest_held"})
            self._failed = True
            if self._conn is not None:
                self._conn.close()
            self._conn = None
            with self._changed:
                self._held = newest_of(held, self._held)
        else:
            self._failed = False

    def _write(self, held: Readings) -> None:
        if self._conn is None:
            self._conn = connect(self._dsn, autocommit=True, application_name="lifeline recorder newest")
            self._conn.execute("SET synchronous_commit = off")  # lost ones are found among the readings
        with self._conn.transaction():
            ReadingWriter(self._conn).write_newest(held)
