"""What a condition may look at, and the question itself: whether it holds at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

from city.levels import Flag
from city.reading import Sample
from rules.alarm.track import Track
from rules.conditions.kinds import Condition
from rules.conditions.truth import Evidence, Truth

USABLE = frozenset({Flag.PASS, Flag.NOT_EVALUATED, Flag.SUSPECT})

Memory = tuple[tuple[int, ...], tuple[int, ...]]
"""What a sequence remembers: for each part but the last, when the newest chain that got so far began (0: none did);
first of the chains that are certain, then of those that are possible."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a condition may look at: one sample of the watched sensor, what was found in it, and all tracks.

    Attributes
    ----------
    sample, track, tracks
        The sample judged, its sensor's track, and everybody's.
    usable
        Flags of the samples that count, the sensor's own and its neighbours'.
    memory
        What the ladder's sequences remember, by slot, this sample included; None when nobody remembered.
    """

    sample: Sample
    track: Track
    tracks: Mapping[str, Track]
    usable: frozenset[Flag] = USABLE
    memory: Mapping[int, Memory] | None = None


@singledispatch
def holds(condition: Condition, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    """Whether a condition holds at a moment.

    Parameters
    ----------
    condition, moment
        What is asked, and of what.
    deadband
        Canonical unit; 0 while the level is not standing. Applies to comparisons with the watched sensor's values.
    seen
        When given, the observations behind the answer are appended.
    """
    raise TypeError(f"no such condition: {condition!r}")


def note(
    seen: list[Evidence] | None, track: Track, value: float | None, time_us: int, flag: int, test: str, truth: Truth
) -> Truth:
    """Remember an observation, if anybody wants to see it; gives back its truth."""
    if seen is not None:
        word = truth.name.lower()
        seen.append(Evidence(track.sensor, track.quantity, track.unit, value, time_us, flag, test, word))
    return truth
