"""Newest values held back by a busy writer: a moment behind, right in the end, and found again after a kill."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from city.clock import from_us, to_us
from city.reading import Readings
from store import journal
from store.connection import Connection, connect
from store.readings import ReadingWriter

START_US = to_us(datetime(2026, 6, 30, 23, 0, tzinfo=UTC))
Row = tuple[int, int, int, float, int, float]


def row(sensor: int, minute: int, value: float) -> Row:
    time_us = START_US + minute * 60_000_000
    return sensor, time_us, time_us + 5_000_000, value, 1, value


def commit(writer: ReadingWriter, conn: Connection, *rows: Row) -> None:
    """One batch as the recorder writes it, journal included."""
    readings = Readings.of(list(rows))
    with conn.transaction():
        writer.begin()
        writer.write(readings)
        journal.append(conn, "readings", journal.encode_readings(readings), from_us(START_US))
    writer.committed()


def newest(conn: Connection) -> dict[int, float]:
    return dict(conn.execute("SELECT sensor_id, value FROM lifeline.latest").fetchall())


@pytest.fixture
def busy(store_database: str) -> ReadingWriter:
    """A writer that has just written everything and will hold the next newest values back."""
    writer = ReadingWriter(conn := connect(store_database, autocommit=True), hold_s=3600.0)
    commit(writer, conn, row(1, 0, 1.0), row(2, 0, 2.0))
    assert newest(conn) == {1: 1.0, 2: 2.0}, "a first value is written at once"
    return writer


def test_what_is_held_is_written_once_when_there_is_time(busy: ReadingWriter) -> None:
    with busy._conn as conn:
        commit(busy, conn, row(1, 2, 12.0), row(1, 1, 11.0))
        commit(busy, conn, row(2, 1, 21.0), row(1, 1, 11.0))
        assert newest(conn) == {1: 1.0, 2: 2.0}
        assert busy.behind
        with conn.transaction():
            busy.begin()
            busy.catch_up()
        busy.committed()
        assert newest(conn) == {1: 12.0, 2: 21.0}
        assert not busy.behind


def test_a_new_sensor_takes_what_is_held_along(busy: ReadingWriter) -> None:
    with busy._conn as conn:
        commit(busy, conn, row(1, 1, 11.0))
        commit(busy, conn, row(3, 0, 3.0))
        assert newest(conn) == {1: 11.0, 2: 2.0, 3: 3.0}


def test_what_was_rolled_back_is_not_held(busy: ReadingWriter) -> None:
    with busy._conn as conn:
        commit(busy, conn, row(1, 1, 11.0))
        with conn.transaction(force_rollback=True):
            busy.begin()
            busy.write(Readings.of([row(1, 2, 12.0), row(2, 2, 22.0)]))
        commit(busy, conn, row(3, 0, 3.0))
        assert newest(conn) == {1: 11.0, 2: 2.0, 3: 3.0}


def test_the_next_writer_finds_what_a_killed_one_held(busy: ReadingWriter, store_database: str) -> None:
    with busy._conn as conn:
        commit(busy, conn, row(1, 3, 13.0), row(1, 40 * 1440, 14.0))  # over months: in other pieces of the table
        commit(busy, conn, row(2, -5, 0.5))  # late: not its newest
        assert newest(conn) == {1: 1.0, 2: 2.0}
    with connect(store_database, autocommit=True) as conn:
        commit(ReadingWriter(conn, hold_s=3600.0), conn, row(4, 0, 4.0))
        assert newest(conn) == {1: 14.0, 2: 2.0, 4: 4.0}
