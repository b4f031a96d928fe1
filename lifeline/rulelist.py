"""What `lifeline rules list` shows: each rule, what it watches, and whether its tests see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from city.levels import Level
from rules.book import Instance, Watch
from rules.trials.casefile import Case, Folder, read_cases


@dataclass(frozen=True)
class Listed:
    """One rule of a folder.

    Attributes
    ----------
    watches
        In short: the quantity and the kinds of site, or gateways.
    scopes
        How many sensors (or gateways) it watches.
    tests
        How many tests expect something of it by name.
    """

    id: str
    watches: str
    scopes: int
    levels: str
    chain: str
    status: str
    tests: int
    place: str


def listed(files: Mapping[str, str]) -> list[Listed]:
    """The rules of a city folder, in the order of their files (FaultyInput with every fault of it)."""
    folder = Folder(files)
    book = folder.checked.book
    own: dict[str, list[Instance | Watch]] = {}
    every: list[Instance | Watch] = [*book.instances.values(), *book.watches.values()]
    for found in every:
        own.setdefault(found.rule.id, []).append(found)
    tests = Counter(rule for name in folder.tests() for case in read_cases(folder, name) for rule in _named(case))
    rows = [_row(folder, name, scopes, tests[name]) for name, scopes in own.items()]
    order = {found[0].rule.id: (found[0].rule.file, found[0].rule.line) for found in own.values()}
    return sorted(rows, key=lambda row: order[row.id])


def _row(folder: Folder, name: str, scopes: list[Instance | Watch], tests: int) -> Listed:
    rule, sites = scopes[0].rule, folder.checked.city.sites
    sensors = [found.sensor for found in scopes if found.sensor is not None]
    kinds = sorted({sites[sensor.site].kind for sensor in sensors})
    quantities = sorted({sensor.quantity.id for sensor in sensors})
    watches = f"{', '.join(quantities)} in {', '.join(kinds)}" if sensors else "gateways"
    levels: set[Level] = set()
    for found in scopes:
        levels |= {found.level} if isinstance(found, Watch) else {rung.level for rung in found.ladder.rungs}
    words = " ".join(level.word for level in sorted(levels, reverse=True))
    place = f"{rule.file}:{rule.line}"
    return Listed(name, watches, len(scopes), words, rule.escalate or "none", rule.source.status, tests, place)


def _named(case: Case) -> set[str]:
    """The rules that a test expects something of."""
    keys: set[str] = set()
    for check in case.checks:
        keys |= {check.about, *check.alarms, *check.names, str(check.wanted.get("about", ""))}
    return {key.partition("/")[0] for key in keys if key}


def lines(rows: list[Listed]) -> list[str]:
    """A line for each rule, in columns, under a heading."""
    heading = ("rule", "levels", "watches", "", "chain", "source", "tests", "stands at")
    table = [heading]
    for row in rows:
        cells = (row.id, row.levels, str(row.scopes), row.watches, row.chain, row.status, str(row.tests), row.place)
        table.append(cells)
    widths = [max(len(line[at]) for line in table) for at in range(len(heading))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
