"""The page about drills is true: its storyline plays in the example city, and every key, flag and figure is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from city.errors import FaultyInput
from city.example import example_files
from ingest.decoders import EXERCISES
from lifeline.cli import app
from rules.check import load_files
from rules.drillplan import LONGEST_US, MOST_DRILLS, MOST_SENSORS
from rules.trials.scenario import MILESTONES, OPTIONAL, REQUIRED, drill_faults, read_scenario

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "drills.md").read_text(encoding="utf-8")
[STORY] = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
PROSE = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)


def test_the_storyline_of_the_page_has_no_fault() -> None:
    checked = load_files(example_files())
    story = read_scenario(STORY, "page.yaml", checked.book, checked.escalation)
    assert story.people == ("li", "duty-officer")
    first = next(story.measured(0))
    assert first.time_us == -600_000_000  # ten minutes of history


def test_every_key_flag_and_command_is_explained() -> None:
    assert {key for key in {*REQUIRED, *OPTIONAL, *MILESTONES, "alarms"} if f"`{key}`" not in PROSE} == set()
    group = typer.main.get_command(app).commands["drill"]  # type: ignore[attr-defined]  # the main command is a group
    for name in group.commands.keys() - {"play"}:
        assert f"`lifeline drill {name}" in PROSE
    flags = {flag for option in group.commands["play"].params for flag in option.opts if flag.startswith("--")}
    elsewhere = {"--data", "--database-url", "--mqtt-url"}
    assert {flag for flag in flags - elsewhere if f"`{flag}" not in PROSE} == set()


def test_the_figures_are_those_of_the_program() -> None:
    assert f"at most {LONGEST_US // 3_600_000_000} h" in TEXT
    assert f"At most {MOST_DRILLS} drills" in TEXT
    assert f"At most {MOST_SENSORS} sensors" in TEXT
    assert f"`{EXERCISES}`" in TEXT


def test_faults_of_storylines_are_the_city_folders() -> None:
    files = {**example_files(), "drills/wrong.yaml": STORY.replace("wl-river-1: red", "wl-river-7: red")}
    checked = load_files(files)
    (fault,) = drill_faults(files, checked.book, checked.escalation)
    assert str(fault).startswith("drills/wrong.yaml:11:")
    with pytest.raises(FaultyInput):
        read_scenario("version: 1", "x.yaml", checked.book, checked.escalation)
