"""Reads rule tests (`*.test.yaml`): every fault at once, with file:line:column. docs/rule-tests.md tells the language.

A test runs in the city of its folder (or in one written in the file), but only with the sensors that it gives a series
for, their gateways, and the rules of the files it names: what is not spoken of can neither raise nor be silent.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from functools import cached_property
from zoneinfo import ZoneInfo

from city import units
from city.clock import from_us
from city.errors import Fault, FaultyInput, InputError
from city.levels import Flag
from city.model import Sensor
from city.positions import Path, nearest_or_all, show
from city.yamlfile import parse
from rules.book import Book
from rules.check import Checked, load_files
from rules.trials.arrivals import Measured
from rules.trials.eventfile import Events
from rules.trials.expectfile import Check, Expectations
from rules.trials.happenings import Happening
from rules.trials.narrow import narrow
from rules.trials.reading import Reading
from rules.trials.series import DAY_US, Daily, Mark, Value
from rules.trials.series import parse as parse_series
from rules.trials.tinycity import tiny_city

ENDINGS = (".test.yaml", ".test.yml")
HEAD = ("rules", "start", "interval", "city", "series", "events")
TEST = ("start", "interval", "series", "events", "expect")
SERIES = ("unit", "start", "interval", "flag")
DAILY = ("swing", "noise", "seed", "peak")


@dataclass(frozen=True)
class Series:
    """What one sensor measures: `values`, one each `every_us` from `start_us` on, in the canonical unit."""

    sensor: str
    start_us: int
    every_us: int
    values: Sequence[Value]
    flag: Flag

    def measured(self) -> Iterator[Measured]:
        """Its readings in order; a stale one carries the value before it."""
        last = 0.0
        for at, value in enumerate(self.values):
            if value is Mark.GAP:
                continue
            flag = Flag.MISSING if isinstance(value, Mark) else self.flag
            last = last if isinstance(value, Mark) else value
            yield Measured(self.sensor, self.start_us + at * self.every_us, last, flag)


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
            for one in self._one(entry, where, every_us):
                if one.sensor in own:
                    reading.fault((*where, "sensor"), "a second series of this sensor", show(one.sensor), "one series")
                if not path or where[: len(path)] == path:
                    own.add(one.sensor)
                found[one.sensor] = one
        if not found and len(reading.faults) == before:
            reading.fault(path, "a test without series", hint='series: [{sensor: …, values: "0x10 20x5"}]')
        return list(found.values())

    def _one(self, entry: Mapping[str, object], path: Path, every_us: int) -> list[Series]:
        """A series, for each sensor it names."""
        reading = self.reading
        names = reading.names(entry, "sensor", path, reading.city.sensors, "sensor")
        start_us = reading.moment_us(entry, "start", path) if "start" in entry else reading.start_us
        flag = Flag.PASS
        if "flag" in entry:
            flag = Flag[reading.word(entry, "flag", path, [f.name.lower() for f in Flag]).upper()]
        found = []
        for at, name in enumerate(names):
            sensor = reading.city.sensors[name]
            own_us = reading.span_us(entry, "interval", path, every_us or round(sensor.interval_s * 1e6))
            values = self._values(entry["values"], (*path, "values"), start_us, own_us, at)
            found.append(Series(name, start_us, own_us, self._canonical(entry, path, values, sensor), flag))
        return found

    def _values(self, value: object, path: Path, start_us: int, every_us: int, nth: int) -> list[Value]:
        """Notation, a day that repeats, or a list of both, one after the other."""
        if isinstance(value, list):
            values: list[Value] = []
            for at, part in enumerate(value):
                values += self._values(part, (*path, at), start_us + len(values) * every_us, every_us, nth)
            return values
        if isinstance(value, Mapping):
            return self._daily(value, path, start_us, every_us, nth)
        if not isinstance(value, str):
            self.reading.fault(path, "values: expected text", show(value), '"0x10 0+2x15" in quotes')
            return []
        try:
            return parse_series(value)
        except InputError as error:
            self.reading.fault(path, str(error))
            return []

    def _daily(self, value: Mapping[str, object], path: Path, start_us: int, every_us: int, nth: int) -> list[Value]:
        reading, day, here = self.reading, value.get("daily"), (*path, "daily")
        if not reading.keys(value, path, ("daily", "for"), ()) or not reading.keys(day, here, ("mean",), DAILY):
            return []
        if not isinstance(day, Mapping):
            return []
        length_us = reading.span_us(value, "for", path)
        peak_us = DAY_US * 15 // 24
        if "peak" in day:
            try:
                at = time.fromisoformat(str(day["peak"]))
                peak_us = (at.hour * 3600 + at.minute * 60 + at.second) * 1_000_000
            except ValueError:
                reading.fault((*here, "peak"), "peak: expected a time of day", show(day["peak"]), '"15:00"')
        daily = Daily(
            reading.number(day, "mean", here), reading.number(day, "swing", here, least=0),
            reading.number(day, "noise", here, least=0), int(reading.number(day, "seed", here, least=0)) + nth, peak_us,
        )  # fmt: skip
        local = from_us(start_us).astimezone(ZoneInfo(reading.city.timezone))
        midnight_us = (local.hour * 3600 + local.minute * 60 + local.second) * 1_000_000
        return [round(each, 6) for each in daily.values(midnight_us, every_us, length_us // every_us)]

    def _canonical(
        self, entry: Mapping[str, object], path: Path, values: list[Value], sensor: Sensor
    ) -> Sequence[Value]:
        """The values in the sensor's canonical unit; written in the one that its gateway sends, unless told."""
        unit, own = str(entry.get("unit", sensor.unit)), sensor.quantity.unit
        try:
            if units.converter(unit, own) == (1.0, 0.0):
                return values
        except InputError as error:
            self.reading.fault((*path, "unit") if "unit" in entry else path, f"{sensor.quantity.id}: {error}")
            return []
        done: dict[float, float] = {v: units.convert(v, unit, own) for v in set(values) if not isinstance(v, Mark)}
        return [value if isinstance(value, Mark) else done[value] for value in values]


def _keys(book: Book) -> list[str]:
    return [*book.instances, *book.watches]


def _is_rules(name: str) -> bool:
    return name.startswith("rules/") and name.endswith((".yaml", ".yml")) and not name.endswith(ENDINGS)
