"""A gateway agent at work: sources into the outbox, the outbox to the city's broker, configurations swapped whole.

Theory of operation. Each source is read by a keeper of its own, which reports its state, counts its faults and tries
again with a growing pause; one that fails never touches the others. A new configuration (the file changed, or a
retained message on `…/config` where that is allowed) is read whole first: if it has a fault, or changes what a running
agent cannot change, nothing happens but a report. Sources whose configuration stayed the same go on unharmed; what the
others had read is on disk before they end. The outbox is never touched.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import FaultyInput, InputError, OutsideError
from gateway.agent import Agent, AgentSettings
from gateway.config import GatewayConfig, SourceConfig
from gateway.configfile import load_config, read_config
from gateway.intake import Intake
from gateway.outbox import Outbox
from gateway.setaside import open_outbox
from gateway.sources.make import make
from gateway.sources.source import Source, SourceFailed, Surroundings
from gateway.waiting import follow

log = logging.getLogger(__name__)

_LOOK_S = 1.0  # between looks at the file
_MOST_FAULTS = 20  # told in a status
PUSHED = "pushed.yaml"


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How keepers behave: first and longest pause (wall seconds) before a failed source is read again."""

    back_off_s: tuple[float, float] = (1.0, 60.0)
    line: AgentSettings = field(default_factory=AgentSettings)


class Keeper:
    """Reads one source for as long as it is wanted."""

    def __init__(self, config: SourceConfig, around: Surroundings, intake: Intake, edge: Edge) -> None:
        self.config = config
        self.state, self.last_error, self.last_bad = "starting", "", ""
        self.readings = self.bad = self.failures = 0
        self.source: Source | None = None
        self._around, self._intake, self._edge = around, intake, edge
        self._leaving = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        first_s, longest_s = self._edge.settings.back_off_s
        pause_s = first_s
        while True:
            before = self.readings
            try:
                await self._read()
                raise SourceFailed(f"{self.config.id}: ended")  # noqa: TRY301 - a source never ends by itself
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a device makes a library do, the others go on
                self._fail(error)
            if self.readings > before:
                pause_s = first_s
            await SystemClock().sleep_s(pause_s * random.uniform(0.75, 1.25))  # noqa: S311 - guards no secret
            pause_s = min(pause_s * 2, longest_s)

    def _fail(self, error: Exception) -> None:
        text = str(error) if isinstance(error, OutsideError) else f"{type(error).__name__}: {error}"
        self.failures += 1
        if (self.state, self.last_error) != ("failed", text):
            log.warning("source.failed %s: %s", self.config.id, text, extra={"action": "source_failed"})
            self.state, self.last_error = "failed", text
            self._edge.agent.tell()

    async def _read(self) -> None:
        await self._intake.flush()  # what it read before a failure is kept before it looks how far it had come
        self.source = make(self.config, self._around)
        async with aclosing(self.source.takes()) as takes:
            async for take in takes:
                if self._leaving:
                    continue  # not kept, not acknowledged: the next one reads it again
                if self.state != "running":
                    self.state = "running"
                    self._edge.agent.tell()
                if take.bad:
                    self.bad += take.bad
                    self.last_bad = take.why
                self.readings += len(take.rows)
                await self._intake.submit(take, self.config.priority)

    async def leave(self) -> None:
        """Stop reading; what was read is on disk, and acknowledged, before the source ends."""
        self._leaving = True
        await self._intake.flush()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def report(self) -> dict[str, object]:
        """What the status says of it."""
        said = {"id": self.config.id, "state": self.state, "readings": self.readings}
        counts = {"bad": self.bad, "failures": self.failures, "error": self.last_error, "bad_last": self.last_bad}
        return {**said, **{key: value for key, value in counts.items() if value}}


class Edge:
    """The whole agent.

    Parameters
    ----------
    path
        The configuration's file; watched for changes.
    config
        What stands in it.
    clock
        `sent_at`, status times, and times of readings that carry none.
    """

    def __init__(self, path: Path, config: GatewayConfig, clock: Clock, settings: EdgeSettings | None = None) -> None:
        self.path, self.config, self.settings = path, config, settings or EdgeSettings()
        self.keepers: dict[str, Keeper] = {}
        self._clock, self._disk = clock, ThreadPoolExecutor(1, "outbox")
        self._told_config: dict[str, object] = {"state": "from_file"}
        self.set_aside = ""
        self._seen = self._stamp()
        self._pushes: asyncio.Queue[bytes] = asyncio.Queue(1)
        self.outbox = self._open_outbox(config)
        self.agent = Agent(
            config.broker,
            config.district,
            config.gateway,
            self.outbox,
            clock,
            replace(self.settings.line, backlog_per_s=config.backlog_per_s, tls=config.tls),
            disk=self._disk,
        )
        self.agent.extra = self.report
        if config.accept_push:
            self.agent.listen("config", self._take_push)
        self.intake = Intake(
            self.outbox,
            clock,
            self._disk,
            gather_s=config.gather_s,
            hold=config.hold_when_full,
            woken=self.agent.wake,
            told=self.agent.tell,
        )

    def _open_outbox(self, config: GatewayConfig) -> Outbox:
        path = config.folder / f"{config.gateway}.outbox"
        outbox, self.set_aside = open_outbox(path, config.max_bytes, config.max_age_s, self._clock.now_us())
        return outbox

    def report(self) -> Mapping[str, object]:
        """What a status says beside what every gateway's says."""
        said: dict[str, object] = {
            "sources": [keeper.report() for keeper in self.keepers.values()],
            "config": self._told_config,
        }
        if self.intake.state != "ok":
            said["outbox"] = {"state": self.intake.state, "error": self.intake.trouble}
        if self.set_aside:
            said["set_aside"] = self.set_aside
        return said

    async def run(self, stop: threading.Event) -> None:
        """Work until `stop`; then keep what was read, drain for a few seconds, and close."""
        stopping, leaving = asyncio.Event(), asyncio.Event()
        intake = asyncio.create_task(self.intake.run())
        tasks = [
            asyncio.create_task(follow(stop, stopping)),
            asyncio.create_task(self._watch_config()),
            asyncio.create_task(self._tell_regularly()),
        ]
        line = asyncio.create_task(self.agent.run(leaving))
        stopped = asyncio.create_task(stopping.wait())
        try:
            await self._start()
            await asyncio.wait({stopped, line, intake, *tasks[1:]}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self.intake.state == "ok" and not intake.done():
                ending = asyncio.gather(*(keeper.leave() for keeper in self.keepers.values()))
                with suppress(TimeoutError):  # a disk that refuses from now on must not hold the stop
                    await asyncio.wait_for(ending, self.settings.line.drain_s)
            leaving.set()
            await asyncio.gather(line, return_exceptions=True)
            for task in (*tasks, intake, stopped, *(keeper._task for keeper in self.keepers.values())):
                task.cancel()
            done = await asyncio.gather(*tasks, intake, line, return_exceptions=True)
            self._disk.shutdown(wait=True)
            self.outbox.close()
        for error in done:
            if isinstance(error, Exception):
                raise error

    # -- configurations ------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        pushed = self.config.folder / PUSHED
        try:
            newer = self.config.accept_push and pushed.stat().st_mtime >= self.path.stat().st_mtime
            text = pushed.read_text(encoding="utf-8", errors="replace") if newer else ""
        except OSError:  # none was pushed, or it cannot be read: it is retained at the broker as well
            text = ""
        if text:
            await self._swap_text(text, "pushed")
        if not self.keepers:
            await self._swap(self.config)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size

    def _take_push(self, payload: bytes) -> None:
        if self._pushes.full():
            self._pushes.get_nowait()  # only the latest counts
        self._pushes.put_nowait(payload)

    async def _watch_config(self) -> None:
        wall = SystemClock()
        while True:
            await wall.sleep_s(_LOOK_S)
            if not self._pushes.empty():
                payload = self._pushes.get_nowait()
                if payload and await self._swap_text(payload.decode("utf-8", "replace"), "pushed"):
                    await asyncio.to_thread(_write, self.config.folder / PUSHED, payload)
            if (stamp := self._stamp()) not in (self._seen, (0, 0)):
                self._seen = stamp
                await self._swap_file()

    async def _swap_file(self) -> None:
        try:
            await self._accept(await asyncio.to_thread(read_config, self.path), "from_file")
        except (InputError, OutsideError) as error:
            self._refuse(error)

    async def _swap_text(self, text: str, origin: str) -> bool:
        try:
            await self._accept(load_config(text, PUSHED, self.path.parent), origin)
        except InputError as error:
            self._refuse(error)
            return False
        return True

    async def _accept(self, config: GatewayConfig, origin: str) -> None:
        if config.fixed != self.config.fixed:
            raise InputError(
                "a running agent keeps its district, gateway, broker, outbox and backlog, got others, try restarting it"
            )
        await self._swap(config)
        self._told_config = {"state": origin}
        self.agent.tell()

    def _refuse(self, error: InputError | OutsideError) -> None:
        faults = [str(fault) for fault in error.faults] if isinstance(error, FaultyInput) else [str(error)]
        self._told_config = {"state": "refused", "faults": faults[:_MOST_FAULTS]}
        log.warning("config.refused %s", faults[0], extra={"action": "config_refused"})
        self.agent.tell()

    async def _swap(self, config: GatewayConfig) -> None:
        """From the sources of now to those of `config`; nothing here can fail half-way."""
        wanted = {source.id: source for source in config.sources}
        ending = [keeper for name, keeper in self.keepers.items() if wanted.get(name) != keeper.config]
        await asyncio.gather(*(keeper.leave() for keeper in ending))
        around = Surroundings(config.gateway, self._clock, self.outbox.note)
        going = {name: keeper for name, keeper in self.keepers.items() if keeper not in ending}
        self.keepers = {
            name: going.get(name) or Keeper(source, around, self.intake, self) for name, source in wanted.items()
        }
        self.config = config

    async def _tell_regularly(self) -> None:
        wall, told_s = SystemClock(), stopwatch_s()
        while True:
            await wall.sleep_s(min(1.0, self.config.status_every_s))
            if stopwatch_s() - told_s >= self.config.status_every_s:
                told_s = stopwatch_s()
                try:
                    now_us = self._clock.now_us()
                    await asyncio.get_running_loop().run_in_executor(self._disk, self.outbox.expire, now_us)
                except OutsideError as error:  # the disk; the next put says so too
                    log.warning("outbox.expire %s", error, extra={"action": "outbox_expire"})
                self.agent.tell()


def _write(path: Path, payload: bytes) -> None:
    try:
        partial = path.with_name(f".{path.name}.new")
        partial.write_bytes(payload)
        partial.replace(path)
    except OSError as error:  # it is retained at the broker, and comes again after a restart
        log.warning("config.not_kept %s: %s", path, error.strerror, extra={"action": "config_not_kept"})


def run_gateway(path: Path, clock: Clock, stop: threading.Event) -> None:
    """Run the agent that `path` describes until `stop`.

    Raises
    ------
    InputError
        The file has faults (all of them are told).
    OutsideError
        The outbox cannot be used.
    """
    config = read_config(path)

    async def work() -> None:
        edge = Edge(path, config, clock)
        log.info("gateway.started %s, %d sources", config.gateway, len(config.sources), extra={"action": "started"})
        await edge.run(stop)

    asyncio.run(work())
