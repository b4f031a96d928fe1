"""Conditions on what is near: other sensors' samples, their silence, and facts of the register."""

from __future__ import annotations

from rules.conditions.kinds import Beside, Near, Quiet
from rules.conditions.moment import Moment, holds, note
from rules.conditions.series import judge
from rules.conditions.truth import Evidence, Truth

_MOST_SHOWN = 12


@holds.register
def _(condition: Near, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    to_us = moment.sample.time_us
    counts = {Truth.TRUE: 0, Truth.FALSE: 0, Truth.UNKNOWN: 0}
    enough = _enough(condition)
    every: list[Evidence] = []
    for name in condition.sensors:
        track = moment.tracks.get(name)
        if track is None:
            counts[Truth.UNKNOWN] += 1
            continue
        answer = judge(condition.ask, track, to_us, moment.usable)
        counts[answer.truth] += 1
        if seen is not None:
            note(every, track, answer.value, answer.time_us, answer.flag, condition.written, answer.truth)
        elif counts[Truth.TRUE] >= condition.need and counts[Truth.TRUE] + counts[Truth.FALSE] >= enough:
            return Truth.TRUE
    truth = _verdict(condition, counts, enough)
    if seen is not None:
        # The neighbours that speak for the answer, else the closest one (they are sorted by distance).
        telling = [e for e in every if e.truth == truth.name.lower()] or every[:1]
        seen.extend(telling[: max(_MOST_SHOWN, condition.need)])
        if not telling:
            note(seen, moment.track, None, 0, 0, condition.written, truth)
    return truth


def _enough(condition: Near) -> int:
    """How many neighbours must be able to answer. Of silence everybody answers: what the register lacks is no doubt."""
    return condition.min_valid if isinstance(condition.ask, Quiet) else max(condition.min_valid, condition.need)


def _verdict(condition: Near, counts: dict[Truth, int], enough: int) -> Truth:
    if counts[Truth.TRUE] + counts[Truth.FALSE] < enough:
        return Truth.UNKNOWN
    return Truth.of(counts[Truth.TRUE] >= condition.need)


@holds.register
def _(condition: Beside, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    truth = Truth.of(condition.site != "")
    if seen is not None:
        away_m = condition.away_m if condition.site else None
        at = condition.site or moment.track.sensor
        seen.append(Evidence(at, "distance", "m", away_m, 0, 0, condition.written, truth.name.lower()))
    return truth
