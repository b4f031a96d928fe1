"""Conditions across sensors: three truth values, neighbours, and late neighbours."""

from __future__ import annotations

import random

import pytest

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


DETECTED = (
    RULE
    + """
  - id: onset
    watch: {quantity: water_depth}
    ladder: {blue: {detector: flood_onset, direction: up}}
    clear_after: 5m
"""
)


def wandering(chance: random.Random) -> list[tuple[str, float, float]]:
    """Up to an hour of a depth that rises and falls, with rain that comes and goes, some of it missing."""
    depth, rows = 0.0, []
    for minute in range(chance.randint(5, 60)):
        depth = max(0.0, depth + chance.choice([-3, -1, 0, 0, 1, 1, 2, 4]))
        rows.append(("wl-1", minute * 60 + chance.choice([0.0, 0.0, 7.0]), depth + chance.random()))
        if chance.random() < 0.9:
            rows.append(("rain-1", minute * 60.0, float(chance.choice([0, 0, 1, 2]))))
    return rows


@pytest.mark.parametrize("seed", [26, 93, *range(1000, 1060)])
def test_out_of_order_and_restarted_the_answers_are_those_of_order(seed: int) -> None:
    chance = random.Random(seed)
    rows = wandering(chance)
    files = city_files(rules__near=DETECTED)
    plain, shuffled = desk_of(files), desk_of(files)
    newest = max(row[1] for row in rows)
    for row in sorted(rows, key=lambda r: (r[1], r[0])):
        plain.feed([row], at_s=newest)
    order = sorted(rows, key=lambda r: r[1] + chance.uniform(0, 600))
    while order:
        size = chance.randint(1, 6)
        shuffled.feed(order[:size], at_s=newest)
        order = order[size:]
        if chance.random() < 0.1:
            shuffled.restart()
    for rule in ("depth", "rain-and-rise", "onset"):
        assert shuffled.story(rule) == plain.story(rule)


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
