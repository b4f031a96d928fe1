"""`lifeline rosters` and what `lifeline check` says of gaps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from city.example import write_example
from lifeline.cli import run_command

FROM = ["--from", "2026-09-30T00:00:00+08:00"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_example(tmp_path / "city")
    return tmp_path / "city"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command(["rosters", *arguments]) == 0
    return capsys.readouterr().out


def test_a_table_tells_who_is_on_duty_and_what_changes_next(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, str(folder), *FROM).splitlines()
    assert lines[0].strip() == "drainage-duty (Asia/Shanghai)"
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert cells[:2] == [
        ["Wed 2026-09-30 00:00", "Wed 2026-09-30 08:00", "Wang Wei (wang)"],
        ["Wed 2026-09-30 08:00", "Wed 2026-09-30 20:00", "Li Na (li)"],
    ]
    assert ["…", "", "24 more changes (--all)"] in cells
    assert lines.count("no gaps") == 3
    assert "more changes" not in told(capsys, str(folder), *FROM, "--all")


def test_programs_get_all_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(capsys, str(folder), *FROM, "--days", "2", "--json"))["rosters"]
    [gas] = [roster for roster in found if roster["roster"] == "gas-duty"]
    day = {"from": "2026-10-01T08:00:00+08:00", "to": "2026-10-02T00:00:00+08:00", "people": ["chen"]}
    assert gas["on_duty"][-1] == day
    assert gas["gaps"] == []


def test_a_gap_is_shown_and_warned_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "escalation.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("      - {ical: rosters/gas-nights.ics}", "      #"), encoding="utf-8")
    assert "gap: Wed 2026-09-30 20:00 to Thu 2026-10-01 08:00" in told(capsys, str(folder), *FROM)
    assert run_command(["check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "nobody of gas-duty can be told on" in out
    assert "rosters/gas-nights.ics:1:1: no roster names this calendar" in out
    assert "not without warnings (" in out
    assert run_command(["check", "--strict", str(folder)]) == 1


def test_a_fault_of_a_rule_hides_nobody(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = folder / "rules" / "waterlogging.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("escalate: drainage", "escalate: drainge"), "utf-8")
    whole = told(capsys, str(folder), *FROM)
    assert "Wang Wei (wang)" in whole
    assert run_command(["rosters", str(folder)]) == 0
    assert f"none about who is on duty; lifeline check {folder}" in capsys.readouterr().err
    desk = folder / "escalation.yaml"
    desk.write_text(desk.read_text(encoding="utf-8").replace("person: li,", "person: lo,"), encoding="utf-8")
    assert run_command(["rosters", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "escalation.yaml:" in said
    assert "drainge" in said


def test_a_folder_without_rosters_and_a_time_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "escalation.yaml").unlink()
    for rules in (folder / "rules").glob("*.yaml"):
        rules.unlink()
    assert "no rosters in escalation.yaml" in told(capsys, str(folder))
    assert run_command(["rosters", str(folder), "--from", "tomorrow"]) == 1
    assert "--from: not a time with its offset, got 'tomorrow'" in capsys.readouterr().err
