"""The public views say what the tables say, on every tier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from city.clock import from_us, to_us
from city.model import City
from city.reading import Readings
from store import register
from store.connection import Connection, connect
from store.readings import ReadingWriter

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)

# DESIGN's columns: they may be joined by more, never renamed or dropped.
PROMISED = {
    "readings": "time sensor value flag received_at late",
    "readings_5m": "bucket sensor n min max mean last worst_flag",
    "readings_1h": "bucket sensor n min max mean last worst_flag",
    "readings_1d": "bucket sensor n min max mean last worst_flag",
    "domains_1h": "bucket district domain quantity n min max mean worst_flag",
    "domains_1d": "bucket district domain quantity n min max mean worst_flag",
    "latest": "sensor time value flag level stale age_s",
    "heard": "sensor site district domain stale",
    "sensors": "sensor gateway site quantity unit interval_s name lon lat range_min range_max",
    "sites": "site kind name district along owner lon lat",
    "gateways": "gateway district interval_s name lon lat online last_seen skew_s published received stored rejected "
    "missing",
    "findings": "time sensor detector channel verdict score return_period_years direction expected low high reason",
    "alarms": "alarm rule rule_version scope sensor site district domain level peak_level condition acknowledged hold "
    "latched raised_at cleared_at late incident title",
    "alarm_events": "time recorded_at alarm kind from_level to_level from_condition to_condition reason evidence",
    "incidents": "incident site district level stage opened_at closed_at title first_alarm drill",
    "incident_events": "time incident kind actor note",
    "notices": "notice incident step target channel state idempotency_key created_at sent_at attempts late drill",
    "rejections": "received_at gateway topic sensor time reason detail payload",
    "health": "name value unit state since advice",
}


def test_every_promised_column_is_there(store_database: str) -> None:
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'city'"
    with connect(store_database) as conn:
        there = set(conn.execute(query).fetchall())
    assert {(view, column) for view, columns in PROMISED.items() for column in columns.split()} <= there


def _fill(conn: Connection, city: City, seed: int = 7) -> dict[str, list[tuple[datetime, float, int]]]:
    """Two days of readings in shuffled batches, some twice; what should stand, by sensor."""
    register.sync(conn, city)
    numbers = register.ids(conn)
    chance = np.random.default_rng(seed)
    rows = []
    truth: dict[str, list[tuple[datetime, float, int]]] = {name: [] for name in numbers}
    for name, sensor_id in numbers.items():
        for time_us in np.unique(to_us(NOW) - chance.integers(0, 48 * 3600, 1500) * 1_000_000).tolist():
            value, flag = float(chance.normal(20, 5)), int(chance.choice([1, 1, 1, 3, 4]))
            rows.append((sensor_id, time_us, time_us + 5_000_000, value, flag, value))
            truth[name].append((from_us(time_us), value, flag))
    chance.shuffle(rows)
    writer = ReadingWriter(conn)
    for start in range(0, len(rows), 500):
        writer.write(Readings.of(rows[max(0, start - 50) : start + 500]))
    return truth


@pytest.mark.parametrize(
    ("view", "width"),
    [("readings_5m", timedelta(minutes=5)), ("readings_1h", timedelta(hours=1)), ("readings_1d", timedelta(days=1))],
)
def test_roll_ups_agree_with_the_readings(store_database: str, small_city: City, view: str, width: timedelta) -> None:
    with connect(store_database) as conn:
        truth = _fill(conn, small_city)
        shown = conn.execute(
            f"SELECT bucket, sensor, n, min, max, mean, last, worst_flag FROM city.{view}"  # noqa: S608 - the three above
        ).fetchall()
    expected = {}
    for sensor, samples in truth.items():
        buckets: dict[datetime, list[tuple[datetime, float, int]]] = {}
        for sample in sorted(samples):
            buckets.setdefault(ORIGIN + (sample[0] - ORIGIN) // width * width, []).append(sample)
        for bucket, members in buckets.items():
            values = [value for _, value, _ in members]
            mean = pytest.approx(sum(values) / len(values))
            worst = max(flag for _, _, flag in members)
            expected[bucket, sensor] = (len(values), min(values), max(values), mean, values[-1], worst)
    assert {(bucket, sensor): tuple(rest) for bucket, sensor, *rest in shown} == expected
    assert len(shown) == len(expected)


def test_latest_shows_age_and_what_never_spoke(store_database: str, small_city: City) -> None:
    with connect(store_database) as conn:
        register.sync(conn, small_city)
        numbers = register.ids(conn)
        row = conn.execute("SELECT now()").fetchone()
        assert row is not None
        now_us = to_us(row[0])
        ago_us = now_us - 30_000_000
        ReadingWriter(conn).write(Readings.of([(numbers["wl-1"], ago_us, now_us - 1_000_000, 12.5, 1, 12.5)]))
        shown = conn.execute(
            "SELECT sensor, value, flag, level, stale, round(age_s) FROM city.latest ORDER BY sensor"
        ).fetchall()
        assert shown == [("rg-1", None, None, "none", True, None), ("wl-1", 12.5, 1, "none", False, 30)]
        heard = "SELECT sensor, site, district, domain, stale FROM city.heard ORDER BY sensor"
        there = [("rg-1", "gauge", "d1", "weather"), ("wl-1", "under", "d1", "waterlogging")]
        for received_ago_s, stale in ((1, False), (299, False), (301, True)):
            conn.execute("UPDATE lifeline.latest SET received_at = now() - %s * interval '1 second'", (received_ago_s,))
            assert conn.execute(heard).fetchall() == [(*there[0], True), (*there[1], stale)]
            same = conn.execute(
                "SELECT bool_and(l.stale = h.stale) FROM city.latest l JOIN city.heard h USING (sensor)"
            )
            assert same.fetchone() == (True,)


def test_late_means_later_than_three_intervals(store_database: str, small_city: City) -> None:
    with connect(store_database) as conn:
        register.sync(conn, small_city)
        number = register.ids(conn)["wl-1"]
        time_us = to_us(NOW)
        rows = [
            (number, time_us + s, time_us + s + late_s * 1_000_000, 1.0, 1, 1.0)
            for s, late_s in enumerate((5, 180, 181))
        ]
        ReadingWriter(conn).write(Readings.of(rows))
        assert conn.execute("SELECT late FROM city.readings ORDER BY time").fetchall() == [(False,), (False,), (True,)]
