"""The page about escalation.yaml is true: its parts make one file that is right, and every key is explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from city.clock import to_us
from city.keys import Key
from city.yamlfile import parse
from lifeline.cli import run_command
from rules.check import load_files
from rules.desk.escalationkeys import CHANNELS, ESCALATION
from rules.desk.escalationlint import WARNINGS, lint_escalation
from tests.rules.small_city import city_files

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "escalation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line.partition("#")[0].split()[1:] for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def folder() -> dict[str, str]:
    """The small city with all parts of the page."""
    whole: dict[str, Any] = {}
    calendar = ""
    for kind, text in BLOCKS:
        if kind == "yaml" and text.startswith("# calendar.yaml"):
            calendar = text
        elif kind == "yaml":
            part, _ = parse(text, "docs.yaml")
            assert isinstance(part, Mapping)
            assert not whole.keys() & part.keys()
            whole |= part
    [ics] = [text for kind, text in BLOCKS if kind == "ics"]
    files = city_files(escalation=json.dumps(whole, ensure_ascii=False, indent=1), calendar=calendar)
    platform = files["rules/platform.yaml"].replace("escalate: drainage", "escalate: crews")
    return {**files, "rules/platform.yaml": platform, "rosters/nights.ics": ics}


def on_duty(roster: str, at: str) -> list[str]:
    return load_files(folder()).escalation.rosters[roster].on_duty(datetime.fromisoformat(at))


def test_the_parts_make_one_file_without_a_fault() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "yaml", "ics"}
    escalation = load_files(folder()).escalation
    assert set(escalation.chains) == {"drainage", "crews", "platform"}
    assert escalation.heartbeat is not None


def test_what_the_page_warns_of_is_only_the_night_that_it_leaves_empty() -> None:
    files = folder()
    checked = load_files(files)
    now_us = to_us(datetime.fromisoformat("2026-10-25T00:00:00+08:00"))
    told = [str(one) for one in lint_escalation(files, checked.escalation, checked.book, now_us)]
    assert len(told) == 1
    assert "drainage-duty can be told on Mon 2026-11-02 00:00 to 08:00; Mon 2026-11-02 20:00 to Tue" in told[0]


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-09-30T12:00:00+08:00", ["li"]),
        ("2026-10-01T12:00:00+08:00", ["zhao"]),  # a holiday
        ("2026-10-01T21:00:00+08:00", ["zhao"]),  # the calendar's other event
        ("2026-10-02T21:00:00+08:00", ["wang"]),
        ("2026-10-08T12:00:00+08:00", ["zhao"]),  # in place of li
        ("2026-10-10T12:00:00+08:00", ["li", "zhao"]),  # a Saturday that is worked
        ("2026-11-02T21:00:00+08:00", []),  # wang is away
    ],
)
def test_the_roster_of_the_page_is_as_it_says(at: str, who: list[str]) -> None:
    assert on_duty("drainage-duty", at) == who


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_runs(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in folder().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    code = run_command([str(tmp_path) if word == "DIR" else word for word in command])
    told = capsys.readouterr().out
    assert code == (1 if "--strict" in command else 0)
    assert "drainage-duty" in told or command[0] == "check"


def keys(table: Mapping[str, Key]) -> Iterator[str]:
    for name, key in table.items():
        yield name
        if name != "cap":  # has a page of its own
            yield from keys(key.keys)


def test_every_key_is_explained() -> None:
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    known = {*keys(ESCALATION), *(key for channel in CHANNELS.values() for key in channel)} - {"cap"}
    sections = {"people", "rosters", "groups", "channels", "chains", "clocks"}
    missing = {key for key in known - sections if not re.search(rf"`[^`]*\b{key}\b[^`]*`", prose)}
    assert missing - {"steps", "type"} == set()


def test_every_warning_is_named() -> None:
    told = TEXT.partition("## Warnings")[2]
    rows = [line.split("|")[1:3] for line in told.splitlines() if line.startswith("| `")]
    assert {name.strip(" `"): says.strip() for name, says in rows} == dict(WARNINGS)
