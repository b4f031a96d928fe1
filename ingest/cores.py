"""Keeps the recorder's threads on one core while little comes.

They take turns at the interpreter's lock, several times a batch; from core to core each turn waits for another core to
wake up and finds its caches cold, which made a batch a quarter dearer and the slowest ones half as slow again. When
much comes, what needs no lock (copying, sorting, sending) runs beside the rest, and any core will do.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from city.clock import stopwatch_s

_CALM_S: Final = 1.0  # without a large batch
_CHOOSE_S: Final = 10.0  # for so long a core stays theirs: others may have come to it meanwhile
_LOOK_S: Final = 0.02  # in which the system puts threads where there is room


class Cores:
    """Where the threads of this process may run (Linux; elsewhere, and on one core, nothing is done).

    Parameters
    ----------
    many_rows
        Rows of a batch that is a large one.
    """

    def __init__(self, many_rows: int) -> None:
        self._many_rows = many_rows
        self._all = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
        self._together = False
        self._until_s = stopwatch_s() + _CALM_S  # spread or together at least so long

    @property
    def together(self) -> bool:
        """Whether the threads keep to one core, since little comes."""
        return self._together

    def turn(self, rows: int) -> None:
        """A batch of so many rows comes next (the main thread)."""
        now_s = stopwatch_s()
        if len(self._all) < 2:
            return
        if rows >= self._many_rows:
            self._until_s = now_s + _CALM_S
            if self._together:
                self._let(self._all)
        elif now_s >= self._until_s and self._together:
            self._until_s = now_s + _LOOK_S
            self._let(self._all)
        elif now_s >= self._until_s:
            self._until_s = now_s + _CHOOSE_S
            self._let({_core()})

    def _let(self, cores: set[int]) -> None:
        self._together = len(cores) == 1
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended, or may not be told
                os.sched_setaffinity(int(thread.name), cores)


def _core() -> int:
    """The core that this thread runs on."""
    return int(Path("/proc/thread-self/stat").read_text().rsplit(")", 1)[1].split()[36])
