"""A queue on disk: what a gateway has measured and the broker has not confirmed yet.

One SQLite file per gateway, write-ahead logged, so a kill -9 or a pulled plug loses at most what `put` had not
returned for. A message leaves the file only through `remove`, which the agent calls after the broker's PUBACK: it is
delivered at least once. The queue is bounded; when it overflows the oldest messages go, and `dropped` says which and
when. Their sequence numbers are never reused, so the other end sees the gap too.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from city.errors import InputError, OutsideError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,  -- AUTOINCREMENT: a number is never used twice
    readings INTEGER NOT NULL,
    body     BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS dropped (
    at_us     INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    messages  INTEGER NOT NULL,
    readings  INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_DROP_ROWS = 1_000  # of the record; later runs are summed into its last row, so that it stays bounded too


@dataclass(frozen=True, slots=True)
class Message:
    """A kept message: its number, how many readings it carries, its body."""

    seq: int
    readings: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """A run of messages lost to overflow: when, which numbers, how many messages and readings."""

    at_us: int
    first_seq: int
    last_seq: int
    messages: int
    readings: int


def _explain(path: Path, error: sqlite3.Error) -> OutsideError:
    text = str(error)
    hint = "check the disk's space and rights"
    if "locked" in text:
        hint = "stop the other process that uses this outbox"
    elif "malformed" in text or "not a database" in text:
        hint = "move the file away: it is damaged, and what it held is only there"
    return OutsideError(f"outbox {path}: {text}, try: {hint}")


class Outbox:
    """The store-and-forward queue of one gateway. Safe to use from several threads, by one process at a time.

    Parameters
    ----------
    path
        The SQLite file; its folder is made if missing.
    max_readings
        Bound of the queue in readings, above 0. About 60 bytes each: the default keeps 60 MB, a week of 100 sensors.
    durable
        Whether `put` waits for the disk (synchronous FULL). False survives kill -9 but not a pulled plug.

    Raises
    ------
    OutsideError
        The file cannot be opened, is damaged, or another process holds it.
    """

    def __init__(self, path: Path, *, max_readings: int = 1_000_000, durable: bool = True) -> None:
        if max_readings < 1:
            raise InputError(f"outbox {path}: max_readings must be above 0, got {max_readings}, try 1000000")
        self.path, self.max_readings = path, max_readings
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open(path, durable)
            self._messages, self._readings = self._count()
        except OSError as error:
            raise OutsideError(f"outbox {path}: {error.strerror}, try: another folder") from error
        except sqlite3.Error as error:
            if self._connection is not None:
                self._connection.close()
            raise _explain(path, error) from error

    @staticmethod
    def _open(path: Path, durable: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
        try:
            # One process owns the file: the counters below live in memory. The lock dies with the process.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """One thread at a time, and SQLite's complaints as errors a person can act on."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise _explain(self.path, error) from error

    @property
    def _sql(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OutsideError(f"outbox {self.path}: already closed")
        return self._connection

    def _count(self) -> tuple[int, int]:
        messages, readings = self._sql.execute("SELECT count(*), coalesce(sum(readings), 0) FROM messages").fetchone()
        return int(messages), int(readings)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        sql = self._sql
        sql.execute("BEGIN IMMEDIATE")
        try:
            yield sql
            sql.execute("COMMIT")
        except BaseException:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            self._messages, self._readings = self._count()
            raise

    def put(self, messages: Sequence[tuple[bytes, int]], now_us: int, notes: Mapping[str, str] | None = None) -> int:
        """Keep (body, readings) messages and `notes` in one transaction; when it returns they are on disk.

        Parameters
        ----------
        messages
            Bodies with the number of readings in each; may be empty (then only the notes are kept).
        now_us
            When, for the record of what overflow drops.
        notes
            Small texts kept beside the queue, such as how far measuring has come.

        Returns
        -------
        int
            The number of messages dropped to make room.
        """
        with self._guard(), self._transaction() as sql:
            sql.executemany("INSERT INTO messages (readings, body) VALUES (?, ?)", [(n, body) for body, n in messages])
            if notes:
                sql.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", list(notes.items()))
            self._messages += len(messages)
            self._readings += sum(n for _, n in messages)
            return self._make_room(sql, now_us) if self._readings > self.max_readings else 0

    def _make_room(self, sql: sqlite3.Connection, now_us: int) -> int:
        first = last = count = readings = 0
        for seq, n in sql.execute("SELECT seq, readings FROM messages ORDER BY seq"):
            if self._readings - readings <= self.max_readings or count == self._messages - 1:
                break  # the newest message stays, however large
            first, last, count, readings = first or seq, seq, count + 1, readings + n
        if not count:
            return 0
        sql.execute("DELETE FROM messages WHERE seq <= ?", (last,))
        merged = sql.execute(
            "UPDATE dropped SET last_seq = ?, messages = messages + ?, readings = readings + ?, at_us = ?"
            " WHERE rowid = (SELECT max(rowid) FROM dropped) AND (last_seq = ? OR rowid >= ?)",
            (last, count, readings, now_us, first - 1, _DROP_ROWS),
        )
        if merged.rowcount == 0:
            sql.execute("INSERT INTO dropped VALUES (?, ?, ?, ?, ?)", (now_us, first, last, count, readings))
        self._messages -= count
        self._readings -= readings
        return count

    def oldest(self, limit: int, after_seq: int = 0) -> list[Message]:
        """Up to `limit` messages with a number above `after_seq`, oldest first."""
        query = "SELECT seq, readings, body FROM messages WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._guard():
            return [Message(*row) for row in self._sql.execute(query, (after_seq, limit))]

    def remove(self, seqs: Sequence[int]) -> None:
        """Forget messages that the broker has confirmed."""
        with self._guard(), self._transaction() as sql:
            for seq in seqs:
                row = sql.execute("DELETE FROM messages WHERE seq = ? RETURNING readings", (seq,)).fetchone()
                if row is not None:  # overflow may have dropped it while it was under way
                    self._messages -= 1
                    self._readings -= row[0]

    @property
    def messages(self) -> int:
        """How many messages wait."""
        return self._messages

    @property
    def readings(self) -> int:
        """How many readings wait."""
        return self._readings

    def note(self, key: str) -> str | None:
        """The note kept under `key`, or None."""
        with self._guard():
            row = self._sql.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def dropped(self) -> list[Dropped]:
        """What overflow has dropped so far, oldest first; neighbouring runs are one entry."""
        query = "SELECT at_us, first_seq, last_seq, messages, readings FROM dropped ORDER BY rowid"
        with self._guard():
            return [Dropped(*row) for row in self._sql.execute(query)]

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
