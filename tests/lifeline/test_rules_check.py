"""`lifeline rules check`: what it prints and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from lifeline.cli import run_command
from tests.rules.small_city import FILES, city_files

QUIET = """
version: 1
rules:
  - id: depth
    watch: {quantity: water_depth}
    ladder: {yellow: {above: 15 cm, deadband: 3 cm}}
    escalate: drainage
    guidance: Look.
    source: {text: decided here, status: site}
"""


def lay(folder: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder)


def test_warnings_are_told_with_their_names_and_fail_only_when_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay(tmp_path, {**city_files(platform=None, rules__platform=None), "rules/depth.yaml": QUIET})
    assert run_command(["rules", "check", folder]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "rules/depth.yaml:4:9: no rule test names depth, try a test that expects an alarm depth/SENSOR [no-test]",
        f"{folder}: fine (1 rules, 0 rule tests, 1 warnings)",
    ]
    assert run_command(["rules", "check", "--strict", folder]) == 1
    assert "not without warnings (1 rules" in capsys.readouterr().out
    assert run_command(["check", folder]) == 0
    assert f"1 warnings about the rule books; lifeline rules check {folder} tells them" in capsys.readouterr().out


def test_faults_of_all_files_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {**FILES, "calendar.yaml": "calendar: {}\n", "rules/more.yaml": "version: 1\nrules:\n  - {id: NO}\n"}
    folder = lay(tmp_path, files)
    assert run_command(["rules", "check", folder]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [fault.split(" ")[0] for fault in told] == [
        "calendar.yaml:1:1:", "rules/more.yaml:3:5:", "rules/more.yaml:3:5:", "rules/more.yaml:3:10:",
    ]  # fmt: skip
    assert run_command(["rules", "check", "--format", "json", folder]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["faults"][0] == {
        "file": "calendar.yaml", "line": 1, "column": 1, "what": "unknown key 'calendar'", "got": "",
        "hint": "'calendars'",
    }  # fmt: skip
    assert document["warnings"] == []


def test_faults_of_rule_tests_are_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = lay(tmp_path, {**FILES, "rules/depth.test.yaml": "rules: [depth.yaml]\ntest: []\n"})
    assert run_command(["rules", "check", folder]) == 1
    assert "rules/depth.test.yaml:2:1: unknown key 'test', try 'tests'" in capsys.readouterr().err
