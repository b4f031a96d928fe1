"""Newest values held back by a busy writer: a moment behind, right in the end, and found again after a kill."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from city.clock import from_us, to_us
from city.model import City
from city.reading import Readings
from store import journal, register
from store.connection import Connection, connect
from store.readings import ReadingWriter
from tests.running import PATIENCE_S, eventually

# What `city.latest` is to show, put together from the register itself.
JOINED = """
SELECT s.sensor, l.time, l.value, l.flag,
       coalesce(extract(epoch FROM city.now() - l.received_at) > greatest(3 * s.interval_s, 300), true)
FROM lifeline.sensors s LEFT JOIN lifeline.latest l USING (sensor_id) WHERE s.in_register ORDER BY 1"""
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


def test_the_view_follows_the_register_and_whoever_changes_newest_values(store_database: str, small_city: City) -> None:
    rain = small_city.sensors["rg-1"]
    slow = replace(small_city, sensors={**small_city.sensors, "rg-1": replace(rain, interval_s=3600.0)})
    without = replace(small_city, sensors={"wl-1": small_city.sensors["wl-1"]})
    with connect(store_database, autocommit=True) as conn:

        def shown(city: City | None = None) -> list[tuple[object, ...]]:
            if city is not None:
                register.sync(conn, city)
            found = conn.execute("SELECT sensor, time, value, flag, stale FROM city.latest ORDER BY 1").fetchall()
            assert found == conn.execute(JOINED).fetchall()
            return [(sensor, value, stale) for sensor, _, value, _, stale in found]

        assert shown(small_city) == [("rg-1", None, True), ("wl-1", None, True)]
        rg, wl = (register.ids(conn)[sensor] for sensor in ("rg-1", "wl-1"))
        commit(ReadingWriter(conn), conn, row(rg, 0, 1.0), row(wl, 0, 2.0))
        conn.execute("UPDATE lifeline.latest SET received_at = now() - interval '20 min'")
        assert shown() == [("rg-1", 1.0, True), ("wl-1", 2.0, True)]
        assert shown(slow) == [("rg-1", 1.0, False), ("wl-1", 2.0, True)]
        assert shown(without) == [("wl-1", 2.0, True)]
        commit(ReadingWriter(conn), conn, row(rg, 1, 3.0))  # it speaks on
        assert shown() == [("wl-1", 2.0, True)]
        assert shown(slow)[0] == ("rg-1", 3.0, True), "it was received long ago"
        conn.execute("DELETE FROM lifeline.latest WHERE sensor_id = %s", (rg,))
        assert shown()[0] == ("rg-1", None, True)
        conn.execute("TRUNCATE lifeline.latest")
        assert shown(without) == [("wl-1", None, True)]
        commit(ReadingWriter(conn), conn, row(rg, 2, 5.0), row(wl, 2, 6.0))
        assert shown(small_city) == [("rg-1", 5.0, True), ("wl-1", 6.0, True)]
        assert conn.execute("SELECT count(*) FROM lifeline.unheard").fetchone() == (0,)


@pytest.mark.sessions
@pytest.mark.parametrize("register_first", [True, False])
def test_a_first_value_and_a_change_of_the_register_wait_for_each_other(
    store_database: str, small_city: City, register_first: bool
) -> None:
    """Whoever comes second sees what the first one wrote."""
    without = replace(small_city, sensors={"wl-1": small_city.sensors["wl-1"]})
    with connect(store_database) as one, connect(store_database) as two, connect(store_database) as looker:
        register.sync(one, small_city)
        one.commit()
        first = Readings.of([row(register.ids(one)["rg-1"], 0, 1.0)])
        one.commit()
        looker.autocommit = True

        def change(conn: Connection) -> None:
            conn.execute("SELECT 1")  # within a transaction that goes on
            register.sync(conn, without)

        def speak(conn: Connection) -> None:
            ReadingWriter(conn).write_newest(first)

        before, after = (change, speak) if register_first else (speak, change)
        before(one)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(after, two)
            held = "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = %s"
            eventually(lambda: (looker.execute(held, (two.info.backend_pid,)).fetchone() or (False,))[0])
            one.commit()
            second.result(PATIENCE_S)
        two.commit()
        assert looker.execute("SELECT sensor FROM city.latest").fetchall() == [("wl-1",)]


def test_newest_values_that_came_before_their_register_are_shown_with_it(store_database: str, small_city: City) -> None:
    """As when a backup of an earlier version is restored: in whatever order the tables come."""
    with connect(store_database, autocommit=True) as conn:
        conn.execute("INSERT INTO lifeline.latest SELECT n, now(), n, 1, now() FROM generate_series(1, 9) n")
        assert conn.execute("SELECT count(*) FROM city.latest").fetchone() == (0,)
        register.sync(conn, small_city)
        numbers = register.ids(conn)
        found = conn.execute("SELECT sensor, value, stale FROM city.latest ORDER BY 1").fetchall()
        assert found == [(sensor, float(numbers[sensor]), False) for sensor in ("rg-1", "wl-1")]
        assert conn.execute("SELECT count(*) FROM lifeline.unheard").fetchone() == (0,)
