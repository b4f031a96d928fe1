"""Conditions: what a level asks of the readings, answered TRUE, FALSE or UNKNOWN at an instant of event time.

A condition is a frozen value made by `rules.book`; all numbers in it are in canonical units and microseconds. `holds`
answers for the sample of the watched sensor at that instant; it looks only at readings with event time up to it, so the
answer does not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch

from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Finding, Verdict
from rules.alarm.track import Track
from rules.conditions.truth import Evidence, Truth, all_of, any_of, negation

USABLE = frozenset({Flag.PASS, Flag.NOT_EVALUATED, Flag.SUSPECT})


@dataclass(frozen=True, slots=True)
class Compare:
    """Value at or above `high`, at or below `low`; with both, outside the band. `written` is how the rule says it."""

    low: float | None
    high: float | None
    written: str

    def test(self, value: float, deadband: float) -> bool:
        """Whether `value` meets it; `deadband` (canonical unit, above 0 once raised) makes leaving harder."""
        return (self.high is not None and value >= self.high - deadband) or (
            self.low is not None and value <= self.low + deadband
        )


@dataclass(frozen=True, slots=True)
class Trend:
    """Change of at least `by` (signed: negative means falling) against the extreme of the last `within_us`."""

    by: float
    within_us: int
    written: str


@dataclass(frozen=True, slots=True)
class Detect:
    """A detector finds the sample abnormal with at least `score`, in `direction` if one is given."""

    detector: str
    score: float
    direction: str
    written: str


@dataclass(frozen=True, slots=True)
class Near:
    """An aggregate over the `window_us` before, of the readings of each of `sensors`; any one of them suffices.

    With `detect`, instead: any of them was found abnormal inside the window.
    """

    sensors: tuple[str, ...]
    aggregate: str
    window_us: int
    compare: Compare | None
    detect: Detect | None
    written: str


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; what is unknown stays unknown."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing was received for `after_us` of arrival time. Judged by `rules.alarm.silence`, not by readings."""

    after_us: int
    written: str


Condition = Compare | Trend | Detect | Near | All | Any_ | Not | Silent


@dataclass(frozen=True, slots=True)
class Moment:
    """What a condition may look at: one sample of the watched sensor, what was found in it, and all tracks."""

    sample: Sample
    track: Track
    tracks: Mapping[str, Track]


@singledispatch
def holds(condition: Condition, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    """Whether a condition holds at a moment.

    Parameters
    ----------
    condition, moment
        What is asked, and of what.
    deadband
        Canonical unit; 0 while the level is not standing. Applies to comparisons with the watched sensor's value.
    seen
        When given, the observations behind the answer are appended.
    """
    raise TypeError(f"no such condition: {condition!r}")


def _note(
    seen: list[Evidence] | None, track: Track, value: float | None, time_us: int, flag: int, test: str, truth: Truth
) -> Truth:
    if seen is not None:
        word = truth.name.lower()
        seen.append(Evidence(track.sensor, track.quantity, track.unit, value, time_us, flag, test, word))
    return truth


@holds.register
def _(condition: Compare, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    sample = moment.sample
    truth = Truth.of(condition.test(sample.value, deadband))
    return _note(seen, moment.track, sample.value, sample.time_us, sample.flag, condition.written, truth)


@holds.register
def _(condition: Trend, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    sample, track = moment.sample, moment.track
    window = [s.value for s in track.between(sample.time_us - condition.within_us, sample.time_us) if s.flag in USABLE]
    if len(window) < 2:
        return _note(seen, track, None, sample.time_us, sample.flag, condition.written, Truth.UNKNOWN)
    change = sample.value - (min(window) if condition.by > 0 else max(window))
    truth = Truth.of(change >= condition.by if condition.by > 0 else change <= condition.by)
    return _note(seen, track, change, sample.time_us, sample.flag, condition.written, truth)


def _found(condition: Detect, finding: Finding | None) -> Truth:
    if finding is None or finding.verdict is Verdict.BLIND:
        return Truth.UNKNOWN
    fits = not condition.direction or finding.direction == condition.direction
    return Truth.of(finding.verdict is Verdict.ABNORMAL and fits and finding.score >= condition.score)


@holds.register
def _(condition: Detect, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    sample = moment.sample
    finding = moment.track.finding(sample.time_us, condition.detector)
    truth = _found(condition, finding)
    test = f"{condition.written}: {finding.reason}" if finding is not None else condition.written
    return _note(seen, moment.track, sample.value, sample.time_us, sample.flag, test, truth)


def _aggregate(name: str, samples: Sequence[Sample]) -> float:
    values = [sample.value for sample in samples]
    match name:
        case "sum":
            return sum(values)
        case "mean":
            return sum(values) / len(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case _:
            return values[-1]


def _near_one(condition: Near, track: Track, from_us: int, to_us: int, seen: list[Evidence] | None) -> Truth:
    samples = [sample for sample in track.between(from_us, to_us) if sample.flag in USABLE]
    if not samples:
        return _note(seen, track, None, 0, 0, condition.written, Truth.UNKNOWN)
    newest, worst = samples[-1], max(sample.flag for sample in samples)
    if condition.detect is not None:
        detect = condition.detect
        answer = any_of(_found(detect, track.finding(s.time_us, detect.detector)) for s in reversed(samples))
        return _note(seen, track, newest.value, newest.time_us, worst, condition.written, answer)
    if condition.compare is None:
        raise TypeError(f"a neighbour condition needs a comparison or a detector: {condition.written}")
    value = _aggregate(condition.aggregate, samples)
    truth = Truth.of(condition.compare.test(value, 0.0))
    return _note(seen, track, value, newest.time_us, worst, condition.written, truth)


@holds.register
def _(condition: Near, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    to_us = moment.sample.time_us
    tracks = [track for name in condition.sensors if (track := moment.tracks.get(name)) is not None]
    if not tracks:
        return _note(seen, moment.track, None, 0, 0, condition.written, Truth.UNKNOWN)
    from_us = to_us - condition.window_us
    if seen is None:
        return any_of(_near_one(condition, track, from_us, to_us, None) for track in tracks)
    every: list[Evidence] = []
    truth = any_of([_near_one(condition, track, from_us, to_us, every) for track in tracks])
    # The neighbours that speak for the answer, else the closest one (they are sorted by distance).
    seen.extend([e for e in every if e.truth == truth.name.lower()] or every[:1])
    return truth


@holds.register
def _(condition: All, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    if seen is None:
        return all_of(holds(part, moment, deadband) for part in condition.parts)
    return all_of([holds(part, moment, deadband, seen) for part in condition.parts])  # show every part's evidence


@holds.register
def _(condition: Any_, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    if seen is None:
        return any_of(holds(part, moment, deadband) for part in condition.parts)
    return any_of([holds(part, moment, deadband, seen) for part in condition.parts])


@holds.register
def _(condition: Not, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    return negation(holds(condition.part, moment, deadband, seen))


def parts_of(condition: Condition) -> list[Condition]:
    """A condition and everything inside it."""
    match condition:
        case All(parts) | Any_(parts):
            return [condition, *(inner for part in parts for inner in parts_of(part))]
        case Not(part):
            return [condition, *parts_of(part)]
        case _:
            return [condition]


def reach_us(condition: Condition) -> int:
    """How far back in event time a condition looks."""
    spans = [
        part.within_us if isinstance(part, Trend) else part.window_us
        for part in parts_of(condition)
        if isinstance(part, Trend | Near)
    ]
    return max(spans, default=0)


def neighbours(condition: Condition) -> frozenset[str]:
    """The other sensors a condition looks at."""
    return frozenset(name for part in parts_of(condition) if isinstance(part, Near) for name in part.sensors)
