"""A new city comes with rule tests, and the commands that run and list them say what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from city.example import example_files
from lifeline.cli import run_command
from rules.book import Book
from rules.trials.casefile import Folder


def rules_of(book: Book) -> set[str]:
    return {key.partition("/")[0] for key in [*book.instances, *book.watches]}


def test_a_new_city_comes_with_tests_that_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "city"
    assert run_command(["init", str(folder)]) == 0
    assert run_command(["check", str(folder)]) == 0
    capsys.readouterr()
    assert run_command(["rules", "test", str(folder), "--only", "a quiet week in the underpass", "--verbose"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("passed  rules/waterlogging.test.yaml:")
    assert "1 tests in 8 files: 1 passed, 0 failed" in told


def test_a_test_that_fails_fails_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "city"
    assert run_command(["init", str(folder)]) == 0
    rules = folder / "rules" / "waterlogging.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("above: 40 cm", "above: 45 cm"), encoding="utf-8")
    capsys.readouterr()
    assert run_command(["rules", "test", str(folder / "rules" / "waterlogging.test.yaml")]) == 1
    told = capsys.readouterr().out
    assert "FAILED  rules/waterlogging.test.yaml:8: water rises through all levels" in told
    assert "level: expected red, got orange" in told


def test_what_cannot_be_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "city"
    assert run_command(["init", str(folder)]) == 0
    for arguments, message in (
        ([str(folder), "--only", "no such thing"], "--only: no such test, got 'no such thing', try one of"),
        ([str(tmp_path / "nowhere")], "no folder and no rule test"),
        ([str(folder / "rules" / "gas.yaml")], "no folder and no rule test"),
    ):
        capsys.readouterr()
        assert run_command(["rules", "test", *arguments]) == 1
        assert message in capsys.readouterr().err
    for test in (folder / "rules").glob("*.test.yaml"):
        test.unlink()
    assert run_command(["rules", "test", str(folder)]) == 1
    assert "no rule tests here" in capsys.readouterr().err


def test_rules_are_listed_with_what_they_watch_and_their_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "city"
    assert run_command(["init", str(folder)]) == 0
    capsys.readouterr()
    assert run_command(["rules", "list", str(folder), "--format", "json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == rules_of(Folder(example_files()).checked.book)
    depth = rows["underpass-depth"]
    assert (depth["watches"], depth["scopes"]) == ("water_depth in underpass", 2)
    assert (depth["levels"], depth["chain"]) == ("red orange yellow blue", "drainage")
    assert all(row["tests"] for row in rows.values())
    assert run_command(["rules", "list", str(folder)]) == 0
    assert "gateway-silent" in capsys.readouterr().out
