"""The embedded broker: found, started, private, durable, and gone with its parent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import psutil
import pytest

from city.errors import InputError, OutsideError
from ingest.broker import EmbeddedBroker, find_nats_server
from tests.running import PATIENCE_S, eventually


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        yield broker


def client(url: str, name: str, *, clean: bool = True) -> aiomqtt.Client:
    parts = urlsplit(url)
    return aiomqtt.Client(
        parts.hostname or "", parts.port or 0, username=parts.username, password=parts.password, identifier=name,
        clean_session=clean, timeout=PATIENCE_S,
    )  # fmt: skip


async def first_payload(subscriber: aiomqtt.Client) -> object:
    async for message in subscriber.messages:
        return message.payload
    return None


def test_the_binary_is_found_in_its_wheel() -> None:
    assert find_nats_server().name == "nats-server"


def test_a_wrong_binary_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELINE_NATS_SERVER", "/nowhere/nats-server")
    with pytest.raises(InputError, match="/nowhere/nats-server"):
        find_nats_server()


def test_secrets_are_readable_by_the_owner_only(embedded: EmbeddedBroker) -> None:
    for name in ("nats.conf", "access.json"):
        assert stat.S_IMODE((embedded.folder / name).stat().st_mode) == 0o600


def test_it_listens_on_loopback_only(embedded: EmbeddedBroker) -> None:
    listening = [c for c in psutil.Process(embedded.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


async def test_a_wrong_password_is_refused(embedded: EmbeddedBroker) -> None:
    parts = urlsplit(embedded.url)
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", parts.port or 0, username="lifeline", password="wrong"):  # noqa: S106 - meant
            pass


async def test_messages_for_an_absent_session_survive_kill_nine(embedded: EmbeddedBroker) -> None:
    url, big = embedded.url, b"x" * (2 << 20)
    async with client(url, "absent", clean=False) as subscriber:
        await subscriber.subscribe("a/+/b", qos=1)
    async with client(url, "sender") as sender:
        await sender.publish("a/1/b", b"kept", qos=1)
        await sender.publish("a/1/b", big, qos=1)
    assert embedded.pid is not None
    os.kill(embedded.pid, signal.SIGKILL)
    eventually(lambda: embedded.pid is None)
    assert embedded.start() == url, "ports and password stay the same across restarts"
    async with client(url, "absent", clean=False) as subscriber:
        assert await first_payload(subscriber) == b"kept"
        assert await first_payload(subscriber) == big


def test_starting_twice_is_one_server(embedded: EmbeddedBroker) -> None:
    pid = embedded.pid
    embedded.start()
    assert embedded.pid == pid


def test_a_start_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "nats-server"
    script.write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("LIFELINE_NATS_SERVER", str(script))
    with pytest.raises(OutsideError, match=r"code 3.*no space left"):
        EmbeddedBroker(tmp_path / "broker").start()


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ingest.broker import EmbeddedBroker;"
        "b = EmbeddedBroker(Path(sys.argv[1])); b.start(); sys.stdout.write(f'{b.pid}\\n'); sys.stdout.flush();"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(tmp_path / "broker")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        server = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        server.wait(PATIENCE_S)
    with EmbeddedBroker(tmp_path / "broker") as again:
        assert again.pid is not None
