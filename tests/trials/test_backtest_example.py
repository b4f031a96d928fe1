"""The worked example of docs/backtest.md does what the page says, and its reports say the same in every form."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which all commands of the page ran, and what they printed."""
    folder = tmp_path_factory.mktemp("example")
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    ours = f'lifeline() {{ "{sys.executable}" -m lifeline "$@"; }}\nset -e\n'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "LIFELINE_DATA": str(folder / "data")}
    done = subprocess.run(  # noqa: S603 - the page's own commands
        ["/bin/bash", "-c", ours + commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_example_prints_what_the_page_shows(played: tuple[Path, str]) -> None:
    shown = re.search(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert shown is not None
    printed = [line.rstrip() for line in played[1].splitlines()]
    assert [line for line in shown[1].splitlines() if line not in printed] == []


def test_the_json_has_what_the_table_has_and_the_documented_keys(played: tuple[Path, str]) -> None:
    report = json.loads((played[0] / "report.json").read_text(encoding="utf-8"))
    keys = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(keys))) == set(report)
    rows = {(row["rule"], row["level"]): (row["old"]["minutes"], row["new"]["minutes"]) for row in report["rules"]}
    assert rows["underpass-depth", "yellow"] == (23.0, 33.0)
    (change,) = report["changes"]
    assert (change["kind"], change["old"]["raised_at"], change["new"]["raised_at"]) == (
        "moved", "2026-07-01T00:35:00Z", "2026-07-01T00:30:00Z",
    )  # fmt: skip
    assert report["runs"]["old"]["readings"] == 120


def test_what_a_file_does_not_cover_is_not_called_silent(played: tuple[Path, str]) -> None:
    report = json.loads((played[0] / "report.json").read_text(encoding="utf-8"))
    assert {row["rule"] for row in report["rules"]} == {"underpass-depth", "underpass-onset"}


def test_the_page_of_plots_is_whole_and_needs_nothing_beside_it(played: tuple[Path, str]) -> None:
    text = (played[0] / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|src=|href=|url\(|@import", text)
    plots = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(plots) == 4
    for plot in plots:
        root = ElementTree.fromstring(plot)  # noqa: S314 - our own page
        assert root.get("aria-label")
    assert "moved in time or level: <b>1</b>" in text
