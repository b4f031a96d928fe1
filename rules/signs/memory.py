"""What the watch for early signs remembers: the fleet, what was told of each sensor, and places to go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Found

USUAL, RARE, LOST = 0, 1, 2
"""What was told of a sensor last: nothing or that it is usual again, a sign, that a sign went out of sight."""


class FleetLike(Protocol):
    """The fleet engine (`detectors.early.fleet.Fleet`), as far as it is used here."""

    def update(self, columns: Columns) -> Found:
        """Take samples in; an answer to each."""
        ...

    def row_state(self, row: int) -> bytes:
        """All that is known of one sensor."""
        ...

    def put_row_state(self, row: int, state: bytes | None) -> None:
        """Put back what `row_state` gave; None forgets."""
        ...

    def rows_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What is known of many sensors, for another fleet of this process."""
        ...

    def put_rows(self, rows: NDArray[np.int64], known: NDArray[np.float32]) -> None:
        """Put in what `rows_at` of another fleet gave."""
        ...

    def snapshot_blocks(self) -> Sequence[bytes | memoryview]:
        """Everything learned, in parts that are good until the next call."""
        ...

    def restore(self, data: bytes) -> None:
        """Take over a snapshot; InputError when it is another version's."""
        ...


@dataclass(slots=True)
class Marked:
    """A sensor that sends late samples now and then.

    Attributes
    ----------
    states
        (event time, what was told last, the fleet's state) after some of its samples, oldest first.
    told
        (event time, what) of each change since the oldest of them.
    """

    states: list[tuple[int, int, bytes]] = field(default_factory=list)
    told: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Signs:
    """One city's.

    Attributes
    ----------
    names, quantities
        By row of the fleet.
    told, drawn
        By row: what was told last (uint8), and the last step of time of which the band was drawn (int64).
    marked
        By sensor, the one that was late longest ago first.
    unlearned
        How many late samples could not be put in their place, and were neither judged nor learned.
    fleet, kept
        The engine, once there is one; until then the snapshot it is to be made from.
    made_of
        The sensors and settings that the engine was made for.
    """

    names: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    told: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    drawn: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    marked: dict[str, Marked] = field(default_factory=dict)
    unlearned: int = 0
    fleet: FleetLike | None = None
    kept: bytes = b""
    made_of: object = None
    _heads: tuple[Any, bytes] = ((), b"")

    def freeze(self) -> tuple[tuple[Any, ...], Sequence[bytes | memoryview]]:
        """What makes this value again: a small picklable part, and the fleet's bytes in blocks (see `thaw`)."""
        if self._heads[0] is not self.names:
            self._heads = self.names, msgspec.json.encode((self.names, self.quantities))
        marked = {name: (one.states, one.told) for name, one in self.marked.items()}
        small = (self._heads[1], self.told.tobytes(), self.drawn.tobytes(), marked, self.unlearned)
        return small, [self.kept] if self.fleet is None else self.fleet.snapshot_blocks()

    @classmethod
    def thaw(cls, small: Sequence[Any], fleet: bytes) -> Signs:
        """The value that was frozen; its fleet is yet to be made."""
        heads, told, drawn, marked, unlearned = small
        names, quantities = msgspec.json.decode(heads or b"[[],[]]", type=tuple[tuple[str, ...], tuple[str, ...]])
        return cls(
            names, quantities, np.frombuffer(told, np.uint8).copy(), np.frombuffer(drawn, np.int64).copy(),
            {name: Marked(list(states), list(said)) for name, (states, said) in marked.items()}, unlearned,
            kept=bytes(fleet),
        )  # fmt: skip
