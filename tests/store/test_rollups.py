"""Kept roll-ups say what a recomputation from raw readings says: at every instant, whatever came late or changed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import numpy as np
import pytest

from city.clock import ManualClock, to_us
from city.model import City
from city.reading import Readings
from store import register, rollups
from store.connection import Connection, connect
from store.keeper import Keeping
from store.readings import ReadingWriter

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
WIDTHS = {"readings_5m": "5 minutes", "readings_1h": "1 hour", "readings_1d": "1 day"}
DOMAINS = {"domains_1h": "1 hour", "domains_1d": "1 day"}

# Both sides of the comparison in one statement: one picture of the database, while writers and the keeper go on.
DIFFERENT = """
WITH truth AS (
    SELECT date_bin('{width}', r.time, '2000-01-01 00:00:00+00') AS bucket, s.sensor, count(*) AS n,
           min(r.value) AS min, max(r.value) AS max, round(avg(r.value)::numeric, 9) AS mean,
           (array_agg(r.value ORDER BY r.time DESC))[1] AS last, max(r.flag) AS worst_flag
    FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id) GROUP BY 1, 2
), shown AS (
    SELECT bucket, sensor, n, min, max, round(mean::numeric, 9) AS mean, last, worst_flag FROM city.{view}
)
(SELECT 'missing', * FROM (SELECT * FROM truth EXCEPT ALL SELECT * FROM shown) m)
UNION ALL
(SELECT 'wrong', * FROM (SELECT * FROM shown EXCEPT ALL SELECT * FROM truth) w)
LIMIT 5"""
DIFFERENT_DOMAINS = """
WITH truth AS (
    SELECT date_bin('{width}', r.time, '2000-01-01 00:00:00+00') AS bucket, t.district, s.domain, s.quantity,
           count(*) AS n, min(r.value) AS min, max(r.value) AS max, round(avg(r.value)::numeric, 9) AS mean,
           max(r.flag) AS worst_flag
    FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id) JOIN lifeline.sites t USING (site)
    GROUP BY 1, 2, 3, 4
), shown AS (
    SELECT bucket, district, domain, quantity, n, min, max, round(mean::numeric, 9) AS mean, worst_flag FROM city.{view}
)
(SELECT 'missing', * FROM (SELECT * FROM truth EXCEPT ALL SELECT * FROM shown) m)
UNION ALL
(SELECT 'wrong', * FROM (SELECT * FROM shown EXCEPT ALL SELECT * FROM truth) w)
LIMIT 5"""


def differences(conn: Connection) -> list[tuple[object, ...]]:
    """Rows by which the views differ from raw readings, of any width."""
    found = []
    for view, width in WIDTHS.items():
        found += conn.execute(DIFFERENT.format(view=view, width=width)).fetchall()
    for view, width in DOMAINS.items():
        found += conn.execute(DIFFERENT_DOMAINS.format(view=view, width=width)).fetchall()
    return found


@pytest.fixture
def conn(store_database: str, small_city: City) -> Iterator[Connection]:
    """A database of each tier with a register, its city's time far from the wall's."""
    with connect(store_database, autocommit=True) as opened:
        register.sync(opened, small_city)
        yield opened


def batch(chance: np.random.Generator, sensors: list[int], hours: float, rows: int = 200) -> Readings:
    """Readings of the last `hours`, values that add up exactly."""
    times = to_us(NOW) - (chance.random(rows) * hours * 3.6e9).astype(np.int64) // 1_000_000 * 1_000_000
    values = chance.integers(-512, 512, rows) / 8
    flags = chance.choice([1, 1, 1, 2, 3, 4], rows)
    return Readings.of(
        [
            (int(s), int(t), int(t) + 5_000_000, float(v), int(f), float(v))
            for s, t, v, f in zip(chance.choice(sensors, rows), times, values, flags, strict=True)
        ]
    )


def prepare(conn: Connection) -> None:
    """Let every piece be there: made ahead as the keeper does, chunks by their first rows."""
    rollups.tidy(conn, NOW - timedelta(days=3), until=NOW)
    write(conn, batch(np.random.default_rng(0), sorted(register.ids(conn).values()), 33, 300))
    rollups.finish(conn, NOW + timedelta(days=2))


def write(conn: Connection, readings: Readings) -> None:
    with conn.transaction():
        ReadingWriter(conn).write(readings)


@pytest.mark.parametrize("seed", [1, 2])
def test_views_are_right_before_during_and_after_computing(conn: Connection, seed: int) -> None:
    chance = np.random.default_rng(seed)
    sensors = sorted(register.ids(conn).values())
    for turn in range(6):
        write(conn, batch(chance, sensors, [0.2, 50, 3, 900, 26, 1][turn]))
        assert differences(conn) == [], "nothing computed yet"
        for count, _ in enumerate(rollups.keep_up(conn, NOW, settle_s=0, wait_s=0)):
            if count % 40 == 0:
                assert differences(conn) == [], "half computed"
            if count > 100 * turn:
                break
        assert differences(conn) == []
    rollups.finish(conn, NOW + timedelta(days=2))
    assert differences(conn) == []
    assert conn.execute("SELECT count(*) FROM lifeline.dirty_buckets").fetchone() == (0,)
    kept = "SELECT sum(n) FROM lifeline.rollup_{} UNION ALL SELECT count(*) FROM lifeline.readings"
    for table in ("5m", "1h", "1d"):
        rows, raw = conn.execute(kept.format(table)).fetchall()
        assert rows == raw, f"rollup_{table} itself holds everything"
    by_domain = "SELECT minutes, sum(n) FROM lifeline.domain_rollups GROUP BY minutes ORDER BY minutes"
    assert conn.execute(by_domain).fetchall() == [(60, raw[0]), (1440, raw[0])]


def test_changed_and_deleted_readings_reach_every_roll_up(conn: Connection) -> None:
    chance = np.random.default_rng(5)
    sensors = sorted(register.ids(conn).values())
    write(conn, batch(chance, sensors, 50))
    rollups.finish(conn, NOW + timedelta(days=2))
    conn.execute("UPDATE lifeline.readings SET value = value + 1, flag = 3 WHERE extract(minute FROM time) < 20")
    assert differences(conn) == []
    rollups.finish(conn, NOW + timedelta(days=2))
    assert differences(conn) == []
    conn.execute("DELETE FROM lifeline.readings WHERE extract(hour FROM time) < 12")
    assert differences(conn) == []
    rollups.finish(conn, NOW + timedelta(days=2))
    assert differences(conn) == []
    assert conn.execute("SELECT count(*) FROM lifeline.rollup_1h WHERE extract(hour FROM bucket) < 12").fetchone() == (
        0,
    )


@pytest.mark.sessions
def test_with_writers_and_the_keeper_side_by_side_every_look_is_right(store_database: str, conn: Connection) -> None:
    sensors = sorted(register.ids(conn).values())
    done = Event()

    def work(seed: int) -> None:
        chance = np.random.default_rng(seed)
        with connect(store_database, autocommit=True) as own:
            writer = ReadingWriter(own)
            for _ in range(15):
                with own.transaction():
                    writer.write(batch(chance, sensors, 30, 60))
                with own.transaction():
                    own.execute("DELETE FROM lifeline.readings WHERE random() < 0.03")

    # A piece born between a query's plan and its picture is not in the plan. Never so in earnest: buckets wait longer.
    prepare(conn)

    def keep() -> int:
        count = 0
        with connect(store_database, autocommit=True) as own:
            assert rollups.alone(own)
            while not done.is_set():
                count += sum(1 for _ in rollups.keep_up(own, NOW, settle_s=0, wait_s=0))
                rollups.tidy(own, NOW)
        return count

    with ThreadPoolExecutor(4) as threads:
        keeper = threads.submit(keep)
        writers = [threads.submit(work, seed) for seed in range(3)]
        try:
            while not all(writer.done() for writer in writers):
                assert differences(conn) == []
            for writer in writers:
                writer.result()
        finally:
            done.set()
        assert keeper.result() > 0
    assert differences(conn) == []
    rollups.finish(conn, NOW + timedelta(days=2))
    assert differences(conn) == []


def test_a_bucket_is_left_alone_until_it_is_over_and_its_marks_have_waited(conn: Connection) -> None:
    sensor = min(register.ids(conn).values())
    at_us = to_us(NOW) + 60_000_000
    write(conn, Readings.of([(sensor, at_us, at_us, 1.0, 1, 1.0)]))
    closed = NOW + timedelta(minutes=5, seconds=rollups.SETTLE_S)
    assert rollups.due(conn, closed - timedelta(seconds=1), 5, wait_s=0) == []
    assert rollups.due(conn, closed, 5, wait_s=0) == [(5, NOW)]
    assert rollups.due(conn, closed, 5) == [], "other late data may still join"
    assert rollups.backlog(conn, closed).buckets == 1


def test_many_marks_become_one_and_none_is_lost(conn: Connection) -> None:
    chance = np.random.default_rng(3)
    sensors = sorted(register.ids(conn).values())
    for _ in range(5):
        write(conn, batch(chance, sensors, 0.05, 20))
    marks = "SELECT count(*), count(DISTINCT (minutes, bucket)) FROM lifeline.dirty_buckets"
    before = conn.execute(marks).fetchone()
    rollups.tidy(conn, NOW - timedelta(days=1))
    after = conn.execute(marks).fetchone()
    assert before is not None
    assert after == (before[1], before[1])
    assert before[0] > before[1]
    assert differences(conn) == []


@pytest.mark.sessions
def test_one_keeper_at_a_time_takes_a_turn(store_database: str, conn: Connection) -> None:
    sensor = min(register.ids(conn).values())
    at_us = to_us(NOW)
    write(conn, Readings.of([(sensor, at_us, at_us, 1.0, 1, 1.0)]))
    conn.execute("UPDATE lifeline.dirty_buckets SET marked_at = now() - interval '1 hour'")
    stop = Event()
    keeping = Keeping(conn, ManualClock(NOW + timedelta(days=3)), stop)
    assert rollups.alone(conn)
    with connect(store_database, autocommit=True) as other:
        assert not rollups.alone(other)
    for _ in range(3):  # five minutes, the hour, the day: each waits a little for others to join it
        keeping.turn()
        conn.execute("UPDATE lifeline.dirty_buckets SET marked_at = now() - interval '1 hour'")
    assert keeping.computed == 3
    assert conn.execute("SELECT count(*) FROM lifeline.rollup_1d").fetchone() == (1,)
    assert conn.execute("SELECT state FROM city.health WHERE name = 'retention'").fetchone() == ("ok",)
    assert conn.execute("SELECT 1 FROM city.health WHERE name = 'role_keeper'").fetchone() == (1,)
