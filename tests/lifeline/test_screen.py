"""The demonstration's screen: both languages, terminal and plain, with and without a database."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from lifeline.glance import DistrictLine, Glance, IncidentLine, NoticeLine, Summary
from lifeline.screen import Rate, Screen, Setting, spoken, summary_table

NOW = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)
GLANCE = Glance(
    districts=[DistrictLine("old", {"en": "Old Town", "zh": "老城区"}, 110, 3, 1, 0, 2, 0, 3, 4)],
    incidents=[
        IncidentLine("I-1", "red", "Water · Plum Street", "积水 · 梅花街", NOW, "raised", True),
        IncidentLine("I-2", "none", "Ground sinking", None, NOW, "dispatched", False),
    ],
    open_incidents=2,
    notices=[NoticeLine(NOW, "red", "li", "webhook", "sent", "[RED] Water")],
    published=12_345,
    stored=12_000,
    rejected=7,
    watcher_lag_s=0.4,
)


def setting(language: str) -> Setting:
    return Setting("http://127.0.0.1:8080", "/data", 60, language, ZoneInfo("Asia/Shanghai"))


def picture(language: str, glance: Glance | None, *, plain: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=140, height=40, force_terminal=not plain, color_system=None, legacy_windows=False)
    with Screen(console, setting(language), plain=plain) as screen:
        screen.update(NOW, glance, 2)
    return out.getvalue()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ["Old Town", "3 of 4", "Water · Plum Street", "sent", "12,000 readings stored", "2 restarts", "08:30:00"],
        ),
        ("zh", ["老城区", "积水 · 梅花街", "已发", "12,000", "重启 2 次", "值班页面"]),
    ],
)
def test_the_screen_shows_the_city_in_both_languages(language: str, words: list[str]) -> None:
    shown = picture(language, GLANCE, plain=False)
    assert [word for word in words if word not in shown] == []


def test_plain_lines_begin_with_the_page_and_the_folder_and_name_each_incident_once() -> None:
    out = io.StringIO()
    with Screen(Console(file=out, width=60), setting("en"), plain=True) as screen:
        screen.update(NOW, GLANCE, 0)
        screen.update(NOW, GLANCE, 0)
    assert out.getvalue().count("[red] Water · Plum Street") == 1
    page, folder, *_ = lines = out.getvalue().splitlines()
    assert page.endswith("http://127.0.0.1:8080")
    assert "/data" in folder
    assert len(lines) == 5


@pytest.mark.parametrize("plain", [True, False])
def test_a_database_that_is_away_is_said_so(plain: bool) -> None:
    assert "waiting for the database" in picture("en", None, plain=plain)


def test_the_language_follows_the_flag_then_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert spoken(None) == "zh"
    assert spoken("en") == "en"
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert spoken(None) == "en"


def test_the_rate_counts_what_came_between_two_looks() -> None:
    rate = Rate()
    rate.learn(10.0, 1000)
    assert rate.learn(12.0, 1800) == 400


def test_the_summary_fits_one_screen() -> None:
    out = io.StringIO()
    summary = Summary(100, 99, 1, {"red": 2}, 3, 1, 2, 95.4, 4, 5)
    Console(file=out, width=100).print(summary_table(summary, "1h40m", 10, "en"))
    assert "2 / 0 / 0 / 0" in out.getvalue()
    assert "95 s" in out.getvalue()
    assert len(out.getvalue().splitlines()) < 20
