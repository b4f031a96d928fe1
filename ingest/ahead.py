"""While the database writes one batch, the next one is judged and spelled in a thread of its own.

Only a batch that needs nothing of its transaction for that is made ready ahead, and it is used only when the one before
it went in as it stands; else it is judged in its own transaction, as if nobody had looked.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from ingest.admit import Admission
from ingest.intake import Delivery, Intake
from ingest.memory import Memory
from ingest.message import Arrival, ReadingsMessage
from ingest.settle import Judged, judge_ahead
from store.connection import Connection, connect

log = logging.getLogger(__name__)

WORTH_ROWS: Final = 2_000  # a smaller batch is written before another thread has woken up


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch that was taken, and its readings as judged (None: that is to be done when they are written)."""

    deliveries: list[Delivery]
    admission: Admission
    judged: Judged | None


class Ahead:
    """One look ahead at a time: `begin` while a batch is written, `end` when that is over.

    Parameters
    ----------
    dsn
        The database, to look up over a connection of its own what sensors said before they were met; empty: batches
        with such sensors are not made ready ahead.
    """

    def __init__(self, intake: Intake, enough_rows: int, most_rows: int, dsn: str = "") -> None:
        self._intake, self._enough, self._most, self._dsn = intake, enough_rows, most_rows, dsn
        self._conn: Connection | None = None
        self._pool = ThreadPoolExecutor(1, "recorder-ahead")
        self._looking: Future[Ready | None] | None = None

    def begin(self, admission: Admission, memory: Memory) -> None:
        """Look ahead; nobody else may use the two until `end`."""
        self._intake.look()
        self._looking = self._pool.submit(self._look, admission, memory)

    def end(self) -> Ready | None:
        """Look no longer; what was made ready."""
        if self._looking is None:
            return None
        self._intake.look_away()
        found, self._looking = self._looking.result(), None
        return found

    def close(self) -> None:
        """End the thread."""
        self.end()
        self._pool.shutdown()
        self._hang_up()

    def _ask(self) -> Connection:
        if self._conn is None:
            self._conn = connect(self._dsn, autocommit=True, application_name="lifeline recorder ahead")
        return self._conn

    def _hang_up(self) -> None:
        if self._conn is not None:
            self._conn.close()
        self._conn = None

    def _look(self, admission: Admission, memory: Memory) -> Ready | None:
        deliveries = self._intake.take_ahead(self._enough, self._most)
        if not deliveries:
            return None
        judged = None
        try:
            judged = judge_ahead(admission, memory, arrivals_of(deliveries), self._ask if self._dsn else None)
        except Exception:  # the batch is judged again in its transaction, and what is wrong with it is told there
            log.debug("not ready ahead", exc_info=True, extra={"action": "not_ahead"})
            self._hang_up()
        return Ready(deliveries, admission, judged)


def arrivals_of(deliveries: Sequence[Delivery]) -> list[Arrival]:
    """The messages that hold readings, but for those of drills, in their order."""
    return [
        Arrival(one.message, one.received_us, one.payload)
        for one in deliveries
        if type(one.message) is ReadingsMessage and not one.message.drill
    ]
