"""The journal: all that the engine may learn, in commit order; and what its followers keep about their place in it.

Commit order is number order because `append` takes a lock that is held to the end of the transaction. So append last:
everything after it keeps other writers waiting.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from city.errors import OutsideError
from city.reading import Readings
from store.connection import Connection, Cursor
from store.statements import statements

_SQL = statements("journal")
Kind = Literal["readings", "status", "tick", "command", "bundle", "platform", "drill", "exercise"]

_PIECE_BYTES = 4 << 20  # of a snapshot in one row
_MAGIC = b"LLR1"
# The columns of Readings in their order, little-endian: 37 bytes a row.
_COLUMNS = ("<i4", "<i8", "<i8", "<f8", "u1", "<f8")
_EXERCISE, _EXERCISE_MAGIC = struct.Struct("<4sqB"), b"LLX1"
_ROW_BYTES = sum(np.dtype(kind).itemsize for kind in _COLUMNS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal row. Numbers rise; there may be gaps, but no row ever appears behind one already read."""

    seq: int
    kind: Kind
    recorded_at: datetime
    payload: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A follower's state after row `seq`, made under city folder `bundle`."""

    seq: int
    bundle: str
    body: bytes


def append(conn: Connection, kind: Kind, payload: bytes, recorded_at: datetime) -> int:
    """Append one row and return its number; call it last in a transaction, and commit at once.

    Raises
    ------
    ValueError
        When the connection is in autocommit outside a transaction block: the lock would be let go before the row.
    """
    if conn.autocommit and conn.info.transaction_status == conn.info.transaction_status.IDLE:
        raise ValueError("journal.append needs an open transaction: the order of rows hangs on its lock")
    return number(send(conn, kind, payload, recorded_at))


def send(conn: Connection, kind: Kind, payload: bytes, recorded_at: datetime) -> Cursor:
    """`append` in a pipeline (see psycopg's), which does not wait: `number` gives the row's number when it is over."""
    values = {"kind": kind, "at": recorded_at, "payload": payload, **_kept(kind, payload)}
    return conn.execute(_SQL["append"], values)


def number(appended: Cursor) -> int:
    """The number of a row that was sent."""
    row = appended.fetchone()
    assert row is not None, "INSERT … RETURNING gives a row"  # noqa: S101 - a fact of SQL, for the type checker
    return int(row[0])


def _kept(kind: Kind, payload: bytes) -> dict[str, Any]:
    """What `lifeline.hearing` keeps of a row: the readings themselves stand in their own table already."""
    kept: dict[str, Any] = dict.fromkeys(("first_us", "last_us", "oldest_us", "newest_us", "kept"))
    if kind != "readings":
        return {**kept, "rows": 0, "kept": payload}
    readings = decode_readings(payload)
    if len(readings):
        arrived_us, time_us = readings.received_us, readings.time_us
        kept |= {"first_us": int(arrived_us.min()), "last_us": int(arrived_us.max())}
        kept |= {"oldest_us": int(time_us.min()), "newest_us": int(time_us.max())}
    return {**kept, "rows": len(readings)}


def read(conn: Connection, after_seq: int, limit: int) -> list[Entry]:
    """Up to `limit` rows after number `after_seq`, in order."""
    return [Entry(*row) for row in conn.execute(_SQL["read"], (after_seq, limit)).fetchall()]


def last_seq(conn: Connection) -> int:
    """Number of the newest row still kept, 0 when there is none."""
    row = conn.execute(_SQL["last"]).fetchone()
    return int(row[0]) if row else 0


def listen(conn: Connection) -> None:
    """Hear of appends from now on (autocommit connections only); call it before the first `read`, then `wait`."""
    if not conn.autocommit:
        raise ValueError("journal.listen needs an autocommit connection: news arrives between transactions")
    conn.execute(_SQL["listen"])


def wait(conn: Connection, timeout_s: float) -> bool:
    """Wait until something was appended (true) or `timeout_s` wall seconds have passed (false).

    News of appends since `listen` is kept, so nothing is missed between a `read` and a `wait`.
    """
    listen(conn)
    heard = False
    for _ in conn.notifies(timeout=timeout_s, stop_after=1):
        heard = True
    return heard


def checkpoint(conn: Connection, follower: str) -> int:
    """Number of the last row whose effects `follower` has committed, 0 when it has not begun."""
    row = conn.execute(_SQL["checkpoint"], (follower,)).fetchone()
    return int(row[0]) if row else 0


def set_checkpoint(conn: Connection, follower: str, seq: int, at: datetime) -> None:
    """Move a follower's checkpoint, in the transaction that writes the effects.

    Raises
    ------
    OutsideError
        When it would go back: somebody else follows under the same name.
    """
    if conn.execute(_SQL["set_checkpoint"], (follower, seq, at)).rowcount == 0:
        stands = checkpoint(conn, follower)
        raise OutsideError(
            f"follower {follower}: stands at journal row {stands}, refused to go back to {seq}; "
            "try stopping the second process that follows under this name"
        )


def load_snapshot(conn: Connection, follower: str) -> Snapshot | None:
    """The last snapshot of a follower, if it made one."""
    row = conn.execute(_SQL["load_snapshot"], (follower,)).fetchone()
    if row is None:
        return None
    rest = conn.execute(_SQL["load_snapshot_rest"], (follower,)).fetchall()
    return Snapshot(row[0], row[1], b"".join((row[2], *(part for (part,) in rest))))


def save_snapshot(
    conn: Connection, follower: str, snapshot: Snapshot, at: datetime, more: Iterable[bytes | memoryview] = ()
) -> None:
    """Keep a follower's snapshot in place of its last one (OutsideError when that one is newer).

    `more` follows the snapshot's body, block by block, so that a long one is never in one piece; several statements:
    commit after them.
    """
    values = (follower, snapshot.seq, at, snapshot.bundle, snapshot.body)
    if conn.execute(_SQL["save_snapshot"], values).rowcount == 0:
        raise OutsideError(
            f"follower {follower}: has a newer snapshot than the one of journal row {snapshot.seq}; "
            "try stopping the second process that follows under this name"
        )
    conn.execute(_SQL["forget_snapshot_rest"], (follower,))
    for part, piece in enumerate(_pieces(more)):
        conn.execute(_SQL["save_snapshot_rest"], (follower, part, piece), binary=True)


def _pieces(blocks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Blocks cut and put together to pieces of even length."""
    piece = bytearray()
    for block in blocks:
        at = 0
        while at < len(block):
            end = at + _PIECE_BYTES - len(piece)
            piece += block[at:end]
            at = end
            if len(piece) == _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def trim(conn: Connection, portion: int = 10_000) -> int:
    """Delete up to about `portion` rows behind the slowest snapshot (and checkpoint); how many went.

    Nothing goes while no follower is known, or while one has no snapshot to restart from.
    """
    row = conn.execute(_SQL["trim"], (portion,)).fetchone()
    return int(row[0]) if row else 0


def encode_readings(readings: Readings) -> bytes:
    """Readings as a `readings` payload: a mark, then the columns whole, 37 bytes a row."""
    columns = (getattr(readings, name) for name in Readings.__slots__)
    return _MAGIC + b"".join(
        np.ascontiguousarray(column, dtype=kind).tobytes() for column, kind in zip(columns, _COLUMNS, strict=True)
    )


def encode_exercise(drill: str, received_us: int, readings: Readings) -> bytes:
    """Readings of a drill (perhaps none), which arrived at `received_us`, as an `exercise` payload."""
    name = drill.encode()
    return _EXERCISE.pack(_EXERCISE_MAGIC, received_us, len(name)) + name + encode_readings(readings)


def decode_exercise(payload: bytes) -> tuple[str, int, Readings]:
    """The drill, the arrival and the readings of an `exercise` payload (OutsideError when it is none)."""
    if not payload.startswith(_EXERCISE_MAGIC) or len(payload) < _EXERCISE.size:
        raise OutsideError(f"journal: not an exercise payload, got {len(payload)} bytes beginning {payload[:8]!r}")
    _, received_us, length = _EXERCISE.unpack_from(payload)
    end = _EXERCISE.size + length
    return payload[_EXERCISE.size : end].decode(), received_us, decode_readings(payload[end:])


def decode_readings(payload: bytes) -> Readings:
    """The readings of a `readings` payload (OutsideError when it is not one). The columns are read-only views."""
    rows, rest = divmod(len(payload) - len(_MAGIC), _ROW_BYTES)
    if not payload.startswith(_MAGIC) or rest:
        raise OutsideError(f"journal: not a readings payload, got {len(payload)} bytes beginning {payload[:8]!r}")
    columns, offset = [], len(_MAGIC)
    for kind in _COLUMNS:
        columns.append(np.frombuffer(payload, dtype=kind, count=rows, offset=offset))
        offset += rows * np.dtype(kind).itemsize
    return Readings(*columns)
