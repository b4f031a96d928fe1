"""Sorts readings by event time in bounded memory: full chunks go to disk as columns and are merged at the end."""

from __future__ import annotations

import heapq
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.translate import Reading, Source

CHUNK = 1_000_000  # readings held in memory, 21 bytes each
_BLOCK = 20_000  # readings of each chunk looked at while merging
_KIND = np.dtype([("time_us", "<i8"), ("value", "<f8"), ("source", "<i4"), ("flag", "u1")])
_Chunk = NDArray[np.void]


class Sorter:
    """Takes readings in any order and gives them back by time; those of one instant in the order they came.

    A context manager: what was spilled to disk is removed at its end.
    """

    def __init__(self, chunk: int = CHUNK) -> None:
        self._chunk, self._folder = chunk, tempfile.TemporaryDirectory(prefix="lifeline-replay-")
        self._spilled: list[Path] = []
        self._numbers: dict[Source, int] = {}
        self._clear()
        self.count, self.first_us, self.last_us = 0, 0, 0

    def _clear(self) -> None:
        self._times, self._values, self._sources, self._flags = array("q"), array("d"), array("i"), array("B")

    @property
    def sources(self) -> list[Source]:
        """Every source seen."""
        return list(self._numbers)

    def add(self, reading: Reading) -> None:
        """Take one reading."""
        time_us = reading.time_us
        self.first_us = time_us if not self.count else min(self.first_us, time_us)
        self.last_us = time_us if not self.count else max(self.last_us, time_us)
        self.count += 1
        self._times.append(time_us)
        self._values.append(reading.value)
        self._sources.append(self._numbers.setdefault(reading.source, len(self._numbers)))
        self._flags.append(reading.flag)
        if len(self._times) >= self._chunk:
            self._spilled.append(Path(self._folder.name) / f"{len(self._spilled)}.npy")
            np.save(self._spilled[-1], self._sorted())
            self._clear()

    def _sorted(self) -> _Chunk:
        table = np.empty(len(self._times), dtype=_KIND)
        for name, column in zip(
            _KIND.names or (), (self._times, self._values, self._sources, self._flags), strict=True
        ):
            table[name] = column
        return table[np.argsort(table["time_us"], kind="stable")]

    def __iter__(self) -> Iterator[Reading]:
        sources = self.sources
        chunks = [*(np.load(path, mmap_mode="r") for path in self._spilled), self._sorted()]
        streams = [_rows(chunk, order) for order, chunk in enumerate(chunks) if len(chunk)]
        merged = heapq.merge(*streams) if len(streams) > 1 else iter(streams[0] if streams else ())
        for time_us, _, _, value, source, flag in merged:
            yield Reading(time_us, sources[source], value, flag)

    def __enter__(self) -> Sorter:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _rows(chunk: _Chunk, order: int) -> Iterator[tuple[int, int, int, float, int, int]]:
    """(time, chunk, place, value, source, flag): the first three decide the order, and no two are equal."""
    for start in range(0, len(chunk), _BLOCK):
        block = chunk[start : start + _BLOCK]
        columns = (block[name].tolist() for name in ("time_us", "value", "source", "flag"))
        for place, (time_us, value, source, flag) in enumerate(zip(*columns, strict=True), start):
            yield time_us, order, place, value, source, flag
