"""Calm: when a glance at the watched sensor's own values proves that no level of an idle ladder can begin.

Most readings change nothing. `calm` says, for a condition, what suffices for it not to be TRUE, `calm_of_all` for a
whole ladder; whoever moves ladders may then skip the sample, as long as nothing is pending or standing. It promises
nothing about TRUE, and says None where values alone prove nothing (detectors, neighbours, most sequences).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nextafter

from rules.alarm.track import EARLY_SIGN
from rules.conditions.kinds import (
    All,
    Any_,
    Beside,
    Compare,
    Condition,
    CountOf,
    Detect,
    Not,
    Only,
    Reaches,
    Sequence,
    Trend,
    Window,
    parts_of,
)

_LEAST = 5e-324  # the smallest number above 0: a range below it is no range at all


@dataclass(frozen=True, slots=True)
class Calm:
    """What suffices, at a usable sample of the watched sensor, for a condition not to be TRUE.

    Attributes
    ----------
    low, high
        The sample's value lies strictly between them (canonical unit) …
    since_us
        … and so do all usable samples of the last `since_us` (both ends count; 0: only the sample itself) …
    span_us, range_below
        … and the usable samples of the last `span_us` differ by less than `range_below` (0 and infinity: no matter) …
    unsigned
        … and the sample itself is no early sign.
    """

    low: float = -inf
    high: float = inf
    since_us: int = 0
    span_us: int = 0
    range_below: float = inf
    unsigned: bool = False

    @property
    def at_a_glance(self) -> bool:
        """Whether the sample's own value is enough."""
        return self.since_us == 0 and self.range_below == inf and not self.unsigned

    def both(self, other: Calm) -> Calm:
        """What suffices for both."""
        return Calm(
            max(self.low, other.low), min(self.high, other.high), max(self.since_us, other.since_us),
            max(self.span_us, other.span_us), min(self.range_below, other.range_below), self.unsigned or other.unsigned,
        )  # fmt: skip


def calm(condition: Condition) -> Calm | None:
    """What suffices for a condition not to be TRUE; None when its sensor's own values prove nothing."""
    match condition:
        case Compare(low, high):
            return _between(low, high)
        case CountOf(compare=Compare(low, high), span_us=span_us):
            return _between(low, high, span_us)
        case Window():
            return _window(condition)
        case Trend(by, within_us):
            return Calm(span_us=within_us, range_below=abs(by))
        case Reaches(level, rising, _, over_us):
            low, high = (-inf, level) if rising else (level, inf)
            return Calm(low, high, span_us=over_us, range_below=_LEAST)
        case Detect(detector) if detector == EARLY_SIGN:
            return Calm(unsigned=True)
        case Beside(site):
            return None if site else Calm()
        case All(parts):
            found = [quiet for part in parts if (quiet := calm(part)) is not None]
            return min(found, key=_cost, default=None)
        case Any_(parts):
            return _every([calm(part) for part in parts])
        case Sequence(parts):
            # What is not known moves its memory too: only parts that are never unknown may be skipped.
            return _every([calm(part) if isinstance(part, Compare) else None for part in parts])
        case Only(part=part):
            return calm(part)
        case Not(Compare(None, float(high))):
            return Calm(low=nextafter(high, -inf))
        case Not(Compare(float(low), None)):
            return Calm(high=nextafter(low, inf))
        case _:
            return None


def calm_of_all(conditions: list[Condition]) -> Calm | None:
    """What suffices for none of them to be TRUE, and for none of the sequences in them to have anything to remember."""
    sequences = [part for one in conditions for part in parts_of(one) if isinstance(part, Sequence)]
    return _every([calm(condition) for condition in (*conditions, *sequences)])


def _between(low: float | None, high: float | None, since_us: int = 0) -> Calm:
    return Calm(-inf if low is None else low, inf if high is None else high, since_us)


def _window(condition: Window) -> Calm | None:
    low, high = condition.compare.low, condition.compare.high
    if condition.aggregate in ("mean", "min", "max", "last", "extreme"):  # they lie among the samples' values
        return _between(low, high, condition.window_us)
    if condition.aggregate == "range" and low is None and high is not None and high > 0:
        return Calm(span_us=condition.window_us, range_below=high)
    return None


def _every(found: list[Calm | None]) -> Calm | None:
    together = Calm()
    for quiet in found:
        if quiet is None:
            return None
        together = together.both(quiet)
    return together


def _cost(quiet: Calm) -> tuple[bool, bool, int]:
    """How much must be looked at: cheapest first."""
    return quiet.range_below < inf, not quiet.at_a_glance, quiet.since_us + quiet.span_us
