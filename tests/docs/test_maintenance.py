"""The page about floods, holds and maintenance is true: its windows are right, and every key and figure is there."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from city.clock import from_us, to_us
from lifeline.cli import run_command
from rules.alarm.windows import upcoming
from rules.check import load_files
from rules.desk.shelving import LONGEST_OUT_US, LONGEST_US, SECOND_WITHIN_US
from rules.language.grammar import SELECTOR, WINDOW
from rules.language.windowlint import WINDOW_WARNINGS, lint_windows
from rules.statistics import BIN_US, FLOOD_ENDS, FLOOD_STARTS
from tests.rules.small_city import city_files

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "maintenance.md").read_text(encoding="utf-8")
[CALENDAR] = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
HOUR_US = 3_600_000_000


def test_the_calendar_of_the_page_has_no_fault_and_no_warning() -> None:
    files = city_files(calendar=CALENDAR)
    book = load_files(files).book
    assert list(book.windows) == ["pump-service", "probe-cleaning", "gateway-change"]
    assert lint_windows(files, book, to_us(datetime.fromisoformat("2026-07-01T00:00:00+08:00"))) == []
    assert book.windows["gateway-change"].approver == "Li Na"


def test_the_windows_of_the_page_come_when_it_says() -> None:
    windows = load_files(city_files(calendar=CALENDAR)).book.windows.values()
    from_ = to_us(datetime.fromisoformat("2026-08-05T00:00:00+08:00"))
    zone = ZoneInfo("Asia/Shanghai")
    found = [
        (one.window.id, from_us(one.start_us).astimezone(zone)) for one in upcoming(windows, from_, 60 * 24 * HOUR_US)
    ]
    pumps = [at.strftime("%m-%d %H:%M") for name, at in found if name == "pump-service"]
    days = ["08-08", "08-22", "08-29", "09-05", "09-12", "09-19", "09-26", "10-03"]
    assert pumps == [f"{day} 22:00" for day in days if day != "10-03"]  # not on 08-15, nor on the holiday
    assert [at.strftime("%a %m-%d %H:%M") for name, at in found if name == "probe-cleaning"] == [
        "Wed 08-05 09:30", "Wed 09-02 09:30",
    ]  # fmt: skip


def test_every_key_is_explained_and_every_warning_named() -> None:
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    assert {key for key in {*WINDOW, *SELECTOR} if f"`{key}`" not in prose} == set()
    assert re.findall(r"^\| `(\w+-window)` \| (.*) \|$", TEXT, re.MULTILINE) == list(WINDOW_WARNINGS.items())


def test_the_figures_are_those_of_the_program() -> None:
    assert f"more than {FLOOD_STARTS} alarms are told there within {BIN_US // 60_000_000} minutes" in TEXT
    assert f"fewer than {FLOOD_ENDS} are left" in TEXT
    hours = {level.word: us / HOUR_US for level, us in LONGEST_US.items()}
    said = "blue 24 h, yellow 8 h, orange 1 h, red 15 min"
    assert hours == {"blue": 24, "yellow": 8, "orange": 1, "red": 0.25}
    assert said in TEXT
    assert f"{LONGEST_OUT_US // (24 * HOUR_US)} days" in TEXT
    assert f"within {SECOND_WITHIN_US // 60_000_000} minutes makes it so" in TEXT


def test_the_command_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in city_files(calendar=CALENDAR).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert run_command(["check", str(tmp_path)]) == 0
    assert "files, 1 districts" in capsys.readouterr().out
