"""The command line: exit codes, and messages on standard error."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeline.cli import run_command


def test_the_example_city_is_accepted_by_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "town"
    assert run_command(["init", str(folder)]) == 0
    assert run_command(["check", str(folder)]) == 0
    assert "fine" in capsys.readouterr().out
    assert run_command(["init", str(folder)]) == 1, "never over somebody's files"


def test_a_broken_folder_shows_every_fault_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "town"
    run_command(["init", str(folder)])
    sensors = folder / "sensors.csv"
    lines = sensors.read_text().splitlines()
    rows = [n for n, line in enumerate(lines) if line and not line.startswith(("#", "sensor"))][:2]
    for row in rows:
        lines[row] = lines[row].replace(lines[row].split(",")[1], "no-such-gateway", 1)
    sensors.write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    assert run_command(["check", str(folder)]) == 1
    said = capsys.readouterr().err
    assert all(f"sensors.csv:{row + 1}:" in said for row in rows)


def test_a_broken_rule_book_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "town"
    run_command(["init", str(folder)])
    (folder / "rules" / "typo.yaml").write_text("version: 1\nrule: []\n")
    assert run_command(["check", str(folder)]) == 1
    assert "rules/typo.yaml:2:1:" in capsys.readouterr().err


@pytest.mark.parametrize("line", [["check", "nowhere"], ["demo", "--sped", "3"], ["no-such-command"], []])
def test_wrong_input_exits_1(line: list[str]) -> None:
    assert run_command(line) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["demo", "--seed", "abc"], "lifeline demo: Invalid value for '--seed': "),
        (["deploy", "init", "x"], "lifeline deploy init: Missing option '--city', try lifeline deploy init --help"),
        (["demo", "--sede", "3"], "--seed"),
        (["check"], "lifeline check: Missing argument 'DIR'"),
    ],
)
def test_a_wrong_line_is_told_which_option_and_what_to_try(
    line: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(line) == 1
    told = capsys.readouterr().err
    assert said in told
    assert told.endswith("--help\n")


SPAN = ["--from", "2026-07-01T00:00:00Z", "--to", "2026-07-02T00:00:00Z"]
AT = ["--at", "2026-07-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("line", "option"),
    [
        (["demo"], "--for"),
        (["drill", "flood", "--yes"], "--for"),
        (["replay", "floodnet", "README.md", "--mqtt-url", "mqtt://127.0.0.1:1"], "--skip-gaps"),
        (["rules", "explain", "depth", "--sensor", "wl-1", *AT], "--since"),
        (["rules", "backtest", *SPAN], "--warm-up"),
        (["rules", "backtest", *SPAN], "--run-on"),
        (["rules", "backtest", *SPAN], "--lead"),
        (["detectors", "explain", "wl-1", *AT], "--since"),
        (["detectors", "explain", "wl-1", *AT], "--show"),
    ],
)
def test_a_wrong_duration_is_told_with_its_option(
    line: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([*line, option, "5 minutes"]) == 1
    assert capsys.readouterr().err == f"{option}: not a duration, got '5 minutes', try 5s, 5m or 5h\n"


def test_a_database_that_is_not_there_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFELINE_DATA", str(tmp_path))
    monkeypatch.setenv("LIFELINE_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/x")
    assert run_command(["migrate"]) == 2
    said = capsys.readouterr().err
    assert "127.0.0.1:1/x" in said
    assert "hunter2" not in said


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        expected = version("urban-lifeline")
    except PackageNotFoundError:
        pytest.skip("run from a tree that is not installed")
    assert run_command(["version"]) == 0
    assert capsys.readouterr().out.strip() == expected
