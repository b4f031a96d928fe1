"""A gateway's message numbers: which were seen, which are missing, and when a numbering began anew.

Numbers come in any order, again, through several recorders, and from before the first one that was heard. What tells
an old number that comes late (or again) from a numbering that began anew is the newest reading in its message: a box
that started again speaks of later times, and brings readings that nobody had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

MAX_GAPS: Final = 1_000  # ranges kept for a gateway; what falls out stays missing for good
MAX_JUMP: Final = 1_000_000  # further: begun anew; an outage's backlog may wait behind live messages
_SURELY_LATER_US: Final = 1_000_000  # sensors of one gateway are not read in the same instant
_SURELY_EARLIER: Final = 100  # numbers


class Came(NamedTuple):
    """A message's number, the time of its newest reading (µs since 1970), and whether any of its readings was new."""

    seq: int
    newest_us: int
    fresh: bool


class Gap(NamedTuple):
    """Numbers not seen, both ends in, and the hour (since 1970) in which that was found."""

    low: int
    high: int
    hour: int


@dataclass(frozen=True, slots=True)
class Numbering:
    """The span of numbers that was seen, the newest reading in its first and last message, and what it misses."""

    first: int
    first_us: int
    last: int
    last_us: int
    gaps: tuple[Gap, ...] = ()

    @classmethod
    def begin(cls, came: Came) -> Numbering:
        """A numbering of which one message was seen."""
        return cls(came.seq, came.newest_us, came.seq, came.newest_us)

    def after(self, came: Came, hour: int) -> tuple[Numbering, tuple[int, int]]:
        """Take a number that came in `hour`: the numbering then; an hour, and by how much what it misses changes."""
        seq, newest_us, fresh = came
        later = fresh and newest_us > self.last_us + _SURELY_LATER_US
        if seq == self.last + 1:
            return Numbering(self.first, self.first_us, seq, newest_us, self.gaps), (hour, 0)
        if seq > self.last:
            return self._beyond(came, hour)
        for at, gap in enumerate(self.gaps):
            if gap.low <= seq <= gap.high and not (later and self.last - seq >= _SURELY_EARLIER):
                rest = [Gap(gap.low, seq - 1, gap.hour), Gap(seq + 1, gap.high, gap.hour)]
                left = (*self.gaps[:at], *(part for part in rest if part.low <= part.high), *self.gaps[at + 1 :])
                return replace(self, gaps=left), (gap.hour, -1)
        if later:
            return Numbering.begin(came), (hour, 0)
        if seq < self.first and self.first - seq <= MAX_JUMP and newest_us <= self.first_us + _SURELY_LATER_US:
            gaps = self._with(seq + 1, self.first - 1, hour, before=True)
            return replace(self, first=seq, first_us=newest_us, gaps=gaps), (hour, self.first - seq - 1)
        return self, (hour, 0)

    def _beyond(self, came: Came, hour: int) -> tuple[Numbering, tuple[int, int]]:
        seq, newest_us, fresh = came
        if not fresh and newest_us < self.last_us:  # of a numbering before this one, again
            return self, (hour, 0)
        if seq - self.last > MAX_JUMP:
            return Numbering.begin(came), (hour, 0)
        gaps = self._with(self.last + 1, seq - 1, hour)
        return replace(self, last=seq, last_us=newest_us, gaps=gaps), (hour, seq - self.last - 1)

    def _with(self, low: int, high: int, hour: int, *, before: bool = False) -> tuple[Gap, ...]:
        new = (Gap(low, high, hour),) if low <= high else ()
        return ((*new, *self.gaps) if before else (*self.gaps, *new))[-MAX_GAPS:]


def take(numbering: Numbering | None, came: Sequence[tuple[Came, int]]) -> tuple[Numbering, dict[int, int]]:
    """Take numbers, each with the hour in which it came (at least one): the numbering then, and changes by hour."""
    changes: dict[int, int] = {}
    newest: Came | None = None  # one after the other, as nearly all come: noted when they are over
    for one, hour in came:
        if newest is not None and one.seq == newest.seq + 1:
            newest = one
            continue
        if numbering is None:
            numbering, newest = Numbering.begin(one), one
            continue
        if newest is not None:
            numbering = replace(numbering, last=newest.seq, last_us=newest.newest_us)
        numbering, (at, change) = numbering.after(one, hour)
        newest = one if numbering.last == one.seq and numbering.last_us == one.newest_us else None
        if change:
            changes[at] = changes.get(at, 0) + change
    if newest is not None and numbering is not None:
        numbering = replace(numbering, last=newest.seq, last_us=newest.newest_us)
    assert numbering is not None, "at least one number came"  # noqa: S101 - the caller's promise
    return numbering, changes
