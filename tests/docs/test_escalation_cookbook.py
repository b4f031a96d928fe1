"""docs/escalation-cookbook.md: each recipe calls whom it says, when it says, and no line of it could be left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from city.clock import from_us, to_us
from city.example import example_files
from city.yamlfile import parse
from detectors.registry import create
from lifeline.cli import run_command
from rules.cap import capfile
from rules.check import check_files, load_files
from rules.drillplan import DrillPlan
from rules.inputs import BundleIn
from rules.notify.outbox import Notice
from rules.notify.render import render
from rules.notify.services import open_service
from rules.notify.wording import Links
from rules.trials.casefile import Case, Folder, read_cases
from rules.trials.cases import Outcome, play
from rules.trials.rehearsal import rehearse
from rules.trials.scenario import read_scenario
from tests.docs.commandline import simple_commands
from tests.docs.fenced import ROOT, fenced, fences
from tests.rules.test_cap import message

PAGE = "docs/escalation-cookbook.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
# The example city with one of its rule books, which is quicker to read than all.
KEPT = {
    name: text
    for name, text in example_files().items()
    if not name.startswith(("rules/", "drills/")) or name == "rules/waterlogging.yaml"
}
YAML = fenced("docs/escalation-cookbook.md", "yaml")
LISTS = ("steps", "shifts", "overrides")
KEYED = ("people", "rosters", "groups", "channels", "chains", "clocks")


@cache
def recipes() -> Mapping[str, Mapping[str, str]]:
    """The files of each recipe, by its title."""
    heads = [(number, line[4:]) for number, line in enumerate(TEXT.splitlines(), 1) if line.startswith("### ")]
    found: dict[str, dict[str, str]] = {title: {} for _, title in heads}
    for block in YAML:
        title = max(head for head in heads if head[0] < block.line)[1]
        assert block.file not in found[title]
        found[title][block.file] = block.text
    return found


@cache
def example() -> dict[str, Any]:
    """The example's escalation.yaml."""
    found: Any = parse(example_files()["escalation.yaml"], "escalation.yaml")[0]
    return dict(found)


def folder(recipe: Mapping[str, str], part: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The example city with a recipe in it: entries of the same name take the place of its own."""
    whole = deepcopy(example())
    own: Any = part if part is not None else parse(recipe.get("escalation.yaml", ""), "escalation.yaml")[0] or {}
    for key, value in own.items():
        whole[key] = {**whole[key], **value} if isinstance(value, Mapping) and key in KEYED else value
    return {**KEPT, **recipe, "escalation.yaml": json.dumps(whole, ensure_ascii=False)}


def cases(files: Mapping[str, str]) -> list[Case]:
    """A recipe's tests."""
    one = Folder(files)
    return [case for name in one.tests() for case in read_cases(one, name)]


def outcomes(files: Mapping[str, str]) -> Iterator[Outcome]:
    """What becomes of a recipe's tests, one after the other."""
    yield from (play(case) for case in cases(files))


def lessened(recipe: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The recipe with one step, shift or override less."""
    part: Any = parse(recipe["escalation.yaml"], "escalation.yaml")[0]
    for section in ("rosters", "chains"):
        for name, one in part.get(section, {}).items():
            for key in LISTS:
                for at in range(len(one.get(key, [])) if len(one.get(key, [])) > 1 else 0):
                    other = deepcopy(part)
                    del other[section][name][key][at]
                    yield f"{name} without {key}[{at}]", folder(recipe, other)


TOLD = [title for title, files in recipes().items() if any(name.endswith(".test.yaml") for name in files)]


def test_there_are_recipes_and_each_has_its_number_and_its_need() -> None:
    assert len(recipes()) >= 10
    assert [int(title.partition(".")[0]) for title in recipes()] == list(range(1, len(recipes()) + 1))
    assert set(recipes()) - set(TOLD) == {title for title in recipes() if re.search("CAP|exercise|of itself", title)}


@pytest.mark.parametrize("title", list(recipes()))
def test_a_recipe_makes_a_city_without_a_fault(title: str) -> None:
    assert [str(fault) for fault in check_files(folder(recipes()[title]))] == []


@pytest.mark.parametrize("title", TOLD)
def test_a_recipe_calls_whom_it_says(title: str) -> None:
    found = list(outcomes(folder(recipes()[title])))
    assert found
    assert [f"{one.case.name}: {failure}" for one in found for failure in one.failures] == []


@pytest.mark.parametrize("title", [title for title in TOLD if "escalation.yaml" in recipes()[title]])
def test_no_line_of_a_recipe_could_be_left_out(title: str) -> None:
    for what, files in lessened(recipes()[title]):
        assert not all(one.passed for one in outcomes(files)), f"{title}: {what}: the tests do not notice"


def test_two_people_read_it_each_in_their_own_language() -> None:
    [shown] = fenced("docs/escalation-cookbook.md", "text")
    [title] = [title for title in TOLD if "language" in title]
    [outcome] = outcomes(folder(recipes()[title]))
    subjects = {}
    for posted in outcome.post.posted:
        one = posted.notice
        if one.kind == "raise" and one.level.word == "orange":
            notice = Notice(
                one.id, one.incident, one.kind, one.round, one.step, one.target, one.via, one.channel, one.channel,
                one.level, one.content, from_us(posted.created_us), 1, False, False,
            )  # fmt: skip
            subjects[one.target] = render(notice, Links("x"), ZoneInfo("Asia/Shanghai")).subject
    assert [subjects["li"], subjects["smith"]] == shown.text.splitlines()


def test_the_message_for_the_office_is_private_and_begins_at_orange() -> None:
    [files] = [files for title, files in recipes().items() if "CAP" in title]
    plan = capfile.cap_of(folder(files))
    assert plan is not None
    assert plan.from_level.word == "orange"
    alert = message(plan=plan)
    name = "{" + etree.QName(alert).namespace + "}"
    assert (alert.findtext(f"{name}scope"), alert.findtext(f"{name}status")) == ("Private", "Actual")
    assert alert.findtext(f"{name}addresses") == "emergency-office@example.org"


def test_the_exercise_raises_what_it_expects_and_tells_these_two() -> None:
    [files] = [files for title, files in recipes().items() if "exercise" in title]
    checked = load_files(folder(files))
    story = read_scenario(files["drills/quarter.yaml"], "quarter.yaml", checked.book, checked.escalation)
    now_us = to_us(datetime.fromisoformat("2026-07-01T12:00:00+08:00"))
    until_us = now_us + story.for_us
    plan = DrillPlan(story.file, story.digest, story.title, story.sensors, story.people, until_us, story.wishes)
    found = rehearse(create, BundleIn("b", checked.book, checked.escalation), story, now_us, plan)
    assert {key: level.word for key, level in found.highest.items()}["underpass-depth/wl-river-1"] == "red"
    assert {person for person, _ in found.told} == {"li", "duty-officer"}


def test_the_platforms_chain_and_the_heartbeat_are_in_force() -> None:
    [files] = [files for title, files in recipes().items() if "of itself" in title]
    escalation = load_files(folder(files)).escalation
    assert escalation.platform == "platform"
    assert len(escalation.chains["platform"].steps) == 2
    assert escalation.heartbeat is not None


def test_the_addresses_are_ones_that_apprise_knows() -> None:
    pytest.importorskip("apprise")
    addresses = re.findall(r"^\| [^|`]+ \| `(\w+://[^`]+)` \|$", TEXT, re.MULTILINE)
    assert len(addresses) == 4
    for address in addresses:
        filled = (
            address.replace("{phone}", "%2B8610000000007").replace("KEY", "0a1b2c3d-" * 4).replace("TOKEN", "a1" * 32)
        )
        assert open_service(filled.replace("SECRET", "SEC" + "0a" * 16)) is not None, address


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    [shell] = fenced("docs/escalation-cookbook.md", "sh")
    for words in simple_commands(shell.text):
        assert run_command(words[1:]) == 0, words
    assert "drainage-duty" in capsys.readouterr().out
    assert len(fences(PAGE)) == len(YAML) + 2
