"""Labelled events against alarms: hits, misses, false alarms, lead; and what is wrong with a file of them."""

from __future__ import annotations

import pytest

from city.errors import FaultyInput
from city.levels import Level
from city.model import City
from rules.check import load_files
from rules.trials.backtest import Occurrence
from rules.trials.report import compare, count
from rules.trials.scores import YEAR_US, read_events, score
from rules.trials.sources import Span
from tests.rules.small_city import FILES

H_US = 3_600_000_000
SPAN = Span(0, round(YEAR_US))
HEAD = "start,end,place,kind\n"


@pytest.fixture(scope="module")
def city() -> City:
    return load_files(FILES).city


def alarm(sensor: str, *levels: tuple[float, Level], rule: str = "depth", end_h: float | None = None) -> Occurrence:
    path = [(round(at_h * H_US), level) for at_h, level in levels]
    cleared_us = None if end_h is None else round(end_h * H_US)
    if cleared_us is not None:
        path.append((cleared_us, Level.NONE))
    return Occurrence(
        f"A-{rule}-{sensor}-{path[0][0]}", rule, "1", sensor, sensor, "up-1", "north", "waterlogging", {"en": "Water"},
        path[-1][1], max(level for _, level in path), "normal", path[0][0], cleared_us, False, False, path[0][0],
        tuple(path),
    )  # fmt: skip


def hour(number: float) -> str:
    return f"1970-01-01T{int(number):02}:{round(number % 1 * 60):02}:00+00:00"


def test_hits_misses_false_alarms_and_lead_by_level(city: City) -> None:
    found = read_events(
        HEAD + f"{hour(10)},{hour(12)},wl-1,\n{hour(14)},{hour(15)},up-2,waterlogging\n{hour(20)},{hour(21)},north,",
        "events.csv", city, {"depth"},
    )  # fmt: skip
    told = [
        alarm("wl-1", (9.5, Level.YELLOW), (10.25, Level.RED), end_h=13),  # half an hour before; red a quarter after
        alarm("wl-1", (17, Level.YELLOW), end_h=18),  # for nothing
        alarm("wl-2", (12.9, Level.YELLOW), end_h=13.5),  # too early for the second event, and over before it
        alarm("wl-2", (20.5, Level.YELLOW), end_h=22),
    ]
    scored = score(found, told, city, frozenset({"wl-1", "wl-2"}), SPAN)
    yellow, red = scored.scores
    assert (yellow.level, yellow.hits, yellow.misses, yellow.right, yellow.false) == (Level.YELLOW, 2, 1, 2, 2)
    assert yellow.lead_s == pytest.approx((0.0, -1440.0, 1440.0))
    assert yellow.false_per_sensor_year == pytest.approx(1.0)
    assert (red.hits, red.misses, red.false, red.lead_s) == (1, 2, 0, (-900.0, -900.0, -900.0))
    assert [event.place for event in scored.missed] == ["up-2"]


def test_an_alarm_that_stood_long_before_hits_but_says_nothing_about_lead(city: City) -> None:
    found = read_events(HEAD + f"{hour(10)},{hour(12)},wl-1,", "events.csv", city, ())
    (yellow,) = score(found, [alarm("wl-1", (2, Level.YELLOW))], city, frozenset({"wl-1"}), SPAN).scores
    assert (yellow.hits, yellow.misses, yellow.lead_s) == (1, 0, None)


def test_alarms_of_a_kind_that_no_event_has_are_not_judged(city: City) -> None:
    found = read_events(HEAD + f"{hour(10)},{hour(12)},wl-1,depth", "events.csv", city, {"depth"})
    told = [alarm("wl-1", (10, Level.YELLOW)), alarm("wl-2", (1, Level.YELLOW), rule="other")]
    (yellow,) = score(found, told, city, frozenset({"wl-1"}), SPAN).scores
    assert (yellow.right, yellow.false) == (1, 0)


def test_every_fault_of_an_events_file_is_told_with_its_place(city: City) -> None:
    rows = f"10 o'clock,{hour(12)},wl-1,\n{hour(10)},{hour(9)},wl-9,\n{hour(1)},{hour(2)},wl-1,depht"
    with pytest.raises(FaultyInput) as error:
        read_events(HEAD + rows, "events.csv", city, {"depth"})
    said = str(error.value).splitlines()
    assert len(said) == 4
    assert said[0].startswith('events.csv:2:1: start: not a time with its offset, got "10 o\'clock"')
    assert "events.csv:3:27: end: before the start" in said[1]
    assert "events.csv:3:53: place: no sensor, site or district" in said[2]
    assert said[3].endswith("try depth")
    with pytest.raises(FaultyInput, match="missing column"):
        read_events("start,place\n", "events.csv", city, ())


def test_what_changed_is_told_by_alarms_that_stood_at_the_same_time() -> None:
    old = [
        *(alarm("a", (at_h, Level.YELLOW), end_h=at_h + 1) for at_h in (1, 5)), alarm("b", (1, Level.RED), end_h=2),
    ]  # fmt: skip
    new = [
        alarm("a", (1, Level.YELLOW), end_h=2), alarm("b", (1, Level.ORANGE), end_h=3),
        alarm("c", (4, Level.BLUE), end_h=5),
    ]  # fmt: skip
    changes = [(change.kind, change.any.scope, change.any.raised_us // H_US) for change in compare(old, new)]
    assert changes == [("moved", "b", 1), ("only_new", "c", 4), ("only_old", "a", 5)]
    assert compare(old, old) == []


def test_levels_are_counted_with_the_minutes_they_stood_inside_the_span() -> None:
    told = [alarm("a", (1, Level.YELLOW), (2, Level.RED), (2.5, Level.YELLOW), end_h=4), alarm("b", (3, Level.YELLOW))]
    found = count(told, Span(0, 5 * H_US))
    assert {level: (c.alarms, c.minutes, c.scopes) for (_, level), c in found.items()} == {
        Level.YELLOW: (2, 60 + 90 + 120, 2),
        Level.RED: (1, 30, 1),
    }
