"""What a killed PostgreSQL leaves behind: a lock file, and for a moment its backends."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from city.clock import SystemClock, stopwatch_s
from city.errors import OutsideError

_WALL = SystemClock()


def processes_of(data: Path) -> list[int]:
    """Every PostgreSQL process of a data folder: they all make it their working directory (Linux; else empty)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").samefile(data):
                found.append(int(process.name))
    return found


def clear_remains(data: Path, patience_s: float = 20.0) -> None:
    """Wait until no process of an earlier server is left, then remove its lock file.

    The caller holds the folder's own lock, so whoever still runs here has lost its owner and is shutting down; half
    way through `patience_s` it is told to (SIGQUIT), in case nobody did.

    Raises
    ------
    OutsideError
        When it is still there after `patience_s`.
    """
    began_s, told = stopwatch_s(), False
    while left := processes_of(data):
        waited_s = stopwatch_s() - began_s
        if waited_s > patience_s:
            raise OutsideError(f"{data}: an earlier PostgreSQL will not end, processes {left}; try stopping them")
        if waited_s > patience_s / 2 and not told:
            told = True
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
        _WALL.pause_s(0.02)
    if Path("/proc/self/cwd").exists():
        # With every process gone the file only does harm: its number may by now be another process's.
        (data / "postmaster.pid").unlink(missing_ok=True)
