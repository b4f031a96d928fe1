"""The recorder on MQTT 5, with a real mosquitto."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest

from city.clock import SystemClock, to_us
from ingest.recorder import RecorderSettings, run_recorder
from store import roles
from store.connection import Connection
from tests.running import PATIENCE_S, eventually, free_port, running

START = to_us(datetime(2026, 7, 1, tzinfo=UTC))


@pytest.fixture
def mqtt_5(mosquitto: Path, tmp_path: Path) -> Iterator[int]:
    """The port of a mosquitto of this test's own."""
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n")
    process = subprocess.Popen([mosquitto, "-c", config], stderr=subprocess.DEVNULL)  # noqa: S603 - our own server
    yield port
    process.terminate()
    process.wait()


def connected(conn: Connection) -> bool:
    beat = roles.beats(conn).get("recorder")
    return beat is not None and bool(beat.detail.get("connected"))


@pytest.mark.parametrize("share", ["", "recorders"])
async def test_nothing_is_lost_across_a_restart(mqtt_5: int, city_database: str, conn: Connection, share: str) -> None:
    settings = RecorderSettings(city_database, f"mqtt://127.0.0.1:{mqtt_5}", SystemClock(), share=share)

    async def publish(first: int, last: int) -> None:
        async with aiomqtt.Client("127.0.0.1", mqtt_5, timeout=PATIENCE_S) as client:
            for number in range(first, last):
                readings = [{"sensor": "wl-003", "time": START // 1000 + number * 1000, "value": 1}]
                payload = json.dumps({"seq": number, "readings": readings})
                await client.publish("lifeline/v1/north/gw-1/readings", payload, qos=1)

    def stored() -> int:
        row = conn.execute("SELECT count(*) FROM city.readings").fetchone()
        return int(row[0]) if row else 0

    for first in (0, 1000):
        with running(run_recorder, settings):
            eventually(lambda: connected(conn))
            await publish(first, first + 500)
            eventually(lambda want=first + 500: stored() == want)  # type: ignore[misc] # bound on purpose
        conn.execute("DELETE FROM lifeline.roles")
        await publish(first + 500, first + 1000)  # kept by the broker while nobody records
    assert stored() == 1500
