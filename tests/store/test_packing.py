"""Finished pieces of readings are packed once, smaller, while readers and writers go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from city.clock import to_us
from city.reading import Readings
from store.connection import Connection, connect
from store.migrate import detect_tier
from store.packing import pack
from store.readings import ReadingWriter

DAY = datetime(2026, 6, 1, tzinfo=UTC)


def _fill(conn: Connection, day: datetime, sensors: int = 1000, minutes: int = 90) -> None:
    writer = ReadingWriter(conn)
    ids = np.arange(1, sensors + 1, dtype=np.int32)
    for minute in range(minutes):
        at = np.full(sensors, to_us(day) + minute * 60_000_000)
        value = ids.astype(np.float64)
        with conn.transaction():
            writer.write(Readings(ids, at, at, value, np.ones(sensors, np.uint8), value))


def _index_bytes(conn: Connection) -> int:
    row = conn.execute("SELECT sum(pg_indexes_size(piece::regclass)) FROM lifeline.pieces('readings')").fetchone()
    return int(row[0]) if row else 0


def test_a_finished_piece_is_packed_once(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
        if detect_tier(conn).value == "community":
            assert pack(conn, DAY + timedelta(days=50)) == ""
            return
        _fill(conn, DAY)
        _fill(conn, DAY + timedelta(days=40), minutes=1)
        now = DAY + timedelta(days=40)  # a piece is a day or a month
        before = _index_bytes(conn)
        assert pack(conn, DAY + timedelta(days=1, hours=12)) == "", "late rows have not all come yet"
        with connect(store_database) as reader:
            reader.execute("SELECT count(*) FROM lifeline.readings")
            reader.commit()
            piece = pack(conn, now)
            assert reader.execute("SELECT count(*) FROM lifeline.readings").fetchone() == (1000 * 91,)
        assert piece
        assert _index_bytes(conn) < 0.85 * before
        assert pack(conn, now) == "", "the other piece is still filling"
        _fill(conn, DAY, minutes=1)  # repeats, into a packed piece
        assert conn.execute("SELECT count(*) FROM lifeline.readings").fetchone() == (1000 * 91,)


@pytest.mark.sessions
def test_what_an_interrupted_one_left_is_cleared(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
        if detect_tier(conn).value == "community":
            return
        _fill(conn, DAY, minutes=2)
        (piece,) = conn.execute("SELECT piece FROM lifeline.pieces('readings')").fetchone() or ("",)
        conn.execute(f"CREATE INDEX half_ccnew ON {piece} (value)".encode())
        conn.execute(
            "UPDATE pg_index SET indisvalid = false FROM pg_class WHERE oid = indexrelid AND relname = 'half_ccnew'"
        )
        assert pack(conn, DAY + timedelta(days=50)) == piece
        assert conn.execute("SELECT count(*) FROM pg_class WHERE relname = 'half_ccnew'").fetchone() == (0,)
        conn.execute("SELECT lifeline.drop_piece('readings', %s)", (piece,))
        assert pack(conn, DAY + timedelta(days=50)) == ""
        assert conn.execute("SELECT count(*) FROM lifeline.packed").fetchone() == (0,)
