"""The city's hour in small: its load is what it says, goals are judged, nothing is lost."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.cityhour import CityHour, Part, city
from bench.faultline.cityload import LoadSettings, _Gateway, gateways
from bench.machine import local
from city.load import load_city
from ingest.decoders import decode
from ingest.message import ReadingsMessage

SECOND_US = 1_000_000
START_US = 1_782_864_000 * SECOND_US


def settings(folder: Path) -> LoadSettings:
    return LoadSettings("mqtt://127.0.0.1:1", str(folder), 1_200, 1, 2, 120, 60, 4.0, 7)


def test_a_load_measures_every_sensor_once_a_minute_and_a_bridge_at_50_hz(tmp_path: Path) -> None:
    load = settings(tmp_path)
    register = load_city(city(load))
    assert len(register.sensors) == 1_202
    with ThreadPoolExecutor(1) as disk:
        for name, sensors in gateways(load).items():
            gateway = _Gateway(name, sensors, load, disk)
            with gateway.outbox:
                made = gateway.miss(START_US, 120)
                messages = [each.body for each in gateway.outbox.oldest(999)]
            seen = list[tuple[str, int]]()
            for payload in messages:
                message = decode(f"lifeline/v1/east/{name}/readings", payload)
                assert isinstance(message, ReadingsMessage)
                assert not message.refused
                message.spread()
                seen += zip(message.sensor, message.time_us, strict=True)
            each = 120 * 50 if name.startswith("bridge") else 2
            assert len(set(seen)) == len(seen) == made == len(sensors) * each
            assert {register.sensors[sensor].gateway for sensor, _ in seen} == {name}
            first_us, last_us = min(time for _, time in seen), max(time for _, time in seen)
            assert first_us > START_US - 122 * SECOND_US
            assert last_us < START_US


def test_goals_are_met_or_not_and_a_load_that_lags_is_blamed(tmp_path: Path) -> None:
    cores = {"recorder": 0.2, "postgres": 0.2, "broker": 0.1, "gateways (load)": 0.9}
    part = Part("draining", 60.0, 3e4, cores, 0.5, 1.1, 1.4)
    report = CityHour(local(), "mosquitto", settings(tmp_path), (part,), 100, 100, 3, 0, 0, {}, "1", 0.1)
    assert [goal.met for goal in report.goals()] == [True, True, True]
    assert json.loads(report.json())["parts"][0]["system_cores"] == 0.5
    slow = replace(part, most_s=7.0, cores={"recorder": 1.2})
    bad = replace(report, parts=(slow,), stored=99, behind_s=6.0)
    assert [goal.met for goal in bad.goals()] == [False, False, False]
    console = Console(width=180)
    with console.capture() as seen:
        console.print(bad.render())
    assert "(the load itself was 6.00 s behind)" in seen.get()
