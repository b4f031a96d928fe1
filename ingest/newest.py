"""Keeps `lifeline.latest` over a connection of its own, beside the batches, which need not wait for it.

The newest values of ten thousand sensors take longer to write than what arrived in the last few milliseconds.
What is lost with the process or the database, the next connection finds in the readings.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

import psycopg

from city.clock import stopwatch_s
from city.errors import LifelineError
from city.reading import Readings
from store.connection import Connection, connect
from store.readings import ReadingWriter, newest_of

log = logging.getLogger(__name__)

HOLD_S: Final = 0.25  # newest values stay behind their readings by no more, however much comes
_AGAIN_S: Final = 1.0
_NOTHING: Final = Readings.of([])


class Newest:
    """Writes newest values in a thread of its own, each sensor's once in `HOLD_S`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Connection | None = None
        self._changed = threading.Condition()
        self._held, self._ending, self._failed = _NOTHING, False, False
        self._thread = threading.Thread(target=self._run, name="recorder-newest", daemon=True)
        self._thread.start()

    def hear(self, newest: Readings) -> None:
        """Take committed newest values, one of each sensor, by sensor."""
        if len(newest):
            with self._changed:
                self._held = newest_of(self._held, newest)
                self._changed.notify()

    def close(self) -> None:
        """Write what is held, as far as the database lets us, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(5.0)

    def _run(self) -> None:
        wrote_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or len(self._held))
                if not self._ending:
                    pause_s = _AGAIN_S if self._failed else HOLD_S
                    self._changed.wait_for(lambda: self._ending, wrote_s + pause_s - stopwatch_s())
                held, self._held, ending = self._held, _NOTHING, self._ending
            wrote_s = stopwatch_s()
            self._try(held)
            if ending:
                break
        if self._conn is not None:
            self._conn.close()

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
