"""The simulated city at work: sixteen gateways, each with its own outbox and its own MQTT connection, in one process.

A gateway measures into its outbox and an agent carries it away. How far a gateway has measured is written in the same
transaction as the measurements themselves, so a kill -9 at any moment neither repeats nor skips a sample.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from city.clock import Clock, SystemClock
from city.errors import InputError, OutsideError
from city.tls import NO_FILES, TlsFiles
from gateway.agent import Agent, AgentSettings
from gateway.cityfolder import city_files, write_city, write_files
from gateway.envelope import body
from gateway.mishaps import Mishap
from gateway.noise import key
from gateway.outbox import Outbox
from gateway.simulation import Simulation, check_seed
from gateway.storyline import Storyline
from gateway.town import PlannedGateway
from gateway.waiting import follow, unless_stopped

__all__ = ["Simulation", "SimulatorSettings", "Storyline", "city_files", "run_simulator", "write_city"]

log = logging.getLogger(__name__)

TRUTH = "truth.jsonl"
_SECOND_US = 1_000_000
_CATCH_UP = 32  # messages in one transaction while a gateway has fallen behind
_RETRY_S = 1.0  # wall seconds between attempts while the disk refuses


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """What `run_simulator` needs.

    Parameters
    ----------
    mqtt_url
        The broker.
    folder
        Outboxes and `truth.jsonl`; kept between runs of the same seed and start.
    seed, start_us
        Which city, and minute 0 of its storyline (microseconds since 1970).
    clock
        The city's clock; samples are taken up to its now.
    history_s
        How long before the start the city has already been measured: uploaded at once, so that detectors know calm.
    durable
        Whether each outbox waits for the disk; see `Outbox`.
    mishaps
        Faults that were asked for, besides the storyline.
    tls
        Files for mqtts.
    """

    mqtt_url: str
    folder: Path
    seed: int
    start_us: int
    clock: Clock
    history_s: float = 0.0
    durable: bool = True
    mishaps: tuple[Mishap, ...] = ()
    tls: TlsFiles = NO_FILES


def run_simulator(settings: SimulatorSettings, stop: threading.Event) -> None:
    """Run every gateway of the city until `stop`; then drain what the broker takes within seconds and return.

    Raises
    ------
    InputError
        The address or seed is wrong, or the folder belongs to another seed or start.
    OutsideError
        The folder cannot be used.
    """
    simulation = Simulation(check_seed(settings.seed), settings.start_us, mishaps=settings.mishaps)
    truth = simulation.storyline.truth_lines() + simulation.mishaps.truth_lines()
    write_files(settings.folder, {TRUTH: truth.decode()})
    with ThreadPoolExecutor(2, "outbox") as disk:
        asyncio.run(_City(settings, simulation, disk).run(stop))


class _City:
    """All stations of one process."""

    def __init__(self, settings: SimulatorSettings, simulation: Simulation, disk: ThreadPoolExecutor) -> None:
        self._stations: list[_Station] = []
        try:
            for gateway in simulation.town.gateways.values():
                self._stations.append(_Station(settings, simulation, gateway, disk))
        except BaseException:
            self._close()
            raise

    async def run(self, stop: threading.Event) -> None:
        stopping, leaving = asyncio.Event(), asyncio.Event()
        following = asyncio.create_task(follow(stop, stopping))
        count = len(self._stations)
        log.info("simulator.started %d gateways", count, extra={"action": "simulator_started"})
        try:
            async with asyncio.TaskGroup() as lines:
                for station in self._stations:
                    lines.create_task(station.agent.run(leaving))
                async with asyncio.TaskGroup() as stations:
                    for station in self._stations:
                        stations.create_task(station.measure(stopping))
                leaving.set()  # only now: what was measured last is to be drained too
        finally:
            following.cancel()
            self._close()
            log.info("simulator.stopped", extra={"action": "simulator_stopped"})

    def _close(self) -> None:
        for station in self._stations:
            station.outbox.close()


class _Station:
    """One simulated gateway: measures on time, whether it has power or not."""

    def __init__(
        self, settings: SimulatorSettings, simulation: Simulation, gateway: PlannedGateway, disk: ThreadPoolExecutor
    ) -> None:
        self._simulation, self._gateway, self._clock, self._disk = simulation, gateway, settings.clock, disk
        self.outbox = Outbox(settings.folder / f"{gateway.id}.outbox", durable=settings.durable)
        line = AgentSettings(tls=settings.tls)
        self.agent = Agent(settings.mqtt_url, gateway.district, gateway.id, self.outbox, settings.clock, line, disk)
        self._interval_us = gateway.interval_s * _SECOND_US
        self._phase_us = key(settings.seed, gateway.id) % gateway.interval_s * _SECOND_US  # not all on the same second
        self._measured_us = self._resume(settings)

    def _resume(self, settings: SimulatorSettings) -> int:
        story = f"seed {self._simulation.seed}, start {self._simulation.start_us}"
        known = self.outbox.note("story")
        if known is None:
            begin_us = self._simulation.start_us - round(settings.history_s) * _SECOND_US
            self.outbox.put([], begin_us, {"story": story, "measured_us": str(begin_us)})
            return begin_us
        if known != story:
            self.outbox.close()
            raise InputError(f"{self.outbox.path}: measured {known}, got {story}, try a fresh folder")
        return int(self.outbox.note("measured_us") or 0)

    def _next_us(self, after_us: int) -> int:
        """The end of the publishing interval that follows `after_us`."""
        return after_us + self._interval_us - (after_us - self._phase_us) % self._interval_us

    async def measure(self, stopping: asyncio.Event) -> None:
        """Put every interval into the outbox as soon as it is over, until `stopping`."""
        stopped = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                now_us = self._clock.now_us()
                self.agent.power(self._simulation.storyline.powered(self._gateway.id, now_us))
                if (due_us := self._next_us(self._measured_us)) > now_us:
                    await unless_stopped(self._clock.sleep_s((due_us - now_us) / _SECOND_US), stopped)
                elif not await self._keep(now_us):
                    await unless_stopped(SystemClock().sleep_s(_RETRY_S), stopped)
        finally:
            stopped.cancel()

    async def _keep(self, now_us: int) -> bool:
        """Measure up to `now_us`, at most `_CATCH_UP` intervals; false when the disk refuses."""
        messages: list[tuple[bytes, int]] = []
        until_us = self._measured_us
        while len(messages) < _CATCH_UP and (due_us := self._next_us(until_us)) <= now_us:
            rows = self._simulation.samples(self._gateway.id, until_us, due_us)
            messages.append((body(rows), len(rows)))
            until_us = due_us
        keep = partial(self.outbox.put, messages, now_us, {"measured_us": str(until_us)})
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, keep)
        except OutsideError as error:  # a full disk is mended while the city goes on; what is due then is measured then
            log.warning("simulator.disk_refuses %s", error, extra={"action": "disk_refuses"})
            return False
        self._measured_us = until_us
        self.agent.wake()
        return True
