"""Reads rule tests (`*.test.yaml`): every fault at once, with file:line:column. docs/rule-tests.md tells the language.

A test runs in the city of its folder (or in one written in the file), but only with the sensors that it gives a series
for, their gateways, and the rules of the files it names: what is not spoken of can neither raise nor be silent.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from city.errors import Fault, FaultyInput
from city.positions import Path, nearest_or_all, show
from city.yamlfile import parse
from rules.book import Book
from rules.check import Checked, load_files
from rules.trials.eventfile import Events
from rules.trials.expectfile import Check, Expectations
from rules.trials.happenings import Happening
from rules.trials.narrow import narrow
from rules.trials.reading import Reading
from rules.trials.seriesfile import SERIES, Series, series_of
from rules.trials.tinycity import tiny_city

ENDINGS = (".test.yaml", ".test.yml")
HEAD = ("rules", "start", "interval", "city", "series", "events")
TEST = ("start", "interval", "series", "events", "expect")


@dataclass(frozen=True)
class Case:
    """One test. `books`: what is in force at the start, and what each reload puts in force."""

    name: str
    file: str
    line: int
    start_us: int
    books: Sequence[Checked]
    series: Sequence[Series]
    happenings: Sequence[Happening]
    checks: Sequence[Check]


@dataclass(frozen=True)
class Folder:
    """A city folder's texts by relative path, as rule tests look at it."""

    files: Mapping[str, str]

    @cached_property
    def checked(self) -> Checked:
        """What they describe (FaultyInput with every fault)."""
        return load_files(self.files)

    def tests(self) -> list[str]:
        """The names of its rule tests."""
        return sorted(name for name in self.files if name.endswith(ENDINGS))


def read_cases(folder: Folder, file: str) -> list[Case]:
    """The tests of one file.

    Raises
    ------
    FaultyInput
        With every fault of the file; or with those of the folder, when it cannot be used.
    """
    data, positions = parse(folder.files[file], file)
    faults: list[Fault] = []
    tiny = data.get("city") if isinstance(data, Mapping) else None

    def ground(files: Mapping[str, str]) -> Checked:
        if tiny is None:
            return folder.checked if files is folder.files else load_files(files)
        checked, wrong = tiny_city(tiny, ("city",), positions, files)
        if checked is None:
            raise FaultyInput(wrong)
        return checked

    whole = ground(folder.files)
    cases = _File(folder, file, Reading(positions, faults, whole.city), whole, ground).read(data)
    if faults:
        raise FaultyInput(faults)
    return cases


@dataclass
class _File:
    """One test file being read. `whole`: all of its city; `ground`: what other texts would give."""

    folder: Folder
    file: str
    reading: Reading
    whole: Checked
    ground: Callable[[Mapping[str, str]], Checked]
    named: set[str] = field(default_factory=set)

    def read(self, data: object) -> list[Case]:
        reading = self.reading
        known = (*HEAD, "tests", *(key for key in TEST if key not in HEAD))
        if not reading.keys(data, (), ("version",), known) or not isinstance(data, Mapping):
            return []
        if data["version"] != 1:
            reading.fault(("version",), "unknown version of rule tests", show(data["version"]), "1")
        if "tests" not in data:
            return [self._case({**data, "name": posixpath.basename(self.file)}, (), data)]
        if "expect" in data:
            reading.fault(("expect",), "expect belongs to a test, when there are tests", hint="moving it under tests")
        cases, entries = [], reading.items(data, "tests", (), "- {name: …, series: […], expect: […]}")
        if not entries:
            reading.fault(("tests",), "a file without tests", hint="- {name: …, series: […], expect: […]}")
        for path, entry in entries:
            if reading.keys(entry, path, ("name", "expect"), TEST) and isinstance(entry, Mapping):
                cases.append(self._case(entry, path, data))
        return cases

    def _case(self, test: Mapping[str, object], path: Path, head: Mapping[str, object]) -> Case:
        reading, whole = self.reading, self.whole
        name = str(test["name"])
        if name in self.named:
            reading.fault((*path, "name"), "a second test of this name", show(name), "another name")
        self.named.add(name)
        reading.city = whole.city
        reading.start_us = self._start(test, path, head)
        series = self._series(test, path, head)
        books = [self._narrowed(whole, series, head, {})]
        reading.city = books[0].city
        alarms = set(_keys(books[0].book))

        def rebook(texts: Mapping[str, str | None]) -> int:
            files = {k: t for k, t in {**self.folder.files, **texts}.items() if t is not None}
            again = self._narrowed(self.ground(files), series, head, texts)
            books.append(again)
            alarms.update(_keys(again.book))
            return len(books) - 1

        events = Events(reading, alarms, whole.escalation.channels, rebook, self.folder.files)
        for where, entry in self._both("events", test, path, head):
            events.read(entry, where)
        wanted = Expectations(reading, alarms, {key.partition("/")[0] for key in alarms})
        for where, entry in reading.items(test, "expect", path, "- {at: 10m, alarm: rule/sensor, level: red}"):
            wanted.read(entry, where)
        if not wanted.found and not reading.faults:
            reading.fault((*path, "expect"), "a test expects something", hint="- {at: 10m, no_alarms: true}")
        line, _ = reading.positions.at((*path, "name") if path else path)
        return Case(name, self.file, line, reading.start_us, books, series, events.found, wanted.found)

    def _both(
        self, key: str, test: Mapping[str, object], path: Path, head: Mapping[str, object]
    ) -> list[tuple[Path, object]]:
        """The entries of a list of the file's, for all its tests, and of the test's own."""
        own = self.reading.items(test, key, path, f"{key}: […]")
        return [*(self.reading.items(head, key, (), f"{key}: […]") if path else []), *own]

    def _start(self, test: Mapping[str, object], path: Path, head: Mapping[str, object]) -> int:
        if "start" in test:
            return self.reading.start(test, path)
        if "start" in head:
            return self.reading.start(head, ())
        self.reading.fault(path, "missing key 'start'", hint="start: 2026-07-01T08:00:00+08:00")
        return 0

    def _narrowed(
        self, whole: Checked, series: Sequence[Series], head: Mapping[str, object], changed: Mapping[str, object]
    ) -> Checked:
        """The city of a test: only the sensors with a series, only the rules of some files."""
        names = self._rule_files(head, changed)
        return narrow(whole, {one.sensor for one in series}, lambda rule: names is None or rule.file in names)

    def _rule_files(self, head: Mapping[str, object], changed: Mapping[str, object]) -> frozenset[str] | None:
        """The rule files whose rules take part; None: all. Unless told, the one that the test is named after."""
        here, base = posixpath.split(self.file)
        if "rules" not in head:
            own = posixpath.join(here, base.partition(".test.")[0])
            found = {name for name in (f"{own}.yaml", f"{own}.yml") if name in self.folder.files}
            return frozenset(found | changed.keys()) if found else None
        if head["rules"] == "all":
            return None
        names = set()
        known = {posixpath.relpath(n, here or "."): n for n in self.folder.files if _is_rules(n)}
        for path, name in self.reading.items(head, "rules", (), "[waterlogging.yaml], or all"):
            if name not in known:
                self.reading.fault(path, "no such rule file", show(name), nearest_or_all(str(name), known))
            names.add(known.get(str(name), str(name)))
        return frozenset(names | changed.keys())

    # -- series --------------------------------------------------------------------------------------------------

    def _series(self, test: Mapping[str, object], path: Path, head: Mapping[str, object]) -> list[Series]:
        reading, found = self.reading, dict[str, Series]()
        before = len(reading.faults)
        every_us = reading.span_us(test if "interval" in test else head, "interval", path if "interval" in test else ())
        own: set[str] = set()
        for where, entry in self._both("series", test, path, head):
            if not reading.keys(entry, where, ("sensor", "values"), SERIES) or not isinstance(entry, Mapping):
                continue
            for one in series_of(reading, entry, where, every_us):
                if one.sensor in own:
                    reading.fault((*where, "sensor"), "a second series of this sensor", show(one.sensor), "one series")
                if not path or where[: len(path)] == path:
                    own.add(one.sensor)
                found[one.sensor] = one
        if not found and len(reading.faults) == before:
            reading.fault(path, "a test without series", hint='series: [{sensor: …, values: "0x10 20x5"}]')
        return list(found.values())


def _keys(book: Book) -> list[str]:
    return [*book.instances, *book.watches]


def _is_rules(name: str) -> bool:
    return name.startswith("rules/") and name.endswith((".yaml", ".yml")) and not name.endswith(ENDINGS)
