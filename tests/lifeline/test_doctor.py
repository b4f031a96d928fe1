"""The doctor: everything fine on a running system, and a clear word for each thing that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.clock import ManualClock, SystemClock
from lifeline.cityfolder import read_checked
from lifeline.doctor import Report, examine, exit_code, lines
from lifeline.settings import Settings
from lifeline.story import Story, write_city
from store import bundle, roles
from store.connection import connect
from store.testing import named

WALL = SystemClock()


@pytest.fixture
def settings(database: str, broker: str, tmp_path: Path) -> Settings:
    write_city(tmp_path, Story(7, 0), "http://127.0.0.1:1/crew")
    files, checked = read_checked(tmp_path / "city")
    with connect(database) as conn:
        bundle.apply(conn, files, checked.city, WALL.now())
        roles.beat(conn, "recorder", 1)
    return Settings(data=tmp_path, database_url=database, mqtt_url=broker, city=tmp_path / "city")


def states(reports: list[Report]) -> dict[str, str]:
    return {report.name: report.state for report in reports}


def test_a_whole_system_has_no_fault(settings: Settings) -> None:
    reports = examine(settings, WALL)
    found = states(reports)
    for name in (
        "disk",
        "database",
        "store tier",
        "store size",
        "store growth",
        "store days left",
        "store jobs",
        "store bloat",
        "recorder lag",
        "rollup lag",
        "journal oldest",
        "clocks",
        "migrations",
        "broker",
        "city folder",
        "rules",
        "role recorder",
    ):
        assert found[name] == "ok", name
    assert exit_code(reports) == 0
    assert lines(reports).plain.endswith("0 faults\n")


def test_what_is_missing_outside_exits_2_and_shows_no_password(settings: Settings) -> None:
    gone = {"database_url": "postgresql://u:hunter2@127.0.0.1:1/x", "mqtt_url": "mqtt://u:hunter2@127.0.0.1:1"}
    reports = examine(settings.model_copy(update=gone), WALL)
    found = states(reports)
    assert (found["database"], found["broker"]) == ("fault", "fault")
    assert exit_code(reports) == 2
    assert "hunter2" not in lines(reports).plain


def test_a_faulty_city_folder_exits_1_with_every_fault(settings: Settings) -> None:
    assert settings.city is not None
    (settings.city / "rules" / "gas.yaml").write_text("version: 1\nruls: []\n")
    reports = examine(settings, WALL)
    assert exit_code(reports) == 1
    assert "rules/gas.yaml:2:1" in lines(reports).plain


def test_clocks_that_differ_are_a_fault(settings: Settings) -> None:
    reports = examine(settings, ManualClock(WALL.now().replace(year=2020)))
    assert states(reports)["clocks"] == "fault"


def test_a_channel_without_its_secret_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(examine(settings, WALL))["channel webhook"] == "warning"
    monkeypatch.setenv("LIFELINE_WEBHOOK_SECRET", "x" * 32)
    assert states(examine(settings, WALL))["channel webhook"] == "ok"


def test_hours_without_anybody_and_a_heartbeat_that_goes_nowhere_are_warnings(settings: Settings) -> None:
    assert states(examine(settings, WALL))["rosters"] == "ok"
    assert settings.city is not None
    file = settings.city / "escalation.yaml"
    day = 'sun], from: "08:00", to: "20:00"'
    text = file.read_text(encoding="utf-8").replace(f"sat, {day}", f"{day}")
    file.write_text(text + "heartbeat: {url_env: LIFELINE_TEST_NO_SUCH_HEARTBEAT}\n", encoding="utf-8")
    reports = examine(settings, WALL)
    assert (states(reports)["rosters"], states(reports)["channel heartbeat"]) == ("warning", "warning")
    told = lines(reports).plain
    assert "rosters: nobody can be told: " in told
    assert "-> fill them, or say gaps: meant" in told


def test_an_empty_database_asks_for_migration(settings: Settings) -> None:
    with connect(settings.database, autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS empty_one")
        conn.execute("CREATE DATABASE empty_one")
    empty = settings.model_copy(update={"database_url": named(settings.database, "empty_one")})
    reports = examine(empty, WALL)
    assert states(reports)["migrations"] == "fault"
    assert exit_code(reports) == 1
