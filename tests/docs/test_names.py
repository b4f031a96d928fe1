"""Names in the pages exist: commands, options, variables, views, metrics. What is gone must not live on in prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
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
from tests.docs.reference.commands import commands, parameters

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
WRITTEN = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in GUESTS.values()), *ROOT.glob("README*.md"))
)
# Inline code, and lines of blocks of shell: what a reader may type.
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_SHELL = re.compile(r"^ *```sh[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# The command where one stands: at the beginning, behind a path, a variable or a separator.
_COMMAND = re.compile(r"(?:^|\bbin/|[;&|(]\s*|\b[A-Z_]+=\S*\s+|\bsudo\s+)lifeline((?: [^;&|#\n]*)?)")
_USUAL: dict[tuple[str, ...], tuple[str, ...]] = {
    ("drill",): ("drill", "play")
}  # a group that takes what is no sub-command as one's argument
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


@cache
def tree() -> dict[tuple[str, ...], Any]:
    return {path[1:]: command for path, command in commands()}


def options(command: Any) -> set[str]:  # noqa: ANN401 - typer names no class of its own
    return {"--help"} | {
        flag for one in parameters(command) for flag in (*one.opts, *one.secondary_opts) if flag[0] == "-"
    }


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def typed(page: str) -> Iterator[str]:
    """What a page shows as typed, one command line each."""
    text = text_of(page)
    for block in _SHELL.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from _CODE.findall(re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


def wrong(line: str) -> Iterator[str]:
    """What is wrong with the commands of a line."""
    for found in _COMMAND.finditer(line):
        words = found[1].split()
        path: tuple[str, ...] = ()
        while words and (*path, words[0]) in tree():
            path = (*path, words.pop(0))
        path = _USUAL.get(path, path) if words else path
        inside = any(known[: len(path)] == path and len(known) > len(path) for known in tree())
        if words and inside and re.fullmatch("[a-z][a-z-]*", words[0]):
            yield f"lifeline {' '.join((*path, words[0]))}"
        flags = set(_OPTION.findall(" ".join(words[:1] if inside else words)))
        yield from (" ".join(("lifeline", *path, flag)) for flag in sorted(flags - options(tree()[path])))


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_and_their_options_exist(page: str) -> None:
    assert [fault for line in typed(page) for fault in wrong(line)] == []


def test_a_stale_command_is_found() -> None:
    line = "LIFELINE_CITY=x bin/lifeline rules chekc d; lifeline status --twice | lifeline gone; lifeline --version"
    told = ["lifeline rules chekc", "lifeline status --twice", "lifeline gone", "lifeline --version"]
    assert list(wrong(line)) == told
    assert list(wrong("the user lifeline owns it; lifeline rules check CITY --help")) == []


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
        others = {flag for line in re.findall(r"^.*\w.*$", "".join(_SHELL.findall(text)), re.MULTILINE)
                  if not _COMMAND.search(line) for flag in _OPTION.findall(line)}  # fmt: skip
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
