"""A load generator: many sensors at a steady rate, through the same outboxes and agents as any gateway."""

from __future__ import annotations

import asyncio
import ipaddress
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from city.tls import NO_FILES, TlsFiles
from gateway.agent import Agent, AgentSettings
from gateway.envelope import Row, body
from gateway.noise import key
from gateway.outbox import Outbox
from gateway.waiting import follow

_EACH = 1000  # sensors of a gateway
_TICK_S = 0.2  # a message of each gateway at most
_MOST_READINGS = 500  # a message
_LINE_S = 30.0  # without a broker
DISTRICT = "load"
_UNITS = ("cm", "%LEL", "um/m", "mm")
_CALM = ((0.0, 10.0), (0.0, 3.0), (-80.0, 80.0), (-2.0, 2.0))


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What load to make.

    Parameters
    ----------
    mqtt_url, clock
        The broker; the time of readings.
    sensors, per_s
        How many sensors, 1 or more, and how many readings a second all of them make together, above 0.
    duration_s
        For how long, above 0.
    seed
        Decides the values.
    force
        Whether the broker may be on another machine.
    tls
        Files for mqtts.
    """

    mqtt_url: str
    clock: Clock
    sensors: int
    per_s: float
    duration_s: float
    seed: int = 7
    force: bool = False
    tls: TlsFiles = NO_FILES


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was made and confirmed by the broker; `behind` is the longest that confirming ran behind making."""

    gateways: int
    made: int
    confirmed: int
    seconds: float
    behind_s: float

    @property
    def per_second(self) -> float:
        """Readings confirmed a second."""
        return self.confirmed / self.seconds if self.seconds > 0 else 0.0


def sensor_name(number: int) -> str:
    """The name of a sensor of the load: `load-000017`, at gateway `load-gw-000`."""
    return f"load-{number:06d}"


def values(seed: int, first: int, count: int, sensors: int) -> list[float]:
    """The values of readings `first` to `first + count`: a function of the seed and of nothing else."""
    number = np.arange(first, first + count)
    which, turn = number % sensors, number // sensors
    low, high = np.array(_CALM).T
    # a slow wave, each sensor in a phase of its own
    phase = (which * 2654435761 + key(seed, "load") % 4294967291) % 4294967296 / 4294967296
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (phase + turn / 60))
    found: list[float] = np.round(low[which % 4] + (high - low)[which % 4] * wave, 3).tolist()
    return found


def run_load(settings: LoadSettings, stop: threading.Event) -> LoadReport:
    """Make the load until its time is over or `stop`, and wait for the broker to confirm it.

    Raises
    ------
    InputError
        A bound is wrong, or the broker is not on this machine and that was not forced.
    OutsideError
        The broker stays away.
    """
    for name, value in (("sensors", settings.sensors), ("rate", settings.per_s), ("seconds", settings.duration_s)):
        if not value > 0:
            raise InputError(f"--{name}: must be above 0, got {value:g}, try 100")
    address = BrokerAddress.of(settings.mqtt_url)
    if not settings.force and not _is_loopback(address.host):
        raise InputError(f"a load is for brokers on this machine, got {address}, try --force when it is yours to load")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lifeline-load-")))
        return asyncio.run(_Load(settings, folder, stack).run(stop))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Load:
    """Gateways of a thousand sensors each, all in one process."""

    def __init__(self, settings: LoadSettings, folder: Path, stack: ExitStack) -> None:
        self._settings, self._wall = settings, SystemClock()
        self._disk = stack.enter_context(ThreadPoolExecutor(2, "outbox"))
        self._agents: list[Agent] = []
        for n in range(-(-settings.sensors // _EACH)):
            outbox = stack.enter_context(Outbox(folder / f"{n}.outbox", max_readings=1 << 40, durable=False))
            line = AgentSettings(window=10, tls=settings.tls)
            name = f"load-gw-{n:03d}"
            self._agents.append(Agent(settings.mqtt_url, DISTRICT, name, outbox, settings.clock, line, disk=self._disk))
        self._made, self._behind_s, self._last_us = 0, 0.0, 0

    async def run(self, stop: threading.Event) -> LoadReport:
        stopping, leaving = asyncio.Event(), asyncio.Event()
        following = asyncio.create_task(follow(stop, stopping))
        lines = [asyncio.create_task(agent.run(leaving)) for agent in self._agents]
        try:
            await self._until(lambda: all(agent.connected for agent in self._agents), stopping)
            began_s = stopwatch_s()
            await self._make(began_s, stopping)
            await self._until(lambda: self._confirmed >= self._made, stopping)
            took_s = stopwatch_s() - began_s
        finally:
            leaving.set()
            following.cancel()
            await asyncio.gather(*lines)
        return LoadReport(len(self._agents), self._made, self._confirmed, took_s, self._behind_s)

    @property
    def _confirmed(self) -> int:
        return sum(agent.published_readings for agent in self._agents)

    async def _make(self, began_s: float, stopping: asyncio.Event) -> None:
        settings = self._settings
        total = round(settings.per_s * settings.duration_s)
        while self._made < total and not stopping.is_set():
            due = min(total, int((stopwatch_s() - began_s) * settings.per_s))
            if due > self._made:
                await self._put(due - self._made)
                self._behind_s = max(self._behind_s, (self._made - self._confirmed) / settings.per_s - _TICK_S)
            await self._wall.sleep_s(_TICK_S - (stopwatch_s() - began_s) % _TICK_S)

    async def _put(self, count: int) -> None:
        """Make the next readings, sensors in turn; no sensor has two values of one instant."""
        settings, first = self._settings, self._made
        now_us = max(settings.clock.now_us() // 1000 * 1000, self._last_us + 1000)
        rounds = (first % settings.sensors + count - 1) // settings.sensors
        rows: dict[int, list[Row]] = {}
        for n, value in enumerate(values(settings.seed, first, count, settings.sensors), first):
            sensor = n % settings.sensors
            time_us = now_us + (n // settings.sensors - first // settings.sensors) * 1000
            rows.setdefault(sensor // _EACH, []).append((sensor_name(sensor), time_us, value, _UNITS[sensor % 4], 0))
        self._last_us = now_us + rounds * 1000
        for gateway, mine in rows.items():
            parts = [mine[start : start + _MOST_READINGS] for start in range(0, len(mine), _MOST_READINGS)]
            put = partial(self._agents[gateway].outbox.put, [(body(part), len(part)) for part in parts], now_us)
            await asyncio.get_running_loop().run_in_executor(self._disk, put)
            self._agents[gateway].wake()
        self._made += count

    async def _until(self, condition: Callable[[], bool], stopping: asyncio.Event) -> None:
        """Until it holds; OutsideError when nothing is confirmed for too long."""
        since_s, confirmed = stopwatch_s(), self._confirmed
        while not condition() and not stopping.is_set():
            if self._confirmed != confirmed:
                since_s, confirmed = stopwatch_s(), self._confirmed
            if stopwatch_s() - since_s > _LINE_S:
                raise OutsideError(f"load: no answer from the broker for {_LINE_S:g} s, try: its log")
            await self._wall.sleep_s(0.01)
