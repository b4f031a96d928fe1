"""docs/dashboards.md is true."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main

from dashboards import client, files, watchdog
from dashboards.files import DataSource
from dashboards.pages import PAGES
from lifeline.cli import app

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
SECTIONS = dict(part.split("\n", 1) for part in TEXT.split("\n## ")[1:])


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, below its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_pages_are_those_there_are() -> None:
    assert [cells[0].strip("`") for cells in rows("Pages")] == list(PAGES)


def test_the_watchdogs_are_those_there_are() -> None:
    told = {cells[0].strip("`"): (cells[1], cells[2]) for cells in rows("Watchdogs")}
    assert list(told) == [dog.uid for dog in watchdog.WATCHDOGS]
    for dog in watchdog.WATCHDOGS:
        when, lasting = told[dog.uid]
        assert lasting == f"{dog.for_s // 60} min"
        assert not dog.limit or f"{dog.limit:g} s" in when
    assert f"every {watchdog.EVERY_S} s" in SECTIONS["Watchdogs"]
    assert f"`{'`, `'.join(['lifeline'])}` and `{watchdog.FOLDER_UID}`" in SECTIONS["Through the API"]


def test_the_words_of_a_plan_are_those_it_says() -> None:
    states = re.search(r"^State = Literal\[(.*)\]$", (ROOT / "dashboards/plan.py").read_text(), re.MULTILINE)
    assert states is not None
    assert [cells[0].strip("`") for cells in rows("Through the API")] == re.findall(r'"(\w+)"', states[1])


def test_retries_are_as_told() -> None:
    assert client.TRIES == 4
    assert "after 1, 2 and 4 s" in SECTIONS["Through the API"]
    assert f"at most\n{client.LONGEST_PAUSE_S:g} s" in SECTIONS["Through the API"]
    assert f"({', '.join(str(status) for status in client.BUSY)})" in SECTIONS["Through the API"]


def test_the_files_are_those_of_an_export(tmp_path: Path) -> None:
    made = {str(path.relative_to(tmp_path)) for path in files.export(tmp_path)}
    told = [cells[0].strip("`") for cells in rows("From files")]
    assert {path for path in made if not path.startswith("dashboards/lifeline/")} | {"dashboards/lifeline/"} == set(
        told
    )


def test_the_data_source_is_as_told() -> None:
    told = {cells[0].strip("`"): cells[1] for cells in rows("What Grafana may read")}
    made = DataSource().json()
    assert told["uid"] == f"`{made['uid']}`"
    assert told["type"] == f"`{made['type']}`"
    assert told["min interval"] == f"`{made['jsonData']['timeInterval']}`"
    assert "LIFELINE_GRAFANA_PASSWORD" in told["password"]


def test_every_flag_named_exists() -> None:
    group = typer.main.get_command(app).commands["dashboards"]  # type: ignore[attr-defined]  # a group
    known = {flag for one in group.commands.values() for p in one.params for flag in (*p.opts, *p.secondary_opts)}
    known |= {"--read", "--district"}  # of lifeline store grant
    assert set(re.findall(r"`(--[a-z-]+)", TEXT)) <= known
