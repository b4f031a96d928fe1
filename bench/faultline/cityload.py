"""The load of a city's hour, in a process of its own: `python -m bench.faultline.cityload SETTINGS`.

First the outage: what every gateway would have measured before now is put into its outbox, as many messages as there
would have been. Then the lines come up: the backlog drains at its rate, and what is measured now goes first. Once the
backlog has gone, measuring goes on for a while. A state file tells how far it is. Outboxes do not wait for the disk:
in a city each has a disk of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from city.clock import SystemClock, stopwatch_s
from gateway.agent import Agent, AgentSettings
from gateway.envelope import Row, body
from gateway.outbox import Outbox

DISTRICT = "east"
EACH = 1_000  # sensors of a gateway
HERTZ = 50
_SLICES = 10  # gateways take turns within a second
_SECOND_US = 1_000_000
_TOGETHER = 500  # messages in one transaction while the outage is made
_TELL_S = 0.5
_ENDING_S = 60.0


@dataclass(frozen=True)
class LoadSettings:
    """How large: sensors of one reading a minute, bridges of so many channels at 50 Hz, outage and time after it.

    `drain` says how many times as fast as it measures a gateway drains.
    """

    url: str
    folder: str
    sensors: int
    bridges: int
    channels: int
    outage_s: int
    steady_s: int
    drain: float
    seed: int

    @property
    def per_s(self) -> float:
        """Readings a second that the city measures."""
        return self.sensors / 60 + self.bridges * self.channels * HERTZ

    def json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


@dataclass
class LoadState:
    """How far the load is: `phase` is making, draining, steady, ending or done; readings made and confirmed.

    `behind_us` is the most that measuring itself ran behind the clock: lateness that is the load's own.
    """

    phase: str = "making"
    live_us: int = 0
    made: int = 0
    backlog: int = 0
    confirmed: int = 0
    behind_us: int = 0


def gateways(settings: LoadSettings) -> dict[str, list[str]]:
    """Sensors by gateway: a thousand each, and a gateway for each bridge."""
    names = [f"city-{number:06d}" for number in range(settings.sensors)]
    found = {f"gw-{at // EACH:03d}": names[at : at + EACH] for at in range(0, len(names), EACH)}
    for bridge in range(settings.bridges):
        found[f"bridge-{bridge:02d}"] = [f"strain-{bridge:02d}-{one:02d}" for one in range(settings.channels)]
    return found


class _Gateway:
    """One gateway: an outbox, a line, and what it measures each second."""

    def __init__(self, name: str, sensors: list[str], settings: LoadSettings, disk: ThreadPoolExecutor) -> None:
        self.sensors, self.bridge, self.disk = sensors, name.startswith("bridge"), disk
        per_s = len(sensors) * (HERTZ if self.bridge else 1 / 60)
        line = AgentSettings(window=10, backlog_per_s=settings.drain * per_s, drain_s=_ENDING_S)
        self.outbox = Outbox(Path(settings.folder) / f"{name}.outbox", max_readings=1 << 40, durable=False)
        self.agent = Agent(settings.url, DISTRICT, name, self.outbox, SystemClock(), line, disk)
        self.values = np.round(np.random.default_rng([settings.seed, len(name)]).normal(0.0, 1.0, 8192), 2).tolist()
        self.turn = self.made = 0

    def second(self, end_us: int) -> tuple[bytes, int]:
        """What was measured in the second before `end_us`: a message and how many readings it holds."""
        self.turn += 1
        if self.bridge:
            start_ms, first = end_us // 1000 - 1000, self.turn * 61 % 4096
            blocks = [
                {
                    "sensor": name,
                    "start": start_ms,
                    "step_ms": 1000 // HERTZ,
                    "values": self.values[first + at * HERTZ : first + (at + 1) * HERTZ],
                }
                for at, name in enumerate(self.sensors)
            ]
            return msgspec.json.encode({"series": blocks}), HERTZ * len(self.sensors)
        rows: list[Row] = [
            (name, end_us, self.values[(self.turn * 17 + at) % 8192], "", 0)
            for at, name in enumerate(self.sensors[self.turn % 60 :: 60])
        ]
        return body(rows), len(rows)

    def miss(self, until_us: int, seconds: int) -> int:
        """Keep what was measured while there was no line; how many readings."""
        messages = [self.second(until_us - (seconds - at) * _SECOND_US) for at in range(seconds)]
        for first in range(0, len(messages), _TOGETHER):
            self.outbox.put([each for each in messages[first : first + _TOGETHER] if each[1]], 0)
        return sum(each[1] for each in messages)

    async def measure(self, end_us: int) -> int:
        """Keep the last second, and wake the line; how many readings."""
        message = self.second(end_us)
        if message[1]:
            await asyncio.get_running_loop().run_in_executor(self.disk, partial(self.outbox.put, [message], 0))
            self.agent.wake()
        return message[1]


class _Load:
    def __init__(self, settings: LoadSettings, disk: ThreadPoolExecutor) -> None:
        self.settings, self.state, self.clock = settings, LoadState(), SystemClock()
        self.gateways = [_Gateway(name, names, settings, disk) for name, names in gateways(settings).items()]
        self._told_s = 0.0

    def tell(self, phase: str) -> None:
        state = self.state
        state.phase = phase
        state.backlog = sum(gateway.outbox.readings for gateway in self.gateways)
        state.confirmed = sum(gateway.agent.published_readings for gateway in self.gateways)
        path = Path(self.settings.folder) / "state.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(state)))
        new.replace(path)
        self._told_s = stopwatch_s()

    async def run(self) -> None:
        settings, stop = self.settings, asyncio.Event()
        now_us = self.clock.now_us() // _SECOND_US * _SECOND_US
        for gateway in self.gateways:
            self.state.made += gateway.miss(now_us, settings.outage_s)
            self.tell("making")
        lines = [asyncio.create_task(gateway.agent.run(stop)) for gateway in self.gateways]
        # whole milliseconds, and never an instant of the outage
        self.state.live_us = self.clock.now_us() // _SECOND_US * _SECOND_US + 2 * _SECOND_US
        await self._measure()
        self.tell("ending")
        end_s = stopwatch_s() + _ENDING_S
        while any(gateway.outbox.messages for gateway in self.gateways) and stopwatch_s() < end_s:
            await self.clock.sleep_s(0.05)
        stop.set()
        await asyncio.gather(*lines)
        self.tell("done")
        for gateway in self.gateways:
            gateway.outbox.close()

    async def _measure(self) -> None:
        """Each gateway once a second, a tenth of them every tenth of it, until the time after the backlog is over."""
        tick, until_us, phase = 0, 1 << 62, "draining"
        while (at_us := self.state.live_us + tick * _SECOND_US // _SLICES) < until_us:
            await self.clock.sleep_s((at_us - self.clock.now_us()) / 1e6)
            self.state.behind_us = max(self.state.behind_us, self.clock.now_us() - at_us)
            for gateway in self.gateways[tick % _SLICES :: _SLICES]:
                self.state.made += await gateway.measure(at_us)
            tick += 1
            if phase == "draining" and tick > _SLICES and all(each.outbox.messages < 10 for each in self.gateways):
                phase, until_us = "steady", at_us + self.settings.steady_s * _SECOND_US
            if stopwatch_s() - self._told_s > _TELL_S:
                self.tell(phase)


async def _work(settings: LoadSettings) -> None:
    with ThreadPoolExecutor(1, "outbox") as disk:
        await _Load(settings, disk).run()


if __name__ == "__main__":
    given = LoadSettings(**json.loads(sys.argv[1]))
    Path(given.folder).mkdir(parents=True, exist_ok=True)
    asyncio.run(_work(given))
