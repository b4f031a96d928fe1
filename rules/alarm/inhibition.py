"""Inhibition: an alarm that another one explains is held while that one stands.

A rule names the rules that explain it, each with what both must share (`same`: the sensor, site, gateway, district or
city). An alarm that lacks what is to be shared matches nothing. Whether the source is itself held does not matter:
nobody makes its dependents ring by shelving it. Besides what the book says, the silence of a gateway explains the
silence of its sensors.
"""

from __future__ import annotations

from collections.abc import Iterable

from rules.alarm.alarm import Alarm, Condition
from rules.book import Book

SAMES = ("sensor", "site", "gateway", "district", "city")
_SOURCES = frozenset({Condition.ACTIVE, Condition.CLEARING, Condition.UNKNOWN})


def place(alarm: Alarm, same: str) -> str:
    """The sensor, site, gateway, district or city of an alarm; empty when it has none."""
    match same:
        case "sensor":
            return alarm.sensor or ""
        case "site":
            return alarm.site if alarm.sensor else ""  # a gateway's alarm is at no site
        case "gateway":
            return alarm.gateway
        case "district":
            return alarm.district
        case "city":
            return "city"
    raise ValueError(f"inhibition: nothing is the same by {same!r}, try one of {', '.join(SAMES)}")


class Inhibition:
    """Who is explained by whom under a book, among the alarms that stand.

    Parameters
    ----------
    book
        The rules.
    standing
        The alarms that stand now; later ones are told by `note`.
    """

    def __init__(self, book: Book, standing: Iterable[Alarm] = ()) -> None:
        self._sources = _sources(book)
        self._dependents: dict[str, set[str]] = {}
        for rule, sources in self._sources.items():
            for source, _ in sources:
                self._dependents.setdefault(source, set()).add(rule)
        self._standing: dict[str, dict[str, Alarm]] = {rule: {} for rule in (*self._sources, *self._dependents)}
        for alarm in standing:
            self.note(alarm)

    def note(self, alarm: Alarm) -> None:
        """Something happened to an alarm."""
        own = self._standing.get(alarm.rule)
        if own is None:
            return
        if alarm.stands:
            own[alarm.id] = alarm
        else:
            own.pop(alarm.id, None)

    def by(self, alarm: Alarm) -> Alarm | None:
        """The alarm that explains this one: the earliest of them."""
        found = [
            other
            for rule, same in self._sources.get(alarm.rule, ())
            for other in self._standing[rule].values()
            if other.condition in _SOURCES and other.id != alarm.id and _together(alarm, other, same)
        ]
        return min(found, key=lambda other: (other.raised_us, other.id), default=None)

    def explained_by(self, alarm: Alarm) -> list[Alarm]:
        """The alarms that this one explains, or did."""
        return [
            other
            for rule in sorted(self._dependents.get(alarm.rule, ()))
            for other in self._standing[rule].values()
            if any(source == alarm.rule and _together(other, alarm, same) for source, same in self._sources[rule])
        ]


def _together(one: Alarm, other: Alarm, same: str) -> bool:
    shared = place(one, same)
    return shared != "" and shared == place(other, same)


def _sources(book: Book) -> dict[str, list[tuple[str, str]]]:
    """The rules that explain each rule."""
    found: dict[str, list[tuple[str, str]]] = {}
    for rule in (
        *(instance.rule for instance in book.instances.values()),
        *(watch.rule for watch in book.watches.values()),
    ):
        if rule.inhibited_by and rule.id not in found:
            found[rule.id] = list(rule.inhibited_by)
    gateways = {watch.rule.id for watch in book.watches.values() if watch.sensor is None}
    for name in {watch.rule.id for watch in book.watches.values() if watch.sensor is not None}:
        found.setdefault(name, []).extend((gateway, "gateway") for gateway in sorted(gateways))
    return found
