"""Conditions in a city: neighbours on the same pipe, silence, k of n, confirmation, sequences, flags, calendars."""

from __future__ import annotations

import random

import pytest

from city.levels import Flag, Level
from tests.rules.small_city import T0_US, Desk, desk_of

CITY = """
name: Pipetown
timezone: Asia/Shanghai
districts: [{id: north, name: North}, {id: south, name: South}]
"""


def _site(name: str, kind: str, geometry: str, more: str = "", district: str = "north") -> str:
    return (
        f'{{"type": "Feature", "geometry": {geometry}, "properties": {{"id": "{name}", "kind": "{kind}", '
        f'"name": "{name}", "district": "{district}"{more}}}}}'
    )


def _point(east_m: float, north_m: float) -> str:
    return f'{{"type": "Point", "coordinates": [{117 + east_m / 111195.08:.8f}, {north_m / 111195.08:.8f}]}}'


# A main goes 100 m east and then 100 m north; three wells lie along it, and one close by on another main.
_EDGE = 100 / 111195.08
MAIN = f'{{"type": "LineString", "coordinates": [[117, 0], [{117 + _EDGE}, 0], [{117 + _EDGE}, {_EDGE}]]}}'
ALONG = ', "along": "main-a"'
SITES = ",\n".join(
    [
        _site("main-a", "gas_main", MAIN),
        _site("well-0", "manhole", _point(0, 2), ALONG),
        _site("well-1", "manhole", _point(60, 2), ALONG),
        _site("well-2", "manhole", _point(98, 60), ALONG),
        _site("well-x", "manhole", _point(10, 2), ', "along": "main-b"', "south"),
    ]
)
GATEWAYS = "gateway,district,interval_s\ng1,north,60\ng2,north,60\n"
SENSORS = """sensor,gateway,site,quantity,unit,interval_s,tags
p0,g1,well-0,gas_pressure,kPa,60,
m0,g1,well-0,methane,%LEL,60,
m1,g1,well-1,methane,%LEL,60,
m2,g2,well-2,methane,%LEL,60,sewage
mx,g2,well-x,methane,%LEL,60,
"""


def desk(rules: str, **more: str) -> Desk:
    files = {
        "city.yaml": CITY, "sites.geojson": f'{{"type": "FeatureCollection", "features": [{SITES}]}}',
        "gateways.csv": GATEWAYS, "sensors.csv": SENSORS, "rules/own.yaml": "version: 1\nrules:\n" + rules,
        **{name.replace("__", "."): text for name, text in more.items()},
    }  # fmt: skip
    return desk_of(files)


def rule(level: str, sensor: str = "m0", more: str = "") -> str:
    quantity = "gas_pressure" if sensor == "p0" else "methane"
    return (
        f"  - id: r\n    watch: {{quantity: {quantity}, sensors: [{sensor}]}}\n"
        f"    ladder:\n      orange: {level}\n{more}"
    )


def neighbours(where: str, sensor: str = "m0") -> frozenset[str]:
    made = desk(rule(f"{{near: {where}, max: 5m, above: 1 %LEL}}", sensor))
    return made.checked.book.instances[f"r/{sensor}"].neighbours


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("{quantity: methane, within: 15 m}", {"mx"}),
        ("{quantity: methane, within: 61 m}", {"mx", "m1"}),
        ("{quantity: methane, on: pipe}", {"m1", "m2"}),
        ("{quantity: methane, on: pipe, within: 61 m}", {"m1"}),
        ("{quantity: methane, on: pipe, within: 150 m}", {"m1"}),  # m2 is 115 m away as the crow flies, 160 m along
        ("{quantity: methane, on: pipe, within: 161 m}", {"m1", "m2"}),
        ("{quantity: methane, on: gateway}", {"m1"}),
        ("{quantity: methane, on: district}", {"m1", "m2"}),
        ("{quantity: methane, on: pipe, tags: [sewage]}", {"m2"}),
        ("{quantity: methane, within: 1 km, site_kind: gas_main}", set()),
    ],
)
def test_neighbours_are_those_of_the_place_named(where: str, found: set[str]) -> None:
    assert neighbours(where) == found


def test_on_the_same_site_another_quantity_is_near_and_the_sensor_itself_is_not() -> None:
    assert neighbours("{quantity: methane, on: site}", "p0") == {"m0"}
    assert neighbours("{quantity: methane, on: site}", "m0") == frozenset()


@pytest.mark.parametrize(("within", "held"), [("1 m", False), ("3 m", True)])
def test_beside_is_a_fact_of_the_register_measured_to_the_line(within: str, held: bool) -> None:
    made = desk(rule(f"{{all: [{{above: 5 %LEL}}, {{beside: {{kind: gas_main, within: {within}}}}}]}}", "m1"))
    made.feed([("m1", 0, 9.0)])
    assert bool(made.alarms("r")) is held
    if held:
        _, beside = made.alarms("r")[0].evidence
        assert (beside.sensor, beside.quantity, beside.unit) == ("main-a", "distance", "m")
        assert beside.value == pytest.approx(2.0, abs=0.01)


K_OF_N = "{near: {quantity: methane, within: 1 km}, max: 5m, above: 5 %%LEL, k_of_n: 2%s}"


def heard(values: dict[str, float], more: str = "") -> Level:
    made = desk(rule(K_OF_N % more, "p0"))
    made.feed([(name, 0.0, value) for name, value in values.items()])
    made.feed([("p0", 60.0, 300.0)])
    return made.alarms("r")[0].level if made.alarms("r") else Level.NONE


def test_k_of_n_counts_the_neighbours_that_have_data() -> None:
    assert heard({"m0": 9, "m1": 9, "mx": 0}) is Level.ORANGE
    assert heard({"m0": 9, "m1": 0, "m2": 0, "mx": 0}) is Level.NONE
    assert heard({"m0": 9, "m1": 9}) is Level.ORANGE
    assert heard({"m0": 9, "m1": 9}, ", min_valid: 3") is Level.NONE


def test_too_few_neighbours_to_judge_neither_raise_nor_clear() -> None:
    made = desk(rule(K_OF_N % ", min_valid: 2", "p0"))
    made.feed([("m0", 0, 9.0), ("m1", 0, 9.0)])
    made.feed([("p0", 60, 300.0)])
    made.feed([("m0", 600, 0.0)])
    for at in range(11, 20):
        made.feed([("p0", at * 60, 300.0)])
    assert made.story("r") == [("p0", Level.ORANGE, 60, None)]
    made.feed([("m1", 1260, 0.0), ("m0", 1260, 0.0)])
    made.feed([("p0", 1320, 300.0)])
    assert made.story("r") == [("p0", Level.ORANGE, 60, 1320)]


def test_silent_neighbours_are_told_from_calm_ones_by_event_time() -> None:
    made = desk(rule("{near: {quantity: any, on: gateway}, silent: 10m, k_of_n: 2}", "p0"))
    made.feed([("p0", 0, 300.0), ("m0", 0, 0.0), ("m1", 0, 0.0)])
    made.feed([("p0", 660, 300.0), ("m0", 660, 0.0)])
    assert made.alarms("r") == []
    made.feed([("p0", 1320, 300.0)])
    (alarm,) = made.alarms("r")
    assert {e.sensor for e in alarm.evidence} == {"m0", "m1"}
    made.feed([("m1", 1000, 0.0)], at_s=1330)  # it comes late, and was not silent then
    assert made.alarms("r") == []


CONFIRM = """  - id: r
    watch: {quantity: methane}
    ladder:
      red: {above: 40 %%LEL}
      orange: {above: 20 %%LEL}
      yellow: {above: 10 %%LEL}
      blue: {rising: 5 %%LEL, within: 10m}
    confirm: {within: 65 m%s}
"""


@pytest.mark.parametrize(
    ("own", "others", "more", "level"),
    [
        (50.0, {"m1": 12.0}, "", Level.RED),
        (50.0, {"m1": 5.0}, "", Level.ORANGE),  # a neighbour looks and sees nothing: one colour lower
        (50.0, {}, "", Level.RED),  # nobody can tell: full level
        (50.0, {"m2": 0.0}, "", Level.RED),  # too far away to tell
        (50.0, {"m1": 5.0}, ", else: nothing", Level.NONE),
        (12.0, {"m1": 5.0}, "", Level.BLUE),
        (12.0, {"m1": 10.0}, "", Level.YELLOW),
        (50.0, {"m1": 12.0, "mx": 0.0}, ", neighbours: 2", Level.ORANGE),
        (50.0, {"m1": 5.0}, ", min_valid: 2", Level.RED),
    ],
)
def test_a_level_stands_fully_when_a_neighbour_sees_it_too(
    own: float, others: dict[str, float], more: str, level: Level
) -> None:
    made = desk(CONFIRM % more)
    made.feed([*((name, 0.0, value) for name, value in others.items()), ("m0", 60.0, own)])
    found = [alarm.level for alarm in made.alarms("r") if alarm.scope == "m0"]
    assert found == ([level] if level else [])


def test_confirmation_that_comes_later_lifts_the_level() -> None:
    made = desk(CONFIRM % "")
    made.feed([("m1", 0, 0.0), ("m0", 0, 50.0)])
    made.feed([("m1", 60, 30.0), ("m0", 60, 50.0)])
    own = next(alarm for alarm in made.alarms("r") if alarm.scope == "m0")
    assert (own.level, own.peak_level) == (Level.RED, Level.RED)
    assert [(e.kind, e.to_level) for e in made.events() if e.alarm == own.id] == [
        ("raised", Level.ORANGE), ("rose", Level.RED),
    ]  # fmt: skip


SEQUENCE = rule(
    "{sequence: [{above: 10 %LEL}, {near: {quantity: methane, within: 61 m}, max: 5m, above: 5 %LEL}], within: 30m}"
)


def test_a_sequence_holds_in_its_order_only_and_while_its_time_lasts() -> None:
    made = desk(SEQUENCE)
    made.feed([("m1", 0, 9.0), ("m0", 0, 0.0)])
    made.feed([("m0", 600, 20.0)])
    assert made.alarms("r") == []
    made.feed([("m0", 1200, 0.0), ("m1", 1200, 9.0)])
    assert made.story("r") == [("m0", Level.ORANGE, 1200, None)]
    made.feed([("m0", 2460, 0.0), ("m1", 2460, 9.0)])  # the first sign is over half an hour old
    assert made.story("r") == [("m0", Level.ORANGE, 1200, 2460)]


@pytest.mark.parametrize("seed", range(15))
def test_sequences_confirmation_and_silence_do_not_depend_on_the_order_of_arrival_or_on_restarts(seed: int) -> None:
    chance = random.Random(seed)
    rules = (
        SEQUENCE
        + CONFIRM.replace("id: r", "id: c") % ""
        + rule("{near: {quantity: any, on: gateway}, silent: 3m}", "p0").replace("id: r", "id: s")
        + rule("{above: 10 %LEL, count: 2, of: 3}", "m1").replace("id: r", "id: count")
        + rule("{all: [{range: 5m, above: 6 %LEL}, {mean: 10m, above: 4 %LEL}]}", "m1").replace("id: r", "id: w")
    )
    rows = [
        (name, minute * 60 + chance.choice([0.0, 11.0]), float(chance.choice([0, 0, 3, 9, 15, 45])))
        for minute in range(40) for name in ("p0", "m0", "m1", "mx") if chance.random() < 0.7
    ]  # fmt: skip
    plain, shuffled = desk(rules), desk(rules)
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
    for name in ("r", "c", "s", "count", "w"):
        assert shuffled.story(name) == plain.story(name), name


def test_a_rule_says_which_flags_raise_and_which_clear() -> None:
    made = desk(rule("{above: 10 %LEL}", more="    flags: {raise: [pass], clear: [1, suspect]}\n"))
    made.feed([("m0", 0, 50.0)], flag=Flag.SUSPECT)
    made.feed([("m0", 60, 50.0)], flag=Flag.NOT_EVALUATED)
    assert made.alarms("r") == []
    made.feed([("m0", 120, 50.0)])
    made.feed([("m0", 180, 0.0)], flag=Flag.NOT_EVALUATED)
    assert made.story("r") == [("m0", Level.ORANGE, 120, None)]
    made.feed([("m0", 240, 0.0)], flag=Flag.SUSPECT)
    assert made.story("r") == [("m0", Level.ORANGE, 120, 240)]


def test_samples_whose_flag_does_not_count_are_no_part_of_a_window_either() -> None:
    made = desk(rule("{max: 10m, above: 10 %LEL}", more="    flags: {raise: [pass], clear: [pass]}\n"))
    made.feed([("m0", 0, 50.0)], flag=Flag.SUSPECT)
    made.feed([("m0", 60, 0.0)])
    assert made.alarms("r") == []


def test_each_level_may_have_an_off_delay_of_its_own() -> None:
    levels = (
        "  - id: r\n    watch: {quantity: methane, sensors: [m0]}\n    clear_after: 2m\n    ladder:\n"
        "      red: {above: 40 %LEL, clear_after: 5m}\n      yellow: {above: 10 %LEL}\n"
    )
    made = desk(levels)
    made.series("m0", [50.0, *[20.0] * 8, *[0.0] * 5])
    assert [(e.kind, e.to_level, (e.at_us - T0_US) / 1e6) for e in made.events()] == [
        ("raised", Level.RED, 0), ("fell", Level.YELLOW, 60 + 300), ("cleared", Level.NONE, 540 + 120),
    ]  # fmt: skip


def test_a_rule_holds_only_inside_its_calendar() -> None:
    # The story begins at 18:00 in Shanghai.
    made = desk(rule("{above: 10 %LEL}", more='    only: {from: "18:30", to: "20:00"}\n'))
    made.series("m0", [50.0] * 28, every_s=300)
    assert made.story("r") == [("m0", Level.ORANGE, 1800, 7200)]
    part = desk(
        rule("{any: [{above: 40 %LEL}, {above: 10 %LEL, only: night}]}"),
        calendar__yaml='calendars: {night: {from: "19:00", to: "06:00"}}\n',
    )
    part.series("m0", [20.0] * 14, every_s=300)
    assert part.story("r") == [("m0", Level.ORANGE, 3600, None)]


def test_a_window_longer_than_a_day_still_sees_all_of_it() -> None:
    made = desk(rule("{near: {quantity: methane, within: 12 m}, sum: 36h, above: 144 %LEL}", "p0"))
    for hour in range(36):
        for quarter in range(4):
            at = hour * 3600.0 + quarter * 900
            made.feed([("mx", at, 1.0), ("p0", at, 300.0)])
    assert made.story("r") == [("p0", Level.ORANGE, 36 * 3600 - 900, None)]
