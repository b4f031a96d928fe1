"""README's tables are whole: rooms, commands and settings; and no word of the wall is left over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer.main

from city.words import catalogue
from lifeline.cli import app
from lifeline.settings import KEYS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_ROOMS = {"dist", "lifeline-data", "build"}  # what work leaves behind


def test_the_room_table_is_the_tree() -> None:
    rooms = set(re.findall(r"^\| \[`(\w+)/`\]", README, re.MULTILINE))
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and re.fullmatch("[a-z]+", path.name)}
    assert rooms == folders - NOT_ROOMS


def test_every_command_is_in_the_readme() -> None:
    group: Any = typer.main.get_command(app)
    assert set(re.findall(r"^\| `lifeline (\w+)`", README, re.MULTILINE)) == set(group.commands)


def test_settings_named_in_the_readme_are_settings() -> None:
    named = set(re.findall(r"^\| `LIFELINE_(\w+)`", README, re.MULTILINE))
    assert named <= {key.upper() for key in KEYS}


def test_words_of_the_wall_are_all_used() -> None:
    files = [path for path in (ROOT / "dashboards").rglob("*") if path.suffix in (".py", ".sql")]
    used = "".join(path.read_text(encoding="utf-8") for path in files)
    made = re.findall(r'f["\'](?:dashboard\.)?([a-z_{}]+)["\']', used)  # keys put together; not of places alone
    composed = [
        re.compile(re.sub(r"\{\w*\}", r"\\w+", text))
        for text in made
        if re.search("[a-z_]{4}", re.sub("{.*?}", "", text))
    ]
    keys = [key.removeprefix("dashboard.") for key in catalogue() if key.startswith("dashboard.")]
    assert [key for key in keys if key not in used and not any(one.fullmatch(key) for one in composed)] == []
