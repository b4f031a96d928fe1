"""What was heard, and when it was decided on: the journal's rows after the journal itself was trimmed.

`lifeline.hearing` has a row for every row the journal ever had (written by `journal.append`); with `lifeline.readings`
it gives back the very batches that the engine was given live, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from psycopg import sql

from city.clock import from_us, to_us
from city.reading import Readings
from store.connection import Connection
from store.journal import Kind
from store.statements import statements

_SQL = statements("hearing")
_PAGE = 2_000  # rows read at a time
_MOST = 400_000  # readings held at a time, as far as batches let it
_USUAL_US = 2 * 86_400_000_000  # batches with older readings are rare, but for replays of the past
_EPOCH_2000_US = 946_684_800_000_000
_HEAD_BYTES = 19  # of a binary COPY: signature, flags, length of the extension
_ROW = np.dtype(
    [
        ("fields", ">i2"), ("a", ">i4"), ("sensor_id", ">i4"), ("b", ">i4"), ("flag", ">i2"), ("c", ">i4"),
        ("time", ">i8"), ("d", ">i4"), ("received_at", ">i8"), ("e", ">i4"), ("value", ">f8"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """One row of what was heard. Times in microseconds; `first_us` to `newest_us` are 0 but for readings."""

    seq: int
    kind: Kind
    recorded_us: int
    rows: int
    first_us: int
    last_us: int
    oldest_us: int
    newest_us: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Range:
    """Rows after number `after` up to `last`, with how many readings; `replayed`: chosen by event time, not arrival."""

    after: int
    last: int
    readings: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class Given:
    """What the engine was given in one step: a row, and its readings in arrival order (`raw` is the value again)."""

    heard: Heard
    readings: Readings | None


def range_of(conn: Connection, from_: datetime, to: datetime) -> Range | None:
    """The rows recorded in a span; where there are none, those with readings that were measured in it."""
    span = {"from": from_, "to": to}
    for name in ("recorded", "measured"):
        row = conn.execute(_SQL[name], span).fetchone()
        if row and row[2]:
            return Range(row[0] - 1, row[1], row[2], name == "measured")
    return None


def unheard(conn: Connection, from_: datetime, to: datetime) -> int:
    """How many readings were measured in a span and came before this log was kept."""
    row = conn.execute(_SQL["unheard"], {"from": from_, "to": to}).fetchone()
    return int(row[2]) if row else 0


def deaf(conn: Connection) -> list[tuple[int, int]]:
    """Spans in which nothing was heard, in order (microseconds; from 0 where nothing had been heard before)."""
    return [(_us(until), _us(since)) for until, since in conn.execute(_SQL["deaf"]).fetchall()]


def in_force(conn: Connection, before_seq: int) -> str | None:
    """Hash of the city folder that was in force before a row."""
    row = conn.execute(_SQL["in_force"], {"before": before_seq}).fetchone()
    return row[0] if row else None


def given(conn: Connection, span: Range) -> Iterator[Given]:
    """The steps of a range, in their order; at most a block of their readings is in memory.

    Where arrivals of batches overlap (a clock that was set back, two recorders), a reading goes to the first batch that
    may have had it; `len(readings)` then differs from `heard.rows`, as it does when readings were deleted since.
    """
    conn.execute(_SQL["by_index"])
    taken_us: int | None = None
    for block in _blocks(_rows(conn, span)):
        batches = [row for row in block if row.rows]
        if batches and taken_us is None:
            taken_us = batches[0].first_us - 1
        readings = _arrived(conn, batches, taken_us or 0)
        ends_us = np.maximum.accumulate(np.array([row.last_us for row in batches], np.int64))
        place = np.searchsorted(readings.received_us, ends_us, side="right").tolist()
        start, turn = 0, 0
        for row in block:
            if not row.rows:
                yield Given(row, None)
                continue
            yield Given(row, _slice(readings, start, place[turn]))
            start, turn = place[turn], turn + 1
        if batches:
            taken_us = max(taken_us or 0, int(ends_us[-1]))


def besides(conn: Connection, after: int, last: int) -> Iterator[Heard]:
    """Rows after number `after` up to `last` that are not readings, in their order."""
    with conn.cursor(name="hearing_besides") as cursor:
        for seq, kind, recorded_at, payload in cursor.execute(_SQL["besides"], {"after": after, "last": last}):
            yield Heard(seq, kind, to_us(recorded_at), 0, 0, 0, 0, 0, payload)


def forget(conn: Connection, before: datetime, portion: int = 10_000) -> int:
    """Drop up to `portion` rows of a time from which no readings are kept either; how many went."""
    conn.execute(_SQL["forget_deafness"], {"before": before})
    conn.execute(_SQL["forget_traces"], {"before": before})
    return conn.execute(_SQL["forget"], {"before": before, "portion": portion}).rowcount


def _us(time: datetime | None) -> int:
    return 0 if time is None else to_us(time)


def _rows(conn: Connection, span: Range) -> Iterator[Heard]:
    after = span.after
    while True:
        found = conn.execute(_SQL["rows"], {"after": after, "last": span.last, "limit": _PAGE}).fetchall()
        for seq, kind, recorded_at, rows, first_at, last_at, oldest, newest, payload in found:
            times = (_us(first_at), _us(last_at), _us(oldest), _us(newest))
            yield Heard(seq, kind, to_us(recorded_at), rows, *times, payload or b"")
        if len(found) < _PAGE:
            return
        after = found[-1][0]


def _blocks(rows: Iterator[Heard]) -> Iterator[list[Heard]]:
    block: list[Heard] = []
    held = 0
    for row in rows:
        block.append(row)
        held += row.rows
        if held >= _MOST or len(block) >= _PAGE:
            yield block
            block, held = [], 0
    if block:
        yield block


def _arrived(conn: Connection, batches: list[Heard], after_us: int) -> Readings:
    """The readings of batches, by arrival. Batches of old readings are looked for one by one, where they must be."""
    usual = [row for row in batches if row.last_us - row.oldest_us <= _USUAL_US]
    old = [row for row in batches if row.last_us - row.oldest_us > _USUAL_US]
    parts = []
    oldest_us = 1 << 62
    if usual:
        first_us, last_us = min(r.first_us for r in usual), max(r.last_us for r in usual)
        oldest_us, newest_us = min(r.oldest_us for r in usual), max(r.newest_us for r in usual)
        parts.append(_copied(conn, max(first_us, after_us + 1), last_us, oldest_us, newest_us))
    for row in old:
        newest_us = min(row.newest_us, oldest_us - 1)
        after_us = max(after_us, row.first_us - 1)
        parts.append(_copied(conn, after_us + 1, row.last_us, row.oldest_us, newest_us))
        after_us = max(after_us, row.last_us)
    return _joined(parts)


def _copied(conn: Connection, first_us: int, last_us: int, oldest_us: int, newest_us: int) -> Readings:
    bounds = {"first": first_us, "last": last_us, "oldest": oldest_us, "newest": newest_us}
    query = sql.SQL(_SQL["arrived"]).format(**{name: sql.Literal(from_us(us)) for name, us in bounds.items()})
    with conn.cursor() as cursor, cursor.copy(query) as copy:
        data = b"".join(copy)
    table = np.frombuffer(data, dtype=_ROW, offset=_HEAD_BYTES, count=(len(data) - _HEAD_BYTES) // _ROW.itemsize)
    value = table["value"].astype(np.float64)
    return Readings(
        table["sensor_id"].astype(np.int32),
        table["time"].astype(np.int64) + _EPOCH_2000_US,
        table["received_at"].astype(np.int64) + _EPOCH_2000_US,
        value,
        table["flag"].astype(np.uint8),
        value,
    )


def _joined(parts: list[Readings]) -> Readings:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Readings.of([])
    joined = Readings.joined(parts)
    return joined.take(np.lexsort((joined.time_us, joined.sensor_id, joined.received_us)))


def _slice(readings: Readings, start: int, stop: int) -> Readings:
    return Readings(*(getattr(readings, name)[start:stop] for name in Readings.__slots__))
