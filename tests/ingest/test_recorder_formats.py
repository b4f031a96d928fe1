"""The recorder through a real broker: every format on its topics, and what it says to Sparkplug's edge nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import cbor2
import pytest

from city.broker_address import BrokerAddress
from city.clock import SystemClock, stopwatch_s
from city.errors import OutsideError
from city.load import load_city
from ingest.broker import EmbeddedBroker
from ingest.decoders.protobuf import read_payload
from ingest.recorder import RecorderSettings, run_recorder
from store import bundle
from store.connection import connect
from tests.ingest.edge_node import birth, death, metric, payload
from tests.running import PATIENCE_S, running

T_MS = 1_782_864_000_000
STATE = "spBv1.0/STATE/lifeline"
SENSORS = "b-1,gw-1,s1,water_depth,cm,10,,,,\n"
MAPPING = (
    "version: 1\ntopic: acme/+/data\ngateway: gw-1\ntime: {path: $.ts, format: unix_ms}\n"
    "values: [{path: $.level, sensor: wl-003}]\n"
)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with EmbeddedBroker(tmp_path / "broker") as server:
        yield server.url


def query(database: str, sql: str) -> list[tuple[Any, ...]]:
    with connect(database) as conn:
        return conn.execute(sql.encode()).fetchall()


async def eventually(condition: Callable[[], object], within_s: float = 60) -> None:
    until_s = stopwatch_s() + within_s
    while not condition():
        assert stopwatch_s() < until_s, "did not happen"
        await SystemClock().sleep_s(0.05)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[aiomqtt.Client]:
    address = BrokerAddress.of(url)
    async with aiomqtt.Client(
        address.host, address.port, username=address.username, password=address.password, timeout=60
    ) as found:
        yield found


async def next_on(node: aiomqtt.Client, topic: str) -> bytes:
    async with asyncio.timeout(60):
        async for message in node.messages:
            if str(message.topic) == topic:
                return bytes(message.payload)
    raise AssertionError(topic)


def latest(database: str) -> dict[str, float]:
    return dict(
        query(database, "SELECT DISTINCT ON (sensor) sensor, value FROM city.readings ORDER BY sensor, time DESC")
    )


async def test_every_format_is_heard_also_by_a_mapping_of_later(
    city_database: str, url: str, files: dict[str, str]
) -> None:
    with running(run_recorder, RecorderSettings(city_database, url, SystemClock())):
        async with client(url) as node:
            await eventually(
                lambda: query(city_database, "SELECT 1 FROM lifeline.roles WHERE (detail->>'connected')::bool")
            )
            content = cbor2.dumps([{-3: T_MS / 1000, 0: "wl-001", 1: "mm", 2: 50}])
            await node.publish("lifeline/v1/north/gw-1/senml", content, qos=1)
            records = [{"bt": T_MS / 1000, "n": "wl-002", "v": 7}]
            await node.publish("lifeline/v1/north/gw-1/senml", json.dumps(records), qos=1)
            mended = files | {"mappings/acme.yaml": MAPPING}
            with connect(city_database, autocommit=True) as conn:
                bundle.apply(conn, mended, load_city(mended), datetime(2026, 7, 1, tzinfo=UTC))

            def mapped() -> bool:
                return "wl-003" in latest(city_database)

            until_s = stopwatch_s() + PATIENCE_S
            while not mapped():  # until it has subscribed, the broker has nobody to give it to
                assert stopwatch_s() < until_s
                await node.publish("acme/7/data", json.dumps({"ts": T_MS, "level": 3}), qos=1)
                await SystemClock().sleep_s(0.2)
    values = latest(city_database)
    assert (values["wl-001"], values["wl-002"], values["wl-003"]) == (11.0, 7.0, 3.0)  # 5 cm, calibrated


async def test_a_sparkplug_node_lives_and_dies(city_database: str, url: str, files: dict[str, str]) -> None:
    known = files | {"sensors.csv": files["sensors.csv"] + SENSORS}
    with connect(city_database, autocommit=True) as conn:
        bundle.apply(conn, known, load_city(known), datetime(2026, 7, 1, tzinfo=UTC))

    def online() -> bool | None:
        rows = query(city_database, "SELECT online FROM city.gateways WHERE gateway = 'gw-1'")
        return rows[0][0] if rows else None

    async with client(url) as node:
        await node.subscribe(STATE, qos=1)
        await node.subscribe("spBv1.0/north/NCMD/gw-1")
        with running(run_recorder, RecorderSettings(city_database, url, SystemClock())):
            said = json.loads(await next_on(node, STATE))
            assert said["online"] is True
            # Data of a session that began before the recorder did: it asks for the births.
            await node.publish("spBv1.0/north/NDATA/gw-1", payload(T_MS, 9, [metric(1.0, alias=1, datatype=None)]))
            command = read_payload(await next_on(node, "spBv1.0/north/NCMD/gw-1"))
            assert [one.name for one in command.metrics] == ["Node Control/Rebirth"]
            await node.publish("spBv1.0/north/NBIRTH/gw-1", birth(T_MS, 3, [metric(4.0, "b-1", 1, at_ms=T_MS)]))
            sent = payload(T_MS + 1000, 1, [metric(5.0, alias=1, datatype=None)])
            await node.publish("spBv1.0/north/NDATA/gw-1", sent)
            await eventually(lambda: latest(city_database).get("b-1") == 5.0 and online())
            await node.publish("spBv1.0/north/NDEATH/gw-1", death(2), qos=1)  # an older session's, come late
            await node.publish("spBv1.0/north/NDEATH/gw-1", death(3), qos=1)
            await eventually(lambda: online() is False)
            # Somebody, or our own old will, says that we are away: we are not.
            await node.publish(STATE, json.dumps({"online": False, "timestamp": said["timestamp"]}), qos=1, retain=True)
            assert json.loads(await next_on(node, STATE))["online"] is False
            again = json.loads(await next_on(node, STATE))
            assert again == said
        assert json.loads(await next_on(node, STATE)) == {"online": False, "timestamp": said["timestamp"]}
    assert query(city_database, "SELECT value FROM city.readings WHERE sensor = 'b-1' ORDER BY time") == [
        (4.0,),
        (5.0,),
    ]
    assert query(city_database, "SELECT reason FROM city.rejections") == [("unknown_alias",)]
    statuses = query(
        city_database,
        "SELECT convert_from(payload, 'UTF8')::jsonb->>'online' FROM lifeline.journal WHERE kind = 'status'"
        " ORDER BY seq",
    )
    assert statuses == [("true",), ("false",)]


async def test_a_recorder_that_is_killed_leaves_its_will(city_database: str, url: str, tmp_path: Path) -> None:
    import signal
    import subprocess
    import sys

    program = (
        "import sys, threading; from city.clock import SystemClock; "
        "from ingest.recorder import RecorderSettings, run_recorder; "
        "run_recorder(RecorderSettings(sys.argv[1], sys.argv[2], SystemClock()), threading.Event())"
    )
    async with client(url) as node:
        await node.subscribe(STATE, qos=1)
        child = subprocess.Popen([sys.executable, "-c", program, city_database, url])  # noqa: S603, ASYNC220 - our own program
        try:
            said = json.loads(await next_on(node, STATE))
            assert said["online"] is True
            child.send_signal(signal.SIGKILL)
            assert json.loads(await next_on(node, STATE)) == {"online": False, "timestamp": said["timestamp"]}
        finally:
            child.kill()
            child.wait()


def test_a_broker_that_forbids_sparkplug_does_not_stop_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    from ingest.decoders import TOPICS
    from ingest.link import Link, LinkSettings
    from ingest.mqtt.client import Client, Wishes
    from ingest.mqtt.fields import SUBACK
    from ingest.mqtt.packets import Connack, Suback

    link, other = (
        Link(LinkSettings(BrokerAddress.of("mqtt://127.0.0.1:1"), sparkplug_host=host), SystemClock())
        for host in ("me", "")
    )
    try:
        for one in (link, other):
            one._welcomed(client := Client(Wishes("recorder"), 0.0), Connack(False, 0, {}))
            [(number, asked)] = one._asked.items()
            if one is link:
                codes = tuple(1 if topic in TOPICS else 0x87 for topic in asked)
                one._subscribed(client, Suback(SUBACK, number, codes))
                assert "not allowed to hear spBv1.0/+/NBIRTH/+" in caplog.text
            else:
                with pytest.raises(OutsideError, match=r"subscription refused .not authorized"):
                    one._subscribed(client, Suback(SUBACK, number, (0x87,) * len(asked)))
        assert link.connected
        assert not other.connected
    finally:
        link.close()
        other.close()
