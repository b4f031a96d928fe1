"""Finds what `lifeline detectors explain` needs, and says what came of it in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, isnan
from zoneinfo import ZoneInfo

from city.clock import from_us
from city.errors import InputError
from city.positions import nearest_or_all
from city.reading import Sample
from detectors.columns import ABNORMAL, BLIND
from detectors.early.channels import CHANNELS
from detectors.early.explain import Heard
from detectors.early.learning import learning
from detectors.subject import Subject
from lifeline.past import Where, past
from rules.check import Checked
from rules.signs.hindsight import Hindsight, look_back
from rules.signs.telling import finding

_UNTIL_THEN = {
    "gross": "only what is gross is called rare",
    "seldom": "only what is gross, or a value it hardly ever had, is called rare",
    "values": "only a value it hardly ever had, or standing still, is called rare",
}


@dataclass(frozen=True, slots=True)
class Question:
    """Which sensor at which instant, how far back to learn and to show, and where its readings are."""

    sensor: str
    at_us: int
    since_us: int
    show_us: int
    where: Where = field(default_factory=Where)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine made of a sensor's past.

    Attributes
    ----------
    budget
        False alarms per year that its settings accept.
    """

    past: Hindsight
    unit: str
    budget: float
    zone: ZoneInfo


def answer(question: Question) -> Answer:
    """Run a sensor's recorded past through the engine.

    Raises
    ------
    InputError
        No such sensor, no city folder, no database to ask, or no readings.
    """
    with past(question.where) as found:
        subject = _subject(found.checked, question.sensor)
        names = [subject.sensor, *(one.sensor for one in subject.context)]
        samples = found.samples(names, question.at_us - question.since_us, question.at_us)
    return _answer(question, found.checked, subject, samples)


def _subject(checked: Checked, sensor: str) -> Subject:
    subject = checked.book.subjects.get(sensor)
    if subject is None:
        raise InputError(f"no such sensor, got {sensor!r}, try {nearest_or_all(sensor, list(checked.city.sensors))}")
    return subject


def _answer(question: Question, checked: Checked, subject: Subject, samples: list[Sample]) -> Answer:
    begin_us, end_us = question.at_us - question.since_us, question.at_us
    chosen = [sample for sample in samples if begin_us <= sample.time_us <= end_us]
    sensors, detection = checked.city.sensors, checked.book.detection
    intervals_s = {one.sensor: sensors[one.sensor].interval_s for one in subject.context}
    past = look_back(subject, intervals_s, detection.settings, chosen, shown_us=end_us - question.show_us)
    budget = detection.settings.budget(subject.quantity, subject.tags)
    return Answer(past, sensors[subject.sensor].quantity.unit, budget, ZoneInfo(checked.city.timezone))


def lines(said: Answer) -> Iterator[str]:
    """The answer in sentences: the sample, the verdict, and by what the engine knows the sensor."""
    past, explanation = said.past, said.past.explanation
    columns, found = past.columns, past.found
    at = from_us(int(columns.time_us[-1])).astimezone(said.zone).isoformat(timespec="seconds")
    yield f"{past.subject.sensor} ({past.subject.quantity}), {at}"
    value = float(columns.value[-1])
    if found.verdict[-1] in (ABNORMAL, BLIND):
        yield finding(past.subject.sensor, int(columns.time_us[-1]), value, said.unit, found, -1).reason
    else:
        yield f"nothing unusual: {value:.4g} {said.unit}, expected {_band(said)}"
    yield (
        f"abnormal from 1 in {1 / said.budget:g} years on; known by {explanation.seen_days:.1f} days, "
        f"a reading every {explanation.interval_s:g} s; {int((found.verdict == ABNORMAL).sum())} of "
        f"{len(found.verdict)} samples abnormal, {int((found.verdict == BLIND).sum())} not to be judged"
    )
    known = learning(past.subject)
    if (left := known.days - explanation.seen_days) > 0:
        yield f"still being learned, for about {ceil(left)} days more: before that {_UNTIL_THEN[known.until_then]}"
    for place, other in enumerate(past.subject.context[: columns.context.shape[1]]):
        now = float(columns.context[-1, place])
        away = "" if other.away_m is None else f", {other.away_m:.0f} m away"
        yield f"beside it {other.sensor} ({other.quantity}{away}): {'not heard' if isnan(now) else f'{now:.4g}'}"


def _band(said: Answer) -> str:
    found = said.past.found
    return f"{found.expected[-1]:.4g} ({found.low[-1]:.4g} to {found.high[-1]:.4g})"


def heard(said: Answer) -> list[tuple[str, Heard]]:
    """Every channel that has a part of the budget, with its direction as a word, the least usual first."""
    words = {1: "up", -1: "down", 0: ""}
    used = [one for one in said.past.explanation.channels if one.weight > 0]

    def rank(one: Heard) -> tuple[float, float]:
        beyond = one.statistic / one.threshold if one.threshold > 0 and not isnan(one.statistic) else 0.0
        return (0.0 if isnan(one.return_period_years) else one.return_period_years), beyond

    return [(words[one.direction], one) for one in sorted(used, key=rank, reverse=True)]


def once_in(one: Heard) -> str:
    """How seldom what a channel says comes; empty where it is nothing unusual."""
    if isnan(one.return_period_years):
        return ""
    return f"{one.return_period_years:.3g} years" if one.return_period_years > 0 else "not believed yet"


def loudest(past: Hindsight, most: int) -> list[str]:
    """The channels that found something least usual in the shown span, at most so many."""
    peaks = {name: max((y for y in past.years[:, at].tolist() if not isnan(y)), default=0.0)
             for at, name in enumerate(CHANNELS)}  # fmt: skip
    ranked = sorted(peaks, key=lambda name: -peaks[name])
    return [name for name in ranked[:most] if peaks[name] > 0]
