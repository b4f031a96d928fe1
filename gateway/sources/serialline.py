"""Serial lines: text, a line a row, taken apart by a pattern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import serial
import serial_asyncio_fast

from gateway.config import SerialConfig
from gateway.sources.rows import RowReader
from gateway.sources.source import SourceFailed, Surroundings, Take

_MOST_BYTES = 4096  # a line


class SerialSource:
    """One port. Lines that do not match the pattern are bad; the first, often begun before we listened, is not."""

    def __init__(self, config: SerialConfig, around: Surroundings) -> None:
        self._config = config
        self._reader = RowReader(config.rows, around.clock)

    async def takes(self) -> AsyncGenerator[Take, None]:
        """One take for each line."""
        config = self._config
        try:
            reader, writer = await serial_asyncio_fast.open_serial_connection(
                limit=_MOST_BYTES, url=config.port, baudrate=config.baud
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise SourceFailed(f"serial {config.port}: {error}, try: plug it in, check rights") from error
        try:
            first = True
            while True:
                take = await self._line(reader, first=first)
                first = False
                if take is not None:
                    yield take
        except (serial.SerialException, OSError) as error:
            raise SourceFailed(f"serial {config.port}: {error}, try: plug it in") from error
        finally:
            writer.close()

    async def _line(self, reader: asyncio.StreamReader, *, first: bool) -> Take | None:
        try:
            raw = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            await reader.readexactly(error.consumed)
            return Take([], 1, f"a line of more than {_MOST_BYTES} bytes")
        except asyncio.IncompleteReadError:
            raise SourceFailed(f"serial {self._config.port}: the line ended, try: plug it in") from None
        text = raw.decode("utf-8", "replace").strip()
        if not text:
            return None
        match = self._config.pattern.fullmatch(text)
        if match is None:
            return None if first else Take([], 1, f"not the pattern: {text[:80]!r}")
        found = self._reader.read([{key: value for key, value in match.groupdict().items() if value is not None}])
        return Take(found.rows, found.bad, found.why)
