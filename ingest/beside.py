"""Work that no batch need wait for: piece by piece over a connection of its own, in a thread that mostly rests."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Final

from city.clock import stopwatch_s
from store.connection import Connection, connect

HOLD_S: Final = 0.25  # the same thing is written no more often
MOST_S: Final = 2.0  # and waits for about this, however much there is
_REST: Final = 30  # times as long as it works
_AGAIN_S: Final = 1.0


class Beside(ABC):
    """A thread that works a thirtieth of its time, soon after it was woken; what fails is done again a second later.

    What it writes must be found again when it is lost with the database: its connection waits for no disk.

    Parameters
    ----------
    dsn
        The database.
    name
        Of the work, for its thread and its connection.
    """

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn, self._name = dsn, f"lifeline recorder {name}"
        self._conn: Connection | None = None
        self._changed = threading.Condition()
        self._ending, self._failed = False, False
        self._thread = threading.Thread(target=self._run, name=f"recorder-{name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Do what there is to do, as far as the database lets us, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(5.0)

    @abstractmethod
    def _waiting(self) -> bool:
        """Whether there is something to do; `_changed` is held, and is to be notified when that changes."""

    @abstractmethod
    def _work(self) -> int:
        """Do a piece, with `_connection`: of how many. When it raises, nothing of it is done."""

    @abstractmethod
    def _say(self, error: Exception) -> None:
        """Tell that it is not done."""

    def _connection(self) -> Connection:
        if self._conn is None:
            self._conn = connect(self._dsn, autocommit=True, application_name=self._name)
            self._conn.execute("SET synchronous_commit = off")
        return self._conn

    def _run(self) -> None:
        due_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or self._waiting())
                self._changed.wait_for(lambda: self._ending, due_s - stopwatch_s())
                ending = self._ending
            began_s, fresh = stopwatch_s(), self._conn is None
            pieces = self._try()
            if ending and (fresh if self._failed else pieces <= 1):  # a line that broke says nothing of the database
                break
            rest_s = min(max(_REST * (stopwatch_s() - began_s), HOLD_S / pieces), MOST_S / pieces)
            due_s = began_s + (_AGAIN_S if self._failed else rest_s)
        if self._conn is not None:
            self._conn.close()

    def _try(self) -> int:
        try:
            pieces = max(1, self._work())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the thread goes on
            if not self._failed:
                self._say(error)
            self._failed = True
            if self._conn is not None:
                self._conn.close()
            self._conn = None
            return 1
        self._failed = False
        return pieces
