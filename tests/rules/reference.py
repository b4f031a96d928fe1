"""What a ladder of plain `above` thresholds must raise, told as plainly and slowly as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from city.levels import Level

NEVER = 1 << 62


@dataclass(frozen=True)
class Rung:
    """One level; `for_` in the time unit of the samples."""

    level: Level
    above: float
    for_: int
    deadband: float

    @property
    def completes(self) -> bool:
        """Whether a gap counts while it is pending (the usual `on_gap` of red and orange)."""
        return self.level >= Level.ORANGE


@dataclass(frozen=True)
class Ladder:
    """All levels, with the times that count for all of them."""

    rungs: tuple[Rung, ...]
    clear_after: int
    stale_after: int


def spans(samples: Sequence[tuple[int, float]], rung: Rung, ladder: Ladder) -> list[tuple[int, int]]:
    """When one level stands: walk the sorted samples and remember three times."""
    found: list[tuple[int, int]] = []
    first_true = first_false = raised = last = None
    for at, value in samples:
        gap = last is not None and at - last > ladder.stale_after
        if raised is None and first_true is not None and last is not None and gap:
            if not rung.completes:
                first_true += at - last
            elif first_true + rung.for_ <= at:
                raised, first_true = first_true + rung.for_, None
        if raised is None:
            first_true = None if value < rung.above else at if first_true is None else first_true
            if first_true is not None and at - first_true >= rung.for_:
                raised, first_true = first_true + rung.for_, None
        elif value >= rung.above - rung.deadband:
            first_false = None
        else:
            first_false = at if first_false is None or gap else first_false
            if at - first_false >= ladder.clear_after:
                found.append((raised, first_false + ladder.clear_after))
                raised = first_false = None
        last = at
    return [*found, (raised, NEVER)] if raised is not None else found


def occurrences(samples: Sequence[tuple[int, float]], ladder: Ladder) -> list[tuple[Level, int, int | None]]:
    """(highest level, raised, cleared or None) of every alarm: the union of the levels' spans."""
    found: list[tuple[int, int, Level]] = []
    for start, end, level in sorted(
        (*span, rung.level) for rung in ladder.rungs for span in spans(samples, rung, ladder)
    ):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]), max(level, found[-1][2]))
        else:
            found.append((start, end, level))
    return [(level, start, None if end == NEVER else end) for start, end, level in found]
