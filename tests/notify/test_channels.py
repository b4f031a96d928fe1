"""What every channel promises, against real servers: taken, refused, hanging, dropped; no address, no secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from city.clock import ManualClock, stopwatch_s
from city.levels import Level
from rules.notify.channels import CHANNELS, send
from rules.notify.letter import Answer, GiveUp, Letter, NoAddress, Retry, Sent, Tools
from tests.notify.wires import answering, dropping, refusing, silent, talking, web
from tests.running import PATIENCE_S

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
TO = {
    "name": "Li Na", "email": "li@example.org", "phone": "+8647100000000", "mqtt": "east/li", "apprise": "chat 7",
}  # fmt: skip
KINDS = sorted(CHANNELS)


@dataclass(frozen=True)
class End:
    """The other end: its port, and for MQTT the broker's whole address."""

    port: int
    mqtt: str = ""


def letter(end: End, without: str = "") -> Letter:
    given = {**TO, "webhook": f"http://127.0.0.1:{end.port}/hook"}
    known = {name: value for name, value in given.items() if name != without}
    return Letter(
        "key-1", known, "Red warning: water", "in full", "<p>in full</p>",
        b'{"notice":"key-1"}', "en", Level.RED, NOW, short="in brief", person="li",
    )  # fmt: skip


def settings(kind: str, end: End) -> dict[str, object]:
    own: dict[str, dict[str, object]] = {
        "webhook": {},
        "smtp": {"host": "127.0.0.1", "port": end.port, "from": "lifeline@city.example"},
        "mqtt": {"topic": "notices/{person}/{mqtt}", "url_env": "BROKER"},
        "apprise": {"url_env": "CHAT"},
    }
    return {"type": kind, **own[kind]}


def tools_for(end: End, timeout_s: float = PATIENCE_S) -> Tools:
    environ = {"BROKER": end.mqtt or f"mqtt://127.0.0.1:{end.port}", "CHAT": f"json://127.0.0.1:{end.port}/{{phone}}"}
    return Tools(httpx.Client(), ManualClock(NOW), environ, timeout_s)


def deliver(kind: str, end: End, timeout_s: float = PATIENCE_S, without: str = "") -> Answer:
    tools = tools_for(end, timeout_s)
    with tools.http:
        return send(letter(end, without), settings(kind, end), tools)


class Mailbox:
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "250 taken"


@contextmanager
def well(kind: str, broker: str) -> Iterator[End]:
    with ExitStack() as stack:
        if kind == "mqtt":
            yield End(0, broker)
        elif kind == "smtp":
            with refusing() as port:
                pass
            controller = Controller(Mailbox(), hostname="127.0.0.1", port=port)
            controller.start()
            stack.callback(controller.stop)
            yield End(port)
        else:
            yield End(stack.enter_context(web(answering(200))).port)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_well_takes_it(kind: str, broker: str) -> None:
    with well(kind, broker) as end:
        assert isinstance(deliver(kind, end, 5.0), Sent)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_listening_is_tried_again(kind: str) -> None:
    with refusing() as port:
        assert isinstance(deliver(kind, End(port)), Retry)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_never_answers_is_left_in_time(kind: str) -> None:
    release = threading.Event()
    with talking(silent(release)) as port:
        began_s = stopwatch_s()
        answer = deliver(kind, End(port), 0.3)
        took_s = stopwatch_s() - began_s  # else as long as the server is silent
        release.set()
    assert isinstance(answer, Retry)
    assert took_s < PATIENCE_S / 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_breaks_is_tried_again(kind: str) -> None:
    with talking(dropping) as port:
        answer = deliver(kind, End(port), 0.5)
    assert isinstance(answer, Retry)
    assert answer.reason


@pytest.mark.parametrize(
    ("kind", "address"), [("webhook", "webhook"), ("smtp", "email"), ("mqtt", "mqtt"), ("apprise", "phone")]
)
def test_a_person_without_an_address_is_no_fault_of_the_channel(kind: str, address: str) -> None:
    answer = deliver(kind, End(1), without=address)
    assert isinstance(answer, NoAddress)
    assert address in answer.reason


@pytest.mark.parametrize(
    ("kind", "setting"),
    [("webhook", "secret_env"), ("smtp", "password_env"), ("mqtt", "url_env"), ("apprise", "url_env")],
)
def test_a_secret_that_is_not_set_breaks_the_channel_and_is_named(kind: str, setting: str) -> None:
    end = End(1)
    tools = tools_for(end)
    with tools.http:
        answer = send(letter(end), {**settings(kind, end), setting: "NOT_SET_HERE"}, tools)
    assert isinstance(answer, GiveUp)
    assert answer.broken
    assert "NOT_SET_HERE" in answer.reason


@pytest.mark.parametrize("kind", ["webhook", "smtp", "mqtt"])
def test_an_authority_that_cannot_be_read_breaks_the_channel(kind: str) -> None:
    end = End(1, "mqtts://127.0.0.1:1")
    tools = tools_for(end)
    with tools.http:
        answer = send(letter(end), {**settings(kind, end), "ca_file": "/nowhere/ca.pem"}, tools)
    assert isinstance(answer, GiveUp)
    assert answer.broken
    assert "/nowhere/ca.pem" in answer.reason
