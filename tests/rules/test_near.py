"""Conditions across sensors: three truth values, neighbours, and late neighbours."""

from __future__ import annotations

from city.levels import Level
from tests.rules.small_city import FILES, Desk, city_files, desk_of

RULE = """
version: 1
rules:
  - id: rain-and-rise
    watch: {quantity: water_depth, site_kind: underpass}
    ladder:
      blue:
        all:
          - {rising: 2 cm, within: 10m}
          - {near: {quantity: rainfall, within: 2 km}, sum: 30m, above: 15 mm}
    clear_after: 5m
"""


def rainy() -> Desk:
    return desk_of(city_files(rules__near=RULE))


def test_rise_with_rain_nearby_raises_and_shows_both_as_evidence() -> None:
    desk = rainy()
    for at in range(10):
        desk.feed([("rain-1", at * 60, 2.0), ("wl-1", at * 60, float(at))])
    assert desk.story("rain-and-rise") == [("wl-1", Level.BLUE, 420, None)]
    (event,) = [e for e in desk.events() if e.kind == "raised"]
    assert [(e["sensor"], e["value"]) for e in event.evidence] == [("wl-1", 7.0), ("rain-1", 16.0)]


def test_rise_without_rain_nearby_does_not() -> None:
    desk = rainy()
    for at in range(20):
        desk.feed([("rain-1", at * 60, 0.0), ("wl-1", at * 60, float(at)), ("wl-2", at * 60, float(at))])
    assert desk.story("rain-and-rise") == []


def test_a_neighbour_that_is_not_heard_is_unknown_and_neither_raises_nor_clears() -> None:
    desk = rainy()
    for at in range(10):
        desk.feed([("wl-1", at * 60, float(at))])
    assert desk.story("rain-and-rise") == []


def test_a_neighbour_whose_data_come_late_changes_the_answer_as_if_they_had_been_there() -> None:
    desk = rainy()
    for at in range(10):
        desk.feed([("wl-1", at * 60, float(at))])
    desk.feed([("rain-1", at * 60, 2.0) for at in range(10)], at_s=700)
    assert desk.story("rain-and-rise") == [("wl-1", Level.BLUE, 420, None)]


def test_an_incident_is_named_after_its_gravest_alarm_and_remembers_the_first() -> None:
    desk = rainy()
    for at in range(10):
        desk.feed([("rain-1", at * 60, 2.0), ("wl-1", at * 60, float(at))])
    for at in range(10, 14):
        desk.feed([("wl-1", at * 60, 50.0)])
    (incident,) = desk.incidents()
    assert incident.title["en"] == "Water in an underpass · Mill Underpass"
    assert incident.first_alarm == desk.alarms("rain-and-rise")[0].id


def test_the_small_city_still_has_its_other_rules() -> None:
    assert set(FILES) < set(city_files(rules__near=RULE))
