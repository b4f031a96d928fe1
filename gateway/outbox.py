"""A queue on disk: what a gateway has measured and the broker has not confirmed yet.

One SQLite file per gateway, write-ahead logged, so a kill -9 or a pulled plug loses at most what `put` had not
returned for. A message leaves the file only through `remove`, which the agent calls after the broker's PUBACK: it is
delivered at least once. The queue is bounded in readings, bytes and age; when it overflows the oldest messages of the
lowest priority go, and the record says which, when, and how many readings of which sensors. Their sequence numbers are
never reused, so the other end sees the gap too.

Age counts the hours an outbox has been open since a message was kept, not what a wall clock says: a clock that jumps
never makes a message old.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from city.clock import stopwatch_s
from city.errors import InputError, OutsideError
from gateway import losses
from gateway.losses import Loss

__all__ = ["Dropped", "Loss", "Message", "Outbox"]

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
_SECOND_FORM = f"""
BEGIN IMMEDIATE;
ALTER TABLE messages ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE messages ADD COLUMN aged_us INTEGER NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS messages_by_worth ON messages (priority, seq);
{losses.SCHEMA}
PRAGMA user_version = 2;
COMMIT;
"""
_DROP_ROWS = 1_000  # of the record; later runs are summed into its last row, so that it stays bounded too
_ROW_BYTES = 64  # what a message costs beside its body: its row, its place in the index
_LAST = (1 << 63) - 1
NORMAL = 1  # priority of messages that say nothing; 0 goes before them when room is needed, 2 after

Put = tuple[bytes, int] | tuple[bytes, int, int]  # body, readings, priority


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
    max_bytes
        Bound of the queue on disk, above 0; none when not given. The file is a few per cent larger, its log some 1 MB.
    max_age_s
        Messages kept longer than this are dropped, above 0; none when not given.
    durable
        Whether `put` waits for the disk (synchronous FULL). False survives kill -9 but not a pulled plug.
    first_seq
        The first number of an outbox that has none yet.
    stopwatch
        Seconds that only go forward, for the age of messages.

    Raises
    ------
    OutsideError
        The file cannot be opened, is damaged, or another process holds it.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_readings: int = 1_000_000,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        durable: bool = True,
        first_seq: int = 1,
        stopwatch: Callable[[], float] = stopwatch_s,
    ) -> None:
        for name, bound in (("max_readings", max_readings), ("max_bytes", max_bytes), ("max_age_s", max_age_s)):
            if bound is not None and bound <= 0:
                raise InputError(f"outbox {path}: {name} must be above 0, got {bound}, try 1000000")
        self.path, self.max_readings, self.max_bytes, self.max_age_s = path, max_readings, max_bytes, max_age_s
        self._lock = threading.RLock()
        self._busy: set[int] = set()  # under way: never dropped, or they would be both delivered and told as lost
        self._stopwatch, self._opened_s = stopwatch, stopwatch()
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open(path, durable)
            if first_seq > 1 and not self.newest:
                self._sql.execute("INSERT INTO sqlite_sequence VALUES ('messages', ?)", (first_seq - 1,))
            self._messages, self._readings, self._bytes = self._count()
            self._aged_us = int(self._sql.execute("SELECT coalesce(max(aged_us), 0) FROM messages").fetchone()[0])
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
            connection.execute("PRAGMA wal_autocheckpoint = 250")  # the log stays near a megabyte
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.executescript(_SCHEMA)
            if connection.execute("PRAGMA user_version").fetchone()[0] < 2:
                connection.executescript(_SECOND_FORM)
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

    def _count(self) -> tuple[int, int, int]:
        query = "SELECT count(*), coalesce(sum(readings), 0), coalesce(sum(length(body)), 0) FROM messages"
        messages, readings, size = self._sql.execute(query).fetchone()
        return int(messages), int(readings), int(size) + _ROW_BYTES * int(messages)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        sql = self._sql
        before = self._messages, self._readings, self._bytes
        sql.execute("BEGIN IMMEDIATE")
        try:
            yield sql
            sql.execute("COMMIT")
        except BaseException:
            self._messages, self._readings, self._bytes = before
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            raise

    def put(self, messages: Sequence[Put], now_us: int, notes: Mapping[str, str] | None = None) -> int:
        """Keep (body, readings) or (body, readings, priority) messages and `notes` in one transaction.

        When it returns they are on disk.

        Parameters
        ----------
        messages
            Bodies with the number of readings in each, and 0, 1 (when not given) or 2: what is to go last when room is
            needed. May be empty (then only the notes are kept).
        now_us
            When, for the record of what overflow drops.
        notes
            Small texts kept beside the queue, such as how far measuring has come.

        Returns
        -------
        int
            The number of messages dropped to make room.
        """
        aged_us = self._age_us()
        rows = [(each[1], each[0], each[2] if len(each) == 3 else NORMAL, aged_us) for each in messages]
        with self._guard(), self._transaction() as sql:
            sql.executemany("INSERT INTO messages (readings, body, priority, aged_us) VALUES (?, ?, ?, ?)", rows)
            if notes:
                sql.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", list(notes.items()))
            self._messages += len(rows)
            self._readings += sum(row[0] for row in rows)
            self._bytes += sum(len(row[1]) + _ROW_BYTES for row in rows)
            return self._make_room(sql, now_us)

    def expire(self, now_us: int) -> int:
        """Drop what is too old; the number of messages dropped. `put` does so by itself."""
        if self.max_age_s is None:
            return 0
        with self._guard(), self._transaction() as sql:
            return self._make_room(sql, now_us)

    def _age_us(self) -> int:
        return self._aged_us + round((self._stopwatch() - self._opened_s) * 1e6)

    def fits(self, messages: Sequence[Put]) -> bool:
        """Whether these can be put without dropping anything."""
        size = self._bytes + sum(len(each[0]) + _ROW_BYTES for each in messages)
        readings = self._readings + sum(each[1] for each in messages)
        return readings <= self.max_readings and (self.max_bytes is None or size <= self.max_bytes)

    def _make_room(self, sql: sqlite3.Connection, now_us: int) -> int:
        return self._drop(sql, now_us, losses.AGE, self._too_old(sql)) + self._drop(
            sql, now_us, losses.ROOM, self._too_much(sql)
        )

    def _too_old(self, sql: sqlite3.Connection) -> list[Message]:
        if self.max_age_s is None:
            return []
        before_us = self._age_us() - round(self.max_age_s * 1e6)
        found: list[Message] = []
        for seq, readings, body, aged_us in sql.execute(
            "SELECT seq, readings, body, aged_us FROM messages ORDER BY seq"
        ):
            if aged_us >= before_us:
                break
            if seq not in self._busy:
                found.append(Message(seq, readings, body))
        return found

    def _too_much(self, sql: sqlite3.Connection) -> list[Message]:
        readings, size, found = self._readings, self._bytes, list[Message]()
        if readings <= self.max_readings and (self.max_bytes is None or size <= self.max_bytes):
            return found
        for row in sql.execute("SELECT seq, readings, body FROM messages ORDER BY priority, seq"):
            if readings <= self.max_readings and (self.max_bytes is None or size <= self.max_bytes):
                break
            if len(found) == self._messages - 1:
                break  # one message stays, however large
            message = Message(*row)
            if message.seq not in self._busy:
                found.append(message)
                readings, size = readings - message.readings, size - len(message.body) - _ROW_BYTES
        return found

    def _drop(self, sql: sqlite3.Connection, now_us: int, why: str, messages: list[Message]) -> int:
        if not messages:
            return 0
        sql.executemany("DELETE FROM messages WHERE seq = ?", [(message.seq,) for message in messages])
        for run in _runs(sorted(messages, key=lambda message: message.seq)):
            first, last, readings = run[0].seq, run[-1].seq, sum(message.readings for message in run)
            merged = sql.execute(
                "UPDATE dropped SET last_seq = max(last_seq, ?), messages = messages + ?, readings = readings + ?,"
                " at_us = ? WHERE rowid = (SELECT max(rowid) FROM dropped) AND (last_seq = ? OR rowid >= ?)",
                (last, len(run), readings, now_us, first - 1, _DROP_ROWS),
            )
            if merged.rowcount == 0:
                sql.execute("INSERT INTO dropped VALUES (?, ?, ?, ?, ?)", (now_us, first, last, len(run), readings))
        losses.record(sql, why, [(message.body, message.readings) for message in messages])
        self._messages -= len(messages)
        self._readings -= sum(message.readings for message in messages)
        self._bytes -= sum(len(message.body) + _ROW_BYTES for message in messages)
        return len(messages)

    def oldest(self, limit: int, after_seq: int = 0, until_seq: int = _LAST, *, hold: bool = False) -> list[Message]:
        """Up to `limit` messages with a number above `after_seq` and up to `until_seq`, oldest first.

        With `hold` they are safe from overflow until they are removed or let go.
        """
        query = "SELECT seq, readings, body FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        with self._guard():
            found = [Message(*row) for row in self._sql.execute(query, (after_seq, until_seq, limit))]
            if hold:
                self._busy.update(message.seq for message in found)
            return found

    def let_go(self, seqs: Sequence[int] | None = None) -> None:
        """Give held messages back to overflow: these, or all."""
        with self._lock:
            self._busy.difference_update(self._busy.copy() if seqs is None else seqs)

    def remove(self, seqs: Sequence[int]) -> None:
        """Forget messages that the broker has confirmed."""
        with self._guard(), self._transaction() as sql:
            for seq in seqs:
                found = sql.execute("DELETE FROM messages WHERE seq = ? RETURNING readings, length(body)", (seq,))
                row = found.fetchone()
                if row is not None:
                    self._messages -= 1
                    self._readings -= row[0]
                    self._bytes -= row[1] + _ROW_BYTES
        self.let_go(seqs)

    @property
    def messages(self) -> int:
        """How many messages wait."""
        return self._messages

    @property
    def readings(self) -> int:
        """How many readings wait."""
        return self._readings

    @property
    def bytes(self) -> int:
        """How many bytes wait, with what each message costs beside its body."""
        return self._bytes

    @property
    def newest(self) -> int:
        """The highest number given so far, 0 before the first."""
        with self._guard():
            row = self._sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        return 0 if row is None else int(row[0])

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

    def losses(self) -> list[Loss]:
        """What has been dropped since the outbox was made, by sensor and reason; the largest first."""
        with self._guard():
            return losses.read(self._sql)

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


def _runs(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Messages with neighbouring numbers together."""
    run: list[Message] = []
    for message in messages:
        if run and message.seq != run[-1].seq + 1:
            yield run
            run = []
        run.append(message)
    if run:
        yield run
