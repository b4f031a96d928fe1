"""Without a snapshot that can be read the watcher makes its state again: same alarms, told once, and they clear."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city.clock import ManualClock, from_us
from city.reading import Readings
from store import journal, register
from store.connection import connect
from store.readings import ReadingWriter
from store.testing import drop_database, fresh_database
from tests.rules.small_city import FILES, T0_US
from tests.rules.test_watcher import handled, query, wait_for, watching, write

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
        wait_for(lambda: query(dsn, "SELECT 1 FROM lifeline.current_bundle"))
        put(dsn, "wl-2", dict.fromkeys(range(5), 1.0))
        put(dsn, "wl-1", {0: 0.0, 1: 30.0, 2: 50.0, 3: 50.0, 4: 50.0})
        ((incident,),) = wait_for(lambda: query(dsn, "SELECT incident FROM city.incidents"))
        said = {"id": "c1", "incident": incident, "kind": "acknowledge", "actor": "Li", "note": "", "via": "link"}
        with connect(dsn) as conn:
            journal.append(conn, "command", msgspec.json.encode(said), from_us(T0_US + 5 * MINUTE_US))
            conn.commit()
        put(dsn, "wl-2", {5: 20.0, 6: 20.0})
        put(dsn, "wl-1", {5: 50.0, 6: 0.0})
        wait_for(lambda: handled(dsn))
    with connect(dsn) as conn:
        conn.execute("DELETE FROM lifeline.journal WHERE seq <= (SELECT seq FROM lifeline.followers)")
        for statement in DAMAGE[damage].split(";"):
            conn.execute(statement.encode(), {"pickled": pickle.dumps({"a": 1})} if "%" in statement else None)
        conn.commit()
    put(dsn, "wl-2", {minute: 20.0 for minute in range(7, 10)})
    put(dsn, "wl-1", {minute: 0.0 for minute in range(7, 20)})
    with watching(dsn, folder, clock):
        wait_for(lambda: handled(dsn))
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
