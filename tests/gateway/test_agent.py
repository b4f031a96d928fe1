"""The agent over a real broker: at least once, oldest first, honest about being there."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from city.broker_address import BrokerAddress
from city.clock import ManualClock, SystemClock
from city.errors import InputError
from gateway.agent import Agent, AgentSettings
from gateway.envelope import body
from gateway.outbox import Outbox
from tests.running import PATIENCE_S

START = datetime(2026, 7, 1, 8, tzinfo=UTC)
START_US = 1_782_892_800_000_000
FAST = AgentSettings(back_off_s=(0.02, 0.1), timeout_s=PATIENCE_S)


@asynccontextmanager
async def listening(broker: str, topics: str) -> AsyncIterator[aiomqtt.Client]:
    address = BrokerAddress.of(broker)
    client = aiomqtt.Client(
        address.host, address.port, username=address.username, password=address.password, timeout=PATIENCE_S
    )
    async with client:
        await client.subscribe(topics, qos=1)
        yield client


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)


async def next_json(client: aiomqtt.Client) -> tuple[str, dict[str, Any]]:
    message = await asyncio.wait_for(anext(aiter(client.messages)), PATIENCE_S)
    assert isinstance(message.payload, bytes)
    return message.topic.value, json.loads(message.payload)


def one(n: int) -> tuple[bytes, int]:
    return body([(f"s-{n}", START_US + n * 1_000_000, float(n), "cm", 0)]), 1


def test_addresses_are_read_or_refused_without_showing_the_password() -> None:
    address = BrokerAddress.of("mqtts://gw:p%40ss@broker.example.org")
    assert (address.host, address.port, address.username, address.password) == (
        "broker.example.org",
        8883,
        "gw",
        "p@ss",
    )
    assert address.encrypted
    assert "p@ss" not in repr(address)
    for wrong in ("http://a", "mqtt://:secret@", "broker:1883", "mqtt://a:99999999"):
        with pytest.raises(InputError, match="try mqtt://") as caught:
            BrokerAddress.of(wrong)
        assert "secret" not in str(caught.value)


def test_names_that_no_topic_can_carry_are_refused(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox, pytest.raises(InputError, match="topic"):
        Agent("mqtt://127.0.0.1", "old/town", "gw", outbox, SystemClock())


async def test_publishes_oldest_first_and_forgets_only_what_is_confirmed(broker: str, tmp_path: Path) -> None:
    clock = ManualClock(START)
    with Outbox(tmp_path / "a.outbox") as outbox:
        outbox.put([one(n) for n in range(40)], now_us=0)
        agent = Agent(broker, "order", "gw-1", outbox, clock, FAST)
        async with listening(broker, "lifeline/v1/order/#") as client, running(agent):
            topic, first = await next_json(client)
            assert (topic, first["online"], first["buffered"]) == ("lifeline/v1/order/gw-1/status", True, 40)
            got = [await next_json(client) for _ in range(40)]
            assert [payload["seq"] for _, payload in got] == list(range(1, 41))
            assert got[3][1]["sent_at"] == START_US // 1000
            expected = {"sensor": "s-3", "time": START_US // 1000 + 3000, "value": 3.0, "unit": "cm"}
            assert got[3][1]["readings"] == [expected]
            _, drained = await next_json(client)
            assert (drained["online"], drained["buffered"]) == (True, 0)
            outbox.put([one(40)], now_us=0)
            agent.wake()
            assert (await next_json(client))[1]["seq"] == 41
        assert (outbox.messages, agent.published, agent.published_readings) == (0, 41, 41)


async def test_a_stop_drains_and_says_goodbye(broker: str, tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox:
        agent = Agent(broker, "bye", "gw-1", outbox, ManualClock(START), FAST)
        async with listening(broker, "lifeline/v1/bye/#") as client:
            async with running(agent):
                await next_json(client)
                outbox.put([one(n) for n in range(100)], now_us=0)
                agent.wake()
            assert outbox.messages == 0
            told = [await next_json(client) for _ in range(101)]
            while told[-1][0].endswith("readings") or told[-1][1]["online"]:
                told.append(await next_json(client))
            assert sum(topic.endswith("readings") for topic, _ in told) == 100
    async with listening(broker, "lifeline/v1/bye/gw-1/status") as client:
        assert (await next_json(client))[1]["online"] is False  # retained


async def test_without_power_the_will_speaks_and_the_outbox_waits(broker: str, tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox:
        agent = Agent(broker, "power", "gw-1", outbox, ManualClock(START), FAST)
        async with listening(broker, "lifeline/v1/power/#") as client, running(agent):
            assert (await next_json(client))[1]["online"] is True
            agent.power(False)
            _, gone = await next_json(client)
            assert gone["online"] is False
            assert not {"time", "buffered"} & set(gone)  # written long before: it must not pretend to know
            outbox.put([one(n) for n in range(20)], now_us=0)
            agent.wake()
            agent.power(True)
            _, back = await next_json(client)
            assert (back["online"], back["buffered"]) == (True, 20)
            assert [(await next_json(client))[1]["seq"] for _ in range(20)] == list(range(1, 21))


async def test_an_unreachable_broker_costs_nothing_but_delay(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox:
        outbox.put([one(1)], now_us=0)
        agent = Agent("mqtt://127.0.0.1:1", "far", "gw-1", outbox, ManualClock(START), FAST)
        async with running(agent):
            while not agent.last_error:
                await SystemClock().sleep_s(0.01)
        assert (outbox.messages, agent.connected) == (1, False)


_GATEWAY = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from city.clock import SystemClock
from gateway.agent import Agent
from gateway.envelope import body
from gateway.outbox import Outbox

async def main(url, path, total):
    outbox = Outbox(Path(path))
    agent = Agent(url, "kill", "gw-1", outbox, SystemClock())
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    for n in range(int(outbox.note("measured") or 0), total):
        row = ("s-1", 1_782_892_800_000_000 + n * 1_000_000, float(n), "", 0)
        outbox.put([(body([row]), 1)], now_us=0, notes={"measured": str(n + 1)})
        agent.wake()
        await SystemClock().sleep_s(0.001)
    while outbox.messages:  # a stop waits some seconds only
        await SystemClock().sleep_s(0.001)
    stop.set()
    await task
    outbox.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def test_kill_9_delivers_every_sample_at_least_once_with_its_own_time(broker: str, tmp_path: Path) -> None:
    total, kills = 600, (90, 200, 330)
    seen: dict[int, float] = {}
    command = [sys.executable, "-c", _GATEWAY, broker, str(tmp_path / "a.outbox"), str(total)]

    async with listening(broker, "lifeline/v1/kill/gw-1/readings") as client:

        async def hear(count: int) -> None:
            while len(seen) < count:
                _, payload = await next_json(client)
                seen.update((reading["time"], reading["value"]) for reading in payload["readings"])

        for count in kills:
            process = subprocess.Popen(command)  # noqa: S603, ASYNC220 - our own text; starting takes no time
            await hear(count)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        process = subprocess.Popen(command)  # noqa: S603, ASYNC220 - as above
        await hear(total)
        assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
    assert seen == {START_US // 1000 + n * 1000: float(n) for n in range(total)}
