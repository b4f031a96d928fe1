"""The webhook channel against real servers that behave badly."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket

import httpx
import pytest

from city.clock import ManualClock
from city.levels import Level
from rules.notify import webhook
from rules.notify.channels import send
from rules.notify.letter import Answer, GiveUp, Letter, Retry, Sent, Tools

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
Behaviour = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, **headers: str) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 20")
    handler.wfile.flush()
    handler.connection.shutdown(SHUT_RDWR)
    handler.close_connection = True


class Endpoint:
    """A server that behaves as told and remembers what it got."""

    def __init__(self, behave: Behaviour) -> None:
        seen = self.seen = list[tuple[dict[str, str], bytes]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
                behave(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@contextmanager
def endpoint(behave: Behaviour) -> Iterator[Endpoint]:
    made = Endpoint(behave)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


def letter(url: str) -> Letter:
    return Letter("key-1", {"webhook": url}, "s", "t", "<p>t</p>", b'{"a":1}', "en", Level.RED, NOW)


@pytest.fixture
def tools() -> Iterator[Tools]:
    with httpx.Client() as http:
        yield Tools(http, ManualClock(NOW), {"HOOK_SECRET": "s3cret"}, timeout_s=0.3)


def deliver(url: str, tools: Tools, **settings: object) -> Answer:
    return send(letter(url), {"type": "webhook", **settings}, tools)


def test_the_body_arrives_with_its_key_and_a_signature_one_can_check(tools: Tools) -> None:
    with endpoint(answer(200)) as server:
        assert deliver(server.url, tools, **{"secret_env": "HOOK_SECRET"}) == Sent("HTTP 200")
    [(headers, body)] = server.seen
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
    with endpoint(answer(status)) as server:
        assert isinstance(deliver(server.url, tools), expected)


def test_retry_after_in_seconds_and_as_a_date(tools: Tools) -> None:
    with endpoint(answer(429, Retry_After="17")) as server:
        assert deliver(server.url, tools) == Retry("HTTP 429", 17.0)
    date = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    with endpoint(answer(503, Retry_After=date)) as server:
        assert deliver(server.url, tools) == Retry("HTTP 503", 90.0)
    assert webhook.retry_after_s("soon", NOW) is None
    assert webhook.retry_after_s("-5", NOW) is None


def test_a_redirect_is_named_and_not_followed(tools: Tools) -> None:
    with endpoint(answer(302, Location="http://elsewhere.example/")) as server:
        given = deliver(server.url, tools)
    assert isinstance(given, GiveUp)
    assert "elsewhere" in given.reason
    assert len(server.seen) == 1


def test_an_answer_cut_off_in_the_middle_is_tried_again(tools: Tools) -> None:
    with endpoint(drop) as server:
        assert isinstance(deliver(server.url, tools), Retry)


def test_a_server_that_hangs_is_left_after_the_timeout(tools: Tools) -> None:
    release = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        release.wait(20)

    with endpoint(hang) as server:
        given = deliver(server.url, tools)
        release.set()
    assert isinstance(given, Retry)
    assert "Timeout" in given.reason


def test_nobody_listening_is_tried_again(tools: Tools) -> None:
    with socket() as bound:  # bound, not listening: refuses
        bound.bind(("127.0.0.1", 0))
        assert isinstance(deliver(f"http://127.0.0.1:{bound.getsockname()[1]}/", tools), Retry)


def test_what_no_retry_can_mend_is_given_up_and_named(tools: Tools) -> None:
    for url in ("", "ftp://example.org", "javascript:alert(1)"):
        assert isinstance(deliver(url, tools), GiveUp)
    missing = deliver("http://127.0.0.1:1/", tools, **{"secret_env": "NOT_SET_ANYWHERE"})
    assert isinstance(missing, GiveUp)
    assert "NOT_SET_ANYWHERE" in missing.reason
    unknown = send(letter("http://x"), {"type": "pigeon"}, tools)
    assert isinstance(unknown, GiveUp)
    assert "pigeon" in unknown.reason
