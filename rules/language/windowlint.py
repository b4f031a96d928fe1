"""What is allowed in a maintenance window but hardly meant: warnings with file:line:column."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from city.clock import from_us
from city.positions import Path
from city.yamlfile import read
from rules.alarm.windows import Window
from rules.book import Book
from rules.language.calendarfile import FILE
from rules.language.lint import Advice
from rules.language.windowfile import overlap

WINDOW_WARNINGS: Mapping[str, str] = {
    "idle-window": "A maintenance window that matches no sensor or gateway of the city, or none with such a rule.",
    "past-window": "A maintenance window that does not come again.",
    "double-window": "Two maintenance windows about the same that run at the same time.",
}


def lint_windows(files: Mapping[str, str], book: Book, now_us: int) -> list[Advice]:
    """Every warning about the windows of a folder without faults, in file order."""
    if not book.windows:
        return []
    written = read(files[FILE], FILE)
    listed = written.data["maintenance"] if isinstance(written.data, Mapping) else []
    paths: dict[str, Path] = {data["id"]: ("maintenance", at) for at, data in enumerate(listed)}

    def at(window: Window, name: str, key: str, what: str, hint: str) -> Advice:
        return Advice(written.positions.fault((*paths[window.id], key), what, hint=hint), name)

    found: list[Advice] = []
    for window in book.windows.values():
        if not _matches(window, book):
            found.append(at(window, "idle-window", "selector", f"{window.id} matches nothing", "another selector"))
        if all(one.end_us <= now_us for one in window.occurrences()):
            found.append(at(window, "past-window", "start", f"{window.id} does not come again", "removing it"))
    for one, other in combinations(book.windows.values(), 2):
        if one.selector == other.selector and (both := overlap(one, other)) is not None:
            when = from_us(both.start_us).astimezone(one.zone).isoformat()
            what = f"{other.id} is about the same as {one.id} and runs with it, first at {when}"
            found.append(at(other, "double-window", "selector", what, "one of them"))
    return sorted(found)


def _matches(window: Window, book: Book) -> bool:
    """Whether an alarm can ever match: of a sensor, or of a gateway."""
    city, own = book.city, window.selector
    for made in book.instances.values():
        if (not own.rules or made.rule.id in own.rules) and own.fits(made.sensor, city):
            return True
    for watch in book.watches.values():
        if own.rules and watch.rule.id not in own.rules:
            continue
        if watch.sensor is not None and own.fits(watch.sensor, city):
            return True
        bare = not (own.sites or own.sensors or own.quantities or own.site_kind or own.tags)
        here = not own.districts or watch.district in own.districts
        if watch.sensor is None and bare and here and (not own.gateways or watch.gateway.id in own.gateways):
            return True
    return False
