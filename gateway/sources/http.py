"""HTTP both ways: a JSON document that is asked for again and again, and a loopback address that accepts JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx

from city.clock import SystemClock, stopwatch_s
from gateway.config import HttpConfig, PostConfig
from gateway.envelope import Row
from gateway.sources.rows import RowReader
from gateway.sources.source import SourceFailed, Surroundings, Take

_MOST_BYTES = 1 << 20
_MOST_HEAD = 16 << 10
_MOST_WAITING = 16  # POSTs that wait for the disk; more are asked to come again
_PATIENCE_S = 10.0  # for a client that sends slowly


class HttpSource:
    """One address. A reading that was there at the last answer already (same sensor and time) is not taken again."""

    def __init__(self, config: HttpConfig, around: Surroundings) -> None:
        self._config = config
        self._reader = RowReader(config.rows, around.clock)
        self._seen: set[tuple[str, int]] = set()

    async def takes(self) -> AsyncGenerator[Take, None]:
        """One take for each answer."""
        config, wall, due_s = self._config, SystemClock(), stopwatch_s()
        try:
            async with httpx.AsyncClient(timeout=config.timeout_s, follow_redirects=False) as client:
                while True:
                    await wall.sleep_s(due_s - stopwatch_s())
                    content = await self._ask(client)
                    found = self._reader.read_json(content)
                    yield Take(self._new(found.rows), found.bad, found.why)
                    due_s = max(due_s + config.every_s, stopwatch_s())
        except (httpx.HTTPError, OSError) as error:
            raise SourceFailed(f"{config.url}: {str(error) or type(error).__name__}") from error

    async def _ask(self, client: httpx.AsyncClient) -> bytes:
        content = bytearray()
        async with client.stream("GET", self._config.url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise SourceFailed(f"{self._config.url}: answered {answer.status_code}, try: the address")
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    raise SourceFailed(f"{self._config.url}: an answer over 1 MiB")
        return bytes(content)

    def _new(self, rows: list[Row]) -> list[Row]:
        fresh = [row for row in rows if (row[0], row[1]) not in self._seen]
        self._seen = {(row[0], row[1]) for row in rows}
        return fresh


class _Refuse(Exception):
    """A request that is answered with an error: its code and word."""

    def __init__(self, code: int, word: str) -> None:
        self.code, self.word = code, word
        super().__init__(word)


class PostSource:
    """A loopback server. A POST is answered 204 once its readings are on disk, 422 when none of it is a reading."""

    def __init__(self, config: PostConfig, around: Surroundings) -> None:
        self._config = config
        self._reader = RowReader(config.rows, around.clock)
        self._takes: asyncio.Queue[Take] = asyncio.Queue(_MOST_WAITING)
        self.port = config.port  # the one taken, once it listens

    async def takes(self) -> AsyncGenerator[Take, None]:
        """One take for each POST."""
        config = self._config
        try:
            server = await asyncio.start_server(self._serve, config.host, config.port, limit=_MOST_HEAD)
        except OSError as error:
            raise SourceFailed(f"post {config.host}:{config.port}: {error.strerror}, try another port") from error
        self.port = server.sockets[0].getsockname()[1]
        try:
            while True:
                yield await self._takes.get()
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    payload = await _payload(reader)
                answer = await self._keep(payload)
            except _Refuse as refuse:
                answer = f"{refuse.code} {refuse.word}"
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client has gone, or never ended: it was told nothing, and sends again
        finally:
            writer.close()

    async def _keep(self, payload: bytes) -> str:
        found = self._reader.read_json(payload)
        on_disk = asyncio.Event()
        try:
            self._takes.put_nowait(Take(found.rows, found.bad, found.why, kept=on_disk.set))
        except asyncio.QueueFull:
            raise _Refuse(503, "Service Unavailable") from None
        await on_disk.wait()
        return "204 No Content" if found.rows or not found.bad else "422 Unprocessable Content"


async def _payload(reader: asyncio.StreamReader) -> bytes:
    """The body of a POST."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise _Refuse(431, "Request Header Fields Too Large") from None
    first, *lines = head.split("\r\n")
    if not first.startswith("POST "):
        raise _Refuse(405, "Method Not Allowed")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = fields.get("content-length", "")
    if not length.isdecimal():
        raise _Refuse(411, "Length Required")
    if int(length) > _MOST_BYTES:
        raise _Refuse(413, "Content Too Large")
    return await reader.readexactly(int(length))
