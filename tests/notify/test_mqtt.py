"""The MQTT channel against real brokers: the embedded one (3.1.1) and mosquitto (5, with access rules and TLS)."""

from __future__ import annotations

import gc
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from city.broker_address import BrokerAddress
from city.clock import ManualClock
from city.levels import Level
from rules.notify.channels import send
from rules.notify.letter import Answer, GiveUp, Letter, Retry, Sent, Tools
from tests.notify.test_mail import certificate
from tests.running import PATIENCE_S, eventually, free_port

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
LETTER = Letter(
    "key-1", {"mqtt": "east"}, "s", "t", "<p>t</p>", '{"notice":"key-1","text":"积水"}'.encode(), "en", Level.RED, NOW,
    person="li",
)  # fmt: skip


def deliver(url: str, **settings: object) -> Answer:
    return deliver_it(LETTER, url, **settings)


def deliver_it(letter: Letter, url: str, **settings: object) -> Answer:
    with httpx.Client() as http:
        tools = Tools(http, ManualClock(NOW), {"BROKER": url, "PASSWORD": "right"}, timeout_s=PATIENCE_S)
        given = {"type": "mqtt", "topic": "notices/{person}", "url_env": "BROKER", **settings}
        return send(letter, {key: value for key, value in given.items() if value is not None}, tools)


@contextmanager
def listening(url: str, topic: str) -> Iterator[list[MQTTMessage]]:
    """What arrives on a topic while we listen."""
    address, heard, ready = BrokerAddress.of(url), list[MQTTMessage](), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(address.username or "", address.password)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: heard.append(message)
    client.connect(address.host, address.port)
    client.loop_start()
    assert ready.wait(PATIENCE_S)
    try:
        yield heard
        eventually(lambda: heard)
    finally:
        client.disconnect()
        client.loop_stop()


def test_the_body_arrives_on_the_persons_topic(broker: str) -> None:
    with listening(broker, "notices/#") as heard:
        assert isinstance(deliver(broker, topic="notices/{mqtt}/{person}"), Sent)
    [message] = heard
    assert message.topic == "notices/east/li"
    assert message.payload == LETTER.body
    assert message.qos == 1


def test_whoever_is_not_let_in_gives_up_and_the_channel_is_broken(broker: str) -> None:
    address = BrokerAddress.of(broker)
    answer = deliver(f"mqtt://{address.username}:wrong@{address.host}:{address.port}")
    assert isinstance(answer, GiveUp)
    assert answer.broken
    assert "wrong" not in answer.reason


def test_topics_that_are_patterns_or_not_filled_are_never_published_on() -> None:
    for topic in ("", "notices/#", "notices/+/x", "notices/{who}"):
        answer = deliver("mqtt://127.0.0.1:1", topic=topic)
        assert isinstance(answer, GiveUp), topic
        assert answer.broken


def test_what_people_have_for_addresses_is_never_a_pattern(broker: str) -> None:
    sly = replace(LETTER, to={"mqtt": "#", "phone": "+86471"})
    with listening(broker, "notices/#") as heard:
        assert isinstance(deliver_it(sly, broker, topic="notices/{mqtt}/{phone}"), Sent)
    assert [message.topic for message in heard] == ["notices/%23/%2B86471"]


def test_a_password_never_travels_in_the_clear() -> None:
    named = {"url_env": None, "host": "broker.example", "user": "lifeline", "password_env": "PASSWORD", "tls": False}
    for answer in (deliver("mqtt://u:secret@broker.example"), deliver("", **named)):
        assert isinstance(answer, GiveUp)
        assert "in the clear" in answer.reason
        assert "secret" not in answer.reason
    nowhere = deliver("", url_env=None)
    assert isinstance(nowhere, GiveUp)
    assert "host" in nowhere.reason


@pytest.fixture
def strict(mosquitto: Path, tmp_path: Path) -> Iterator[tuple[int, int, Path]]:
    """A mosquitto that lets people publish below `notices/` alone: its port, its port with TLS, its authority."""
    port, safe = free_port(), free_port()
    _, authority = certificate(tmp_path)
    rights, config = tmp_path / "rights", tmp_path / "mosquitto.conf"
    rights.write_text("topic readwrite notices/#\n", encoding="utf-8")
    key = tmp_path / "key.pem"
    key.chmod(0o644)
    tmp_path.chmod(0o755)
    config.write_text(
        f"per_listener_settings false\nallow_anonymous true\nacl_file {rights}\nlistener {port} 127.0.0.1\n"
        f"listener {safe} 127.0.0.1\ncertfile {authority}\nkeyfile {key}\nuser root\n",
        encoding="utf-8",
    )
    server = subprocess.Popen([str(mosquitto), "-c", str(config)], stderr=subprocess.DEVNULL)  # noqa: S603 - the tests' own
    try:
        eventually(lambda: not isinstance(deliver(f"mqtt://127.0.0.1:{port}"), Retry))
        yield port, safe, authority
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves a refused socket to the gc
def test_a_broker_with_rules_says_what_is_refused(strict: tuple[int, int, Path]) -> None:
    port, safe, authority = strict
    assert isinstance(deliver(f"mqtt://127.0.0.1:{port}"), Sent)  # though nobody listens there
    forbidden = deliver(f"mqtt://127.0.0.1:{port}", topic="other/{person}")
    assert isinstance(forbidden, GiveUp)
    assert forbidden.broken
    assert isinstance(deliver(f"mqtts://localhost:{safe}", ca_file=str(authority)), Sent)
    stranger = deliver(f"mqtts://localhost:{safe}")
    assert isinstance(stranger, GiveUp)
    assert "certificate not trusted" in stranger.reason
    gc.collect()
