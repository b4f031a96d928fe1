"""The reference is what the program has: every command, setting, key, detector, metric, view, event, with a sentence.

Write the pages anew with LIFELINE_TEST_GOLDEN=write, then read the difference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from detectors.registry import names
from ingest.reasons import Reason
from lifeline.deployment.plan import Plan
from lifeline.http.metriclist import METRICS
from lifeline.logevents import EVENTS
from lifeline.settings import KEYS, Settings
from lifeline.variablelist import DEPLOYMENT, VARIABLES
from rules.schemas import SCHEMAS, schema
from store.viewlist import COLUMNS, GROUPS, OWN, VIEWS, column_says
from tests.docs.reference import codes, commands, detectors, files, settings, signals, views
from tests.docs.reference.schemas import sections

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "commands": commands.commands_page,
    "settings": settings.settings_page,
    "files": files.files_page,
    "rules": files.rules_page,
    "detectors": detectors.detectors_page,
    "metrics": signals.metrics_page,
    "events": signals.events_page,
    "codes": codes.codes_page,
}
PROGRAM = [path for room in ROOT.glob("*/__init__.py") for path in room.parent.rglob("*.py")]
SETTINGS_NAMES = {f"LIFELINE_{key.upper()}" for key in KEYS}


def is_the_one_that_was_reviewed(name: str, text: str) -> None:
    path = FOLDER / f"{name}.md"
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    renew = "write it anew with LIFELINE_TEST_GOLDEN=write, and read the difference"
    assert path.read_text(encoding="utf-8") == text, f"{path.name} is not what the program says: {renew}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_program_says(name: str) -> None:
    is_the_one_that_was_reviewed(name, PAGES[name]())


def test_the_page_of_views_is_what_the_database_has(database: str) -> None:
    there = views.columns(database)
    is_the_one_that_was_reviewed("views", views.views_page(there))
    assert set(there) == set(VIEWS)
    assert [f"{view}.{name}" for view, own in there.items() for name in own if not column_says(view, name)] == []
    known = {name for own in there.values() for name in own}
    assert set(COLUMNS) <= known, "a sentence about a column that no view has"
    assert {(view, name) for view, own in OWN.items() for name in own} <= {
        (v, n) for v, own in there.items() for n in own
    }


def test_no_page_is_left_of_what_is_gone() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {*PAGES, "views"}


def without_a_sentence(said: Iterator[tuple[str, str]]) -> list[str]:
    return [name for name, says in said if not re.search(r"\w\w", says)]


def test_every_command_and_what_it_takes_has_a_sentence() -> None:
    def said() -> Iterator[tuple[str, str]]:
        for path, command in commands.commands():
            yield " ".join(path), command.help or ""
            yield from ((f"{' '.join(path)} {one.name}", one.help or "") for one in commands.parameters(command))

    assert without_a_sentence(said()) == []


def test_every_key_of_every_file_has_a_sentence() -> None:
    def said() -> Iterator[tuple[str, str]]:
        for kind in SCHEMAS:
            whole = schema(kind)
            for part in (whole, *whole.get("$defs", {}).values()):
                for section in sections(part, kind):
                    yield from ((f"{section.place}: {name}", says) for name, _, says in section.keys)

    assert without_a_sentence(said()) == []
    tables = files.TABLES.values()
    assert without_a_sentence((name, key.says) for table in tables for name, key in table.items()) == []
    assert set(files.FILES) | {"rules"} == set(SCHEMAS), "a kind of file without its place in the reference"


def test_every_setting_and_variable_has_a_sentence() -> None:
    assert without_a_sentence((key, Settings.model_fields[key].description or "") for key in KEYS) == []
    assert without_a_sentence(iter((*VARIABLES.items(), *DEPLOYMENT.items()))) == []
    assert set(KEYS) == set(Settings.model_fields)


def test_every_variable_that_the_program_reads_is_known() -> None:
    """A name in quotes is one that is read; names in prose are others' examples."""
    read = {
        name for path in PROGRAM for name in re.findall(r"[\"'](LIFELINE_[A-Z0-9_]+)[\"']", path.read_text("utf-8"))
    }
    assert "LIFELINE_CONFIG" in read
    channels = {name for name in read if name.endswith(("_SECRET", "_SMTP_PASSWORD"))}
    assert (
        read - SETTINGS_NAMES - {f"{name}_FILE" for name in SETTINGS_NAMES} - set(VARIABLES) - set(DEPLOYMENT)
        == channels
    )
    assert [
        name
        for name in VARIABLES
        if not any(
            name in path.read_text("utf-8")
            for path in (*PROGRAM, ROOT / "bin/prepare.sh")
            if path.name != "variablelist.py"
        )
    ] == []


def test_a_deployments_env_is_told_in_whole(tmp_path: Path) -> None:
    written = set(re.findall(r"^(LIFELINE_\w+)=", Plan(tmp_path).text(), re.MULTILINE))
    asked = set(re.findall(r"\$\{(LIFELINE_\w+)", (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")))
    assert written | asked == set(DEPLOYMENT)


def test_every_detector_says_what_it_needs_sees_and_cannot_see() -> None:
    for name in detectors.native():
        notes = detectors.notes(name)
        assert {"Input", "Direction", "Blind spots", "Source"} <= set(notes), name
        assert without_a_sentence(iter((*notes.items(), *detectors.settings(name).items()))) == [], name
        assert any("arm-up" in head for head in notes), f"{name}: no warm-up"
    assert set(detectors.native()) < set(names())


def test_metrics_events_views_and_reasons_have_a_sentence_each() -> None:
    assert without_a_sentence((one.name, one.sentence) for one in METRICS) == []
    assert without_a_sentence(iter((*EVENTS.items(), *VIEWS.items(), *COLUMNS.items()))) == []
    assert sum(len(views) for views in GROUPS.values()) == len(VIEWS), "a view in two groups"
    assert set(codes.meanings()) == {one.value for one in Reason}


def test_pages_are_the_same_bytes_every_time() -> None:
    assert all(make() == make() for make in PAGES.values())
    assert not any(re.search(r"object at 0x|/root/|<class", make()) for make in PAGES.values())
