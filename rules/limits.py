"""The limits a rule book sets on sensors' own values: what a person sees as lines in a trend."""

from __future__ import annotations

from collections.abc import Iterator

from rules.book import Book, Instance
from rules.conditions.kinds import All, Any_, Compare, Condition, CountOf, Only, Presumed, Reaches, Sequence, Window

_OWN_SCALE = frozenset({"mean", "min", "max", "last", "extreme"})  # a sum or a range is not a value of the sensor

Limit = tuple[str, str, int, str, float]  # sensor, rule, level (1 to 4), `high` or `low`, value in the sensor's unit


def limits(book: Book) -> list[Limit]:
    """Every limit of `book`, sorted, each once.

    A limit is a value at or beyond which a condition on the sensor itself begins to hold, whatever else the rule asks
    besides (a duration, neighbours, a time of day). What is no line in a trend (a slope, a sum, a detector's score, a
    count, what is negated) sets none.
    """
    return sorted({limit for instance in book.instances.values() for limit in _of(instance)})


def _of(instance: Instance) -> Iterator[Limit]:
    for rung in instance.ladder.rungs:
        for side, value in _lines(rung.condition):
            yield instance.sensor.id, instance.rule.id, int(rung.level), side, value


def _lines(condition: Condition) -> Iterator[tuple[str, float]]:
    match condition:
        case Compare(low, high):
            if high is not None:
                yield "high", high
            if low is not None:
                yield "low", low
        case CountOf(compare=compare):
            yield from _lines(compare)
        case Window(aggregate=aggregate, compare=compare) if aggregate in _OWN_SCALE:
            yield from _lines(compare)
        case Reaches(level, rising):
            yield ("high" if rising else "low"), level
        case All(parts) | Any_(parts) | Sequence(parts):
            for part in parts:
                yield from _lines(part)
        case Only(part=part) | Presumed(part):
            yield from _lines(part)
