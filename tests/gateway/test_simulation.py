"""The simulated city: pure, calm when nothing happens, and true to its storyline."""

import json
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from city.levels import Flag
from city.reading import Sample
from city.units import converter
from city.yamlfile import parse
from detectors.protocol import Verdict
from detectors.registry import create
from gateway.cityfolder import city_files
from gateway.simulation import Simulation
from gateway.storyline import BRIDGE, GROUND_SITE, NOISY, POWERLESS, STORM_SITE, STUCK
from gateway.town import Town, distance_m, plan

START_US = 1_782_892_800_000_000  # 2026-07-01 16:00 in the city
MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
CREW = "http://127.0.0.1:8080/crew"


@cache
def city(seed: int = 0) -> Simulation:
    return Simulation(seed, START_US)


def at_minutes(sensor: str, until: int = 180, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times, values = city(seed).series(sensor, START_US, START_US + until * MINUTE_US)
    return (times - START_US) / MINUTE_US, values


def first(minutes: NDArray[np.float64], where: NDArray[np.bool_]) -> float:
    return float(minutes[np.argmax(where)]) if where.any() else float("inf")


@pytest.mark.parametrize("seed", range(10))
def test_the_plan_is_a_city(seed: int) -> None:
    town = plan(seed)
    assert len(town.districts) >= 4
    assert len(town.gateways) == 16
    assert len(town.sensors) >= 400
    near_a_main(town)
    for site in town.sites.values():
        if site.kind == "underpass":
            assert min(distance_m(site.at, town.at(gauge)) for gauge in town.find("rainfall")) < 2000
            assert len(town.find("water_depth", site=site.id)) == 2
        if site.kind == "bridge":
            counts = {q: len(town.find(q, site=site.id)) for q in ("strain", "temperature", "tilt")}
            assert counts["strain"] >= 4
            assert min(counts.values()) >= 1
    assert all(town.sensors[other] for sensor in town.sensors.values() for other in sensor.context)
    for quantity in ("strain", "water_depth", "settlement"):
        assert all(town.sensors[sensor].context for sensor in town.find(quantity))


def near_a_main(town: Town) -> None:
    for site in town.sites.values():
        if site.kind in ("manhole", "ground"):
            assert 30 <= distance_m(site.at, town.sites[site.along].at) <= 60
        if site.kind == "ground":
            assert distance_m(site.at, town.at(town.nearest(site.at, town.find("methane"), 1)[0])) <= 60


def test_a_value_depends_on_nothing_but_seed_start_sensor_and_time() -> None:
    one, other = Simulation(3, START_US), Simulation(3, START_US)
    whole = one.samples("gw-old-drain", START_US, START_US + 30 * MINUTE_US)
    pieces = []
    cuts = [0, 7 * MINUTE_US, 7 * MINUTE_US + 1_000_000, 19 * MINUTE_US, 30 * MINUTE_US]
    for after_us, until_us in reversed(list(pairwise(cuts))):
        pieces += other.samples("gw-old-drain", START_US + after_us, START_US + until_us)
    assert sorted(pieces) == sorted(whole)
    assert len({(sensor, time_us) for sensor, time_us, *_ in whole}) == len(whole)
    assert all(one.value(sensor, time_us) == value for sensor, time_us, value, *_ in whole[::7])
    assert Simulation(4, START_US).samples("gw-old-drain", START_US, START_US + MINUTE_US) != whole[:20]


def test_every_sensor_measures_at_its_interval() -> None:
    hour_us = 60 * MINUTE_US
    for gateway, sensors in city().town.sensors_of.items():
        rows = city().samples(gateway, START_US, START_US + hour_us)
        for sensor in sensors:
            times = [row[1] for row in rows if row[0] == sensor.id]
            assert set(np.diff(times)) == {sensor.interval_s * 1_000_000}
            assert len(times) == 3600 // sensor.interval_s


@pytest.mark.parametrize("seed", range(10))
def test_the_storyline_happens_when_it_should(seed: int) -> None:
    simulation = city(seed)
    for sensor in simulation.town.find("water_depth", site=STORM_SITE):
        minutes, depth = at_minutes(sensor, seed=seed)
        assert first(minutes, depth > 15) == pytest.approx(10, abs=1.2)
        assert first(minutes, depth > 27) == pytest.approx(14, abs=1.5)
        assert depth.max() == pytest.approx(45, abs=2)
        assert depth[minutes > 55].max() < 10
    settlement, methane = (act for act in simulation.storyline.acts if act.what in ("settlement", "methane"))
    sinking = next(s for s in settlement.sensors if simulation.town.sensors[s].site == GROUND_SITE)
    minutes, ground = at_minutes(sinking, seed=seed)
    assert abs(ground[minutes < 14] - ground[0]).max() < 0.3
    assert ground[0] - ground[-1] > 15
    for sensor, top in zip(methane.sensors, (25, 20), strict=True):
        minutes, gas = at_minutes(sensor, seed=seed)
        assert gas[minutes < 34].max() < 4
        assert gas[(minutes > 60) & (minutes < 95)].mean() == pytest.approx(top + 1.5, rel=0.1)
        assert gas[minutes > 130].max() < 5
    (drop,) = (act for act in simulation.storyline.acts if act.what == "support drop")
    for sensor in drop.sensors:
        minutes, value = at_minutes(sensor, seed=seed)
        step = value[(minutes > 51) & (minutes < 61)].mean() - value[(minutes > 39) & (minutes < 49)].mean()
        assert step == pytest.approx(0.9 if sensor.startswith("ti") else 34, rel=0.15)
        assert simulation.town.sensors[sensor].site == BRIDGE


def test_the_bad_sensors_are_bad() -> None:
    minutes, stuck = at_minutes(STUCK)
    assert len(set(stuck[minutes > 31])) == 1
    assert len(set(stuck[minutes < 29])) > 10
    minutes, noisy = at_minutes(NOISY)
    assert np.diff(noisy[(minutes > 41) & (minutes < 75)]).std() > 4 * np.diff(noisy[minutes < 39]).std()


def test_the_powerless_gateway_is_the_only_one_and_the_truth_says_so() -> None:
    story = city().storyline
    assert not story.powered(POWERLESS, START_US + 70 * MINUTE_US)
    assert story.powered(POWERLESS, START_US + 81 * MINUTE_US)
    assert story.powered("gw-old-drain", START_US + 70 * MINUTE_US)
    truth = [json.loads(line) for line in story.truth_lines().splitlines()]
    assert [entry["what"] for entry in truth] == [
        "cloudburst", "flooded underpass", "rising water", "settlement", "stuck sensor", "methane",
        "noisy sensor", "support drop", "power loss",
    ]  # fmt: skip
    assert all(set(entry) == {"what", "where", "sensors", "from", "to", "note"} for entry in truth)
    assert truth[0]["from"].startswith("2026-07-01T08:0")


def rules() -> list[Mapping[str, Any]]:
    found = []
    for name, text in city_files(0, CREW).items():
        if name.startswith("rules/") and not name.endswith(".test.yaml"):
            data, _ = parse(text, name)
            assert isinstance(data, dict)
            found += data["rules"]
    return found


def number(text: str, unit: str) -> float:
    value, written = text.split(" ")
    scale, offset = converter(written, unit)
    return float(value) * scale + offset


def minutes_of(text: str) -> float:
    return float(text[:-1]) * {"m": 1, "h": 60}[text[-1]]


def crosses(condition: Mapping[str, Any], unit: str, times: NDArray[np.int64], values: NDArray[np.float64]) -> bool:
    """Whether a series ever meets a condition's thresholds (`near` counts as met, detectors as not)."""
    if "all" in condition:
        return all(crosses(part, unit, times, values) for part in condition["all"] if "near" not in part)
    if "above" in condition:
        return bool((values >= number(condition["above"], unit)).any())
    if "below" in condition:
        return bool((values <= number(condition["below"], unit)).any())
    if "outside" in condition:
        low, high = (number(bound, unit) for bound in condition["outside"])
        return bool(((values <= low) | (values >= high)).any())
    for word, sign in (("rising", 1), ("falling", -1)):
        if word in condition:
            limit = number(condition[word], unit) - number(f"0 {unit}", unit)
            width = int(minutes_of(condition["within"]) * MINUTE_US // (times[1] - times[0])) + 1
            views = np.lib.stride_tricks.sliding_window_view(sign * values, min(width, len(values)))
            return bool((views[:, -1] - views.min(axis=1) >= limit).any())
    assert "detector" in condition or "silent" in condition
    return False


UNITS = {
    "water_depth": "cm", "water_level": "m", "methane": "%LEL", "gas_pressure": "kPa", "strain": "um/m",
    "tilt": "mm/m", "deflection": "mm", "crack": "mm", "settlement": "mm", "battery": "V",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_a_calm_day_crosses_no_threshold_of_the_demonstration(seed: int) -> None:
    calm = Simulation(seed, START_US, calm=True)
    series = {sensor: calm.series(sensor, START_US, START_US + DAY_US) for sensor in calm.town.sensors}
    watched = 0
    for rule in rules():
        quantity, kind = rule["watch"].get("quantity"), rule["watch"].get("site_kind")
        for sensor in calm.town.find(quantity) if quantity else []:
            if kind and calm.town.sites[calm.town.sensors[sensor].site].kind != kind:
                continue
            watched += 1
            for level, condition in rule["ladder"].items():
                assert not crosses(condition, UNITS[quantity], *series[sensor]), (rule["id"], level, sensor)
    assert watched > 400
    for gauge in calm.town.find("rainfall"):
        _, rain = series[gauge]
        assert np.convolve(rain, np.ones(30)).max() < 3


def test_the_detectors_of_the_demonstration_are_quiet_on_a_calm_morning() -> None:
    calm = Simulation(0, START_US, calm=True)
    pairs = {
        "methane": "methane_onset", "strain": "baseline_shift", "settlement": "settlement_rate",
        "water_depth": "flood_onset",
    }  # fmt: skip
    for quantity, name in pairs.items():
        detector = create(name)
        for sensor in calm.town.find(quantity)[::3]:
            times, values = calm.series(sensor, START_US, START_US + 6 * 60 * MINUTE_US)
            pairs_ = zip(times.tolist(), values.tolist(), strict=True)
            samples = [Sample(sensor, time_us, value, Flag.PASS, time_us) for time_us, value in pairs_]
            assert not [f for f in detector.update(samples) if f.verdict is Verdict.ABNORMAL]
