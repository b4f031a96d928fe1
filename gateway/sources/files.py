"""Files that grow: read from where the last line taken ended, through rotations and restarts.

A position is a file (its inode and its first bytes, since inodes are used again) and an offset; it is kept in the same
transaction as the readings before it, so nothing is lost and nothing repeated. A file renamed to NAME.1 is read to its
end before the new one is begun, and so are all that were rotated while nobody read. A file that was cut to nothing is
read again from its beginning. A line counts once it ends.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from city.clock import SystemClock
from gateway.config import FileConfig
from gateway.sources.rows import Found, RowReader
from gateway.sources.source import SourceFailed, Surroundings, Take

_MOST_LINES = 500  # a take
_MOST_BYTES = 64 << 10  # a line
_HEAD_BYTES = 256
_PACKED = {".gz", ".bz2", ".xz", ".zst", ".zip"}


class _Position(msgspec.Struct, frozen=True):
    """How far a file has been read; `head` is its beginning in hexadecimal."""

    inode: int
    head: str
    offset: int


@dataclass(slots=True)
class _Open:
    """A file being read."""

    file: BinaryIO
    inode: int
    offset: int = 0
    head: bytes = b""
    columns: list[str] = field(default_factory=list)

    def learn(self) -> None:
        """Know its beginning, once there is enough of it."""
        if len(self.head) < _HEAD_BYTES:
            self.head = _head(self.file)

    @property
    def position(self) -> str:
        return json.dumps({"inode": self.inode, "head": self.head.hex(), "offset": self.offset})


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(_HEAD_BYTES)


class FileSource:
    """One growing file and those rotated away from it."""

    def __init__(self, config: FileConfig, around: Surroundings) -> None:
        self._config = config
        self._reader = RowReader(config.rows, around.clock)
        self._key = f"file:{config.id}"
        self._note = around.note(self._key)
        self._open: _Open | None = None

    async def takes(self) -> AsyncGenerator[Take, None]:
        """One take for at most 500 lines."""
        wall = SystemClock()
        try:
            while True:
                take = await asyncio.to_thread(self._next)
                if take is None:
                    await wall.sleep_s(self._config.every_s)
                else:
                    yield take
        except OSError as error:
            raise SourceFailed(f"file {self._config.path}: {error.strerror}, try: its path and rights") from error
        finally:
            if self._open is not None:
                self._open.file.close()

    def _next(self) -> Take | None:
        """What can be taken now; None when there is nothing new."""
        if self._open is None:
            self._open, lost = self._begin()
            if lost:
                return Take([], 1, "the file that was read last is gone: what was added to it is not read")
        if self._was_cut(self._open):
            self._open.offset, self._open.head, self._open.columns = 0, b"", []
        found, lines = self._lines(self._open, last=False)
        if not lines and (newer := self._newer(self._open)) is not None:
            found, lines = self._lines(self._open, last=True)  # an unfinished line will not be finished any more
            done, self._open = self._open, self._opened(newer)
            done.file.close()
        if not lines:
            return None
        self._open.learn()
        return Take(found.rows, found.bad, found.why, {self._key: self._open.position})

    # -- which file ----------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[_Open, bool]:
        """The file to go on with, and whether the one that was read last is gone."""
        if self._note is None:
            files = self._files()
            return self._opened(files[0] if files else self._config.path), False
        position = msgspec.json.decode(self._note, type=_Position)
        for path in self._files():
            opened = self._opened(path)
            head = bytes.fromhex(position.head)
            if opened.inode == position.inode and _head(opened.file)[: len(head)] == head:
                opened.offset = position.offset
                return opened, False
            opened.file.close()
        opened = self._opened(self._config.path)
        return opened, opened.inode != position.inode  # the same one, cut and begun anew, has nothing more to give

    def _files(self) -> list[Path]:
        """The file and those rotated away from it, the oldest first."""
        path = self._config.path
        rotated = [each for each in path.parent.glob(f"{path.name}.*") if each.suffix not in _PACKED]
        return sorted([*rotated, *([path] if path.exists() else [])], key=lambda each: (_changed(each), each == path))

    @staticmethod
    def _opened(path: Path) -> _Open:
        file = path.open("rb")
        return _Open(file, os.fstat(file.fileno()).st_ino)

    def _was_cut(self, opened: _Open) -> bool:
        size = opened.file.seek(0, 2)
        return size < opened.offset or _head(opened.file)[: len(opened.head)] != opened.head

    def _newer(self, opened: _Open) -> Path | None:
        """The file that follows one that has been read to its end, once something stands in it."""
        try:
            if self._config.path.stat().st_ino == opened.inode:
                return None
        except FileNotFoundError:
            return None
        files = self._files()
        mine = [n for n, path in enumerate(files) if path.stat().st_ino == opened.inode]
        after = files[mine[0] + 1 :] if mine else [self._config.path]
        return after[0] if after and after[0].stat().st_size > 0 else None

    # -- lines ---------------------------------------------------------------------------------------------------

    def _lines(self, opened: _Open, *, last: bool) -> tuple[Found, int]:
        """Take lines from where we are; how many. `last`: the unfinished one too."""
        found, lines = Found(), 0
        if self._config.format == "csv" and not opened.columns and not self._header(opened):
            return found, 0
        opened.file.seek(opened.offset)
        while lines < _MOST_LINES:
            raw = opened.file.readline(_MOST_BYTES)
            if not raw or not (raw.endswith(b"\n") or last or len(raw) == _MOST_BYTES):
                break
            opened.offset += len(raw)
            lines += 1
            if raw.strip():
                self._line(opened, raw, found)
        return found, lines

    def _header(self, opened: _Open) -> bool:
        opened.file.seek(0)
        raw = opened.file.readline(_MOST_BYTES)
        if not raw.endswith(b"\n"):
            return False
        text = raw.decode("utf-8-sig", "replace").rstrip("\r\n")
        opened.columns = [name.strip() for name in next(csv.reader([text], delimiter=self._config.delimiter), [])]
        opened.offset = max(opened.offset, len(raw))
        return bool(opened.columns)

    def _line(self, opened: _Open, raw: bytes, found: Found) -> None:
        if len(raw) == _MOST_BYTES and not raw.endswith(b"\n"):
            return found.refuse(f"a line of more than {_MOST_BYTES} bytes")
        if self._config.format == "jsonl":
            read = self._reader.read_json(raw)
        else:
            try:
                cells = next(csv.reader([raw.decode().rstrip("\r\n")], delimiter=self._config.delimiter), [])
            except (UnicodeDecodeError, csv.Error) as error:
                return found.refuse(f"not CSV: {error}")
            if len(cells) != len(opened.columns):
                return found.refuse(f"{len(cells)} columns where the header has {len(opened.columns)}")
            read = self._reader.read([dict(zip(opened.columns, cells, strict=True))])
        found.rows += read.rows
        found.bad += read.bad
        found.why = read.why or found.why
        return None


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # rotated away while we looked
        return 0
