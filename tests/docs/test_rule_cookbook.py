"""docs/rule-cookbook.md: every recipe is right, its tests pass, and none of them passes without its rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from city.example import example_files
from city.yamlfile import parse
from rules.check import check_files
from rules.trials.casefile import Folder, read_cases
from rules.trials.cases import play
from tests.docs.fenced import ROOT, fenced
from tests.docs.shell import run_shell

PAGE = "docs/rule-cookbook.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
FILES = {fence.file: fence.text for fence in fenced("docs/rule-cookbook.md", "yaml")}
ROWS = "".join(fence.text.partition("\n")[2] for fence in fenced("docs/rule-cookbook.md", "csv"))
SHELL = [fence.text for fence in fenced("docs/rule-cookbook.md", "sh")]
RULES = sorted(name for name in FILES if name.startswith("rules/") and not name.endswith(".test.yaml"))
ALWAYS = {"red": {"count": "1d", "above": 0}}


@cache
def city() -> Mapping[str, str]:
    """The example city without its own rules and drills, with what the page adds to its register."""
    files = {name: text for name, text in example_files().items() if not name.startswith(("rules/", "drills/"))}
    return {**files, "city.yaml": files["city.yaml"] + FILES["city.yaml"], "sensors.csv": files["sensors.csv"] + ROWS}


def failures(name: str, rules: str) -> Iterator[str]:
    """What a recipe's tests say when its rule file is this, one after the other."""
    test = name.replace(".yaml", ".test.yaml")
    folder = Folder({**city(), name: rules, test: FILES[test]})
    cases = read_cases(folder, test)
    assert cases
    for case in cases:
        yield from (f"{case.name}: {failure}" for failure in play(case).failures)


def mutants(name: str) -> Iterator[tuple[str, str]]:
    """The rule file with one level silent, and with one rule that always rings; what was done to it."""
    book: Any = parse(FILES[name], name)[0]
    for at, rule in enumerate(book["rules"]):
        for level, asks in rule["ladder"].items():
            other = deepcopy(book)
            ladder = other["rules"][at]["ladder"]
            if "silent" in asks:
                ladder[level] = {"silent": "3000d"}
            elif len(ladder) > 1:
                del ladder[level]
            else:
                ladder[level] = {"count": "1h", "above": 1e9}
            if len(ladder) == 1:
                other["rules"][at].pop("confirm", None)  # it needs a level that compares
            yield f"{rule['id']} without {level}", json.dumps(other)
        if not any("silent" in asks for asks in rule["ladder"].values()):
            other = deepcopy(book)
            other["rules"][at] = {**rule, "ladder": ALWAYS, "escalate": "maintenance"}  # which repeats nothing
            other["rules"][at].pop("confirm", None)
            yield f"{rule['id']} that always rings", json.dumps(other)


def test_every_block_is_used() -> None:
    tests = {name.replace(".yaml", ".test.yaml") for name in RULES}
    assert set(FILES) == {*RULES, *tests, "city.yaml"}
    assert len(FILES) == len(fenced("docs/rule-cookbook.md", "yaml"))
    recipes = re.findall(r"^### (\d+)\. .*?\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _ in recipes] == list(range(1, len(RULES) + 1))
    for number, body in recipes:
        assert re.match(r"\n\*[^*]+\*", body), f"{number}: no need in a sentence"
        assert "\n**Does not see** " in body, f"{number}: no sentence on what it does not see"


def test_all_recipes_together_are_a_city_without_a_fault() -> None:
    assert [
        str(fault) for fault in check_files({**city(), **{name: FILES[name] for name in FILES if "/" in name}})
    ] == []


@pytest.mark.parametrize("name", RULES)
def test_a_recipe_does_what_it_says(name: str) -> None:
    assert list(failures(name, FILES[name])) == []


@pytest.mark.parametrize("name", RULES)
def test_no_test_of_a_recipe_passes_without_its_rule(name: str) -> None:
    for what, rules in mutants(name):
        assert next(failures(name, rules), None), f"{what}: the tests do not notice"


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    first, trial = SHELL
    assert "1 passed" in run_shell(first, tmp_path)
    run_shell(trial, tmp_path)
    report = json.loads((tmp_path / "trial.json").read_text(encoding="utf-8"))
    [row] = [row for row in report["rules"] if row["rule"] == "trial"]
    assert (row["level"], row["new"]["alarms"], row["old"]["alarms"]) == ("yellow", 1, 0)
