"""The recorder against a real broker and a real PostgreSQL: nothing lost, none twice, whatever breaks."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import aiomqtt
import psycopg
import pytest

from city.broker_address import BrokerAddress
from city.clock import SystemClock, from_us, to_us
from city.errors import InputError, OutsideError
from city.load import load_city
from ingest.broker import EmbeddedBroker
from ingest.recorder import RecorderSettings, run_recorder
from store import bundle, journal, roles
from store.connection import Connection, connect
from tests.running import eventually, running

TOPIC = "lifeline/v1/north/gw-1/readings"
STATUS = "lifeline/v1/north/gw-1/status"
START = to_us(datetime(2026, 7, 1, tzinfo=UTC))
STEP = 10_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of this test's own: sessions and retained messages of other tests must not reach it."""
    with EmbeddedBroker(tmp_path / "broker") as server:
        yield server


@pytest.fixture
def broker(server: EmbeddedBroker) -> str:
    return server.url


def message(time_us: int, value: float, *, sensors: Sequence[str] = (), **fields: object) -> bytes:
    names = sensors or [f"wl-{number:03}" for number in range(20)]
    readings = [{"sensor": name, "time": time_us // 1000, "value": value} for name in names]
    return json.dumps({"readings": readings, **fields}).encode()


@dataclass
class Rig:
    """A recorder to be started, a gateway that publishes, and eyes on the database."""

    settings: RecorderSettings
    conn: Connection

    def recording(self) -> AbstractContextManager[None]:
        return running(run_recorder, self.settings)

    async def publish(self, *payloads: bytes, topic: str = TOPIC) -> None:
        address = BrokerAddress.of(self.settings.mqtt_url)
        async with aiomqtt.Client(
            address.host, address.port, username=address.username, password=address.password, timeout=60
        ) as client:
            for payload in payloads:
                await client.publish(topic, payload, qos=1)

    def one(self, query: LiteralString) -> object:
        row = self.conn.execute(query).fetchone()
        return row and (row[0] if len(row) == 1 else row)

    def rejections(self) -> list[tuple[str, str]]:
        return self.conn.execute("SELECT reason, sensor FROM city.rejections ORDER BY rejection").fetchall()

    def journaled(self) -> int:
        entries = journal.read(self.conn, 0, 100_000)
        return sum(len(journal.decode_readings(e.payload)) for e in entries if e.kind == "readings")

    def account(self) -> dict[str, int]:
        cursor = self.conn.execute(
            "SELECT published, received, stored, repeated, rejected, missing FROM city.gateways WHERE gateway = 'gw-1'"
        )
        row, columns = cursor.fetchone(), cursor.description
        assert row is not None
        assert columns is not None
        return dict(zip((column.name for column in columns), row, strict=True))

    def connected(self) -> bool:
        beat = roles.beats(self.conn).get("recorder")
        return beat is not None and bool(beat.detail.get("connected"))

    def heard(self) -> datetime | None:
        beat = roles.beats(self.conn).get("recorder")
        return beat.heard_until if beat else None


@pytest.fixture
def rig(city_database: str, conn: Connection, broker: str) -> Rig:
    return Rig(RecorderSettings(city_database, broker, SystemClock()), conn)


async def test_readings_arrive_with_all_that_belongs_to_them(rig: Rig) -> None:
    with rig.recording():
        eventually(rig.connected)
        await rig.publish(*(message(START + n * STEP, n, seq=n, sent_at=START // 1000) for n in range(5)))
        eventually(lambda: rig.one("SELECT count(*) = 100 FROM city.readings"))
    assert rig.journaled() == 100
    assert rig.one("SELECT count(*) FROM city.latest WHERE value = 4") == 19  # wl-001 is calibrated
    assert rig.account() == {
        "published": 100,
        "received": 100,
        "stored": 100,
        "repeated": 0,
        "rejected": 0,
        "missing": 0,
    }
    assert rig.one("SELECT last_seen IS NOT NULL AND skew_s > 0 FROM city.gateways WHERE gateway = 'gw-1'")
    detail = roles.beats(rig.conn)["recorder"].detail
    assert (detail["readings"], detail["messages"], detail["pending"]) == (100, 5, 0)


async def test_bad_input_is_quarantined_and_the_stream_goes_on(rig: Rig) -> None:
    def single(**changes: object) -> bytes:
        return json.dumps({"readings": [{"sensor": "wl-002", "time": START // 1000, "value": 1, **changes}]}).encode()

    bad = {
        "bad_json": b"\x00\xff\x9c random",
        "bad_message": b'{"temperature": 3}',
        "unknown_sensor": single(sensor="nob\\u0000ody\ud800"),
        "bad_value": single(value=float("nan")),
        "bad_value ": single(value="16.2"),
        "time_out_of_range": single(time=0),
        "too_big": b"[" * (2 << 20),
        "bad_unit": single(unit="kPa"),
    }
    with rig.recording():
        eventually(rig.connected)
        await rig.publish(message(START, 1, seq=1), *bad.values(), message(START + STEP, 2, seq=2))
        await rig.publish(message(START, 1), topic="lifeline/v1/north/stranger/readings")
        eventually(lambda: rig.one("SELECT count(*) = 40 FROM city.readings"))
        eventually(lambda: len(rig.rejections()) == len(bad) + 1)
    found = [reason for reason, _ in rig.rejections()]
    assert sorted(found) == sorted([*(reason.strip() for reason in bad), "unknown_gateway"])
    assert rig.one("SELECT bool_and(detail <> '') FROM city.rejections")
    assert rig.one("SELECT length(payload) FROM city.rejections WHERE reason = 'too_big'") == 64 << 10
    assert rig.one("SELECT detail ~ '2097152 bytes.*sha256' FROM city.rejections WHERE reason = 'too_big'")
    counts = rig.account()
    assert counts["published"] == counts["stored"] + counts["repeated"] + counts["rejected"] == 40 + len(bad)
    with rig.recording():  # acknowledged: nothing comes again
        await rig.publish(message(START + 2 * STEP, 3, seq=3))
        eventually(lambda: rig.one("SELECT count(*) = 60 FROM city.readings"))
    assert len(rig.rejections()) == len(bad) + 1


async def test_repeats_and_conflicts_are_told_apart(rig: Rig) -> None:
    with rig.recording():
        eventually(rig.connected)
        again = message(START, 7, sensors=["wl-003"])
        other = message(START, 8, sensors=["wl-003"])
        await rig.publish(again, again, other, other)
        eventually(lambda: rig.account()["published"] == 4)
    counts = rig.account()
    assert (counts["stored"], counts["repeated"], counts["rejected"]) == (1, 2, 1)
    assert rig.rejections() == [("conflict", "wl-003")]
    assert rig.one("SELECT value FROM city.readings") == 7
    assert rig.journaled() == 1


async def test_a_claim_of_the_future_is_stored_once_under_its_arrival(rig: Rig) -> None:
    ahead_us = SystemClock().now_us() // 1_000_000 * 1_000_000 + 3_600_000_000
    with rig.recording():
        eventually(rig.connected)
        await rig.publish(*[message(ahead_us, 7, sensors=["wl-003"])] * 2)
        eventually(lambda: rig.account()["published"] == 2)
    assert rig.one("SELECT count(*), max(flag), bool_and(time = received_at) FROM city.readings") == (1, 3, True)
    assert rig.one("SELECT reason, time FROM city.rejections") == ("future_time", from_us(ahead_us))
    assert rig.account()["repeated"] == 1


async def test_a_status_is_news_only_when_it_changes(rig: Rig) -> None:
    def buffered() -> object:
        return rig.one("SELECT online, buffered, version FROM city.gateways WHERE gateway = 'gw-1'")

    with rig.recording():
        eventually(rig.connected)
        await rig.publish(
            b'{"online": true, "time": 1782864000000, "buffered": 3, "version": "1.0"}',
            b'{"online": true, "buffered": 2, "version": "1.0"}',
            topic=STATUS,
        )
        eventually(lambda: buffered() == (True, 2, "1.0"))
        await rig.publish(b'{"online": false}', topic=STATUS)
        eventually(lambda: buffered() == (False, 0, ""))
    news = [json.loads(entry.payload) for entry in journal.read(rig.conn, 0, 100) if entry.kind == "status"]
    assert [(one["gateway"], one["online"]) for one in news] == [("gw-1", True), ("gw-1", False)]
    assert news[0]["time_us"] == 1782864000000_000
    assert news[1]["time_us"] == news[1]["received_us"] > START


async def test_missing_numbers_are_counted(rig: Rig) -> None:
    with rig.recording():
        eventually(rig.connected)
        await rig.publish(*(message(START + n * STEP, 1, sensors=["wl-003"], seq=n) for n in (1, 2, 6)))
        eventually(lambda: rig.account()["missing"] == 3)
    with rig.recording():  # the numbering goes on where it stood, and late ones still fill its gaps
        await rig.publish(*(message(START + n * STEP, 1, sensors=["wl-003"], seq=n) for n in (7, 4)))
        eventually(lambda: rig.account()["stored"] == 5)
    assert rig.account()["missing"] == 2


async def test_a_changed_city_folder_counts_from_the_next_reading(rig: Rig, files: dict[str, str]) -> None:
    with rig.recording():
        eventually(rig.connected)
        await rig.publish(message(START, 1, sensors=["new-1"]))
        eventually(lambda: rig.rejections() == [("unknown_sensor", "new-1")])
        files["sensors.csv"] += "new-1,gw-1,s1,water_depth,cm,10,,,,\n"
        bundle.apply(rig.conn, files, load_city(files), from_us(START))
        await rig.publish(message(START, 1, sensors=["new-1"]))
        eventually(lambda: rig.one("SELECT count(*) = 1 FROM city.readings WHERE sensor = 'new-1'"))


async def test_what_was_heard_moves_on_in_silence(rig: Rig) -> None:
    with rig.recording():
        eventually(rig.connected)
        started = SystemClock().now()
        eventually(lambda: (until := rig.heard()) is not None and until > started)
        first = rig.heard()
        eventually(lambda: rig.heard() != first)
    assert rig.rejections() == []


PROGRAM = """
import sys, threading
from city.clock import SystemClock
from ingest.recorder import RecorderSettings, run_recorder
from tests.running import eventually, running
run_recorder(RecorderSettings(sys.argv[1], sys.argv[2], SystemClock()), threading.Event())
"""


def start_process(settings: RecorderSettings) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", PROGRAM, settings.database_url, settings.mqtt_url]
    return subprocess.Popen(arguments)  # noqa: S603 - our own program


async def test_kill_nine_in_the_middle_loses_nothing_and_counts_nothing_twice(rig: Rig) -> None:
    total = 1500
    process = start_process(rig.settings)
    try:
        eventually(rig.connected)
        payloads = [message(START + n * STEP, n % 50, seq=n) for n in range(total)]
        for part in range(3):
            await rig.publish(*payloads[part * 500 : part * 500 + 400])
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            await rig.publish(*payloads[part * 500 + 400 : part * 500 + 500])
            process = start_process(rig.settings)
        eventually(lambda: rig.one("SELECT count(*) >= 30000 FROM city.readings"))
    finally:
        process.kill()
        process.wait()
    with rig.recording():  # whatever was left unacknowledged comes now
        restarted = SystemClock().now()
        eventually(lambda: (until := rig.heard()) is not None and until > restarted)
    assert rig.one("SELECT count(*) FROM city.readings") == total * 20
    assert rig.journaled() == total * 20
    counts = rig.account()
    assert counts["stored"] == total * 20
    assert counts["missing"] == 0
    assert counts["published"] == counts["stored"] + counts["repeated"]
    assert rig.rejections() == []


async def test_a_broker_that_is_killed_costs_nothing(rig: Rig, server: EmbeddedBroker) -> None:
    with rig.recording():
        eventually(rig.connected)
        await rig.publish(*(message(START + n * STEP, n % 50, seq=n) for n in range(300)))
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.pid is None)
        server.start()
        await rig.publish(*(message(START + n * STEP, n % 50, seq=n) for n in range(300, 400)))
        eventually(lambda: rig.one("SELECT count(*) = 8000 FROM city.readings"))
    assert rig.journaled() == 8000
    assert rig.account()["missing"] == 0


async def test_a_database_that_goes_away_and_comes_back_costs_nothing(
    server_folder: Path, broker: str, files: dict[str, str]
) -> None:
    from store.embedded import EmbeddedPostgres
    from store.migrate import migrate

    with EmbeddedPostgres(server_folder / f"away-{secrets.token_hex(4)}") as server:
        migrate(server.dsn)
        with connect(server.dsn, autocommit=True) as conn:
            bundle.apply(conn, files, load_city(files), from_us(START))
            rig = Rig(RecorderSettings(server.dsn, broker, SystemClock()), conn)
            with rig.recording():
                eventually(rig.connected)
                await rig.publish(message(START, 1, seq=0))
                eventually(lambda: rig.one("SELECT count(*) = 20 FROM city.readings"))
                server.stop()
                # More than the 40,000 rows that may pend: reading must pause, and go on.
                await rig.publish(*(message(START + n * STEP, n % 50, seq=n) for n in range(1, 2501)))
                server.start()
                eventually(lambda: stored_in(server.dsn) == 2501 * 20)
        with connect(server.dsn, autocommit=True) as conn:
            rig = Rig(rig.settings, conn)
            assert rig.journaled() == 2501 * 20
            assert rig.account()["missing"] == 0
            assert rig.rejections() == []


def stored_in(dsn: str) -> int:
    try:
        with connect(dsn, autocommit=True) as conn:
            row = conn.execute("SELECT count(*) FROM lifeline.readings").fetchone()
            return int(row[0]) if row else 0
    except (psycopg.Error, OutsideError):
        return 0


async def test_a_poisonous_row_is_quarantined_alone(rig: Rig) -> None:
    rig.conn.execute("ALTER TABLE lifeline.readings ADD CONSTRAINT poison CHECK (value <> 66)")
    with rig.recording():
        eventually(rig.connected)
        await rig.publish(*(message(START + n * STEP, 66 if n == 5 else n, sensors=["wl-003"]) for n in range(12)))
        eventually(lambda: rig.one("SELECT count(*) = 11 FROM city.readings"))
        eventually(lambda: [reason for reason, _ in rig.rejections()] == ["not_storable"])


def test_a_wrong_start_says_so(database: str, broker: str) -> None:
    stop = threading.Event()
    with pytest.raises(InputError, match="mqtt://user:password@host"):
        run_recorder(RecorderSettings(database, "http://somewhere", SystemClock()), stop)
    with pytest.raises(OutsideError, match="cannot connect"):
        run_recorder(RecorderSettings("postgresql://nobody:x@127.0.0.1:1/x", broker, SystemClock()), stop)
