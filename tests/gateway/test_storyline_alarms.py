"""The storyline through the real engine: exactly the alarms it is meant to raise, and none on a calm day."""

from collections import defaultdict

import pytest

from city.levels import Flag
from city.reading import Sample
from city.units import converter
from detectors.registry import create
from gateway.cityfolder import city_files
from gateway.simulation import Simulation
from gateway.storyline import BRIDGE, POWERLESS, STORM_SITE
from rules.alarm.alarm import Alarm
from rules.check import load_files
from rules.effects import AlarmSet
from rules.engine import Engine
from rules.inputs import BundleIn, ReadingsIn, TickIn

START_US = 1_782_892_800_000_000
MINUTE_US = 60_000_000


def alarms(simulation: Simulation, minutes: int) -> list[Alarm]:
    """Every alarm of the first minutes; gateways without power are heard when they are back."""
    checked = load_files(city_files(simulation.seed, "http://127.0.0.1:9/crew"))
    units = {sensor.id: converter(sensor.unit, sensor.quantity.unit) for sensor in checked.city.sensors.values()}
    engine, seq, found = Engine(create), 1, dict[str, Alarm]()
    engine.step(seq, BundleIn("bundle", checked.book, checked.escalation), START_US)
    heard_us = dict.fromkeys(simulation.town.gateways, START_US)
    for minute in range(1, minutes + 1):
        now_us, samples = START_US + minute * MINUTE_US, []
        for gateway, since_us in heard_us.items():
            if not simulation.storyline.powered(gateway, now_us):
                continue
            for sensor, time_us, value, *_ in simulation.samples(gateway, since_us, now_us):
                scale, offset = units[sensor]
                samples.append(Sample(sensor, time_us, value * scale + offset, Flag.PASS, now_us))
            heard_us[gateway] = now_us
        for entry in (ReadingsIn(tuple(samples)), TickIn(now_us, now_us, 0)):
            seq += 1
            for effect in engine.step(seq, entry, now_us):
                if isinstance(effect, AlarmSet):
                    found[effect.alarm.id] = effect.alarm
    return list(found.values())


@pytest.mark.parametrize("seed", [1, 6])
def test_the_storyline_raises_what_it_tells(seed: int) -> None:
    simulation = Simulation(seed, START_US)
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for alarm in alarms(simulation, 100):
        told[alarm.rule, alarm.peak_level.word].add(alarm.scope)
        assert 0 < alarm.raised_us - START_US < 100 * MINUTE_US
    acts = {act.what: set(act.sensors) for act in simulation.storyline.acts}
    assert told.pop(("underpass-depth", "red")) == acts["flooded underpass"]
    assert {simulation.town.sensors[sensor].site for sensor in acts["flooded underpass"]} == {STORM_SITE}
    assert told.pop(("underpass-depth", "blue")) == acts["rising water"]
    assert told.pop(("ground-settlement", "orange")) | told.pop(("ground-settlement", "yellow")) == acts["settlement"]
    assert told.pop(("manhole-methane", "orange")) == acts["methane"]
    assert told.pop(("leak-under-sinking-street", "red")) == acts["methane"]
    assert told.pop(("bridge-strain", "yellow")) | told.pop(("bridge-tilt", "orange")) == acts["support drop"]
    assert all(simulation.town.sensors[sensor].site == BRIDGE for sensor in acts["support drop"])
    assert told.pop(("gateway-silent", "yellow")) == {POWERLESS}
    assert not told


def test_a_calm_evening_raises_nothing() -> None:
    assert alarms(Simulation(3, START_US, calm=True), 180) == []
