"""The rule books we ship: every rule is seen to raise and to keep quiet, and no number in them can change unnoticed.

Each threshold, deadband and time of each rule is multiplied and divided by 1.2, one at a time, and the tests that are
shipped with the rule run again: at least one must fail. What is not tried: distances (the register decides
them), `stale_after` (how long data may be missing), zeros, and counts.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pytest

from city import duration
from city.clock import stopwatch_s
from city.example import example_files
from city.yamlfile import parse
from gateway.cityfolder import city_files
from rules.book import Book, Rule
from rules.check import Checked
from rules.language.bookfile import load_book
from rules.trials.casefile import Case, Folder, read_cases
from rules.trials.cases import Outcome, play
from rules.trials.narrow import narrow

QUIET = "quiet week"
WEEK_US = 7 * 86_400_000_000
MEASURES = ("above", "below", "outside", "rising", "falling", "reaches", "deadband")
TIMES = (
    "for", "clear_after", "within", "over", "in_last", "silent",
    "sum", "mean", "min", "max", "last", "range", "count",
)  # fmt: skip
PLACES = ("near", "beside", "confirm")  # in these, `within` is a distance
FACTORS = (1.2, 1 / 1.2)

Path = tuple[str | int, ...]


def demo_files() -> dict[str, str]:
    return city_files(7, "http://127.0.0.1:8080/crew")


def rules_of(book: Book) -> set[str]:
    return {key.partition("/")[0] for key in [*book.instances, *book.watches]}


def span_us(case: Case) -> int:
    return max(check.at_us for check in case.checks) - case.start_us


def numbers(data: object, path: Path = ()) -> Iterator[Path]:
    """Where in a rule its thresholds and times stand; not distances, and not 0."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            at: Path = (*path, key)
            if key == "within" and path and path[-1] in PLACES:
                continue
            if key in TIMES and isinstance(value, str):
                yield from [at] if duration.parse_s(value) > 0 else []
            elif key in MEASURES:
                yield from ((*at, each) for each in range(len(value))) if isinstance(value, list) else [at]
            else:
                yield from numbers(value, at)
    elif isinstance(data, list):
        for each, value in enumerate(data):
            yield from numbers(value, (*path, each))


def times(value: object, factor: float, key: str | int) -> str:
    """A measure or a duration, that much larger, in the way it is written."""
    text = str(value)
    if key in TIMES:
        return f"{round(duration.parse_s(text) * factor * 1000)}ms"
    found = re.fullmatch(r"([-+]?[\d.]+)(.*)", text)
    assert found is not None
    return f"{float(found[1]) * factor:.9g}{found[2]}"


def changed(rule: Mapping[str, object], path: Path, factor: float) -> tuple[dict[str, object], str]:
    """A copy of a rule with one number changed, and what was changed in words."""
    made = copy.deepcopy(dict(rule))
    inside = made
    for key in path[:-1]:
        inside = inside[key]  # type: ignore[assignment,index]  # the path was found in this very rule
    old = inside[path[-1]]  # type: ignore[index]
    inside[path[-1]] = times(old, factor, next(key for key in reversed(path) if isinstance(key, str)))  # type: ignore[index]
    return made, f"{'.'.join(map(str, path))}: {old} -> {inside[path[-1]]}"  # type: ignore[index]


@dataclass
class Shipped:
    """A shipped city folder, its rule tests, and what becomes of them."""

    files: Mapping[str, str]
    tried: int = 0
    refused: int = 0

    @cached_property
    def folder(self) -> Folder:
        return Folder(self.files)

    @cached_property
    def cases(self) -> Sequence[Case]:
        return [case for name in self.folder.tests() for case in read_cases(self.folder, name)]

    @cached_property
    def played(self) -> Sequence[tuple[Outcome, float]]:
        """What became of each test, and how many seconds it took."""
        found = []
        for case in self.cases:
            began_s = stopwatch_s()
            found.append((play(case), stopwatch_s() - began_s))
        return found

    @property
    def outcomes(self) -> Sequence[Outcome]:
        return [outcome for outcome, _ in self.played]

    def rule_files(self) -> list[str]:
        return sorted({rule.file for rule in self.rules().values()})

    def rules(self) -> dict[str, Rule]:
        book = self.folder.checked.book
        every = [*(it.rule for it in book.instances.values()), *(it.rule for it in book.watches.values())]
        return {rule.id: rule for rule in every}

    def short_cases(self, rule: str) -> list[Case]:
        """The tests in which a rule takes part, the quickest first; quiet weeks are too long, and change nothing."""
        found: list[tuple[float, int, Case]] = []
        for outcome, took_s in self.played:
            case = outcome.case
            if (
                outcome.passed
                and QUIET not in case.name
                and len(case.books) == 1
                and case.books[0].city.sensors.keys() <= self.folder.checked.city.sensors.keys()  # no city of its own
                and rule in rules_of(case.books[0].book)
            ):
                found.append((took_s, len(found), case))
        return [case for *_, case in sorted(found, key=lambda one: one[:2])]

    def mutate(self, file: str) -> list[str]:
        """Change every number of a rule file, one at a time; what no test noticed."""
        data, _ = parse(self.files[file], file)
        assert isinstance(data, Mapping)
        rules = data["rules"]
        assert isinstance(rules, list)
        survived = []
        for rule in rules:
            cases = self.short_cases(str(rule["id"]))
            for path in numbers(rule):
                for factor in FACTORS:
                    made, what = changed(rule, path, factor)
                    self.tried += 1
                    if not self._noticed(file, {**data, "rules": [made]}, cases):
                        survived.append(f"{rule['id']}: {what}")
        return survived

    def _noticed(self, file: str, data: Mapping[str, object], cases: list[Case]) -> bool:
        """Whether a test fails when a rule is as in `data` (a rule file with nothing else), or it is refused."""
        whole = self.folder.checked
        files = {name: text for name, text in self.files.items() if not name.startswith("rules/")}
        book, faults = load_book({**files, file: json.dumps(data)}, whole.city, whole.escalation.chains)
        if faults or book is None:
            self.refused += 1
            return True
        own = rules_of(book)
        others = {key: it for key, it in whole.book.instances.items() if it.rule.id not in own}
        watches = {key: it for key, it in whole.book.watches.items() if it.rule.id not in own}
        merged = replace(book, instances={**others, **book.instances}, watches={**watches, **book.watches})
        checked = replace(whole, book=merged)
        for case in cases:
            if play(replace(case, books=[as_in(case, checked)])).failures:
                cases.remove(case)
                cases.insert(0, case)  # what notices one number often notices the next
                return True
        return False


def as_in(case: Case, checked: Checked) -> Checked:
    """The part of a changed city that a test is about."""
    kept = rules_of(case.books[0].book)
    return narrow(checked, {series.sensor for series in case.series}, lambda rule: rule.id in kept)


CITIES = {"example": Shipped(example_files()), "demo": Shipped(demo_files())}
BOOKS = [(city, file) for city, shipped in CITIES.items() for file in shipped.rule_files()]


@pytest.mark.parametrize("city", CITIES)
def test_every_shipped_rule_raises_and_nearly_raises_in_its_tests(city: str) -> None:
    shipped = CITIES[city]
    assert [str(failure) for outcome in shipped.outcomes for failure in outcome.failures] == []
    raised, quiet, week = set[str](), set[str](), set[str]()
    for outcome in shipped.outcomes:
        here = {alarm.rule for alarm in outcome.story.of()}
        calm = rules_of(outcome.case.books[0].book) - here
        raised |= here
        if QUIET in outcome.case.name:
            assert span_us(outcome.case) >= WEEK_US
            week |= calm
        else:
            quiet |= calm
    every = set(shipped.rules())
    assert every - raised == set()
    assert every - quiet == set()
    assert every - week == set() or city == "demo"


@pytest.mark.parametrize(("city", "file"), BOOKS)
def test_no_number_of_a_shipped_rule_changes_unnoticed(city: str, file: str) -> None:
    assert CITIES[city].mutate(file) == []
