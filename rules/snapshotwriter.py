"""Writes snapshots of the engine's state on a thread and a connection of its own, so that alarms do not wait for it.

The state is copied where it changes (`rules.snapshot.freeze`), between two journal rows; what is written here is that
copy. A kill while it is written leaves the last snapshot as it was: the next start steps through a few more rows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from city.clock import Clock, stopwatch_s
from store import journal
from store.connection import connect


@dataclass
class SnapshotWriter:
    """Keeps one follower's snapshots, one at a time.

    Attributes
    ----------
    database_url, clock, follower
        Where they go, what time it is, and whose they are.
    took_s
        Wall seconds that writing the last one took.
    """

    database_url: str
    clock: Clock
    follower: str
    took_s: float = 0.0
    _thread: threading.Thread | None = None
    _failure: Exception | None = None

    @property
    def busy(self) -> bool:
        """Whether one is being written."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def done(self) -> bool:
        """Whether one was written, or failed to be, and nobody has asked by `wait` yet."""
        return self._thread is not None and not self._thread.is_alive()

    def save(self, kept: journal.Snapshot, blocks: Sequence[bytes | memoryview]) -> None:
        """Write a snapshot while the caller goes on; what went wrong with the last one is raised here, or by `wait`."""
        self.wait()
        self._thread = threading.Thread(target=self._save, args=(kept, blocks), name="snapshot", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the snapshot under way is written; psycopg's error or OutsideError when it could not be."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def leave(self) -> None:
        """Wait for the snapshot under way, whatever becomes of it: the next start is to find it."""
        if self._thread is not None:
            self._thread.join()

    def _save(self, kept: journal.Snapshot, blocks: Sequence[bytes | memoryview]) -> None:
        began_s = stopwatch_s()
        try:
            with connect(self.database_url, application_name="lifeline watcher snapshot") as conn:
                journal.save_snapshot(conn, self.follower, kept, self.clock.now(), blocks)
                conn.commit()
        except Exception as error:  # noqa: BLE001 - handed to whoever follows: `save` and `wait` raise it
            self._failure = error
        self.took_s = stopwatch_s() - began_s
