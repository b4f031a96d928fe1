"""The documents are true: rooms, links, commands and variables they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from city.words import catalogue
from lifeline.cli import app
from lifeline.settings import KEYS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md"), *(ROOT / "city" / "example").glob("*.md")])
NOT_ROOMS = {"dist", "lifeline-data", "build"}  # what work leaves behind


def commands() -> dict[str, set[str]]:
    """Every command, with its subcommands."""
    found = {}
    for name, command in getattr(typer.main.get_command(app), "commands", {}).items():
        found[name] = set(getattr(command, "commands", {}))
    return found


def test_the_room_table_is_the_tree() -> None:
    rooms = set(re.findall(r"^\| \[`(\w+)/`\]", README, re.MULTILINE))
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and re.fullmatch("[a-z]+", path.name)}
    assert rooms == folders - NOT_ROOMS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    inside = [link.partition("#")[0] for link in links if not re.match(r"https?:|#", link)]
    assert [link for link in inside if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_named_exists(document: Path) -> None:
    known = commands()
    text = document.read_text(encoding="utf-8")
    for name, sub in re.findall(r"(?:`|bin/|; |LIFELINE_\w+=\S+ )lifeline ([a-z]+)(?: ([a-z][a-z-]*))?", text):
        assert name in known, f"lifeline {name}"
        assert not known[name] or not sub or sub in known[name], f"lifeline {name} {sub}"


def test_every_command_is_in_the_readme() -> None:
    assert set(re.findall(r"^\| `lifeline (\w+)`", README, re.MULTILINE)) == set(commands())


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
