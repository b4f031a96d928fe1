"""docs/detectors-score.md is true: its commands run, its tables are the command's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer.main
from click import Context

from lifeline.cli import app
from lifeline.scoring import HEAD
from lifeline.seriesfile import TIMES
from tests.docs.fenced import ROOT, fenced
from tests.docs.shell import run_shell

TEXT = (ROOT / "docs" / "detectors-score.md").read_text(encoding="utf-8")


def test_the_commands_run_and_the_leap_is_found(tmp_path: Path) -> None:
    [example] = fenced("docs/detectors-score.md", "sh")
    said = run_shell(example.text, tmp_path).split(",")
    [shown] = re.findall(r"```text\n(\d+),…,(\w+),…\n```", TEXT)
    assert (said[0], said[2]) == shown
    assert len((tmp_path / "scored.csv").read_text().splitlines()) == 4321


def test_the_tables_are_the_commands_own() -> None:
    group: Any = typer.main.get_command(app)
    command = group.commands["detectors"].commands["score"]
    with Context(command) as context:
        options = {one for each in command.get_params(context) for one in each.opts if one.startswith("--")}
    told = set(re.findall(r"^\| `(--[a-z-]+)`", TEXT, re.MULTILINE))
    assert told == options - {"--help"}
    columns = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ", TEXT, re.MULTILINE)
    assert [name for cell in columns for name in re.findall(r"`(\w+)`", cell)] == list(HEAD)
    assert all(f"`{name}`" in TEXT for name in TIMES if " " not in name and "_" not in name)
