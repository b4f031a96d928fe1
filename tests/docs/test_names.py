"""Names in the pages exist: commands, options, variables, views, metrics. What is gone must not live on in prose."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from city.keys import Key
from detectors.registry import names as detector_names
from docs.book import GUESTS
from lifeline.http.metriclist import METRICS
from lifeline.settings import KEYS
from lifeline.variablelist import DEPLOYMENT, VARIABLES
from rules.language import grammar
from store.viewlist import VIEWS
from tests.docs.commandline import fault, ours, simple_commands
from tests.docs.fenced import ROOT, fences
from tests.docs.reference.commands import commands, parameters

REFERENCE = ROOT / "docs" / "reference"
WRITTEN = sorted({*GUESTS.values(), *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))})
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")  # in a line of prose
_NO_COMMANDS = {"lifeline audit 1"}  # the words that begin what an audit's proof is made of


@cache
def tree() -> dict[tuple[str, ...], Any]:
    return {path[1:]: command for path, command in commands()}


def options(command: Any) -> set[str]:  # noqa: ANN401 - typer names no class of its own
    return {"--help"} | {
        flag for one in parameters(command) for flag in (*one.opts, *one.secondary_opts) if flag[0] == "-"
    }


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def wrong(text: str) -> list[str]:
    """What is wrong with commands as prose names them: in parts, with what may be left out in brackets."""
    said = (ours(words) for words in simple_commands(re.sub(r"[\[\]]", " ", text)))
    return [told for words in said if words is not None and (told := fault(words, whole=False))]


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_in_prose_exist_with_their_options(page: str) -> None:
    prose = re.sub(r"^ *```.*?^ *```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)  # blocks: test_blocks.py
    named = {code for code in _CODE.findall(prose) if "lifeline" in code} - _NO_COMMANDS
    assert {code: faults for code in named if (faults := wrong(code))} == {}


def test_a_stale_command_in_prose_is_found() -> None:
    gone, twice, nowhere = wrong("X=x bin/lifeline rules chekc d; lifeline status --twice | lifeline gone")
    assert "chekc" in gone
    assert "--twice" in twice
    assert "gone" in nowhere
    assert wrong("the user lifeline owns it; lifeline drill NAME [--dry-run]; lifeline simulate --faults") == []


def own_variables() -> set[str]:
    """Variables that a page's examples name as a city's own (`secret_env: NAME`), and those of scripts and tests."""
    text = "".join(text_of(page) for page in WRITTEN)
    named = re.findall(r"_env[\"`]?[:=]\s*[\"`]?(LIFELINE_[A-Z0-9_]+)", text)
    scripts = [path for path in (*(ROOT / "deploy").rglob("*"), *(ROOT / "bin").iterdir()) if path.is_file()]
    read = [name for path in scripts for name in re.findall(r"\$\{(LIFELINE_\w+)", path.read_text(errors="replace"))]
    tests = [
        name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"LIFELINE_TEST_\w+", path.read_text())
    ]
    return {*named, *read, *tests}


def test_variables_exist() -> None:
    known = {f"LIFELINE_{key.upper()}" for key in KEYS} | set(VARIABLES) | set(DEPLOYMENT) | own_variables()
    known |= {f"{name}_FILE" for name in known}
    named = {page: set(re.findall(r"LIFELINE_[A-Z0-9_]+", text_of(page))) for page in WRITTEN if page != "CHANGELOG.md"}
    assert {page: gone for page, there in named.items() if (gone := there - known)} == {}


def test_options_named_alone_exist() -> None:
    known = {flag for command in tree().values() for flag in options(command)}
    for page in WRITTEN:
        text = text_of(page)
        typed = "".join(block.text for block in fences(page) if block.info.startswith("sh")).splitlines()
        others = {flag for line in typed if "lifeline " not in line for flag in re.findall("--[a-z][a-z0-9-]*", line)}
        assert set(re.findall(r"`(--[a-z][a-z0-9-]*)[^`]*`", text)) - known - others == set(), page


def test_views_and_metrics_exist() -> None:
    files = {"md", "yaml", "example"}
    views = {page: set(re.findall(r"\bcity\.([a-z]\w*)", text_of(page))) - files for page in WRITTEN}
    assert {page: gone for page, there in views.items() if (gone := there - set(VIEWS))} == {}
    metrics = {page: set(re.findall(r"\blifeline_[a-z_]*[a-z]", text_of(page))) for page in WRITTEN}
    known = {one.name for one in METRICS}
    assert {page: gone for page, there in metrics.items() if (gone := there - known)} == {}


def keys_of(table: dict[str, Key] | Any) -> set[str]:  # noqa: ANN401 - tables of keys are mappings of several kinds
    return set(table) | {name for key in table.values() for name in keys_of(key.keys)}


def test_everything_that_can_be_named_appears() -> None:
    """Each where a reader looks it up: a heading, or the first cell of a row."""
    page = {path.stem: path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md")}
    headings = {name: set(re.findall(r"^#+ (.+)$", text, re.MULTILINE)) for name, text in page.items()}
    cells = {name: set(re.findall(r"^\| (.+?) \| ", text, re.MULTILINE)) for name, text in page.items()}
    assert {" ".join(("lifeline", *path)) for path in tree() if path} <= headings["commands"]
    flags = {flag for command in tree().values() for flag in options(command) - {"--help"}}
    assert {flag for cell in cells["commands"] for flag in re.findall(r"`(-[^`]+)`", cell)} >= flags
    assert {f"`{key}`" for key in KEYS} | {f"`{name}`" for name in (*VARIABLES, *DEPLOYMENT)} <= cells["settings"]
    rule = keys_of(grammar.FILE) | keys_of(grammar.CALENDAR) | keys_of(grammar.ANYWHERE)
    rule |= {name for form in grammar.FORMS.values() for name in keys_of(form.keys)}
    assert {f"`{name}`" for name in rule} <= cells["rules"]
    assert set(grammar.FORMS) <= headings["rules"]
    assert all(f"`{name}`" in page["detectors"] for name in detector_names())
    assert {f"city.{view}" for view in VIEWS} <= headings["views"]
    assert {f"`{one.name}`" for one in METRICS} <= cells["metrics"]
