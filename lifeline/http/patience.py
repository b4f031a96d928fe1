"""How long the server waits for a client: for its headers, between requests, and for each piece of a body."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from store import systemd

HEADERS_S = 10.0
IDLE_S = 15
MOST_CONNECTIONS = 500
LONGEST_HEADERS = 16 * 1024


class PatientProtocol(H11Protocol):
    """HTTP/1.1 whose connections end when a request's headers are not there in time, however slowly they trickle in."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait."""
        super().connection_made(transport)
        self._due = self.loop.call_later(HEADERS_S, self._cut)

    def data_received(self, data: bytes) -> None:
        """Stop waiting once the headers are there; a next request's have as long again."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._due is None:
            self._due = self.loop.call_later(HEADERS_S, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _cut(self) -> None:
        self._due = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


async def _turned() -> None:
    """The loop that serves has gone round."""
    systemd.turned()


def server_options() -> dict[str, Any]:
    """What uvicorn is told."""
    return {
        "http": PatientProtocol,
        "ws": "none",
        "timeout_keep_alive": IDLE_S,
        "limit_concurrency": MOST_CONNECTIONS,
        "h11_max_incomplete_event_size": LONGEST_HEADERS,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": 5,
        "callback_notify": _turned,
        "timeout_notify": 1,
    }
