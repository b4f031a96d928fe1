"""What the pages of a domain, a sensor and an incident say of a small city whose state is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from city.clock import to_us
from city.reading import Readings
from dashboards.pages import all_dashboards
from dashboards.proof import Answer, Range, ask, offered, questions, to_wide
from store import rollups
from store.connection import Connection, connect
from store.readings import ReadingWriter

BOARDS = all_dashboards("https://lifeline.example.org")
HERE = {"district": ["north", "so'uth"]}


@pytest.fixture(scope="module")
def city(seeded_city: str, now_of_module: datetime) -> Iterator[Connection]:
    """The seeded city with two hours of w1: a hole of half an hour, one late and one failed reading; m1 rises."""
    with connect(seeded_city, autocommit=True) as conn:
        numbers: dict[str, int] = dict(conn.execute("SELECT sensor, sensor_id FROM lifeline.sensors").fetchall())
        rows = []
        for minute in range(120):
            at = to_us(now_of_module - timedelta(minutes=120 - minute))
            late_us = 1_200_000_000 if minute == 20 else 1_000_000
            value, flag = (-999.0, 4) if minute == 30 else (30.0, 1)
            if not 60 <= minute < 90:
                rows.append((numbers["w1"], at, at + late_us, value, flag, value))
            rows.append((numbers["m1"], at, at + 1_000_000, minute / 10, 1, minute / 10))
        with conn.transaction():
            ReadingWriter(conn).write(Readings.of(rows))
        rollups.finish(conn, now_of_module)
        yield conn


def told(city: Connection, now: datetime, page: str, where: str, hours: int = 3, **values: object) -> Answer:
    """The answer to one question of a page, by how the proof names its place."""
    (question,) = (q for q in questions(BOARDS[page]) if q.where == where)
    span = Range(now - timedelta(hours=hours), now, 30)
    return ask(city, question, span, {**HERE, **values})  # type: ignore[dict-item]  # texts and lists of texts


def test_the_ranking_puts_alarms_then_the_nearest_to_a_limit_then_the_silent(city: Connection, now: datetime) -> None:
    made = told(city, now, "lifeline-waterlogging", "panel 3 Nearest to a limit, query A").frame
    rows = list(made.dicts())
    assert [(row["sensor"], row["level"], row["of_limit"]) for row in rows] == [("w1", 3, 200), ("w2", 0, 50)]
    silent = told(city, now, "lifeline-bridge", "panel 3 Nearest to a limit, query A").frame
    assert silent.column("level") == [-1, -1]


def test_the_ranking_tells_the_slope_of_the_last_hour(city: Connection, now: datetime) -> None:
    (row,) = told(city, now, "lifeline-gas", "panel 3 Nearest to a limit, query A").frame.dicts()
    assert row["slope"] == pytest.approx(6, rel=0.05)  # a tenth a minute
    assert row["age"] == pytest.approx(10, abs=1e-3)


def test_a_quantitys_extremes_are_told_by_hours_and_over_long_ranges_by_days(city: Connection, now: datetime) -> None:
    where = "panel 8 All sensors · ${quantity:text}, query A"
    hours = list(told(city, now, "lifeline-gas", where, quantity=["methane"]).frame.dicts())
    assert [row["time"].minute for row in hours] == [0] * len(hours)
    assert 2 <= len(hours) <= 3
    assert (hours[0]["low"], hours[-1]["high"]) == (0, 11.9)
    assert all(row["low"] <= row["value"] <= row["high"] for row in hours)
    assert any(row["low"] < row["value"] < row["high"] for row in hours), "an hour that has just begun holds one"
    days = list(told(city, now, "lifeline-gas", where, hours=100, quantity=["methane"]).frame.dicts())
    assert {row["time"].hour for row in days} == {0}
    assert (min(row["low"] for row in days), max(row["high"] for row in days)) == (0, 11.9)
    assert not told(city, now, "lifeline-waterlogging", where, quantity=["methane"]).frame.rows
    (unit,) = told(
        city, now, "lifeline-gas", "panel 8 All sensors · ${quantity:text}, query B", quantity=["methane"]
    ).frame.dicts()
    assert unit == {"unit": "suffix: %LEL"}


def test_a_trend_is_cut_where_nothing_came_and_leaves_failed_readings_out(city: Connection, now: datetime) -> None:
    rows = list(told(city, now, "lifeline-sensor", "panel 2 ${sensor:text}, query A", sensor="w1").frame.dicts())
    holes = [row for row in rows if row["value"] is None]
    assert len(holes) == 1
    assert timedelta(minutes=28) < now - holes[0]["time"] - timedelta(minutes=30) < timedelta(minutes=32)
    assert {row["low"] for row in rows} == {30, None}


def test_limits_are_lines_over_the_whole_range(city: Connection, now: datetime) -> None:
    series = to_wide(told(city, now, "lifeline-sensor", "panel 2 ${sensor:text}, query B", sensor="w1").frame)
    assert {name: set(values.values()) for name, values in series.items()} == {
        "limit_yellow_high": {15}, "limit_red_high": {40},
    }  # fmt: skip
    assert {len(values) for values in series.values()} == {2}
    low = to_wide(told(city, now, "lifeline-sensor", "panel 2 ${sensor:text}, query B", sensor="l1").frame)
    assert list(low) == ["limit_orange_low"]


def test_late_readings_are_marked(city: Connection, now: datetime) -> None:
    rows = list(told(city, now, "lifeline-sensor", "panel 2 ${sensor:text}, query D", sensor="w1").frame.dicts())
    assert [now - row["time"] for row in rows] == [timedelta(minutes=100)]


def test_flags_say_what_is_missing_and_what_failed(city: Connection, now: datetime) -> None:
    made = told(city, now, "lifeline-sensor", "panel 3 Quality and lateness, query A", sensor="w1").frame
    series = to_wide(made)
    changes = [
        v for v, before in zip(series["flag"].values(), [None, *series["flag"].values()], strict=False) if v != before
    ]
    assert changes == [9, 1, 4, 1, 9, 1]  # nothing yet, well, one failed, well, a hole, well again
    assert set(series["late"].values()) == {10, 11}


def test_neighbours_are_those_of_the_same_place_first(city: Connection, now: datetime) -> None:
    rows = list(told(city, now, "lifeline-sensor", "panel 6 Neighbours, query A", sensor="w1").frame.dicts())
    assert rows[0]["sensor"] == "w2"
    assert rows[0]["away"] == 0
    assert [row["sensor"] for row in rows[1:]] == ["s1"]
    assert 1_400 < rows[1]["away"] < 1_500


def test_an_incident_begins_with_its_first_out(city: Connection, now: datetime) -> None:
    options = told(city, now, "lifeline-incident", "variable member", incident="I-1").frame
    assert offered(options) == ["w1"]
    assert options.column("__text")[0].startswith("① FIRST OUT · w1")
    alarms = list(told(city, now, "lifeline-incident", "panel 5 Its alarms, query A", incident="I-1").frame.dicts())
    assert [(row["first_out"], row["scope"], row["level"]) for row in alarms] == [(1, "w1", 3)]


def test_an_exercise_says_so_on_its_own_page(city: Connection, now: datetime) -> None:
    (row,) = told(city, now, "lifeline-incident", "panel 1 As it stands, query A", incident="I-3").frame.dicts()
    assert row["level"] == 14


def test_clocks_say_what_is_left_and_what_was_missed(city: Connection, now: datetime) -> None:
    rows = list(told(city, now, "lifeline-incident", "panel 2 Clocks, query A", incident="I-1").frame.dicts())
    assert [(row["clock"], row["state"]) for row in rows] == [("acknowledge", "missed"), ("close", "running")]
    assert rows[0]["left"] is None
    assert rows[1]["left"] == pytest.approx(7200, abs=60)


def test_what_happened_is_on_one_line_of_time(city: Connection, now: datetime) -> None:
    rows = list(told(city, now, "lifeline-incident", "panel 4 What happened, query A", incident="I-1").frame.dicts())
    kinds = [row["what"] for row in rows]
    assert {"move_raised", "move_fell", "move_data_lost", "event_dispatch", "notice_kind_raise", "clock_missed"} <= set(
        kinds
    )
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)


def test_an_incident_that_is_none_shows_nothing_of_another(city: Connection, now: datetime) -> None:
    for question in questions(BOARDS["lifeline-incident"]):
        if question.panel is not None and "Choose" not in question.where:
            made = ask(city, question, Range(now - timedelta(hours=3), now, 30), {"incident": "", "member": []})
            assert not made.frame.rows, question.name
