"""Conditions on the watched sensor's own samples."""

from __future__ import annotations

from rules.conditions.kinds import Compare, CountOf, Detect, Reaches, Trend, Window
from rules.conditions.moment import Moment, holds, note
from rules.conditions.series import Answer, count_of, found, judge, reaches, usable_samples
from rules.conditions.truth import Evidence, Truth


def _tell(seen: list[Evidence] | None, moment: Moment, answer: Answer) -> Truth:
    at_us, flag = answer.time_us or moment.sample.time_us, answer.flag or moment.sample.flag
    return note(seen, moment.track, answer.value, at_us, flag, answer.test, answer.truth)


@holds.register
def _(condition: Compare, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    sample = moment.sample
    truth = Truth.of(condition.test(sample.value, deadband))
    return note(seen, moment.track, sample.value, sample.time_us, sample.flag, condition.written, truth)


@holds.register
def _(condition: CountOf, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    to_us = moment.sample.time_us
    samples = usable_samples(moment.track, to_us - condition.span_us, to_us, moment.usable)
    return _tell(seen, moment, count_of(condition, samples, deadband))


@holds.register
def _(condition: Window, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    deadband = 0.0 if condition.aggregate == "count" else deadband
    return _tell(seen, moment, judge(condition, moment.track, moment.sample.time_us, moment.usable, deadband))


@holds.register
def _(condition: Trend, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    return _tell(seen, moment, judge(condition, moment.track, moment.sample.time_us, moment.usable))


@holds.register
def _(condition: Reaches, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    sample = moment.sample
    samples = usable_samples(moment.track, sample.time_us - condition.over_us, sample.time_us, moment.usable)
    return _tell(seen, moment, reaches(condition, samples, sample.value, deadband))


@holds.register
def _(condition: Detect, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    sample = moment.sample
    finding = moment.track.finding(sample.time_us, condition.detector)
    truth = found(condition, finding)
    test = f"{condition.written}: {finding.reason}" if finding is not None and finding.reason else condition.written
    return note(seen, moment.track, sample.value, sample.time_us, sample.flag, test, truth)
