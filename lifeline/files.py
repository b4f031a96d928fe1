"""Small files that must be whole or not there, and the lock of a data folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from city.errors import InputError
from lifeline.display import readable

LOG_BYTES = 2_000_000


def write_atomic(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text` so that a reader sees the old file or the new one, also after a crash."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def open_log(path: Path) -> IO[bytes]:
    """The log file to append to; one that has grown past `LOG_BYTES` is moved to `.1` first."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log file (empty when there is none)."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(readable(line) for line in text.splitlines()[-lines:])


class DataLock:
    """The right to run a supervisor on a data folder; the kernel takes it back when the holder dies."""

    def __init__(self, data: Path) -> None:
        self._path = data / "lock"
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock (InputError when another supervisor holds it)."""
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            holder = self.holder(self._path.parent) or "unknown"
            raise InputError(
                f"{self._path.parent}: Lifeline already runs on this data folder (process {holder}), "
                "try stopping it, or --data DIR for another folder"
            ) from error
        self._file = file
        with suppress(OSError):  # a full disk: who holds the lock is a courtesy
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())

    def give_back(self) -> None:
        """Give the lock back (safe twice)."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @staticmethod
    def holder(data: Path) -> str:
        """The process that took the lock of this folder last, as it said; empty when nobody has."""
        with suppress(FileNotFoundError):
            return (data / "lock").read_text(encoding="utf-8").strip()
        return ""

    @staticmethod
    def is_held(data: Path) -> bool:
        """Whether some process holds the lock of this folder now."""
        try:
            with (data / "lock").open("r", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False
