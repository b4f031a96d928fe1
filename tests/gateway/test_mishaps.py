"""Faults that are asked for in the simulated city: where the file says, in what is measured, and in the truth."""

from __future__ import annotations

import json
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from city.clock import SystemClock
from city.errors import FaultyInput, InputError
from gateway.faults import KINDS, kinds_for
from gateway.mishaps import Mishap, at_random, load
from gateway.simulate import TRUTH, SimulatorSettings, run_simulator
from gateway.simulation import Simulation
from gateway.town import plan
from lifeline.story import mishaps_of, take_mishaps

START_US = 1_782_892_800_000_000
MINUTE_US = 60_000_000
SENSOR = "gp-old-01"
FILE = f"""
- sensor: {SENSOR}
  kind: drift
  from_min: 30
  hours: 2
  amount: -6
- {{sensor: st-old-01, kind: stuck, from_min: 10, hours: 1}}
"""


def city(*mishaps: Mishap) -> Simulation:
    return Simulation(7, START_US, calm=True, mishaps=mishaps)


def test_a_drift_grows_for_its_time_and_is_gone_afterwards() -> None:
    drift, *_ = load(FILE, "faults.yaml", plan(7))
    assert drift == Mishap(SENSOR, "drift", 30.0, 2.0, -6.0)
    (times, calm), (_, ill) = (
        one.series(SENSOR, START_US, START_US + 200 * MINUTE_US) for one in (city(), city(drift))
    )
    minutes, added = (times - START_US) / MINUTE_US, ill - calm
    inside = (minutes >= 30) & (minutes < 150)
    assert (added[~inside] == 0).all()
    np.testing.assert_allclose(added[inside], -6.0 * (minutes[inside] - 30) / 120, atol=0.11)


def test_any_moment_can_be_asked_for_alone() -> None:
    mishaps = [Mishap(SENSOR, kind.name, 20.0, 1.0, 0.5) for kind in kinds_for("gas_pressure", "sensor", "physical")]
    for mishap in mishaps:
        simulation = city(mishap)
        times, values = simulation.series(SENSOR, START_US + 15 * MINUTE_US, START_US + 60 * MINUTE_US)
        for at in (0, len(times) // 3, len(times) - 1):
            assert simulation.value(SENSOR, int(times[at])) == pytest.approx(values[at], abs=1e-6), mishap.kind


def test_a_stuck_sensor_says_one_thing_until_it_works_again() -> None:
    _, values = city(Mishap(SENSOR, "stuck", 10.0, 1.0, 0.0)).series(
        SENSOR, START_US + 10 * MINUTE_US, START_US + 100 * MINUTE_US
    )
    assert len(set(values[1:55].tolist())) == 1
    assert len(set(values[65:].tolist())) > 5


def test_delivery_faults_act_on_rows_whatever_the_batches() -> None:
    gateway = plan(7).sensors[SENSOR].gateway
    for kind, amount in (("dropout", 0.5), ("duplicate", 5.0), ("clock_jump", 600.0)):
        simulation = city(Mishap(SENSOR, kind, 10.0, 0.5, amount))

        def rows(*cuts: int, simulation: Simulation = simulation) -> list[tuple[int, float]]:
            found = []
            for first, last in pairwise(cuts):
                sent = simulation.samples(gateway, START_US + first * MINUTE_US, START_US + last * MINUTE_US)
                found += [(row[1], row[2]) for row in sent if row[0] == SENSOR]
            return sorted(found)

        whole = rows(0, 60)
        assert whole == rows(0, 7, 15, 16, 33, 60), kind
        calm = city().samples(gateway, START_US, START_US + 60 * MINUTE_US)
        usual = sum(row[0] == SENSOR for row in calm)
        assert {"dropout": len(whole) < usual, "duplicate": len(whole) > usual}.get(kind, len(whole) == usual)


def test_random_faults_are_a_dozen_of_the_seeds_own() -> None:
    found = at_random(plan(7))
    assert len(found) == 12
    assert found == at_random(plan(7)) != at_random(plan(8))
    assert len({mishap.sensor for mishap in found}) == 12
    simulation = Simulation(7, START_US, mishaps=found)
    truth = [json.loads(line) for line in simulation.mishaps.truth_lines().splitlines()]
    assert [(entry["what"], entry["sensors"]) for entry in truth] == [(one.kind, [one.sensor]) for one in found]
    for one in found:
        assert simulation.town.sensors[one.sensor].quantity in (KINDS[one.kind].domains or (
            simulation.town.sensors[one.sensor].quantity,
        ))  # fmt: skip
        _, values = simulation.series(one.sensor, START_US, START_US + 60 * MINUTE_US)
        assert np.isfinite(values).all()


def test_without_faults_nothing_changes() -> None:
    simulation = Simulation(7, START_US)
    assert simulation.mishaps.truth_lines() == b""
    assert simulation.mishaps.sensors == frozenset()
    assert SimulatorSettings("mqtt://x", Path(TRUTH), 1, 0, None).mishaps == ()  # type: ignore[arg-type]  # no clock is read


def test_every_mistake_in_a_file_is_told_with_its_place() -> None:
    text = """
- {sensor: gp-old-99, kind: drift, from_min: 3}
- {sensor: gp-old-01, kind: creep, from_min: 3}
- {sensor: gp-old-01, kind: drift, from_min: -3}
- {sensor: gp-old-01, kind: drift}
- {sensor: gp-old-01, kind: drift, from_min: 3, amount: much}
"""
    with pytest.raises(FaultyInput) as caught:
        load(text, "faults.yaml", plan(7))
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "5", "6"]
    for line, word in zip(
        lines, ("no such sensor", "no fault of a gas_pressure", "negative", "from_min", "number"), strict=True
    ):
        assert word in line
    with pytest.raises(FaultyInput, match="list"):
        load("sensor: gp-old-01", "faults.yaml", plan(7))


def test_a_folder_keeps_its_faults_and_refuses_others_once_it_plays(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(FILE)
    data = tmp_path / "data"
    data.mkdir()
    assert mishaps_of(data) == ()
    take_mishaps(data, 7, str(file))
    assert [one.kind for one in mishaps_of(data)] == ["drift", "stuck"]
    (data / "gateways").mkdir()
    take_mishaps(data, 7, str(file))
    with pytest.raises(InputError, match="try another --data"):
        take_mishaps(data, 7, "random")
    with pytest.raises(InputError, match="nowhere"):
        take_mishaps(data, 7, str(tmp_path / "nowhere.yaml"))


def test_the_truth_beside_the_data_tells_of_them_too(broker: str, tmp_path: Path) -> None:
    stop, clock = threading.Event(), SystemClock()
    stop.set()
    drift = Mishap(SENSOR, "drift", 30.0, 2.0, -6.0)
    run_simulator(SimulatorSettings(broker, tmp_path, 7, START_US, clock, mishaps=(drift,)), stop)
    truth = [json.loads(line) for line in (tmp_path / TRUTH).read_text().splitlines()]
    assert len(truth) == len(Simulation(7, START_US).storyline.acts) + 1
    assert (truth[-1]["what"], truth[-1]["sensors"], truth[-1]["amount"]) == ("drift", [SENSOR], -6.0)
    assert truth[-1]["from"] < truth[-1]["to"]
