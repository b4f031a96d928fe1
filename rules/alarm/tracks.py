"""The recent past of all sensors, in common columns: 22 bytes a sample, and whole batches appended at once.

Each sensor has a row and, in the columns, a stretch of its own with a little room at its end. A stretch that is full is
first cleared of what nobody needs any more and then, if that was little, moved to a longer one. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rules.alarm.track import DELAY_MS, Track

Longs = NDArray[np.int64]

KINDS: Mapping[str, Any] = {
    "times": np.int64, "measured": np.float64, "flags": np.uint8, "delays": np.int32, "signs": np.uint8,
}  # fmt: skip
_PER_ROW = ("start", "count", "room", "newest_us", "received_us", "keep_us", "expected")
COLUMNS: Mapping[str, Any] = {**dict.fromkeys(_PER_ROW, np.int64), **KINDS}  # all there is to freeze
_ROOMS = np.unique(np.ceil(8 * 1.1 ** np.arange(190)).astype(np.int64))  # lengths of stretches: 8 to half a billion


class Tracks(Mapping[str, Track]):
    """The tracks of all sensors, by sensor id.

    Parameters
    ----------
    reorder_us
        How far behind a sensor's newest sample a late one still changes decisions.

    Attributes
    ----------
    start, count, room
        int64, by row: where a sensor's stretch begins, how many samples are in it, how many fit.
    newest_us, received_us
        int64, by row: see `Track`.
    keep_us, expected
        int64, by row: how much event time is usually kept behind the newest sample, and about how many samples that is.
    times, measured, flags, delays, signs
        The columns: event time, value, flag, arrival minus event time in milliseconds, and what the watch for early
        signs made of the sample (`rules.alarm.track.UNSEEN` and so on).
    needed_us
        From rows (int64) to the event times from which their samples are still needed.
    """

    def __init__(self, reorder_us: int) -> None:
        self.reorder_us = reorder_us
        self.start, self.count, self.room = (np.zeros(0, np.int64) for _ in range(3))
        self.newest_us, self.received_us, self.keep_us, self.expected = (np.zeros(0, np.int64) for _ in range(4))
        self.times, self.measured = np.zeros(0, np.int64), np.zeros(0, np.float64)
        self.flags, self.delays = np.zeros(0, np.uint8), np.zeros(0, np.int32)
        self.signs = np.zeros(0, np.uint8)
        self.end = 0
        self.noted: dict[int, Track] = {}  # tracks that detectors left something in
        self.needed_us: Callable[[Longs], Longs] = lambda rows: self.newest_us[rows] - self.keep_us[rows]
        self._tracks: dict[str, Track] = {}
        self._free: dict[int, list[int]] = {}  # length -> stretches nobody uses
        self._spare = 0  # how many samples would fit into those
        self._free_rows: list[int] = []
        self._frozen: dict[str, NDArray[Any]] = {}  # where the last copies were made
        self._heads = b""  # who has which row, as bytes for snapshots; empty: to be written anew

    def __getitem__(self, sensor: str) -> Track:
        return self._tracks[sensor]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tracks)

    def __len__(self) -> int:
        return len(self._tracks)

    def __contains__(self, sensor: object) -> bool:
        return sensor in self._tracks

    def add(self, sensor: str, quantity: str, unit: str, received_us: int) -> Track:
        """A new, empty track. `received_us`: arrival time from which silence is counted before its first sample."""
        if not self._free_rows:
            self._more_rows()
        row = self._free_rows.pop()
        for name in _PER_ROW:
            getattr(self, name)[row] = 0
        self.keep_us[row], self.received_us[row] = self.reorder_us, received_us
        self._tracks[sensor] = track = Track(self, row, sensor, quantity, unit)
        self._heads = b""
        return track

    def keep(self, sensor: str, keep_us: int, every_us: int) -> None:
        """How much event time to keep behind the newest sample, and how often a sample is expected."""
        row = self._tracks[sensor].row
        self.keep_us[row] = keep_us
        self.expected[row] = min((keep_us // max(every_us, 1) + 3) * 8 // 7 + 1, 4096)

    def drop(self, sensor: str) -> None:
        """Forget a sensor."""
        row = self._tracks.pop(sensor).row
        self._heads = b""
        self._let_go(int(self.start[row]), int(self.room[row]))
        self.count[row] = self.room[row] = self.newest_us[row] = 0
        self.noted.pop(row, None)
        self._free_rows.append(row)

    def append(
        self, rows: Longs, times: Longs, values: NDArray[np.float64], flags: NDArray[np.uint8], received: Longs
    ) -> None:
        """Take in samples that are sorted by row and time, each newer than all before it of its sensor."""
        first = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
        own, many = rows[first], np.diff(np.append(first, len(rows)))
        self.reserve(own, many)
        rank = np.arange(len(rows)) - np.repeat(first, many)
        at = np.repeat(self.start[own] + self.count[own], many) + rank
        self.times[at], self.measured[at], self.flags[at] = times, values, flags
        self.delays[at] = np.clip((received - times) // 1000, *DELAY_MS)
        self.signs[at] = 0
        self.count[own] += many
        self.newest_us[own] = times[first + many - 1]
        self.received_us[own] = np.maximum(self.received_us[own], np.maximum.reduceat(received, first))

    def reserve(self, rows: Longs, many: Longs) -> None:
        """Make room for so many more samples of each row: none of a batch is forgotten before it is decided on."""
        full = self.count[rows] + many > self.room[rows]
        if full.any():
            self._make_room(rows[full], many[full])

    def open_place(self, row: int, place: Callable[[], int]) -> int:
        """Make a gap for one sample in a row's stretch and return its index in the columns.

        `place` says where in the stretch it belongs; it is asked after older samples may have been forgotten.
        """
        if self.count[row] == self.room[row]:
            self._make_room(np.array([row]), np.array([1]))
        at, end = int(self.start[row]) + place(), int(self.start[row] + self.count[row])
        for name in KINDS:
            column = getattr(self, name)
            column[at + 1 : end + 1] = column[at:end]
        self.count[row] += 1
        return at

    def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
        """Time and value of a sensor's last usable sample strictly before an instant (see `Surroundings`)."""
        track = self._tracks.get(sensor)
        return None if track is None else track.last_before(time_us)

    def samples(self) -> int:
        """How many samples are kept."""
        return int(self.count.sum())

    def column_bytes(self) -> int:
        """Bytes of memory of the columns, with the room in them."""
        return sum(getattr(self, name).nbytes for name in COLUMNS)

    # -- room ----------------------------------------------------------------------------------------------------

    def _more_rows(self) -> None:
        had = len(self.start)
        for name in _PER_ROW:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(max(64, had), column.dtype)]))
        self._free_rows = list(range(len(self.start) - 1, had - 1, -1))

    def _make_room(self, rows: Longs, extra: Longs) -> None:
        """Let `extra` more samples fit: forget what is not needed, and move where a stretch does not suit any more."""
        cut = self._forgettable(rows)
        kept, room = self.count[rows] - cut, self.room[rows]
        source, need = self.start[rows] + cut, kept + extra
        unsuited = (need * 8 > room * 7) | (need * 4 + 32 < room)
        for row, least in zip(rows[unsuited].tolist(), need[unsuited].tolist(), strict=True):
            first = not self.room[row]
            self._let_go(int(self.start[row]), int(self.room[row]))
            least = max(least, int(self.expected[row])) if first else least + least // 7 + 1
            self.start[row], self.room[row] = self._stretch(least)
        self._move(source, self.start[rows], kept)
        self.count[rows] = kept
        if self._spare * 3 > self.end > 2**20:
            self._compact()

    def _forgettable(self, rows: Longs) -> Longs:
        """How many of the oldest samples of each row can go: all before the last one that is older than needed."""
        count = self.count[rows]
        cut = np.zeros(len(rows), np.int64)
        has = count > 0
        if has.any():
            at, first = ramp(self.start[rows], count)
            old = self.times[at] < np.repeat(self.needed_us(rows), count)
            cut[has] = np.maximum(np.add.reduceat(old, first[has], dtype=np.int64) - 1, 0)
        for place in np.flatnonzero(cut).tolist() if self.noted else ():
            track = self.noted.get(int(rows[place]))
            if track is not None:
                cut[place] = track.forget_notes(int(cut[place]))
        return cut

    def _move(self, source: Longs, target: Longs, count: Longs) -> None:
        moved = (source != target) & (count > 0)
        if moved.any():
            old, _ = ramp(source[moved], count[moved])
            new, _ = ramp(target[moved], count[moved])
            for name in KINDS:
                column = getattr(self, name)
                column[new] = column[old]

    def _stretch(self, need: int) -> tuple[int, int]:
        """A stretch for at least `need` samples: where, and how many fit."""
        room = int(_ROOMS[np.searchsorted(_ROOMS, need)])
        free = self._free.get(room)
        if free:
            self._spare -= room
            return free.pop(), room
        start, self.end = self.end, self.end + room
        if self.end > len(self.times):
            for name in KINDS:
                column = getattr(self, name)
                more = max(self.end + self.end // 16, 1024) - len(column)
                setattr(self, name, np.concatenate([column, np.zeros(more, column.dtype)]))
        return start, room

    def _let_go(self, start: int, room: int) -> None:
        if room:
            self._spare += room
            self._free.setdefault(room, []).append(start)

    def _compact(self) -> None:
        """Put the stretches side by side, without the ones nobody uses."""
        old, _ = ramp(self.start, self.count)
        self.start = np.cumsum(self.room) - self.room
        new, _ = ramp(self.start, self.count)
        self.end = int(self.room.sum())
        for name, kind in KINDS.items():
            column = np.zeros(self.end + self.end // 16, kind)
            column[new] = getattr(self, name)[old]
            setattr(self, name, column)
        self._free, self._spare = {}, 0

    # -- snapshots -----------------------------------------------------------------------------------------------

    def freeze(self) -> tuple[Any, dict[str, NDArray[Any]]]:
        """What makes this value again: a small picklable part, and copies of its columns (see `thaw`).

        The copies are good until the next ones are made: they lie in the same place, since new memory costs more time
        than copying.
        """
        if not self._heads:
            heads = [(track.row, name, track.quantity, track.unit) for name, track in self._tracks.items()]
            self._heads = msgspec.json.encode(heads)
        notes = {row: track.notes for row, track in self.noted.items()}
        frozen = {name: self._copied(name, len(self.start)) for name in _PER_ROW}
        frozen.update({name: self._copied(name, self.end) for name in KINDS})
        return (self.reorder_us, self._heads, notes), frozen

    def _copied(self, name: str, length: int) -> NDArray[Any]:
        column, old = getattr(self, name)[:length], self._frozen.get(name)
        if old is None or len(old) < length:
            old = self._frozen[name] = np.empty(length + length // 16, column.dtype)
        old[:length] = column
        return old[:length]

    @classmethod
    def thaw(cls, small: Any, columns: Mapping[str, NDArray[Any]]) -> Tracks:  # noqa: ANN401 - what `freeze` gave
        """The value that was frozen, without the gaps it had. The columns are copied."""
        reorder_us, heads, notes = small
        self = cls(reorder_us)
        for name in _PER_ROW:
            setattr(self, name, columns[name].copy())
        for name in KINDS:
            setattr(self, name, columns[name])
        rows = msgspec.json.decode(heads, type=list[tuple[int, str, str, str]])
        for row, name, quantity, unit in rows:
            track = self._tracks[name] = Track(self, row, name, quantity, unit)
            if row in notes:
                track.notes = notes[row]
                self.noted[row] = track
        used = {row for row, *_ in rows}
        self._free_rows = [row for row in range(len(self.start) - 1, -1, -1) if row not in used]
        self._compact()
        return self


def ramp(start: Longs, count: Longs) -> tuple[Longs, Longs]:
    """All indices of stretches one after the other, and where in them each stretch begins."""
    first = np.cumsum(count) - count
    return np.arange(int(count.sum())) + np.repeat(start - first, count), first
