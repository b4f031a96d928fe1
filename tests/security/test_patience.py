"""Clients that are slow, many, or say what two readers would take for two things; see tests/http/test_guard.py too."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from lifeline.http import guard, patience
from tests.http.people import Serve
from tests.http.test_guard import all_of, raw
from tests.running import PATIENCE_S, eventually

if TYPE_CHECKING:
    from starlette.types import Message


GET = b"GET /healthz HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /api/v1/incidents HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_request_that_can_be_read_in_two_ways_is_not_read(client: httpx.Client) -> None:
    post = b"POST /login HTTP/1.1\r\n" + HOST
    for head in (
        post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        post + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd" + SMUGGLED,
        post + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        post + b"Content-Length: +4\r\n\r\nabcd" + SMUGGLED,
        post + b"Content-Length : 4\r\n\r\nabcd" + SMUGGLED,
        GET + b"Host: localhost\r\nHost: evil.example\r\n\r\n" + SMUGGLED,
        GET + b"X: a\0b\r\n" + HOST + b"\r\n" + SMUGGLED,
        b"GET /healthz\r\n\r\n" + SMUGGLED,
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
        GET + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
        GET + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    ):
        with raw(client) as line:
            line.sendall(head)
            line.shutdown(socket.SHUT_WR)
            answer = all_of(line)
        first = answer.split(b"\r\n", 1)[0]
        assert first.startswith(b"HTTP/1.1 4") or not first, (head[:80], first)
        assert answer.count(b"HTTP/1.1 ") <= 1, (head[:80], "what stood behind it was answered too")


@pytest.mark.usefixtures("world")
def test_idle_lines_are_cut_so_that_others_find_room(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 6)

    def lines() -> None:
        for _ in range(8):
            many.enter_context(raw(client)).sendall(b"GET / HT")

    def status() -> int:
        with httpx.Client(base_url=client.base_url, timeout=60) as other, suppress(httpx.TransportError):
            return other.get("/healthz").status_code
        return 0  # cut, too: this machine was slower than the patience below

    with serve() as client:
        with ExitStack() as many:
            monkeypatch.setattr(patience, "HEADERS_S", PATIENCE_S)
            lines()
            eventually(lambda: status() == 503)  # full, and it says so
        with ExitStack() as many:
            monkeypatch.setattr(patience, "HEADERS_S", 1.0)
            lines()
            eventually(lambda: status() == 200)


async def test_who_does_not_read_an_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "ANSWER_S", 0.05)

    async def stuck(_: Message) -> None:
        await asyncio.Event().wait()

    answer = guard._Answer({"type": "http"}, stuck, "x", secure=False)
    with pytest.raises(TimeoutError):
        await answer({"type": "http.response.body", "body": b"x" * 100})


def test_what_uvicorn_is_told_is_bounded() -> None:
    told = patience.server_options()
    assert told["limit_concurrency"] <= 1000
    assert told["h11_max_incomplete_event_size"] <= 64 * 1024
    assert told["timeout_keep_alive"] <= 60
    assert told["server_header"] is False
    assert told["ws"] == "none"
    assert patience.HEADERS_S <= 30
    assert guard.BODY_S <= 60
    assert socket.getdefaulttimeout() is None
