"""Without a snapshot that can be read the watcher makes its state again: same alarms, told once, and they clear."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city.clock import ManualClock, from_us
from city.reading import Readings
from rules import snapshot
from rules.check import load_files
from rules.desk.incidents import Incident
from rules.inputs import BundleIn, PlatformIn, platform_row
from rules.rebuild import rebuild
from store import journal, register, roles
from store.connection import connect
from store.readings import ReadingWriter
from store.testing import drop_database, fresh_database
from tests.rules.loop_world import ESCALATION, loop_city
from tests.rules.small_city import FILES, T0_US
from tests.rules.test_watcher import handled, query, watching, write
from tests.running import eventually

MINUTE_US = 60_000_000
DAMAGE = {
    "none": "SELECT 1",
    "garbage": "UPDATE lifeline.snapshots SET body = 'no snapshot', seq = seq; DELETE FROM lifeline.snapshot_rest",
    "cut": "DELETE FROM lifeline.snapshot_rest WHERE follower = 'watcher'",
    "old": "DELETE FROM lifeline.snapshot_rest; UPDATE lifeline.snapshots SET body = %(pickled)s",
    "gone": "DELETE FROM lifeline.snapshots",
}


def put(dsn: str, sensor: str, values: dict[int, float]) -> None:
    """Readings by minute, written and journaled one by one, as the recorder would."""
    with connect(dsn) as conn:
        number, writer = register.ids(conn)[sensor], ReadingWriter(conn)
        for minute, value in values.items():
            time_us = T0_US + minute * MINUTE_US
            row = Readings.of([(number, time_us, time_us, value, 1, value)])
            writer.write(row)
            journal.append(conn, "readings", journal.encode_readings(row), from_us(time_us))
            conn.commit()


def told(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything people could have seen."""
    return {
        "alarms": query(
            dsn,
            "SELECT alarm, rule, scope, level, peak_level, condition, acknowledged, raised_at, cleared_at, incident "
            "FROM city.alarms ORDER BY alarm",
        ),
        "events": query(dsn, "SELECT alarm, kind, time, to_level FROM city.alarm_events ORDER BY alarm, time, kind"),
        "incidents": query(dsn, "SELECT incident, level, stage, acknowledged FROM city.incidents ORDER BY 1"),
        "notices": query(dsn, "SELECT notice, incident, kind, target FROM lifeline.notices ORDER BY notice"),
        "steps": query(
            dsn, "SELECT incident, round, step, repeat, state FROM lifeline.escalations ORDER BY 1, 2, 3, 4"
        ),
    }


def story(dsn: str, folder: Path, clock: ManualClock, damage: str) -> dict[str, list[tuple[Any, ...]]]:
    """Three sensors' hour with a stop in the middle: wl-1 stands, wl-2 is pending, an incident is acknowledged."""
    with watching(dsn, folder, clock):
        eventually(lambda: query(dsn, "SELECT 1 FROM lifeline.current_bundle"))
        put(dsn, "wl-2", dict.fromkeys(range(5), 1.0))
        put(dsn, "wl-1", {0: 0.0, 1: 30.0, 2: 50.0, 3: 50.0, 4: 50.0})
        ((incident,),) = eventually(lambda: query(dsn, "SELECT incident FROM city.incidents"))
        said = {"id": "c1", "incident": incident, "kind": "acknowledge", "actor": "Li", "note": "", "via": "link"}
        with connect(dsn) as conn:
            journal.append(conn, "command", msgspec.json.encode(said), from_us(T0_US + 5 * MINUTE_US))
            conn.commit()
        put(dsn, "wl-2", {5: 20.0, 6: 20.0})
        put(dsn, "wl-1", {5: 50.0, 6: 0.0})
        eventually(lambda: handled(dsn))
    with connect(dsn) as conn:
        conn.execute("DELETE FROM lifeline.journal WHERE seq <= (SELECT seq FROM lifeline.followers)")
        for statement in DAMAGE[damage].split(";"):
            conn.execute(statement.encode(), {"pickled": pickle.dumps({"a": 1})} if "%" in statement else None)
        conn.commit()
    put(dsn, "wl-2", {minute: 20.0 for minute in range(7, 10)})
    put(dsn, "wl-1", {minute: 0.0 for minute in range(7, 20)})
    with watching(dsn, folder, clock):
        eventually(lambda: handled(dsn))
    return told(dsn)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(from_us(T0_US))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "city", dict(FILES))


def test_whatever_became_of_the_snapshot_the_story_is_the_same(database: str, folder: Path, clock: ManualClock) -> None:
    whole = story(database, folder, clock, "none")
    at = [from_us(T0_US + minute * MINUTE_US) for minute in range(20)]
    assert [(scope, peak, raised, cleared) for _, _, scope, _, peak, _, _, raised, cleared, _ in whole["alarms"]] == [
        ("wl-1", "red", at[3], at[16]),
        ("wl-2", "yellow", at[8], None),
    ]
    assert sorted(kind for _, _, kind, _ in whole["notices"]) == ["clear", "raise", "raise"]
    for damage in DAMAGE.keys() - {"none"}:
        other = fresh_database(database)
        try:
            assert story(other, folder, clock, damage) == whole, damage
            ((advice,),) = query(other, "SELECT advice FROM city.health WHERE name = 'watcher_state'")
            assert "made again from the database: 1 alarms stand" in advice
        finally:
            drop_database(other)


def said(dsn: str, minute: int, kind: str, incident: str, actor: str, note: str = "") -> None:
    """Journal a command."""
    command = {
        "id": f"c{minute}-{kind}",
        "incident": incident,
        "kind": kind,
        "actor": actor,
        "note": note,
        "via": "api",
    }
    with connect(dsn) as conn:
        journal.append(conn, "command", msgspec.json.encode(command), from_us(T0_US + minute * MINUTE_US))
        conn.commit()


def later(dsn: str, clock: ManualClock, minute: int) -> None:
    """It is so many minutes after the start, and the watcher has seen it."""
    clock.advance(minute * 60 - (clock.now() - from_us(T0_US)).total_seconds())
    with connect(dsn) as conn:
        roles.beat(conn, "recorder", 1, clock.now(), {})
        conn.commit()
    due = "SELECT count(*) FROM city.incident_clocks WHERE state = 'running' AND due_at <= "
    eventually(lambda: query(dsn, f"{due} '{clock.now().isoformat()}'") == [(0,)] and handled(dsn))


def parts(incidents: dict[str, Incident]) -> dict[str, dict[str, Any]]:
    """All there is to each incident, its alarms by name."""
    found = {}
    for name, incident in incidents.items():
        own = {field: getattr(incident, field) for field in Incident.__slots__}
        own["alarms"], own["title"] = set(incident.alarms), dict(incident.title)
        own["due"], own["clocks"] = sorted(map(repr, incident.due)), sorted(map(repr, incident.clocks))
        found[name] = own
    return found


def test_incidents_are_made_again_exactly_with_clocks_repeats_crew_and_the_chain_they_opened_with(
    database: str, tmp_path: Path, clock: ManualClock
) -> None:
    folder = write(tmp_path / "city", loop_city())
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-1", {0: 50.0, 1: 50.0})
        put(database, "wl-2", {0: 30.0, 1: 30.0, 2: 30.0})
        eventually(lambda: len(query(database, "SELECT incident FROM city.incidents WHERE site <> ''")) == 2)
        ((red,),) = query(database, "SELECT incident FROM city.incidents WHERE level = 'red'")
        ((orange,),) = query(database, "SELECT incident FROM city.incidents WHERE level = 'orange' AND site <> ''")
        later(database, clock, 6)
        said(database, 6, "cannot_go", red, "li", "flat tyre")
        said(database, 6, "dispatch", red, "Bo")
        said(database, 6, "confirm", orange, "Li Na")
        put(
            database, "wl-1", {minute: 20.0 for minute in range(7, 19)}
        )  # yellow, and red not yet down by three minutes
        platform = PlatformIn("channel", "webhook", "fault", "no answer", T0_US + 18 * MINUTE_US)
        with connect(database) as conn:
            journal.append(conn, "platform", platform_row(platform), from_us(T0_US + 18 * MINUTE_US))
            conn.commit()
        write(
            folder,
            {"escalation.yaml": ESCALATION.replace("after: 4m", "after: 99m").replace("group/bosses", "group/ops")},
        )
        eventually(lambda: query(database, "SELECT count(*) FROM lifeline.bundles") == [(2,)] and handled(database))
        later(database, clock, 19)
    with connect(database) as conn:
        kept = journal.load_snapshot(conn, "watcher")
        assert kept is not None
        live = snapshot.load(kept.body)
        checked = load_files(
            {**loop_city(), "escalation.yaml": (folder / "escalation.yaml").read_text(encoding="utf-8")}
        )
        conn.commit()
        engine, seq = rebuild(conn, BundleIn(kept.bundle, checked.book, checked.escalation), "watcher")
    assert seq == kept.seq
    assert {name for name, incident in live.incidents.items() if not incident.alone} == {red, orange}
    assert live.incidents[red].falls_us is not None
    assert live.incidents[red].crew == {"bo": "dispatch"}
    assert parts(engine.state.incidents) == parts(live.incidents)
    assert "platform-channel/webhook" in live.platform
    assert engine.state.platform.keys() == live.platform.keys()
    rows = query(database, "SELECT incident, version, falls_at IS NOT NULL, chain FROM city.incidents")
    assert (red, live.incidents[red].version, True, "drainage") in rows
    steps = query(database, "SELECT DISTINCT incident, step, notify FROM city.escalations ORDER BY 2")
    assert [step[2] for step in steps if step[0] == red][:3] == ["roster/day", "group/ops", "person/wu"]
    missed = query(database, "SELECT clock, settled_at FROM city.incident_clocks WHERE state = 'missed' ORDER BY 1")
    assert ("acknowledge", from_us(T0_US + 6 * MINUTE_US)) in missed
