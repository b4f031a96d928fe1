"""`lifeline status`: the same picture every time, right figures of a real database, and an exit code to go by."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from lifeline.cli import run_command
from lifeline.status import Flow, Gateways, Notices, Open, RoleLine, Status, Trouble, look
from lifeline.statuslook import Looker
from lifeline.statusscreen import picture, span
from store import health, roles
from store.connection import connect

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
CORE = ("recorder", "watcher", "notifier", "api", "keeper")
BUSY = Status(
    at=NOW,
    troubles=(
        Trouble("role_watcher", "fault", "last sign of life 64 s ago", "start it again", "RUNBOOK.md#role_watcher"),
        Trouble("channel_sms", "fault", "3 failed; \x1b[2JHTTP 500", "mend the channel", "RUNBOOK.md#channel"),
        Trouble("store_days_left", "warning", "full in 12 days", "give it room", "RUNBOOK.md#store_days_left"),
        Trouble("role_keeper", "fault", "", "", "RUNBOOK.md#role_keeper"),
    ),
    roles=(
        RoleLine("recorder", 4110, 275_000, 0.3, 0, 96_000_000, 8123),
        RoleLine("watcher", 4111, 3_720, 64.2, 2, 312_500_000, 95, "fault"),
        RoleLine("notifier", 4112, 59, 0.8, 0),
    ),
    flow=Flow(1234.5, 0.4, 0.21, 1.5, 1042, 64.9),
    gateways=Gateways(220, 3, 1, 17),
    incidents=(Open("red", "raised", 1, 1), Open("orange", "dispatched", 2, 0), Open("none", "reported", 1, 0)),
    notices=Notices(4, 75, 310, 2),
    store={"tier": "community: TimescaleDB", "size": "41.2 GB", "days_left": "9.1 GB free, full in 12 days"},
)  # fmt: skip
CALM = Status(NOW, roles=(RoleLine("recorder", 1, 60, 0.2, 0, 9e7, 3),), gateways=Gateways(2), store={"tier": "plain"})


def shown(status: Status, language: str) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None, legacy_windows=False, record=True)
    console.print(picture(status, language, ZONE))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("name", "status"), [("busy", BUSY), ("calm", CALM), ("away", Status(None))])
def test_the_picture_is_as_it_was(name: str, status: Status, language: str) -> None:
    golden = GOLDEN / f"status_{name}_{language}.txt"
    assert shown(status, language) == golden.read_text(encoding="utf-8")


def test_what_is_wrong_stands_first_and_cannot_move_the_cursor() -> None:
    said = shown(BUSY, "en")
    assert said.index("role_watcher") < said.index("recorder")
    assert "\x1b" not in said
    assert "\\x1b[2J" in said


def test_several_faults_stand_on_lines_of_their_own() -> None:
    faults = [f"rules/depth.yaml:{line}:5: unknown key, got '\x1b[2Jx{line}'" for line in range(1, 21)]
    told = "\n".join(["the changed city folder is refused, the old one stays:", *faults])
    refused = replace(CALM, troubles=(Trouble("city_folder", "fault", "", told, "RUNBOOK.md#city_folder"),))
    for language, more in (("en", "… and 13 more (RUNBOOK.md#city_folder)"), ("zh", "……另有 13 行 (RUNBOOK.md")):
        said = shown(refused, language)
        assert "\\n" not in said
        assert "\x1b" not in said
        starts = [line.lstrip("│ ") for line in said.splitlines()]
        assert [n for n in range(1, 21) if any(s.startswith(f"rules/depth.yaml:{n}:") for s in starts)] == [
            *range(1, 8)
        ]
        assert more in said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59.9, "59s"), (61, "1m 1s"), (3600, "1h"), (90_061, "1d 1h"), (86_400, "1d")]
)
def test_spans_have_two_units(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_exit_codes() -> None:
    warning = Status(NOW, troubles=(Trouble("x", "warning", "x"),))
    assert [one.exit_code for one in (CALM, warning, BUSY, Status(None))] == [0, 0, 1, 2]


def test_a_running_database_is_shown_as_it_is(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--database-url", database, "--data", str(tmp_path)]
    with connect(database, autocommit=True) as conn:
        for role in CORE[:-1]:
            roles.beat(conn, role, 7, detail={"lag_s": 0.5})
        room = "give the disk more room, or keep readings for less long"
        health.report(conn, "store_days_left", "warning", 12.0, "d", room, "full in 12 days")
        never = look(conn)
        assert (never.troubles[0].name, never.troubles[0].state, never.exit_code) == ("role_keeper", "fault", 1)
        roles.beat(conn, "keeper", 8)
        found = look(conn)
        assert [trouble.name for trouble in found.troubles] == ["store_days_left"]
        assert found.troubles[0].entry == "RUNBOOK.md#store_days_left"
        assert [line.role for line in found.roles] == list(CORE)
        assert found.flow.decision_s == 0.5
    assert run_command(["status", "--json", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["exit_code"], said["troubles"][0]["name"]) == (0, "store_days_left")
    assert run_command(["status", "--lang", "zh", *options]) == 0
    chinese = capsys.readouterr().out
    assert "运行状态" in chinese
    assert "请扩大磁盘，或缩短读数的保存时间" in re.sub(r"\s+", "", chinese.replace("│", ""))
    with connect(database, autocommit=True) as conn:
        health.report(conn, "heartbeat", "fault", 60.0, "s", "no sign of life left the house")
    monkeypatch.setenv("COLUMNS", "200")
    assert run_command(["status", "--once", *options]) == 1
    assert "no sign of life left the house (RUNBOOK.md#heartbeat)" in capsys.readouterr().out


def test_without_a_database_it_says_so_and_comes_back_with_it(database: str) -> None:
    away = Looker("postgresql://u:hidden-password@127.0.0.1:1/x")
    assert away.look().exit_code == 2
    back = Looker(database)
    assert back.look().at is not None
    assert back._conn is not None
    back._conn.close()  # as when the server goes
    assert back.look().at is None
    assert back.look().at is not None
    back.close()
