"""The webhook channel against real servers that behave badly."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from city.clock import ManualClock
from city.levels import Level
from rules.notify import webhook
from rules.notify.channels import send
from rules.notify.letter import Answer, GiveUp, Letter, Retry, Sent, Tools
from tests.notify.wires import answering, dropping_mid_answer, hanging, refusing, web
from tests.running import PATIENCE_S

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)


def letter(url: str) -> Letter:
    return Letter("key-1", {"webhook": url}, "s", "t", "<p>t</p>", b'{"a":1}', "en", Level.RED, NOW)


@pytest.fixture
def tools() -> Iterator[Tools]:
    with httpx.Client() as http:
        yield Tools(http, ManualClock(NOW), {"HOOK_SECRET": "s3cret"}, timeout_s=PATIENCE_S)


def deliver(url: str, tools: Tools, **settings: object) -> Answer:
    return send(letter(url), {"type": "webhook", **settings}, tools)


def test_the_body_arrives_with_its_key_and_a_signature_one_can_check(tools: Tools) -> None:
    with web(answering(200)) as server:
        assert deliver(server.url, tools, **{"secret_env": "HOOK_SECRET"}) == Sent("HTTP 200")
    [(headers, body, _)] = server.seen
    assert body == b'{"a":1}'
    assert headers["idempotency-key"] == "key-1"
    moment, mac = (part.split("=")[1] for part in headers["lifeline-signature"].split(","))
    assert moment == str(int(NOW.timestamp()))
    assert mac == hmac.new(b"s3cret", f"{moment}.".encode() + body, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Sent), (201, Sent), (202, Sent), (204, Sent), (299, Sent),
        (301, GiveUp), (302, GiveUp), (307, GiveUp),
        (400, GiveUp), (401, GiveUp), (403, GiveUp), (404, GiveUp), (409, GiveUp), (410, GiveUp), (422, GiveUp),
        (408, Retry), (429, Retry),
        (500, Retry), (502, Retry), (503, Retry), (504, Retry), (599, Retry),
    ],
)  # fmt: skip
def test_the_table_of_statuses(status: int, expected: type[Answer], tools: Tools) -> None:
    with web(answering(status)) as server:
        assert isinstance(deliver(server.url, tools), expected)


def test_retry_after_in_seconds_and_as_a_date(tools: Tools) -> None:
    with web(answering(429, Retry_After="17")) as server:
        assert deliver(server.url, tools) == Retry("HTTP 429", 17.0)
    date = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    with web(answering(503, Retry_After=date)) as server:
        assert deliver(server.url, tools) == Retry("HTTP 503", 90.0)
    assert webhook.retry_after_s("soon", NOW) is None
    assert webhook.retry_after_s("-5", NOW) is None


def test_a_redirect_is_named_and_not_followed(tools: Tools) -> None:
    with web(answering(302, Location="http://elsewhere.example/")) as server:
        given = deliver(server.url, tools)
    assert isinstance(given, GiveUp)
    assert "elsewhere" in given.reason
    assert len(server.seen) == 1


def test_an_answer_cut_off_in_the_middle_is_tried_again(tools: Tools) -> None:
    with web(dropping_mid_answer) as server:
        assert isinstance(deliver(server.url, tools), Retry)


def test_a_server_that_hangs_is_left_after_the_timeout(tools: Tools) -> None:
    release = threading.Event()
    with web(hanging(release)) as server:
        given = deliver(server.url, replace(tools, timeout_s=0.3))
        release.set()
    assert isinstance(given, Retry)
    assert "Timeout" in given.reason


def test_nobody_listening_is_tried_again(tools: Tools) -> None:
    with refusing() as port:
        assert isinstance(deliver(f"http://127.0.0.1:{port}/", tools), Retry)


def test_what_no_retry_can_mend_is_given_up_and_named(tools: Tools) -> None:
    for url in ("", "ftp://example.org", "javascript:alert(1)"):
        assert isinstance(deliver(url, tools), GiveUp)
    missing = deliver("http://127.0.0.1:1/", tools, **{"secret_env": "NOT_SET_ANYWHERE"})
    assert isinstance(missing, GiveUp)
    assert "NOT_SET_ANYWHERE" in missing.reason
    unknown = send(letter("http://x"), {"type": "pigeon"}, tools)
    assert isinstance(unknown, GiveUp)
    assert "pigeon" in unknown.reason
