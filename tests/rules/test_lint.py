"""Every warning about a rule book, and every fault beyond its form, has an example that says the whole message.

Each folder in `lints/` is laid over the small city; its name begins with `fault-`, or with the name of the warning.
`message.txt` is all that is told. The folder `_good` has nothing to tell.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from city.errors import FaultyInput
from city.folder import read_folder
from rules.check import load_files
from rules.language.lint import WARNINGS, Advice, lint
from tests.rules.small_city import FILES

LINTS = Path(__file__).parent / "lints"
EXAMPLES = sorted(path.name for path in LINTS.iterdir() if path.name != "_good")


def files_of(example: str) -> dict[str, str]:
    base = {name: text for name, text in FILES.items() if not name.startswith("rules/")}
    return {**base, **read_folder(LINTS / example)}


def advice(files: dict[str, str]) -> list[Advice]:
    return lint(files, load_files(files).book)


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_is_told_with_its_place_and_what_to_try(example: str) -> None:
    files, golden = files_of(example), LINTS / example / "message.txt"
    if example.startswith("fault-"):
        with pytest.raises(FaultyInput) as caught:
            load_files(files)
        told = str(caught.value) + "\n"
    else:
        found = advice(files)
        told = "".join(f"{one}\n" for one in found)
        assert {example.removeprefix(one.name)[:1] for one in found} <= {"", "-"}
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


def test_every_warning_has_an_example() -> None:
    assert [name for name in WARNINGS if not any(example.startswith(name) for example in EXAMPLES)] == []


def test_a_book_that_says_all_it_should_has_no_warning() -> None:
    assert advice(files_of("_good")) == []


@pytest.mark.parametrize("example", [example for example in EXAMPLES if not example.startswith("fault-")])
def test_a_warning_goes_when_its_advice_is_taken(example: str) -> None:
    """The good book differs from each example in nothing but what the warning is about."""
    assert advice({**files_of(example), **read_folder(LINTS / "_good")}) == []


def test_the_documentation_names_every_warning() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    told = text.partition("## Warnings")[2].partition("\n## ")[0]
    assert [line.split("`")[1] for line in told.splitlines() if line.startswith("| `")] == list(WARNINGS)
