"""Every example of the rule reference loads, and every key of the language is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rules.check import check_files
from rules.language.grammar import ANYWHERE, CALENDAR, CALENDAR_FILE, FORMS, LEVEL, RULE, Key
from tests.rules.small_city import city_files

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
BOOKS = [block for block in BLOCKS if block.startswith("version:")]
CALENDARS = [block for block in BLOCKS if block.startswith("calendars:")]
CONDITIONS = [line for block in BLOCKS if block.startswith("{") for line in block.splitlines()]


def keys(table: Mapping[str, Key]) -> Iterator[str]:
    for name, key in table.items():
        yield name
        yield from keys(key.keys)


def test_every_example_is_tried() -> None:
    assert len(BOOKS) == 1
    assert len(CALENDARS) == 1
    assert len(CONDITIONS) > 20
    assert len(BLOCKS) == 2 + sum(block.startswith("{") for block in BLOCKS)


def test_the_book_and_the_calendars_load() -> None:
    files = city_files(rules__depth=BOOKS[0], rules__platform=None, calendar=CALENDARS[0])
    assert [str(fault) for fault in check_files(files)] == []


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_loads(condition: str) -> None:
    book = f"version: 1\nrules:\n  - id: r\n    watch: {{quantity: water_depth}}\n    ladder:\n      red: {condition}\n"
    assert [str(fault) for fault in check_files(city_files(rules__depth=book, rules__platform=None))] == []


def test_every_form_of_condition_is_shown() -> None:
    shown = "\n".join(CONDITIONS)
    heads = {head for form in FORMS.values() for head in form.heads} - {"silent"}
    assert [head for head in sorted(heads) if not re.search(rf"[{{ ]{head}:", shown)] == []


def test_every_key_of_the_language_is_explained() -> None:
    days = {name: key for name, key in CALENDAR_FILE.items() if name != "maintenance"}  # which has a page of its own
    tables = [RULE, LEVEL, ANYWHERE, CALENDAR, days, *(form.keys for form in FORMS.values())]
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    missing = {key for table in tables for key in keys(table) if not re.search(rf"`[^`]*\b{key}\b[^`]*`", prose)}
    assert missing - {"calendars", "workdays"} == set()
