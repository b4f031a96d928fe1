"""The simulated city over a real broker: every sample at least once, across stops, kills and a power failure."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from functools import partial
from pathlib import Path

import aiomqtt
import pytest

from city.broker_address import BrokerAddress
from city.clock import FastClock, SystemClock
from city.errors import InputError
from gateway.agent import AgentSettings
from gateway.outbox import Outbox
from gateway.simulate import Simulation, SimulatorSettings, run_simulator
from gateway.storyline import POWERLESS
from tests.running import PATIENCE_S

MINUTE_US = 60_000_000
SEED = 5

_SIMULATOR = """
import sys, threading
from pathlib import Path
from city.clock import FastClock
from gateway.simulate import SimulatorSettings, run_simulator
url, folder, start_us, clock = sys.argv[1:]
settings = SimulatorSettings(url, Path(folder), 5, int(start_us), FastClock.read(clock), durable=False)
run_simulator(settings, threading.Event())
"""


class Ear:
    """Hears everything the simulated city says."""

    def __init__(self) -> None:
        self.values: dict[str, dict[tuple[str, int], float]] = defaultdict(dict)
        self.seqs: dict[str, list[int]] = defaultdict(list)
        self.statuses: dict[str, list[bool]] = defaultdict(list)
        self.buffered: dict[str, int] = defaultdict(int)

    async def listen(self, broker: str, ready: asyncio.Event) -> None:
        address = BrokerAddress.of(broker)
        client = aiomqtt.Client(
            address.host, address.port, username=address.username, password=address.password, timeout=PATIENCE_S
        )
        async with client:
            await client.subscribe("lifeline/v1/+/+/#", qos=1)
            ready.set()
            async for message in client.messages:
                _, _, district, gateway, what = message.topic.value.split("/")
                assert isinstance(message.payload, bytes)
                payload = json.loads(message.payload)
                if not gateway.startswith(f"gw-{district}"):
                    continue  # another test's
                if what == "status":
                    self.statuses[gateway].append(payload["online"])
                    self.buffered[gateway] = max(self.buffered[gateway], payload.get("buffered", 0))
                else:
                    self.seqs[gateway].append(payload["seq"])
                    readings = payload["readings"]
                    self.values[gateway].update({(r["sensor"], r["time"] * 1000): r["value"] for r in readings})

    def reached(self, until_us: int) -> bool:
        newest = [max((time_us for _, time_us in values), default=0) for values in self.values.values()]
        return len(newest) == 16 and min(newest) >= until_us


async def test_power_loss_kill_and_stop_lose_nothing(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gateway.simulate.AgentSettings", partial(AgentSettings, drain_s=PATIENCE_S, timeout_s=PATIENCE_S)
    )
    wall_us = SystemClock().now_us()
    start_us = (wall_us - 200 * MINUTE_US) // 1_000_000 * 1_000_000
    simulation = Simulation(SEED, start_us)
    ear, ready = Ear(), asyncio.Event()
    listening = asyncio.create_task(ear.listen(broker, ready))
    await ready.wait()

    async def until(minute: float) -> None:
        while not ear.reached(start_us + round(minute * MINUTE_US)):
            await SystemClock().sleep_s(0.02)
            if listening.done():
                listening.result()

    def clock_from(minute: float) -> FastClock:
        """15 city minutes a second, from now: a slow start must not let the city's power cut pass unplayed."""
        return FastClock(start_us + round(minute * MINUTE_US), SystemClock().now_us(), speed=900.0)

    begin = 0.0
    for minute in (12.0, 30.0):  # killed twice before the power goes
        command = [sys.executable, "-c", _SIMULATOR, broker, str(tmp_path), str(start_us), clock_from(begin).spell()]
        process = subprocess.Popen(command)  # noqa: S603, ASYNC220 - our own text; starting takes no time
        await asyncio.wait_for(until(minute), PATIENCE_S)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        begin = minute
    stop = threading.Event()
    settings = SimulatorSettings(broker, tmp_path, SEED, start_us, clock_from(begin), durable=False)
    running = asyncio.create_task(asyncio.to_thread(run_simulator, settings, stop))
    await asyncio.wait_for(until(90.0), PATIENCE_S)
    stop.set()
    await asyncio.wait_for(running, PATIENCE_S)
    measured = {}
    for gateway in simulation.town.gateways:
        with Outbox(tmp_path / f"{gateway}.outbox") as outbox:
            measured[gateway] = int(outbox.note("measured_us") or 0)
            assert outbox.messages == 0
    await asyncio.wait_for(until(min(measured.values()) / MINUTE_US - start_us / MINUTE_US - 1), PATIENCE_S)
    expected = {g: simulation.samples(g, start_us, until_us) for g, until_us in measured.items()}
    async with asyncio.timeout(PATIENCE_S):  # the goodbye comes, too; nats-server does not speak every will
        while ear.statuses[POWERLESS][-1] or any(len(ear.values[one]) < len(rows) for one, rows in expected.items()):
            await SystemClock().sleep_s(0.02)
    listening.cancel()
    for gateway, rows in expected.items():
        assert ear.values[gateway] == {(sensor, time_us): value for sensor, time_us, value, *_ in rows}
        seqs = list(dict.fromkeys(ear.seqs[gateway]))
        assert sorted(seqs) == list(range(1, len(seqs) + 1))
    assert ear.buffered[POWERLESS] > 300  # 20 minutes of 20 sensors, some twice a minute
    assert len((tmp_path / "truth.jsonl").read_text().splitlines()) == len(simulation.storyline.acts)


def test_a_folder_of_another_city_is_refused(broker: str, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    clock = SystemClock()
    run_simulator(SimulatorSettings(broker, tmp_path, 1, clock.now_us(), clock), stop)
    with pytest.raises(InputError, match="seed 1, start"):
        run_simulator(SimulatorSettings(broker, tmp_path, 2, clock.now_us(), clock), stop)
    with pytest.raises(InputError, match="seed"):
        run_simulator(SimulatorSettings(broker, tmp_path, -1, clock.now_us(), clock), stop)
