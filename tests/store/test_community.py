"""TimescaleDB under its community licence: columns for what is old, and late data and deletions still reach all.

The real extension with all its code runs here in one session (see `tests.servers.community`), so what these tests ask
is kept small; a whole server named by LIFELINE_TEST_DSN_COMMUNITY runs the whole suite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import numpy as np
import pytest
from psycopg import errors, sql

from city.clock import ManualClock, to_us
from city.model import City
from city.reading import Readings
from city.retention import DAY_S, Retention
from store import register, rollups
from store.connection import Connection, connect
from store.hindrance import standing
from store.keeper import Keeping
from store.migrate import Tier, detect_tier
from store.packing import pack
from store.readings import ReadingWriter
from store.retention import compress, let_go
from store.statements import statements
from tests.servers.community import as_new

DAYS = [datetime(2026, 7, day, tzinfo=UTC) for day in range(1, 7)]
LATER = DAYS[-1] + timedelta(days=2)
TRUTH = """SELECT date_bin('{}', r.time, '2000-01-01 00:00:00+00'), s.sensor, count(*), min(r.value), max(r.value),
                  round(avg(r.value)::numeric, 9), max(r.flag)
           FROM lifeline.measured r JOIN lifeline.sensors s USING (sensor_id) GROUP BY 1, 2 ORDER BY 1, 2"""
SHOWN = "SELECT bucket, sensor, n, min, max, round(mean::numeric, 9), worst_flag FROM city.{} ORDER BY 1, 2"
WHOLE = "SELECT * FROM city.{} ORDER BY 1, 2, 3, 4"
WIDTHS = {"readings_5m": "5 minutes", "readings_1h": "1 hour", "readings_1d": "1 day"}
BY_DOMAIN = """SELECT date_bin('1 day', r.time, '2000-01-01 00:00:00+00'), t.district, s.domain, s.quantity, count(*),
                      max(r.value)
               FROM lifeline.measured r JOIN lifeline.sensors s USING (sensor_id) JOIN lifeline.sites t USING (site)
               GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
SHOWN_BY_DOMAIN = "SELECT bucket, district, domain, quantity, n, max FROM city.domains_1d ORDER BY 1, 2, 3, 4"
COLUMNS = "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed AND hypertable_schema = 'lifeline'"


def _right(conn: Connection) -> bool:
    return all(
        conn.execute(SHOWN.format(view)).fetchall() == conn.execute(TRUTH.format(width)).fetchall()
        for view, width in WIDTHS.items()
    ) and (conn.execute(SHOWN_BY_DOMAIN).fetchall() == conn.execute(BY_DOMAIN).fetchall())


def _write(conn: Connection, first: datetime, every_s: int, count: int, value: float = 0.0) -> None:
    numbers = sorted(register.ids(conn).values())
    times = [to_us(first) + n * every_s * 1_000_000 for n in range(count)]
    rows = [
        (sensor, at, at + 2_000_000, value or n / 8, 1, value or n / 8)
        for n, at in enumerate(times)
        for sensor in numbers
    ]
    with conn.transaction():
        ReadingWriter(conn).write(Readings.of(rows))


def _compress_all(conn: Connection) -> list[str]:
    pieces = []
    while piece := compress(conn, Retention(compress_after_s=DAY_S), LATER):
        pieces.append(piece)
    return pieces


@pytest.fixture(scope="module")
def old_city(community: str, small_city: City) -> str:
    """Six days of readings of two sensors, rolled up, and all but the newest day in columns."""
    as_new(community)
    with connect(community, autocommit=True) as conn:
        register.sync(conn, small_city)
        for day in DAYS:
            _write(conn, day, 7200, 12)
        rollups.finish(conn, LATER)
        assert _compress_all(conn)
    return community


@pytest.fixture
def old(old_city: str) -> Iterator[Connection]:
    """A transaction on it that is taken back: to make it takes longer than all that is asked of it."""
    with connect(old_city) as conn:
        yield conn
        conn.rollback()


def test_its_columns_take_less_than_five_bytes_a_reading(old: Connection) -> None:
    """A day of sensors once a minute on whole seconds, values with two digits; and what is read stays what was said."""
    chance = np.random.default_rng(1)
    sensor = np.repeat(np.arange(1, 31, dtype=np.int32), 1440)
    day = DAYS[0] - timedelta(days=30)
    time_us = to_us(day) + np.tile(np.arange(1440), 30) * 60_000_000
    value = np.round(np.cumsum(chance.normal(0, 0.05, len(sensor))), 2).astype(np.float64)
    readings = Readings(sensor, time_us, time_us + 2_000_000, value, np.ones(len(sensor), np.uint8), value.copy())
    kept = "SELECT count(*), sum(hashfloat8(value)), max(received_at) FROM lifeline.measured WHERE time < %s"
    in_columns = "SELECT after_compression_total_bytes FROM hypertable_compression_stats('lifeline.readings')"
    size = "SELECT hypertable_size('lifeline.readings')"
    assert detect_tier(old) is Tier.COMMUNITY
    assert old.execute("SELECT value FROM lifeline.meta WHERE key = 'tier'").fetchone() == ("community",)
    (others,) = old.execute(in_columns).fetchone() or (0,)
    (empty,) = old.execute(size).fetchone() or (0,)
    ReadingWriter(old).write(readings)
    before = old.execute(kept, (DAYS[0],)).fetchone()
    (rows,) = old.execute(size).fetchone() or (0,)
    _compress_all(old)
    (columns,) = old.execute(in_columns).fetchone() or (0,)
    assert rows - empty > 90 * len(sensor)
    assert 2 * len(sensor) < columns - others < 5 * len(sensor)
    assert old.execute(kept, (DAYS[0],)).fetchone() == before


def _seen(conn: Connection, sensors: list[int]) -> list[str]:
    """What every reader of readings gets, spelled with all digits."""
    early = DAYS[0] - timedelta(days=9)
    day = {"first": early, "past": DAYS[2], "sensors": None, "domain": None, "district": None}
    last = {"sensors": sensors, "flat_us": [3 * 86_400_000_000] * 2, "within": [1e6] * 2, "rest": [-1e6] * 2}
    bounds = {"first": early, "last": DAYS[3], "oldest": early, "newest": DAYS[2]}
    arrived = sql.SQL(statements("hearing")["arrived"]).format(**{k: sql.Literal(v) for k, v in bounds.items()})
    with conn.cursor() as cursor, cursor.copy(arrived) as copy:
        said = b"".join(copy)
    views = (*WIDTHS, "domains_1h", "domains_1d")
    asked: list[tuple[str, Mapping[str, Any]]] = [
        ("SELECT * FROM city.readings ORDER BY 1, 2", {}),
        *((WHOLE.format(view), {}) for view in views),
        (statements("export")["readings"], day),
        (statements("rebuild", "rules")["readings"].replace("%s", "%(early)s") + ", sensor_id", {"early": early}),
        (statements("memory", "ingest")["last_said"], {**last, "since_us": to_us(early)}),
        (statements("crew", "lifeline.http")["trend"], {"sensor": "wl-1"}),
    ]
    return [said.hex(), *(repr(conn.execute(query.encode(), values).fetchall()) for query, values in asked)]


def test_every_reader_sees_the_same_before_and_after(old: Connection) -> None:
    numbers = sorted(register.ids(old).values())
    day = DAYS[0] - timedelta(days=1)
    odd = [0.1 + 0.2, -0.0, 1e15, 5e-324, 1 / 3, 0.30, 12.0, -7.25, 1e300, 2.0**53 + 2]
    rows = [
        (n, to_us(day) + k * 60_000_000, to_us(day) + k * 60_000_000 + 9, value, 1, value)
        for n in numbers
        for k, value in enumerate(odd + [round(0.07 * k, 2) for k in range(300)])
    ]
    rows += [(n, to_us(day) - 60_000_000, to_us(day), 1.0173 * 12.34 + 0.1, 2, 12.34) for n in numbers]  # calibrated
    ReadingWriter(old).write(Readings.of(rows))
    rollups.finish(old, LATER)
    before, marks = _seen(old, numbers), old.execute("SELECT count(*) FROM lifeline.dirty_buckets").fetchone()
    unpacked = "SELECT count(*) FROM lifeline.readings WHERE value IS NOT NULL AND time >= %s AND time < %s"
    assert old.execute(unpacked, (day, DAYS[0])).fetchone() == (2 * 310,)
    _compress_all(old)
    (left,) = old.execute(unpacked, (day, DAYS[0])).fetchone() or (0,)
    assert left <= 2 * 6, "all but the odd ones"
    assert _seen(old, numbers) == before
    assert old.execute("SELECT count(*) FROM lifeline.dirty_buckets").fetchone() == marks


def test_the_keeper_packs_and_compresses_and_can_be_stopped_between(old: Connection) -> None:
    packed = "SELECT count(*) - count(value) FROM lifeline.readings WHERE time >= %s"
    newest, later = LATER - timedelta(days=1), LATER + timedelta(days=10)
    _write(old, newest, 7200, 12)
    stop = Event()
    keeping = Keeping(old, ManualClock(later), stop)
    before, pieces = _seen(old, sorted(register.ids(old).values())), old.execute(COLUMNS).fetchone()
    stop.set()
    keeping.let_go(later)
    assert old.execute(packed, (newest,)).fetchone() == (0,)
    assert old.execute(COLUMNS).fetchone() == pieces
    stop.clear()
    keeping.let_go(later)
    assert old.execute(packed, (newest,)).fetchone() == (2 * 12,)
    assert old.execute(COLUMNS).fetchone() != pieces
    assert _seen(old, sorted(register.ids(old).values())) == before


def test_a_piece_that_refused_lets_those_behind_it_become_columns(old: Connection) -> None:
    _write(old, LATER - timedelta(days=1), 7200, 12)
    _write(old, DAYS[0] + timedelta(seconds=1), 7200, 12)  # late, into columns, which so become due again
    first, *_, last = (p for (p,) in old.execute("SELECT piece FROM lifeline.pieces('readings') ORDER BY last"))
    later = LATER + timedelta(days=10)
    old.execute("INSERT INTO lifeline.hindered (work, piece, error) VALUES ('columns', %s, 'no')", (first,))
    done = [compress(old, Retention(), later) for _ in range(5)]
    assert last in done
    assert first not in done
    assert done[-1] == ""
    old.execute("UPDATE lifeline.hindered SET failed_at = failed_at - interval '1 day'")
    assert compress(old, Retention(), later) == first
    assert standing(old) == ""


def test_a_piece_is_packed_while_it_waits_to_become_columns(old: Connection) -> None:
    _write(old, LATER - timedelta(days=1), 7200, 12)
    *_, waiting, last = (p for (p,) in old.execute("SELECT piece FROM lifeline.pieces('readings') ORDER BY last"))
    over = LATER + timedelta(days=1)
    assert [pack(old, over, DAYS[-1], beside=False) for _ in range(3)] == [waiting, last, ""]
    assert pack(old, over, LATER, beside=False) == ""


def test_late_changed_and_deleted_readings_reach_columns_and_every_roll_up(old: Connection) -> None:
    before = old.execute(COLUMNS).fetchone()
    assert before is not None
    assert before[0] >= 5
    assert _right(old)
    _write(old, DAYS[1] + timedelta(seconds=60), 3600, 20, value=77.0)  # late, into columns
    assert _right(old), "as soon as they are there"
    with pytest.raises(errors.CheckViolation), old.transaction():  # it has a value, kept otherwise
        old.execute("UPDATE lifeline.readings SET value = 5 WHERE time < %s", (DAYS[0] + timedelta(hours=3),))
    mend = "UPDATE lifeline.readings SET value = 5, raw = NULL, tests = NULL WHERE time < %s"
    old.execute(mend.encode(), (DAYS[0] + timedelta(hours=3),))
    old.execute("DELETE FROM lifeline.readings WHERE time BETWEEN %s AND %s", (DAYS[2], DAYS[2] + timedelta(hours=3)))
    assert _right(old)
    rollups.finish(old, LATER)
    assert _right(old)
    assert old.execute("SELECT count(*) FROM lifeline.dirty_buckets").fetchone() == (0,)
    again = _compress_all(old)
    assert len(again) >= 3, "pieces that were touched become columns again"
    assert _right(old)
    assert old.execute("SELECT count(*) FROM city.readings").fetchone() == (2 * (6 * 12 + 20 - 2),)


def test_an_equal_repeat_and_a_conflict_are_told_in_columns_too(old: Connection) -> None:
    [number, _] = sorted(register.ids(old).values())
    at_us = to_us(DAYS[0])
    rows = [(number, at_us, at_us, 0.0, 1, 0.0), (number, at_us + 7_200_000_000, at_us, 99.0, 1, 99.0)]
    written = ReadingWriter(old).write(Readings.of(rows))
    assert written.new.tolist() == [False, False]
    assert written.repeated.tolist() == [True, False]
    assert written.conflicting.tolist() == [False, True]
    assert written.stored.tolist() == [0.0, 1 / 8]


def test_old_columns_go_as_whole_pieces_and_roll_ups_stay(old: Connection) -> None:
    shown = old.execute(SHOWN.format("readings_1d")).fetchall()
    said = "SELECT * FROM city.readings WHERE sensor = 'wl-1' AND time >= %s AND time < %s ORDER BY 1"
    span = (DAYS[0] + timedelta(hours=12), DAYS[1] + timedelta(hours=12))
    before = old.execute(said, span).fetchall()
    red = """INSERT INTO lifeline.incidents
             VALUES ('i', 'under', 'd1', 0, 4, 'closed', true, %s, %s, '{}', 'a', 'c', 'v', false)"""
    old.execute(red, (DAYS[1], DAYS[1]))
    gone = let_go(old, Retention(readings_s=4 * DAY_S, around_red_s=DAY_S), LATER)
    assert len(gone.pieces) == 3
    assert not gone.waits
    around = [DAYS[0] + timedelta(hours=hour) for hour in range(12, 36, 2)]
    left = "SELECT DISTINCT time FROM city.readings WHERE time < %s ORDER BY 1"
    assert old.execute(left, (DAYS[3],)).fetchall() == [(time,) for time in around], "a day around a red incident"
    assert old.execute(said, span).fetchall() == before
    assert old.execute("SELECT min(time) FROM lifeline.readings").fetchone() == (DAYS[3],)
    assert old.execute(SHOWN.format("readings_1d")).fetchall() == shown
