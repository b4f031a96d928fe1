"""Many sensors at once: samples in columns in, answers in columns out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from city.errors import InputError
from detectors.columns import CONTEXTS, Columns, Floats, Found, Longs
from detectors.early import layout
from detectors.early.compiled import available, compiled
from detectors.early.explain import Explanation, explain
from detectors.early.kernel import DONE, RUN, UNEVEN, run
from detectors.early.learning import stands_alone
from detectors.early.natures import FROZEN, parameters
from detectors.early.neighbours import NONE, PEER, RAIN_GAUGE, REGRESSOR, THERMOMETER
from detectors.early.settings import Settings
from detectors.per_sensor import read_snapshot
from detectors.subject import Neighbour, Subject

NAME: Final = "early_sign"
_ROW_BYTES: Final = 4 * layout.WIDTH
_BYTES = struct.Struct(">BI")  # how MessagePack begins long bytes
_STAMP: Final = FROZEN.rows[:8].encode()  # rows that mean something else are refused

Kind = TypeVar("Kind", np.float32, np.int64)
_FIRST: Final = np.zeros(1, np.int64)


class Fleet:
    """The engine for a list of sensors; a sensor's place in the list is its row.

    Parameters
    ----------
    subjects
        The sensors, no name twice.
    settings
        Budgets and channels.
    plain
        Run the uncompiled source: a few thousand times slower, the same answers.

    Notes
    -----
    State is 1,024 bytes a sensor, in one array. Samples of a batch are taken row by row, so memory is walked in order
    whatever order they came in; within a sensor in the order given.
    """

    def __init__(self, subjects: Sequence[Subject], settings: Settings = Settings(), *, plain: bool = False) -> None:  # noqa: B008 - frozen
        self.settings = settings
        self._run = run
        if not plain:
            self.hurry()
        self._kinds: dict[tuple[str, float, bool], int] = {}
        self._kind_of: dict[tuple[str, frozenset[str], bool], int] = {}
        self._natures: Floats = np.zeros((0, layout.NATURE_WIDTH))
        self._marks: Longs = np.zeros((0, 1 + CONTEXTS), np.int64)
        self._rows = np.zeros((0, layout.WIDTH), np.float32)
        self.subjects: list[Subject] = []
        self._scratch = np.zeros((11, layout.CHANNEL_COUNT))
        self._frozen = np.empty((0, layout.WIDTH), np.float32)
        self._named: tuple[Longs, bytes] = np.zeros(0, np.int64), msgspec.msgpack.encode([])
        self._place: dict[str, int] = {}
        self.watch(subjects)

    def __len__(self) -> int:
        return len(self.subjects)

    def hurry(self) -> None:
        """Run compiled code from the next batch on, where there is a compiler: the answers stay the same to the bit."""
        if available():
            self._run = compiled(run, RUN)

    @property
    def compiled(self) -> bool:
        """Whether it runs machine code."""
        return self._run is not run

    def watch(self, subjects: Sequence[Subject]) -> None:
        """Add sensors, or learn anew what the register says of known ones; rows and what they learned stay."""
        places, marks = [], []
        for subject in subjects:
            at = self._place.setdefault(subject.sensor, len(self.subjects))
            self.subjects[at : at + 1] = [subject]
            near = [_as_what(subject, neighbour) for neighbour in subject.context[:CONTEXTS]]
            places.append(at)
            marks.append([self._kind(subject), *near, *[NONE] * (CONTEXTS - len(near))])
        self._rows = _grown(self._rows, len(self.subjects))
        self._marks = _grown(self._marks, len(self.subjects))
        if places:
            self._marks[places] = marks

    def _kind(self, subject: Subject) -> int:
        like = subject.quantity, subject.tags, stands_alone(subject)
        at = self._kind_of.get(like)
        if at is None:
            at = self._kind_of[like] = self._kind_like(*like)
        return at

    def _kind_like(self, quantity: str, tags: frozenset[str], alone: bool) -> int:
        kind = quantity, self.settings.budget(quantity, tags), alone
        if kind not in self._kinds:
            row = parameters(quantity, kind[1], self.settings.silent(quantity), alone=alone)
            self._natures = np.concatenate([self._natures, row[None]])
            self._kinds[kind] = len(self._kinds)
        return self._kinds[kind]

    def row_of(self, sensor: str) -> int | None:
        """A sensor's row, None when it is not watched."""
        return self._place.get(sensor)

    def update(self, batch: Columns) -> Found:
        """Take samples in; an answer for each, in the order given.

        A sample not newer than its sensor's last changes nothing and is BLIND.

        Raises
        ------
        InputError
            A row that is not in the fleet, or columns of unequal length; nothing was taken in.
        """
        n, sensors = len(batch.row), len(self.subjects)
        if n == 1:
            order = _FIRST
        elif n * 4 > sensors:
            order = np.empty(n + sensors + 1, np.int64)  # the kernel counts
        else:
            order = np.argsort(batch.row, kind="stable")
        numbers, words = np.empty((n, 5)), np.empty((n, 4), np.int8)
        rest = self._rows, self._natures, self._marks, self._scratch, numbers, words
        try:
            end = self._run(order, *batch, *rest)
        except TypeError:  # columns of another kind than was compiled for
            end = self._run(order, *_as_compiled(batch), *rest)
        if end != DONE:
            wrong = f"row not in the fleet of {sensors}, got {batch.row[end]}"
            raise InputError(f"{NAME}: {'columns of unequal length' if end == UNEVEN else wrong}")
        kinds = words.view(np.uint8)
        return Found(  # by place: names cost a microsecond
            kinds[:, 0], numbers[:, 0], numbers[:, 1], kinds[:, 1], words[:, 2],
            numbers[:, 2], numbers[:, 3], numbers[:, 4], kinds[:, 3],
        )  # fmt: skip

    def has_begun(self, row: int) -> bool:
        """Whether a usable sample of it was ever taken in."""
        return bool(self._rows[row, layout.COUNT] > 0)

    def row_state(self, row: int) -> bytes:
        """What is known of one sensor, to put back later."""
        return _STAMP + bytes(self._rows[row].tobytes())

    def put_row_state(self, row: int, state: bytes | None) -> None:
        """Put back what `row_state` gave; None forgets the sensor. InputError when it is not a row of this version."""
        if state is None:
            self._rows[row] = 0
        elif len(state) != _ROW_BYTES + len(_STAMP) or not state.startswith(_STAMP):
            raise InputError(f"{NAME}: state cannot be read (of another version?), try replaying the journal")
        else:
            one = np.frombuffer(state, np.float32, offset=len(_STAMP))
            if not layout.sound(one[None]):
                raise InputError(f"{NAME}: state cannot be read (it is damaged), try replaying the journal")
            self._rows[row] = one

    def rows_at(self, rows: Longs) -> NDArray[np.float32]:
        """What is known of many sensors (n, layout.WIDTH), for another fleet of this process."""
        return self._rows[rows]

    def put_rows(self, rows: Longs, known: NDArray[np.float32]) -> None:
        """Put in what `rows_at` of another fleet gave."""
        self._rows[rows] = known

    def snapshot(self) -> bytes:
        """Everything learned, with the sensors' names and the hash of the settings."""
        return b"".join(self.snapshot_blocks())

    def snapshot_blocks(self) -> list[bytes | memoryview]:
        """The same in parts, rows copied once only; good until the next call, which uses their memory again."""
        begun = np.flatnonzero(self._rows[:, layout.COUNT] > 0)
        if not np.array_equal(begun, self._named[0]):
            self._named = begun, msgspec.msgpack.encode([self.subjects[at].sensor for at in begun.tolist()])
            self._frozen = np.empty((len(begun), layout.WIDTH), np.float32)
        if len(begun) == len(self._rows):
            np.copyto(self._frozen, self._rows)
        else:
            np.take(self._rows, begun, axis=0, out=self._frozen)
        parts = {"hash": self.settings.rows.encode(), "sensors": self._named[1], "rows": b""}
        head = msgspec.msgpack.encode((NAME, parts))[:-2]  # without the empty rows at its end
        return [head, _BYTES.pack(0xC6, self._frozen.nbytes), self._frozen.view(np.uint8).ravel().data]

    @staticmethod
    def sensors_in(data: bytes) -> list[str]:
        """The sensors a snapshot knows; InputError when it cannot be read."""
        try:
            return msgspec.msgpack.decode(read_snapshot(NAME, data)["sensors"], type=list[str])
        except (msgspec.DecodeError, KeyError) as error:
            raise InputError(f"{NAME}: snapshot cannot be read ({error}), try replaying the journal") from error

    def restore(self, data: bytes) -> None:
        """Take over a snapshot, bit for bit: sensors it does not name are forgotten, those not watched are left out.

        Raises
        ------
        InputError
            It is not a snapshot of this engine with these settings.
        """
        sensors, parts = self.sensors_in(data), read_snapshot(NAME, data)
        if parts.get("hash") != self.settings.rows.encode():
            raise InputError(f"{NAME}: snapshot was made with other settings, try replaying the journal")
        if len(parts.get("rows", b"")) != _ROW_BYTES * len(sensors):
            raise InputError(f"{NAME}: snapshot cannot be read (cut short), try replaying the journal")
        rows = np.frombuffer(parts["rows"], np.float32).reshape(-1, layout.WIDTH)
        if not layout.sound(rows):
            raise InputError(f"{NAME}: snapshot cannot be read (it is damaged), try replaying the journal")
        places = np.array([self._place.get(sensor, -1) for sensor in sensors], np.int64)
        self._rows[:] = 0
        if (places >= 0).all():
            self._rows[places] = rows
        else:
            self._rows[places[places >= 0]] = rows[places >= 0]

    def explain(self, row: int, sample: Columns | None = None) -> Explanation:
        """What is known of one sensor, and what every channel would say of a usable sample of it; changes nothing."""
        return explain(self._rows[row], self._natures[self._marks[row, 0]], self._marks[row, 1:], sample)


def _grown(array: NDArray[Kind], rows: int) -> NDArray[Kind]:
    """The array with so many rows, new ones 0; room grows by doubling, so that sensors may come one at a time."""
    room = array if array.base is None else cast("NDArray[Kind]", array.base)
    if rows > len(room):
        room = np.zeros((max(rows, 2 * len(room)), array.shape[1]), array.dtype)
        room[: len(array)] = array
    return room[:rows]


def _as_compiled(batch: Columns) -> Columns:
    """The columns as `Columns` says they are, one after the other in memory of their own."""
    kinds = np.int64, np.int64, np.int64, np.float64, np.uint8, np.float64
    return Columns(*(np.require(one, kind, ["C", "W"]) for one, kind in zip(batch, kinds, strict=True)))


def _as_what(subject: Subject, neighbour: Neighbour) -> int:
    """As what a neighbour counts."""
    if neighbour.quantity == subject.quantity:
        return PEER
    return {"temperature": THERMOMETER, "rainfall": RAIN_GAUGE}.get(neighbour.quantity, REGRESSOR)
