"""The other end of notices, on this machine: a webhook and a mail server that take everything and remember when."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import msgspec

from city.clock import Clock


@dataclass(frozen=True, slots=True)
class Arrival:
    """One notice: when it came (µs), its key, kind, level, and the sensor it is about."""

    at_us: int
    key: str
    kind: str
    level: str
    sensor: str


@dataclass
class Arrivals:
    """All that came, in order; for several threads."""

    clock: Clock
    came: list[Arrival] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes) -> None:
        """A notice's JSON came."""
        at_us, said = self.clock.now_us(), msgspec.json.decode(body)
        sensor = str((said.get("facts") or {}).get("sensor", ""))
        with self.news:
            self.came.append(Arrival(at_us, said["notice"], said["kind"], said["level"], sensor))
            self.news.notify_all()


class WebSink:
    """A context manager: `url` takes POSTs of notices."""

    def __init__(self, clock: Clock) -> None:
        self.arrivals = arrivals = Arrivals(clock)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections stay open, as with real receivers

            def do_POST(self) -> None:
                arrivals.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook sink")
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class MailSink:
    """A context manager: an SMTP server on `port` that counts what it takes."""

    def __init__(self) -> None:
        self.port, self.taken, self.pictures = 0, 0, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="mail sink")
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _serve(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._talk, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))  # noqa: TID251 - a turn of the loop, for what was cancelled

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 bench\r\n")
        try:
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    message = await reader.readuntil(b"\r\n.\r\n")
                    self.taken += 1
                    self.pictures += b"Content-Type: image/png" in message
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 OK\r\n")
                if verb == b"QUIT":
                    break
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()
