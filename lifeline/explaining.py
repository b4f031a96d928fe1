"""Asks why a rule did or did not raise on a sensor, and says the answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from city.clock import from_us
from lifeline.past import Where, past
from rules.check import Checked
from rules.trials.explain import Explanation, begin_us, explain, find, looked_at
from rules.trials.explaintext import lines
from rules.trials.tale import Clock


@dataclass(frozen=True)
class Question:
    """What is asked: a rule, a scope, an instant, and where to look."""

    rule: str
    scope: str
    at_us: int
    since_us: int | None = None
    where: Where = field(default_factory=Where)


def answer(question: Question) -> tuple[Explanation, Clock]:
    """The explanation, and how the city writes instants.

    Raises
    ------
    InputError
        No such rule or sensor, no city folder, or no database to ask.
    """
    rule, scope, at_us = question.rule, question.scope, question.at_us
    with past(question.where) as found:
        checked = found.checked
        asked = find(checked.book, rule, scope)
        begin = begin_us(asked, at_us) if question.since_us is None else at_us - question.since_us
        samples = found.samples(looked_at(checked, asked), begin, at_us)
        recorded = found.recorded(rule, scope, begin, at_us)
        explanation = replace(explain(checked, asked, at_us, samples, begin), recorded=tuple(recorded))
    return explanation, _clock(checked)


def written(explanation: Explanation, clock: Clock) -> str:
    """An explanation as text."""
    return "\n".join(lines(explanation, clock))


def _clock(checked: Checked) -> Clock:
    """Local time of the city with its offset, to the second unless there is more."""
    zone = ZoneInfo(checked.city.timezone)

    def clock(at_us: int) -> str:
        moment = from_us(at_us).astimezone(zone)
        return moment.isoformat(timespec="auto" if moment.microsecond else "seconds")

    return clock
