"""A part of a city, with the rules that are left of it: what a trial or a drill needs, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import replace

from rules.alarm.ladder import Ladder
from rules.book import Book, Rule
from rules.conditions import kinds
from rules.conditions.kinds import Condition


def narrow_book(whole_book: Book, sensors: Set[str], keep: Callable[[Rule], bool]) -> Book:
    """The book of a city with only some of its sensors, their gateways, and the rules to `keep`.

    Sensors left out are nobody's neighbours any more, and their silence is no news.
    """
    whole = whole_book.city
    kept = {name: sensor for name, sensor in whole.sensors.items() if name in sensors}
    boxes = {sensor.gateway for sensor in kept.values()}
    city = replace(whole, sensors=kept, gateways={k: g for k, g in whole.gateways.items() if k in boxes})
    ladders: dict[int, Ladder] = {}  # sensors share ladders, and go on sharing them

    def ladder(of: Ladder) -> Ladder:
        if id(of) not in ladders:
            rungs = tuple(replace(rung, condition=_among(rung.condition, kept.keys())) for rung in of.rungs)
            ladders[id(of)] = replace(of, rungs=rungs)
        return ladders[id(of)]

    instances = {
        key: replace(instance, ladder=ladder(instance.ladder)) for key, instance in whole_book.instances.items()
        if instance.sensor.id in kept and keep(instance.rule)
    }  # fmt: skip
    watches = {
        key: watch for key, watch in whole_book.watches.items()
        if watch.gateway.id in boxes and (watch.sensor is None or watch.sensor.id in kept) and keep(watch.rule)
    }  # fmt: skip
    book = replace(whole_book, city=city, instances=instances, watches=watches)
    return replace(book, detectors=frozenset(_detectors(book)))


def _among(condition: Condition, sensors: Set[str]) -> Condition:
    """A condition that looks at no neighbours but these."""
    match condition:
        case kinds.Near():
            return replace(condition, sensors=tuple(name for name in condition.sensors if name in sensors))
        case kinds.All(parts) | kinds.Any_(parts) | kinds.Sequence(parts):
            return replace(condition, parts=tuple(_among(part, sensors) for part in parts))
        case kinds.Not(part) | kinds.Presumed(part) | kinds.Only(part=part):
            return replace(condition, part=_among(part, sensors))
        case _:
            return condition


def _detectors(book: Book) -> Iterator[str]:
    """The detectors that some condition asks."""
    ladders = {id(instance.ladder): instance.ladder for instance in book.instances.values()}
    for ladder in ladders.values():
        for rung in ladder.rungs:
            for part in kinds.parts_of(rung.condition):
                match part:
                    case kinds.Detect(detector=name) | kinds.Near(ask=kinds.Found(detect=kinds.Detect(detector=name))):
                        yield name
                    case _:
                        pass
