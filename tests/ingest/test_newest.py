"""Newest values are written beside the batches: soon, at the end, and once a database that went away is back."""

from __future__ import annotations

import pytest

from city.reading import Readings
from ingest import newest
from ingest.newest import Newest
from store import register
from store.connection import Connection
from tests.ingest.fed import START_US
from tests.running import eventually


def said(sensor_id: int, at_s: int, value: float) -> Readings:
    time_us = START_US + at_s * 1_000_000
    return Readings.of([(sensor_id, time_us, time_us, value, 1, value)])


def stands(conn: Connection) -> dict[int, float]:
    return dict(conn.execute("SELECT sensor_id, value FROM lifeline.latest").fetchall())


def test_the_newest_stands_soon_and_what_is_held_at_the_end(conn: Connection, city_database: str) -> None:
    first, second = list(register.ids(conn).values())[:2]
    beside = Newest(city_database)
    try:
        beside.hear(said(first, 10, 1.0))
        eventually(lambda: stands(conn) == {first: 1.0})
        beside.hear(said(first, 5, 5.0))
        beside.hear(said(second, 6, 6.0))
    finally:
        beside.close()
    assert stands(conn) == {first: 1.0, second: 6.0}


def test_many_go_in_slices_and_none_is_left_out(
    conn: Connection, city_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "_SLICE", 3)
    sensors = sorted(register.ids(conn).values())[:20]
    beside = Newest(city_database)
    try:
        for at_s in range(5):
            beside.hear(Readings.joined(said(sensor, at_s, float(at_s)) for sensor in sensors))
        eventually(lambda: stands(conn) == dict.fromkeys(sensors, 4.0))
        beside.hear(Readings.joined(said(sensor, 9, 9.0) for sensor in sensors))
    finally:
        beside.close()
    assert stands(conn) == dict.fromkeys(sensors, 9.0)


def test_what_could_not_be_written_is_written_later(conn: Connection, city_database: str, away_once: list[str]) -> None:
    one = next(iter(register.ids(conn).values()))
    beside = Newest(city_database)
    try:
        beside.hear(said(one, 1, 1.0))
        eventually(lambda: away_once)
        beside.hear(said(one, 2, 2.0))
        eventually(lambda: stands(conn) == {one: 2.0})
    finally:
        beside.close()
