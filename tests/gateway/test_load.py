"""The load generator: as many readings as said, seeded, through agents, on this machine only."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from city.clock import SystemClock
from city.errors import InputError
from gateway.load import LoadReport, LoadSettings, run_load, sensor_name, values
from lifeline.cli import run_command
from tests.gateway.edging import connected


async def test_it_makes_what_was_asked_and_every_reading_is_confirmed_once(broker: str) -> None:
    settings = LoadSettings(broker, SystemClock(), sensors=1500, per_s=6000, duration_s=1.0)
    seen: dict[tuple[str, int], float] = {}
    count = 0
    async with connected(broker) as client:
        await client.subscribe("lifeline/v1/load/+/readings", qos=1)
        load: asyncio.Task[LoadReport] = asyncio.create_task(asyncio.to_thread(run_load, settings, threading.Event()))
        async with asyncio.timeout(60):
            async for message in client.messages:
                for reading in json.loads(message.payload)["readings"]:
                    seen[reading["sensor"], reading["time"]] = reading["value"]
                    count += 1
                if count >= 6000:
                    break
        report = await load
    assert (report.gateways, report.made, report.confirmed) == (2, 6000, 6000)
    assert len(seen) == count == 6000
    assert {sensor for sensor, _ in seen} == {sensor_name(n) for n in range(1500)}
    in_order = [
        value
        for _, value in sorted((time, value) for (sensor, time), value in seen.items() if sensor == sensor_name(3))
    ]
    assert in_order == values(7, 0, 6000, 1500)[3::1500]


def test_a_seed_decides_the_values() -> None:
    assert values(1, 10, 50, 7) == values(1, 0, 60, 7)[10:]
    assert values(1, 0, 50, 7) != values(2, 0, 50, 7)


def test_a_broker_elsewhere_is_refused_and_bounds_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = "mqtt://broker.example.org"
    assert run_command(["simulate", "--sensors", "5", "--mqtt-url", elsewhere, "--data", str(tmp_path)]) == 1
    assert "brokers on this machine, got mqtt://broker.example.org:1883, try --force" in capsys.readouterr().err
    with pytest.raises(InputError, match="--rate: must be above 0, got -1"):
        run_load(LoadSettings("mqtt://127.0.0.1", SystemClock(), 5, -1, 1), threading.Event())
