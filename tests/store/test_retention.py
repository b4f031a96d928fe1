"""Old data go when the city says so, what lies around red incidents stays, and roll-ups never lose their history."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from city.clock import from_us, to_us
from city.model import City
from city.reading import Readings
from city.retention import DAY_S, Retention
from store import register, rollups
from store.connection import Connection, connect
from store.readings import ReadingWriter
from store.retention import Gone, let_go
from store.testing import copy_of, drop_database, fresh_database

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
HOURS = range(0, 100 * 24, 12)
Shown = Mapping[str, set[tuple[object, ...]]]


@pytest.fixture(scope="module")
def filled() -> Iterator[dict[str, str]]:
    """The filled databases of this module, by server: made once, copied for each test."""
    made: dict[str, str] = {}
    yield made
    for dsn in made.values():
        drop_database(dsn)


@pytest.fixture
def conn(store_server: str, filled: dict[str, str], small_city: City) -> Iterator[Connection]:
    """A hundred days of readings of a depth and a rain gauge, two a day from 2026 on, roll-ups computed."""
    if store_server not in filled:
        filled[store_server] = fresh_database(store_server)
        with connect(filled[store_server], autocommit=True) as opened:
            register.sync(opened, small_city)
            numbers = register.ids(opened).values()
            rows = [(number, to_us(START) + hour * HOUR_US, float(hour)) for number in numbers for hour in HOURS]
            _write(opened, rows)
            rollups.finish(opened, _day(101))
    copied = copy_of(filled[store_server])
    with connect(copied, autocommit=True) as opened:
        yield opened
    drop_database(copied)


def _day(number: float) -> datetime:
    return START + timedelta(days=number)


def _write(conn: Connection, rows: list[tuple[int, int, float]]) -> None:
    with conn.transaction():
        ReadingWriter(conn).write(Readings.of([(n, us, us + 1, value, 1, value) for n, us, value in rows]))


def _kept(**days: float) -> Retention:
    rolled = {f"readings_{width}": days.pop(f"rolled_{width}", math.inf) * DAY_S for width in ("5m", "1h", "1d")}
    around = days.pop("around_red", 10) * DAY_S
    usual = days.pop("readings", math.inf) * DAY_S
    return Retention(usual, {name: length * DAY_S for name, length in days.items()}, around, rolled)


def _raw(conn: Connection) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for sensor, time in conn.execute("SELECT sensor, time FROM city.readings ORDER BY sensor, time").fetchall():
        found.setdefault(sensor, []).append(time)
    return found


def _rolled(conn: Connection) -> Shown:
    query = "SELECT bucket, sensor, n, min, max, mean, last, worst_flag FROM city.readings_{}"
    return {width: set(conn.execute(query.format(width)).fetchall()) for width in ("5m", "1h", "1d")}


def _red(conn: Connection, opened: float, closed: float | None, site: str = "under", *, drill: bool = False) -> None:
    conn.execute(
        """INSERT INTO lifeline.incidents
           VALUES ('i' || %s, %s, 'd1', 0, 4, 'closed', true, %s, %s, '{}', 'a', 'c', 'v', %s)""",
        (str(opened), site, _day(opened), None if closed is None else _day(closed), drill),
    )


def test_nothing_goes_unless_asked(conn: Connection) -> None:
    before = _raw(conn)
    assert let_go(conn, Retention(), _day(10_000)) == Gone()
    assert _raw(conn) == before


def test_raw_goes_in_pieces_roll_ups_stay_and_late_data_behind_the_edge_change_nothing(conn: Connection) -> None:
    before = _rolled(conn)
    gone = let_go(conn, _kept(readings=40), _day(100))
    assert gone.pieces
    assert not gone.waits
    assert let_go(conn, _kept(readings=40), _day(100)) == Gone(), "again is nothing"
    raw = _raw(conn)
    assert all(_day(28) < times[0] <= _day(60) for times in raw.values()), "whole pieces only"
    assert _rolled(conn) == before
    number = register.ids(conn)["wl-1"]
    _write(conn, [(number, to_us(_day(3)) + 60_000_000, 99.0), (number, to_us(_day(65)) + 60_000_000, 77.0)])
    late = _rolled(conn)
    assert {row for row in late["1d"] if row[0] == _day(3)} == {row for row in before["1d"] if row[0] == _day(3)}
    assert {row[3] for row in late["1d"] if row[:2] == (_day(65), "wl-1")} == {77.0}
    assert {row[2] for row in late["1d"] if row[:2] == (_day(65), "wl-1")} == {3}, "in front of it they count"
    rollups.finish(conn, _day(101))
    assert _rolled(conn) == late
    assert from_us(to_us(_day(3)) + 60_000_000) in _raw(conn)["wl-1"], "shown as long as it is there"


def test_readings_around_red_incidents_stay(conn: Connection) -> None:
    _red(conn, 20, 22)
    _red(conn, 10, 11, drill=True)
    _red(conn, 15, 16, site="elsewhere")
    conn.execute(
        """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level,
           peak_level, condition, raised_at, incident, title)
           VALUES ('a', 'r', 'v', 'rg-1', 'rg-1', 'gauge', 'd1', 'rain', 4, 4, 'normal', now(), 'i15', '{}')"""
    )
    rolled = _rolled(conn)
    gone = let_go(conn, _kept(readings=5, around_red=10), _day(100))
    raw = _raw(conn)
    hours = [_day(0) + timedelta(hours=hour) for hour in HOURS]
    old = [hour for hour in hours if hour < _day(59)]
    assert [time for time in raw["wl-1"] if time < _day(59)] == [t for t in old if _day(15) <= t < _day(27)]
    assert [time for time in raw["rg-1"] if time < _day(59)] == [t for t in old if _day(10) <= t < _day(21)]
    assert gone.kept == 12 * 2 + 11 * 2
    assert _rolled(conn) == rolled
    number = register.ids(conn)["wl-1"]
    _write(conn, [(number, to_us(_day(20)), -1.0)])
    shown = conn.execute("SELECT value FROM city.readings WHERE sensor = 'wl-1' AND time = %s", (_day(20),))
    assert shown.fetchall() == [(480.0,)], "what comes again finds its kept row first"


def test_some_quantities_go_before_others_and_their_history_stays_rolled_up(conn: Connection) -> None:
    _red(conn, 30, 31)
    before = _rolled(conn)
    gone = let_go(conn, _kept(water_depth=20, around_red=2), _day(100))
    raw = _raw(conn)
    assert len(raw["rg-1"]) == 200, "kept for ever"
    expected = [t for t in raw["rg-1"] if t >= _day(80) or _day(29) <= t < _day(32)]
    assert raw["wl-1"] == expected
    assert (gone.pieces, gone.deleted, gone.kept) == ((), 80 * 2, 3 * 2)
    assert _rolled(conn) == before
    conn.execute("UPDATE lifeline.readings SET value = value + 1 WHERE time < %s", (_day(5),))
    changed = _rolled(conn)
    rollups.finish(conn, _day(101))
    assert _rolled(conn) == changed, "recomputing the others' buckets leaves what is frozen alone"
    assert {r for r in changed["1d"] if r[1] == "wl-1"} == {r for r in before["1d"] if r[1] == "wl-1"}


def test_roll_ups_go_when_their_own_time_is_over(conn: Connection) -> None:
    before = _rolled(conn)
    let_go(conn, _kept(readings=10, rolled_5m=20, rolled_1h=40, rolled_1d=70), _day(100))
    after = _rolled(conn)
    first = {width: min(row[0] for row in rows) for width, rows in after.items()}  # type: ignore[type-var]
    assert first["1d"] == _day(30)
    assert _day(28) <= first["1h"] <= _day(60)  # type: ignore[operator]
    assert _day(58) <= first["5m"] <= _day(80)  # type: ignore[operator]
    for width, rows in after.items():
        assert rows == {row for row in before[width] if row[0] >= first[width]}  # type: ignore[operator]
    by_domain = "SELECT min(bucket) FROM lifeline.domain_rollups GROUP BY minutes ORDER BY minutes"
    assert conn.execute(by_domain).fetchall() == [(_day(60),), (_day(30),)]


def test_nothing_is_frozen_or_let_go_before_its_roll_ups_are_computed(conn: Connection) -> None:
    number = register.ids(conn)["wl-1"]
    _write(conn, [(number, to_us(_day(3)) + 60_000_000, 99.0)])
    truth = _rolled(conn)
    gone = let_go(conn, _kept(readings=40), _day(100))
    assert (gone.pieces, gone.waits) == ((), "roll-ups are not computed yet")
    rollups.finish(conn, _day(101))
    assert let_go(conn, _kept(readings=40), _day(100)).pieces
    assert _rolled(conn) == truth


def test_a_table_in_use_is_let_go_later(conn: Connection) -> None:
    with connect(f"{conn.info.dsn} password={conn.info.password}") as reader:
        reader.execute("SELECT count(*) FROM lifeline.readings")
        gone = let_go(conn, _kept(readings=40), _day(100))
        assert "in use" in gone.waits
    before = _rolled(conn)
    assert let_go(conn, _kept(readings=40), _day(100)).pieces
    assert _rolled(conn) == before
