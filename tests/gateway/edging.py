"""A gateway agent under test, and an ear at the city's broker."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock
from gateway.agent import AgentSettings
from gateway.configfile import read_config
from gateway.edge import Edge, EdgeSettings
from tests.running import PATIENCE_S

FAST = EdgeSettings(back_off_s=(0.02, 0.1), line=AgentSettings(back_off_s=(0.02, 0.1), timeout_s=PATIENCE_S))


def write_config(folder: Path, broker: str, sources: str, name: str = "gw-1", head: str = "") -> Path:
    path = folder / "gateway.yaml"
    start = f"version: 1\ndistrict: edge\ngateway: {name}\nbroker: {broker}\ngather: 20ms\n{head}"
    path.write_text(f"{start}outbox: {{folder: box}}\nsources:\n{sources}", encoding="utf-8")
    return path


@asynccontextmanager
async def running(path: Path, clock: Clock | None = None) -> AsyncIterator[Edge]:
    edge = Edge(path, read_config(path), clock or SystemClock(), FAST)
    stop = threading.Event()
    task = asyncio.create_task(edge.run(stop))
    try:
        yield edge
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)


class Ear:
    """What a gateway has told the broker: readings in the order of their coming, and the latest status."""

    def __init__(self) -> None:
        self.readings: list[dict[str, Any]] = []
        self.seqs: list[int] = []
        self.messages: list[tuple[int, list[float]]] = []  # numbers, and the values in each
        self.live: list[float] = []  # values of the sensor `live`
        self.status: dict[str, Any] = {}
        self.heard = asyncio.Event()
        self.listening: asyncio.Task[None] | None = None

    def values(self, sensor: str) -> list[float]:
        return [each["value"] for each in self.readings if each["sensor"] == sensor]

    async def until(self, condition: Any) -> None:  # noqa: ANN401 - a function of nothing
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                if self.listening is not None and self.listening.done():
                    self.listening.result()  # the connection broke: say so instead of waiting in vain
                self.heard.clear()
                await self.heard.wait()

    async def while_waiting(self, process: subprocess.Popen[bytes]) -> int:
        """Go on listening until a process has ended; its exit code."""
        return await asyncio.wait_for(asyncio.to_thread(process.wait), PATIENCE_S)


@asynccontextmanager
async def listening(broker: str, name: str = "gw-1") -> AsyncIterator[Ear]:
    address = BrokerAddress.of(broker)
    client = aiomqtt.Client(
        address.host, address.port, username=address.username, password=address.password, timeout=PATIENCE_S
    )
    ear = Ear()

    async def hear() -> None:
        async for message in client.messages:
            said = json.loads(message.payload)
            if message.topic.value.endswith("/status"):
                ear.status = said
            else:
                ear.seqs.append(said["seq"])
                ear.readings += said["readings"]
                ear.messages.append((said["seq"], [each["value"] for each in said["readings"]]))
                ear.live += [each["value"] for each in said["readings"] if each["sensor"] == "live"]
            ear.heard.set()

    async with client:
        await client.subscribe(f"lifeline/v1/edge/{name}/readings", qos=1)
        await client.subscribe(f"lifeline/v1/edge/{name}/status", qos=1)
        task = ear.listening = asyncio.create_task(hear())
        task.add_done_callback(lambda _: ear.heard.set())
        try:
            yield ear
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def connected(broker: str) -> AsyncIterator[aiomqtt.Client]:
    address = BrokerAddress.of(broker)
    async with aiomqtt.Client(
        address.host, address.port, username=address.username, password=address.password, timeout=PATIENCE_S
    ) as client:
        yield client
