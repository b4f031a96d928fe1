"""Finished pieces of readings are packed once, smaller, while readers and writers go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event

import numpy as np
import pytest

from city.clock import ManualClock, to_us
from city.reading import Readings
from store.connection import Connection, connect
from store.keeper import Keeping
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


@pytest.mark.sessions
def test_a_finished_piece_is_packed_once(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
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


@pytest.mark.sessions
def test_a_piece_that_refuses_is_counted_told_and_passed_over(
    store_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    later = DAY + timedelta(days=100)
    health = "SELECT state, advice FROM city.health WHERE name = 'retention'"
    pieces = "SELECT count(*) FROM lifeline.packed"
    with connect(store_database, autocommit=True) as conn:
        for month in (0, 40):
            _fill(conn, DAY + timedelta(days=month), sensors=10, minutes=2)
        (first, second) = (p for (p,) in conn.execute("SELECT piece FROM lifeline.pieces('readings') ORDER BY last"))
        # An index that cannot be built again: its function has changed its mind.
        conn.execute("CREATE FUNCTION broken(float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT $1'")
        conn.execute(f"CREATE INDEX breaks ON {first} (broken(value))".encode())
        conn.execute(
            "CREATE OR REPLACE FUNCTION broken(float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT $1 / 0'"
        )
        keeping = Keeping(conn, ManualClock(later), Event())
        keeping.let_go(later)
        assert conn.execute(pieces).fetchone() == (0,)
        assert [r.action for r in caplog.records if hasattr(r, "action")].count("packing_failed") == 1
        state, advice = conn.execute(health).fetchone() or ("", "")
        assert state == "warning"
        assert f"{first} (failures: 1), got: division by zero" in advice
        keeping.let_go(later)
        assert pack(conn, later) == "", "the other is packed, and the first has had its turn for today"
        assert conn.execute("SELECT piece FROM lifeline.packed").fetchall() == [(second,)]
        conn.execute("UPDATE lifeline.hindered SET failed_at = failed_at - interval '1 day'")
        keeping.let_go(later)
        state, advice = conn.execute(health).fetchone() or ("", "")
        assert f"{first} (failures: 2)" in advice
        conn.execute(f"DROP INDEX {first.split('.')[0]}.breaks".encode())
        conn.execute("UPDATE lifeline.hindered SET failed_at = failed_at - interval '1 day'")
        keeping.let_go(later)
        assert conn.execute(pieces).fetchone() == (2,)
        assert conn.execute(health).fetchone() == ("ok", "")
