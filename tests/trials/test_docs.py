"""What docs/rule-tests.md shows is so: its files are run, its tables are complete, its output is what comes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lifeline.cli import run_command
from rules.trials import eventfile, expectfile
from rules.trials.casefile import ENDINGS, Folder, read_cases
from rules.trials.cases import play
from tests.rules.small_city import city_files
from tests.rules.test_watcher import write

PAGE = (Path(__file__).parents[2] / "docs" / "rule-tests.md").read_text(encoding="utf-8")
BLOCKS = [(kind, text) for kind, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)]
FILES = {text.split("\n")[0].removeprefix("# "): text for kind, text in BLOCKS if kind == "yaml"}
TESTS = [name for name in FILES if name.endswith(ENDINGS)]


@pytest.mark.parametrize("name", TESTS)
def test_every_test_on_the_page_passes(name: str) -> None:
    found = [play(case) for case in read_cases(Folder(FILES), name)]
    assert found
    assert [str(failure) for outcome in found for failure in outcome.failures] == []


def test_every_block_of_yaml_is_a_file_that_is_used() -> None:
    assert len(FILES) == sum(kind == "yaml" for kind, _ in BLOCKS)
    assert set(FILES) - set(TESTS) == {"rules/depth.yaml"}


def test_the_tables_name_everything_there_is() -> None:
    told = set(re.findall(r"`(\w+)", PAGE))
    for known in (eventfile.FORMS, expectfile.FORMS, expectfile.ALARM, expectfile.INCIDENT, expectfile.NOTICES):
        assert set(known) - told == set()


def test_the_explanation_on_the_page_is_what_comes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [readings] = [text for kind, text in BLOCKS if kind == "csv"]
    [shown] = [text for kind, text in BLOCKS if kind == "text"]
    folder = write(
        tmp_path / "city", {**city_files(rules__platform=None), "rules/depth.yaml": FILES["rules/depth.yaml"]}
    )
    (tmp_path / "readings.csv").write_text(readings, encoding="utf-8")
    given = ["--city", str(folder), "--readings", str(tmp_path / "readings.csv"), "--data", str(tmp_path)]
    at = "2026-07-01T08:11:30+08:00"
    assert run_command(["rules", "explain", "depth", "--sensor", "wl-1", "--at", at, *given]) == 0
    assert re.sub(r"version \w+", "version …", capsys.readouterr().out) == shown
