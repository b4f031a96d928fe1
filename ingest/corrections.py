"""What is made of the times of gateways whose clocks are corrected (`clock: correct` in `gateways.csv`).

A correction is a function of the claimed time alone, in steps that are written once: a reading that comes again,
whenever and through whichever recorder, finds the place where it stands. Steps never let time run backwards: where one
takes up to two minutes away, time runs at half speed until it is made up for; a clock further off was set, and its
claims jumped with it. A clock that was set back claims times a second time; the store knows which of them were used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.clocks import Skew

Times = NDArray[np.int64]

SLEWED_US: Final = 120_000_000
LEAD_US: Final = 30_000_000  # a step begins ahead of what is under way, so that every recorder knows it in time
_LIVE_US: Final = 5_000_000
_NO_FLOOR: Final = -(1 << 62)
LEAST_US: Final = 1_000_000  # clocks that are nearer than this are left alone


class Step(NamedTuple):
    """From this claimed time on, a clock is behind by so much; when that was found (µs since 1970)."""

    from_us: int
    offset_us: int
    made_us: int


class Corrections:
    """The steps of one gateway, and those that were in force for claims which a clock set back repeats."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._before: tuple[Step, ...] = ()
        self._again_us = (0, 0)  # claims from and until which may have been made before

    def add(self, step: Step) -> None:
        """The next step in the order in which they were made."""
        offset_us = self._steps[-1].offset_us if self._steps else 0
        until_us = step.made_us - offset_us + SLEWED_US
        if self._steps and step.from_us + 2 * SLEWED_US < until_us:  # the clock was set back
            self._before, self._again_us = tuple(self._steps), (step.from_us, until_us)
        self._steps = [*(one for one in self._steps if one.from_us < step.from_us), step]

    def wanted(self, skew: Skew, sent_us: int, received_us: int) -> Step | None:
        """The step that a clock's skew asks for after a batch that ends with a message sent and received then.

        None while the clock is right or not known well enough, and for what was held up: claims that are later than it
        may have been stored already.
        """
        if skew.skew_s is None or not skew.known:
            return None
        offset_us = round(skew.skew_s * 1e6)
        if abs(received_us - sent_us - offset_us) > _LIVE_US:
            return None
        standing_us = self._steps[-1].offset_us if self._steps else 0
        unsure_us = 2e6 * (skew.uncertainty_s or 0.0)
        if abs(offset_us - standing_us) <= max(LEAST_US, unsure_us):
            return None
        return Step(sent_us + LEAD_US, offset_us, received_us)

    def correct(self, claimed_us: Times) -> Times:
        """Event times of claimed times."""
        return _correct(self._steps, claimed_us)

    def before(self, claimed_us: Times) -> tuple[NDArray[np.intp], Times]:
        """Which of these may have been claimed before the clock was set back, and where they would stand then."""
        first_us, until_us = self._again_us
        rows = np.flatnonzero((claimed_us >= first_us) & (claimed_us < until_us))
        return rows, _correct(self._before, claimed_us[rows])


Known = Mapping[str, Corrections]


def _correct(steps: Sequence[Step], claimed_us: Times) -> Times:
    if not steps:
        return claimed_us
    from_us = np.array([step.from_us for step in steps], dtype=np.int64)
    offset_us = np.array([0, *(step.offset_us for step in steps)], dtype=np.int64)
    at = np.searchsorted(from_us, claimed_us, "right")
    corrected = claimed_us + offset_us[at]
    floors_us = np.array([_NO_FLOOR, *_floors(steps)], dtype=np.int64)
    slewed = np.flatnonzero(floors_us[at] != _NO_FLOOR)
    if len(slewed):
        since_us = claimed_us[slewed] - from_us[at[slewed] - 1]
        corrected[slewed] = np.maximum(corrected[slewed], floors_us[at[slewed]] + since_us // 2)
    return np.asarray(corrected)


def _floors(steps: Sequence[Step]) -> Iterator[int]:
    """Where time stood when each step began, if it goes on from there at half speed."""
    offset_us, from_us, floor_us = 0, 0, _NO_FLOOR
    for step in steps:
        stood_us = step.from_us + offset_us
        if floor_us != _NO_FLOOR:
            stood_us = max(stood_us, floor_us + (step.from_us - from_us) // 2)
        back_us = stood_us - (step.from_us + step.offset_us)
        floor_us = stood_us if back_us > 0 and offset_us - step.offset_us <= SLEWED_US else _NO_FLOOR
        offset_us, from_us = step.offset_us, step.from_us
        yield floor_us
