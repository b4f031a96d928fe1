"""docs/glossary.md says each word as the screens do, in both languages."""

from __future__ import annotations

import pytest

from city.quantity import QUANTITIES
from city.words import catalogue
from tests.docs.fenced import ROOT

TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| English |")
]
SOLD = ("ISA", "IEC", "EEMUA", "GB")  # standards that whoever writes here may not have before them


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_word_is_that_of_the_screens(row: list[str]) -> None:
    english, chinese, meaning, _, key = row
    assert meaning
    if key == "–":
        shown = {one["zh"] for one in catalogue().values() if one["en"].casefold() == english.casefold()}
        assert not shown, f"a screen says {shown}: name its entry"
    elif key.startswith("quantity "):
        name = QUANTITIES[key.removeprefix("quantity ").strip("`")].name
        assert (name["en"], name["zh"]) == (english, chinese)
    else:
        found = catalogue()[key.strip("`")]
        assert (found["en"].casefold(), found["zh"]) == (english.casefold(), chinese)


def test_no_word_stands_twice_and_all_have_five_cells() -> None:
    assert {len(row) for row in ROWS} == {5}
    names = [row[0] for row in ROWS]
    assert len(names) == len(set(names)) > 50


def test_what_nobody_could_check_is_marked() -> None:
    assert [row[0] for row in ROWS if any(name in row[3] for name in SOLD) and "(unverified)" not in row[3]] == []


def test_every_level_flag_quantity_and_word_of_a_crew_is_there() -> None:
    keys = {row[4].strip("`") for row in ROWS}
    words = catalogue()
    assert {key for key in words if key.startswith("flags.")} <= keys
    assert {f"levels.{name}" for name in ("blue", "yellow", "orange", "red")} <= keys
    assert {f"console.clock_{name}" for name in ("acknowledge", "confirm", "dispatch", "on_site", "report")} <= keys
    assert {f"quantity `{name}`" for name in QUANTITIES} <= {row[4] for row in ROWS}
