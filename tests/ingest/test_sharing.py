"""Recorders that share a subscription, of whom one hears Sparkplug; and sessions that a broker did not keep."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import timedelta

import aiomqtt
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from city.clock import SystemClock
from ingest import session
from ingest.recorder import RecorderSettings, run_recorder
from store.connection import Connection
from tests.ingest.edge_node import birth, metric, payload
from tests.ingest.fed import START, START_US
from tests.ingest.test_mosquitto import mqtt_5
from tests.running import eventually, listens, running

__all__ = ["mqtt_5"]  # a fixture
STATE = "spBv1.0/STATE/lifeline"


@pytest.fixture
def port(mqtt_5: int) -> int:
    """The broker's, once it listens."""
    eventually(lambda: listens(mqtt_5))
    return mqtt_5


def recorder(database: str, port: int, name: str, share: str = "all") -> AbstractContextManager[None]:
    return running(
        run_recorder, RecorderSettings(database, f"mqtt://127.0.0.1:{port}", SystemClock(), client_id=name, share=share)
    )


def count(conn: Connection, what: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM {what}".encode()).fetchone()  # noqa: S608 - of this file
    return int(row[0]) if row else 0


async def state(client: aiomqtt.Client, *, online: bool) -> None:
    """Wait until the host says that it is there, or not."""
    async for heard in client.messages:
        if json.loads(heard.payload)["online"] is online:
            return


async def test_one_of_them_hears_sparkplug_and_the_next_takes_over(
    conn: Connection, city_database: str, port: int
) -> None:
    async with aiomqtt.Client("127.0.0.1", port, timeout=60) as node:
        await node.subscribe(STATE, qos=1)
        await node.subscribe("spBv1.0/north/NCMD/gw-1", qos=1)

        async def speak(seq: int, value: float, at_s: int) -> None:
            told = metric(value, alias=1, at_ms=START_US // 1000 + at_s * 1000)
            await node.publish("spBv1.0/north/NDATA/gw-1", payload(START_US // 1000, seq, [told]), qos=1)

        async def be_born() -> None:
            born = birth(START_US // 1000, 0, [metric(4.0, "wl-003", 1)])
            await node.publish("spBv1.0/north/NBIRTH/gw-1", born, qos=1)

        with recorder(city_database, port, "one"):
            await state(node, online=True)
            with recorder(city_database, port, "two"):
                await be_born()
                for seq in range(1, 20):
                    await speak(seq, float(seq), seq)
                readings = [{"sensor": "wl-004", "time": START_US // 1000 + n * 1000, "value": n} for n in range(30)]
                for one in readings:
                    await node.publish("lifeline/v1/north/gw-1/readings", json.dumps({"readings": [one]}), qos=1)
                eventually(lambda: count(conn, "city.readings WHERE sensor = 'wl-003'") == 20)
                eventually(lambda: count(conn, "city.readings WHERE sensor = 'wl-004'") == 30)
                assert conn.execute("SELECT reason, sensor, detail FROM city.rejections").fetchall() == []
        await state(node, online=False)
        with recorder(city_database, port, "two"):
            await state(node, online=True)
            await be_born()
            await speak(1, 50.0, 51)
            await speak(2, 51.0, 52)
            eventually(lambda: count(conn, "city.readings WHERE value >= 50") == 2)
            assert conn.execute("SELECT reason, sensor, detail FROM city.rejections").fetchall() == []


async def test_a_session_that_the_broker_did_not_keep_is_told(conn: Connection, city_database: str, port: int) -> None:
    for _ in range(2):
        with recorder(city_database, port, "one", share=""):
            eventually(lambda: count(conn, "city.broker_sessions"))
    assert count(conn, "city.broker_sessions WHERE NOT lost") == 1
    thief = Client(CallbackAPIVersion.VERSION2, "one", protocol=MQTTProtocolVersion.MQTTv5)
    thief.connect("127.0.0.1", port, clean_start=True)
    thief.loop_start()
    eventually(thief.is_connected)
    thief.disconnect()
    thief.loop_stop()
    with recorder(city_database, port, "one", share=""):
        eventually(lambda: count(conn, "city.broker_sessions WHERE lost AND client LIKE 'one at mqtt://%'") == 1)


def test_of_recorders_that_share_the_one_that_lags_says_what_was_heard(conn: Connection) -> None:
    early, late = START, START + timedelta(seconds=20)
    assert session.beat(conn, "a", late, 7) == (late, 7)
    assert session.beat(conn, "b", None, 0) == (None, 7), "the second one has just begun"
    assert session.beat(conn, "b", early, 9) == (early, 7)
    assert session.beat(conn, "a", late, 7) == (early, 7)
    conn.execute("UPDATE lifeline.recorders SET beat_at = beat_at - interval '1 minute' WHERE client = 'b'")
    assert session.beat(conn, "a", late, 7) == (late, 7), "it was killed: nobody waits for it for ever"
    session.beat(conn, "b", early, 9)
    session.end(conn, "b")
    assert session.beat(conn, "a", late, 7) == (late, 7)
