"""Servers at the other end of a channel, each named for what it does to us."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.running import PATIENCE_S

Behaviour = Callable[[BaseHTTPRequestHandler], None]
Conversation = Callable[[socket.socket], None]


def answering(status: int, **headers: str) -> Behaviour:
    """Answers at once."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def dropping_mid_answer(handler: BaseHTTPRequestHandler) -> None:
    """Hangs up in the middle of its first line."""
    handler.wfile.write(b"HTTP/1.1 20")
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def hanging(release: threading.Event) -> Behaviour:
    """Takes the request and says nothing until released."""

    def behave(_handler: BaseHTTPRequestHandler) -> None:
        release.wait(PATIENCE_S)

    return behave


class WebEnd:
    """An HTTP server that behaves as told and remembers what it got: (headers in lower case, body, path)."""

    def __init__(self, behave: Behaviour) -> None:
        seen = self.seen = list[tuple[dict[str, str], bytes, str]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append(({name.lower(): value for name, value in self.headers.items()}, body, self.path))
                behave(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def web(behave: Behaviour) -> Iterator[WebEnd]:
    """An HTTP server."""
    made = WebEnd(behave)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@contextmanager
def refusing() -> Iterator[int]:
    """A port that nobody listens on, and nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def talking(say: Conversation) -> Iterator[int]:
    """A bare TCP server: each call is answered by `say`, then hung up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_calls: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    call, _ = server.accept()
                except OSError:
                    return
                open_calls.append(call)
                try:
                    call.settimeout(PATIENCE_S)
                    say(call)
                except OSError:
                    pass
                finally:
                    call.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for call in open_calls:
                call.close()
            thread.join()


def silent(release: threading.Event) -> Conversation:
    """Takes the call and never says a word."""

    def say(_call: socket.socket) -> None:
        release.wait(PATIENCE_S)

    return say


def dropping(call: socket.socket) -> None:
    """Hears something and hangs up."""
    call.recv(1024)
