"""Posts what batches say of their gateways to the ledger, over a connection of its own, beside the batches.

A batch enters its accounts as one row in its own transaction. Rows that were entered are taken and posted together, in
one transaction, so each counts once whoever is killed; what a recorder leaves, the next one posts.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

import psycopg

from city.clock import stopwatch_s
from city.errors import LifelineError
from ingest.ledger import post
from store.connection import Connection, connect

log = logging.getLogger(__name__)

HOLD_S: Final = 0.25  # a gateway's accounts are written no more often
_MOST: Final = 50  # entries in one transaction, so that none takes long
_REST: Final = 4  # times as long as it posts
_AGAIN_S: Final = 1.0


class Posting:
    """Posts in a thread of its own, a fifth of its time at most, and soon after the last batch."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Connection | None = None
        self._changed = threading.Condition()
        self._more, self._ending = True, False  # what another recorder left may be there
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="recorder-posting", daemon=True)
        self._thread.start()

    def hear(self) -> None:
        """Something was entered, and is committed."""
        with self._changed:
            self._more = True
            self._changed.notify()

    def close(self) -> None:
        """Post all that was entered, as far as the database lets us, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(5.0)

    def _run(self) -> None:
        due_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or self._more)
                self._changed.wait_for(lambda: self._ending, due_s - stopwatch_s())
                ending, self._more = self._ending, False
            began_s = stopwatch_s()
            posted = self._try()
            if ending and posted < _MOST:
                break
            if self._failed or posted == _MOST:
                self._more = True
            rest_s = max(0.0 if posted == _MOST else HOLD_S, _REST * (stopwatch_s() - began_s))
            due_s = began_s + (_AGAIN_S if self._failed else rest_s)
        if self._conn is not None:
            self._conn.close()

    def _try(self) -> int:
        """How many entries were posted; none when the database does not write."""
        try:
            posted = self._post()
        except (psycopg.Error, LifelineError) as error:
            if not self._failed:
                log.warning("gateways' accounts are not posted: %s", error, extra={"action": "posting_held"})
            self._failed = True
            if self._conn is not None:
                self._conn.close()
            self._conn = None
            return 0
        self._failed = False
        return posted

    def _post(self) -> int:
        if self._conn is None:
            self._conn = connect(self._dsn, autocommit=True, application_name="lifeline recorder posting")
            self._conn.execute("SET synchronous_commit = off")  # lost with its entries still there: posted again
        with self._conn.transaction():
            return post(self._conn, _MOST)
