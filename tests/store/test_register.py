"""The register, bundles, roles, health, rejections: kept as said, and never half."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from city.clock import FastClock, SystemClock, from_us, to_us
from city.model import City
from store import bundle, health, journal, register, rejections, roles
from store.connection import Connection, connect

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)


@pytest.fixture
def conn(store_database: str) -> Iterator[Connection]:
    """One connection to a fresh database of each tier, in transactions."""
    with connect(store_database) as opened:
        yield opened


def _without(city: City, sensor: str) -> City:
    return replace(city, sensors={id_: one for id_, one in city.sensors.items() if id_ != sensor})


def test_sensors_keep_their_number_for_ever(conn: Connection, small_city: City) -> None:
    register.sync(conn, small_city)
    before = register.ids(conn)
    register.sync(conn, _without(small_city, "wl-1"))
    assert register.ids(conn) == before
    assert conn.execute("SELECT sensor FROM city.sensors").fetchall() == [("rg-1",)]
    register.sync(conn, small_city)
    assert register.ids(conn) == before
    assert len(conn.execute("SELECT sensor FROM city.sensors").fetchall()) == 2


def test_what_vanishes_from_the_folder_vanishes_from_the_views(conn: Connection, small_city: City) -> None:
    register.sync(conn, small_city)
    register.sync(conn, replace(small_city, sensors={}, gateways={}, sites={}))
    for view in ("sensors", "sites", "gateways"):
        assert conn.execute(f"SELECT count(*) FROM city.{view}").fetchone() == (0,)  # noqa: S608 - the three above
    assert conn.execute("SELECT count(*) FROM lifeline.sites").fetchone() == (2,)


def test_the_views_show_the_register(conn: Connection, small_city: City) -> None:
    register.sync(conn, small_city)
    columns = "sensor, gateway, site, site_kind, district, quantity, domain, unit, lon, lat, range_max"
    shown = conn.execute(f"SELECT {columns} FROM city.sensors ORDER BY sensor").fetchall()  # noqa: S608 - as above
    assert shown == [
        ("rg-1", "gw-1", "gauge", "rain_gauge", "d1", "rainfall", "weather", "mm", 87.7, 43.9, 200.0),
        ("wl-1", "gw-1", "under", "underpass", "d1", "water_depth", "waterlogging", "cm", 87.6, 43.8, 200.0),
    ]
    site = conn.execute("SELECT name, name_zh FROM city.sites WHERE site = 'under'").fetchone()
    assert site == ("Underpass", "Underpass区")
    assert conn.execute("SELECT gateway, name, lon, stored, online FROM city.gateways").fetchall() == [
        ("gw-1", "Box", 87.6, 0, None)
    ]


def test_a_bundle_is_applied_once_and_found_again(store_database: str, small_city: City) -> None:
    with connect(store_database, autocommit=True) as conn:
        assert bundle.current(conn) is None
        assert bundle.current_hash(conn) is None
        assert bundle.apply(conn, {"city.yaml": "one"}, small_city, NOW)
        assert not bundle.apply(conn, {"city.yaml": "one"}, small_city, NOW)
        first = bundle.current_hash(conn)
        assert bundle.apply(conn, {"city.yaml": "two"}, _without(small_city, "wl-1"), NOW)
        assert bundle.apply(conn, {"city.yaml": "one"}, small_city, NOW), "an earlier folder may come back"
        assert bundle.current(conn) == (first, {"city.yaml": "one"})
        hashes = [msgspec.json.decode(entry.payload)["bundle"] for entry in journal.read(conn, 0, 10)]
        assert hashes[0] == hashes[2] == first
        assert bundle.get(conn, hashes[1]) == {"city.yaml": "two"}
        assert bundle.get(conn, "unheard of") is None


def test_a_bundle_that_fails_leaves_nothing(store_database: str, small_city: City) -> None:
    sensor = replace(small_city.sensors["wl-1"], interval_s=float("nan"))
    with connect(store_database, autocommit=True) as conn:
        with pytest.raises(Exception, match=r"(?i)token|json"):
            bundle.apply(conn, {"city.yaml": "bad"}, replace(small_city, sensors={"wl-1": sensor}), NOW)
        assert bundle.current(conn) is None
        assert journal.read(conn, 0, 10) == []
        assert register.ids(conn) == {}


def test_a_role_beats_by_the_wall_and_hears_by_the_city(conn: Connection) -> None:
    roles.beat(conn, "recorder", os.getpid(), heard_until=NOW, detail={"readings": 3})
    conn.commit()
    roles.beat(conn, "recorder", os.getpid(), heard_until=NOW - timedelta(hours=1), detail={"readings": 4})
    roles.beat(conn, "watcher", 7)
    found = roles.beats(conn)
    assert set(found) == {"recorder", "watcher"}
    recorder = found["recorder"]
    assert (recorder.heard_until, recorder.detail, recorder.pid) == (NOW, {"readings": 4}, os.getpid())
    assert recorder.started_at < recorder.beat_at
    assert 0 <= recorder.age_s < 60
    assert found["watcher"].heard_until is None
    conn.commit()
    roles.beat(conn, "recorder", 12345)
    again = roles.beats(conn)["recorder"]
    assert (again.heard_until, again.started_at) == (NOW, again.beat_at)


def test_health_remembers_since_when(conn: Connection) -> None:
    def row() -> tuple[object, ...]:
        found = conn.execute("SELECT state, value, advice, since FROM city.health WHERE name = 'disk'").fetchone()
        assert found is not None
        return found

    health.report(conn, "disk", "ok", 10.0, "%")
    since = row()[3]
    conn.commit()
    health.report(conn, "disk", "ok", 11.0, "%")
    assert row() == ("ok", 11.0, "", since)
    health.report(conn, "disk", "fault", 99.0, "%", advice="make room")
    assert row()[:3] == ("fault", 99.0, "make room")
    assert row()[3] != since


def test_a_silent_role_is_a_fault_in_health(conn: Connection) -> None:
    roles.beat(conn, "watcher", 7)
    assert conn.execute("SELECT state FROM city.health WHERE name = 'role_watcher'").fetchone() == ("ok",)
    conn.execute("UPDATE lifeline.roles SET beat_at = beat_at - interval '1 minute'")
    assert conn.execute("SELECT state FROM city.health WHERE name = 'role_watcher'").fetchone() == ("fault",)


def test_the_views_live_on_the_citys_clock(conn: Connection) -> None:
    wall_us = SystemClock().now_us()
    clock = FastClock(to_us(NOW), wall_us, 60.0)
    health.keep_clock(conn, clock)
    shown = conn.execute("SELECT city.now(), clock_timestamp() - now()").fetchone()
    assert shown is not None
    assert abs((shown[0] - clock.now()).total_seconds()) < 60 * 10
    health.keep_clock(conn, None)
    assert conn.execute("SELECT city.now() = now()").fetchone() == (True,)


def test_hostile_text_becomes_a_row_all_the_same(conn: Connection) -> None:
    rejections.add(conn, [])
    rejections.add(
        conn,
        [
            rejections.Rejection(NOW, "bad_json", topic="a\0b", detail="\ud800", payload=b"\0\xff"),
            rejections.Rejection(NOW, "conflict", gateway="gw-1", sensor="wl-1", time=from_us(1), detail="5 → 6"),
        ],
    )
    shown = conn.execute(
        "SELECT gateway, topic, sensor, time, reason, detail, payload FROM city.rejections ORDER BY rejection"
    ).fetchall()
    assert shown == [
        ("", "a\ufffdb", "", None, "bad_json", "?", b"\0\xff"),
        ("gw-1", "", "wl-1", from_us(1), "conflict", "5 → 6", b""),
    ]
