"""The sign of life that leaves the house: it is there while everything lives, and stays away when anything does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from city.clock import FastClock, SystemClock, stopwatch_s, to_us
from rules.notify import NotifierSettings, run_notifier
from rules.notify.heartbeat import Heartbeat, why_silent
from rules.notify.zone import Home
from store.connection import Connection, pool
from store.roles import Beat, beat
from tests.notify.conftest import T0, Endpoint, Outbox
from tests.running import PATIENCE_S, eventually, running

HOME = Home({"en": "Bench", "zh": "台"}, heartbeat_env="BEAT_URL")


@pytest.fixture
def connections(database: str) -> Iterator[ConnectionPool[Connection]]:
    with pool(database, 2) as made:
        yield made


def alive(conn: psycopg.Connection[tuple[object, ...]], *but: str) -> None:
    for role in {"recorder", "watcher", "notifier"} - set(but):
        beat(conn, role, 1)


def heart(connections: ConnectionPool[Connection], url: str, pulse_s: float | None = None) -> Heartbeat:
    clock = FastClock(to_us(T0), SystemClock().now_us(), 1.0)
    return Heartbeat(connections, {"BEAT_URL": url}, clock, lambda: pulse_s or stopwatch_s(), timeout_s=PATIENCE_S)


def health(outbox: Outbox) -> tuple[str, str]:
    row = outbox.conn.execute("SELECT state, advice FROM city.health WHERE name = 'heartbeat'").fetchone()
    return (str(row[0]), str(row[1])) if row else ("", "")


def test_it_says_how_things_stand(outbox: Outbox, endpoint: Endpoint, connections: ConnectionPool[Connection]) -> None:
    alive(outbox.conn)
    outbox.notice("n", created_at=T0 - timedelta(seconds=30))
    assert heart(connections, endpoint.url).beat(HOME) == ""
    [(_, body)] = endpoint.seen
    said = msgspec.json.decode(body)
    assert said["city"] == "Bench"
    assert (said["incidents_open"], said["reds_open"], said["notices_waiting"]) == (1, 1, 1)
    assert 30 <= said["oldest_waiting_s"] < 60
    assert said["time"].startswith("2026-07-01T08:00:")
    assert health(outbox)[0] == "ok"


def test_it_carries_the_head_of_the_audit_log(
    outbox: Outbox, endpoint: Endpoint, connections: ConnectionPool[Connection]
) -> None:
    from store.audit import Deed, append

    alive(outbox.conn)
    with outbox.conn.transaction():
        append(outbox.conn, Deed("li", "command.confirm"))
    heart(connections, endpoint.url).beat(HOME)
    [(_, body)] = endpoint.seen
    seq, _, head = msgspec.json.decode(body)["audit"].partition(":")
    row = outbox.conn.execute("SELECT seq, encode(hash, 'hex') FROM lifeline.audit").fetchone()
    assert row == (int(seq), head)


@pytest.mark.parametrize("dead", ["recorder", "watcher"])
def test_it_stays_away_when_a_role_stands_still(
    dead: str, outbox: Outbox, endpoint: Endpoint, connections: ConnectionPool[Connection]
) -> None:
    alive(outbox.conn, dead)
    assert f"no {dead}" in heart(connections, endpoint.url).beat(HOME)
    beat(outbox.conn, dead, 1)
    outbox.conn.execute("UPDATE lifeline.roles SET beat_at = beat_at - interval '40 s' WHERE role = %s", (dead,))
    assert f"the {dead} has not beaten for 4" in heart(connections, endpoint.url).beat(HOME)  # 40 s, and a slow machine
    assert endpoint.seen == []
    assert health(outbox)[0] == "fault"
    assert dead in health(outbox)[1]
    beat(outbox.conn, dead, 1)
    assert heart(connections, endpoint.url).beat(HOME) == ""
    assert health(outbox) == ("ok", "")


def test_it_stays_away_when_the_notifiers_own_loop_stands_still(
    outbox: Outbox, endpoint: Endpoint, connections: ConnectionPool[Connection]
) -> None:
    alive(outbox.conn)
    assert "notifier" in heart(connections, endpoint.url, stopwatch_s() - 31).beat(HOME)
    assert endpoint.seen == []


def test_an_address_that_fails_is_a_fault_and_is_never_shown(
    outbox: Outbox, endpoint: Endpoint, connections: ConnectionPool[Connection]
) -> None:
    alive(outbox.conn)
    endpoint.plan = [500]
    assert "HTTP 500" in heart(connections, f"{endpoint.url}secret-token").beat(HOME)
    assert "BEAT_URL" in heart(connections, "").beat(HOME)
    assert "ConnectError" in heart(connections, "http://127.0.0.1:1/secret-token").beat(HOME)
    assert "secret-token" not in health(outbox)[1]


def test_a_beat_counts_by_its_age() -> None:
    now = SystemClock().now()
    young = {role: Beat(role, 1, now, now, 29.0, None, {}) for role in ("recorder", "watcher", "notifier")}
    assert why_silent(young, 0.0) == ""
    assert why_silent({}, 0.0).count("there is no") == 2


def test_the_running_notifier_beats_as_the_bundle_says_and_stops_with_the_watcher(
    outbox: Outbox, endpoint: Endpoint, database: str
) -> None:
    files = {
        "city.yaml": "name: Bench\ntimezone: UTC\n",
        "escalation.yaml": "heartbeat: {url_env: BEAT_URL, every: 1s}\n",
    }
    outbox.conn.execute(
        "INSERT INTO lifeline.bundles (bundle, files, applied_at) VALUES ('b', %s, now())", (Jsonb(files),)
    )
    outbox.conn.execute("INSERT INTO lifeline.current_bundle (bundle) VALUES ('b')")
    alive(outbox.conn)
    outbox.conn.execute("UPDATE lifeline.roles SET beat_at = beat_at + interval '1 h'")  # however long the start takes
    settings = NotifierSettings(database, "http://x", b"0" * 16, SystemClock(), environ={"BEAT_URL": endpoint.url})
    with running(run_notifier, settings):
        endpoint.wait(2)
        outbox.conn.execute("UPDATE lifeline.roles SET beat_at = now() - interval '40 s' WHERE role = 'watcher'")
        eventually(lambda: "the watcher has not beaten" in health(outbox)[1])
        heard, told = len(endpoint.seen), health(outbox)[1]
        eventually(lambda: health(outbox)[1] != told)  # it looked again, some seconds later
        assert len(endpoint.seen) == heard
