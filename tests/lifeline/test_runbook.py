"""deploy/RUNBOOK.md: an entry for each alarm that Lifeline can raise about itself, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from city.words import catalogue, languages, say
from dashboards.watchdog import WATCHDOGS, rule
from lifeline import runbook
from lifeline.cli import app
from lifeline.doctor import Report, lines
from lifeline.roles import CORE
from store import health
from store.connection import connect

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
ENTRIES = {name: body for name, body in re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", TEXT, re.M | re.S)}
ROOMS = ("store", "rules", "lifeline", "ingest")


def calls(*names: str, files: Iterator[Path] | None = None) -> Iterator[ast.Call]:
    """Every call of these functions in the source."""
    for path in files or (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not any(f"{name}(" in text for name in names):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
                yield node


def literal(node: ast.expr) -> str | None:
    """A literal text; of one with something in it the beginning and an x; None for a variable."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return f"{node.values[0].value!s}x"
    return None


def of_health() -> set[str]:
    """Lines of city.health that can be something else than ok."""
    found = {f"role_{role}" for role in CORE}
    for call, name, state in (
        *((call, call.args[0], call.args[1]) for call in calls("Row", "health.Row") if len(call.args) > 2),
        *((call, call.args[1], call.args[2]) for call in calls("health.report") if len(call.args) > 2),
    ):
        written = literal(name)
        assert written or ast.unparse(name) in ("row.name",), ast.unparse(call)
        if written and literal(state) != "ok":
            found.add(runbook.of_health(written))
    return found


def of_doctor() -> set[str]:
    """Findings of the doctor that can be something else than ok."""
    found = set()
    for call in calls("Report", "_fault", "_resolvable", files=iter([ROOT / "lifeline" / "doctor.py"])):
        name = literal(call.args[0])
        if name and not (ast.unparse(call.func) == "Report" and literal(call.args[1]) == "ok"):
            found.add(runbook.of_doctor(name))
    return found - {"x", "role_x"}  # another's own entry


def of_platform() -> set[str]:
    """Alarms that Lifeline raises about its own parts."""
    found = set()
    for call in calls("PlatformIn"):
        name = call.args[0]
        if isinstance(name, ast.Name):
            from rules.desk import rosterwatch

            found.add(str(getattr(rosterwatch, name.id, "")))
        else:
            found.add(literal(name) or "")
    return {runbook.of_platform(name) for name in found - {""}}


def all_alarms() -> dict[str, str]:
    watchdogs = {f"watchdog_{dog.name}" for dog in WATCHDOGS}
    kinds = {"health": of_health(), "doctor": of_doctor(), "platform": of_platform(), "watchdog": watchdogs}
    return {name: kind for kind, names in kinds.items() for name in names}


def test_every_alarm_has_its_entry_and_every_entry_its_alarm() -> None:
    alarms = all_alarms()
    assert sorted(set(alarms) - set(ENTRIES)) == [], "no entry in deploy/RUNBOOK.md"
    assert sorted(set(ENTRIES) - set(alarms)) == [], "an entry in deploy/RUNBOOK.md that nothing leads to"
    assert len(re.findall(r"^### ", TEXT, re.M)) == len(ENTRIES)


def test_the_search_finds_what_is_known_to_be_there() -> None:
    alarms = all_alarms()
    for name in (
        *("store_days_left", "channel", "role_keeper", "gateway_books", "platform_channel", "platform_roster_gap"),
        *("watchdog_outbox", "doctor_migrations", "doctor_webhook_host", "watcher_row"),
    ):
        assert name in alarms, name
    assert "store_size" not in alarms


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_an_entry_has_cause_check_and_cure_with_commands_that_exist(name: str) -> None:
    body = ENTRIES[name]
    for word in ("Cause", "Check", "Cure"):
        assert f"- **{word}.** " in body, f"{name}: no {word.lower()}"
    check = body[body.index("**Check.**") : body.index("**Cure.**")]
    assert re.search(r"`[^`]+`", check), f"{name}: nothing to look with"
    for command in re.findall(r"`(lifeline [^`]+)`", body):
        known(command)
    for anchor in re.findall(r"\(#([a-z_]+)\)", body):
        assert anchor in ENTRIES, f"{name}: leads to {anchor}"


def known(command: str) -> None:
    """Fail when there is no such command or option."""
    words = command.split()[1:]
    found = typer.main.get_command(app)
    while words and (inner := getattr(found, "commands", {}).get(words[0])):
        found, words = inner, words[1:]
    assert not getattr(found, "commands", None), f"{command}: no such command"
    options = {option for parameter in found.params for option in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{command}: no {word}"


def test_health_the_doctor_and_watchdog_rules_lead_to_their_entries(database: str) -> None:
    with connect(database) as conn:
        health.report(conn, "channel_sms", "fault", advice="mend it")
        health.report(conn, "store_size", "ok")
        health.report(conn, "heartbeat", "warning")
        rows: dict[str, str] = dict(conn.execute("SELECT name, runbook FROM city.health").fetchall())
    assert rows == {"channel_sms": "RUNBOOK.md#channel", "store_size": "", "heartbeat": "RUNBOOK.md#heartbeat"}
    told = lines([Report("webhook host x.example", "warning", "no such host", "mend DNS")]).plain
    assert "mend DNS (RUNBOOK.md#doctor_webhook_host)" in told
    for dog in WATCHDOGS:
        assert rule(dog)["annotations"]["runbook"] == f"deploy/RUNBOOK.md#watchdog_{dog.name}"


def test_notices_about_the_platform_name_their_entries() -> None:
    for name in ("channel", "roster-gap"):
        key = f"platform.guidance_{name}"
        assert key in catalogue()
        for language in languages:
            assert f"deploy/RUNBOOK.md#{runbook.of_platform(name)}" in say(key, language, name=name, scope="x")
