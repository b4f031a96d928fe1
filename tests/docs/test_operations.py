"""docs/operations.md: its commands do what it says on a database and a deployment, its entries are the runbook's."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.clock import SystemClock
from city.example import example_files
from lifeline.cli import run_command
from rules.watcher import apply_folder
from store.connection import connect
from store.testing import drop_database, fresh_database
from tests.docs.commandline import ours, simple_commands
from tests.docs.fenced import ROOT, fenced

TEXT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
BLOCKS = fenced("docs/operations.md", "sh")
WRONG_HERE = ("status", "doctor")  # no role runs in this test, and they say so


@pytest.fixture
def empty(postgres_dsn: str) -> Iterator[str]:
    dsn = fresh_database(postgres_dsn)
    yield dsn
    drop_database(dsn)


@pytest.fixture
def house(database: str, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A city in force, its deployment, and somebody who will leave; commands run in this folder."""
    for name, text in example_files().items():
        path = tmp_path / "srv/city" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "backup").mkdir()
    (tmp_path / "word").write_text("a-long-enough-word-7", encoding="utf-8")
    (tmp_path / "requirements.lock").write_bytes((ROOT / "requirements.lock").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIFELINE_DATABASE_URL", database)
    monkeypatch.setenv("LIFELINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LIFELINE_CITY", str(tmp_path / "srv/city"))
    monkeypatch.setenv("REHEARSAL", empty)
    with connect(database, autocommit=True) as conn:
        apply_folder(conn, tmp_path / "srv/city", SystemClock())
    for line in (
        "accounts add root --role admin --password-file word", "tokens create wall-of-wang --role viewer --days 90",
        "accounts add wang.wei --role operator --password-file word", "store grant gis_wang --read",
        f"deploy init {tmp_path}/srv/lifeline --city {tmp_path}/srv/city --host broker.example.org",
    ):  # fmt: skip
        assert run_command(shlex.split(line)) == 0, line
    return tmp_path


def test_every_command_of_the_year_runs(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said: dict[str, str] = {}
    for block in BLOCKS:
        for words in simple_commands(block.text):
            given = ours(words)
            if given is None:
                continue
            line = " ".join(given)
            at = [re.sub(r"^/(srv|backup)/", f"{house}/\\1/", os.path.expandvars(word)) for word in given]
            capsys.readouterr()
            code = run_command(at)
            told = capsys.readouterr()
            assert code in ((0, 1) if given[0] in WRONG_HERE else (0,)), f"{line}: {told.out[-800:]}{told.err}"
            said[line] = told.out + told.err
    assert "wang.wei" in said["accounts list"]
    assert "gis_wang" in said["store logins"]
    assert "wall-of-wang" in said["tokens list"]
    assert "drainage-duty" in said["rosters /srv/city --days 14"]
    assert "underpass-depth" in said["drill underpass-flood --dry-run"]
    assert (house / "incidents.csv").is_file()
    assert (house / "backup/rehearsal.zip").stat().st_size > 10_000


def test_every_routine_has_its_heading_and_leads_to_entries_of_the_runbook() -> None:
    entries = set(re.findall(r"^### (\S+)", (ROOT / "deploy/RUNBOOK.md").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"RUNBOOK\.md#(\w+)", TEXT))
    assert named <= entries
    assert len(named) > 12
    for heading in (
        "Every day",
        "Every week",
        "Every month",
        "Every quarter",
        "Every year",
        "Upgrade",
        "Somebody leaves",
    ):
        assert f"\n## {heading}" in TEXT
