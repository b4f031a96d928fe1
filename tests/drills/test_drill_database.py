"""Drills in the database: what the recorder takes, what the watcher remembers without a snapshot, what the API says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from city.clock import ManualClock, from_us
from city.reading import Readings
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.writer import BatchWriter
from lifeline.http.app import AppSettings
from rules.drillplan import DrillPlan, DrillSaid, drill_row
from rules.watcher import apply_folder
from store import audit, drills, journal, register
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database
from tests.drills.drillcity import query, write
from tests.rules.small_city import FILES, T0_US
from tests.rules.test_watcher import handled, watching
from tests.running import eventually, serving

MINUTE_US = 60_000_000
DRILL = "D-20260701-00000001"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(from_us(T0_US))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "city", FILES)


def plan(**changed: Any) -> DrillPlan:  # noqa: ANN401 - fields of different types
    wishes = ({"what": "acknowledged", "within_s": 600.0}, {"what": "alarm", "alarm": "depth/wl-1", "level": "red"})
    given = {"sensors": ("wl-1",), "people": (), "until_us": T0_US + 60 * MINUTE_US, "wishes": wishes, **changed}
    return DrillPlan("drills/flood.yaml", "abc", {"en": "Flood", "zh": "积水"}, **given)


def say(conn: Connection, said: DrillSaid, minute: int) -> None:
    drills.say(conn, drill_row(said), audit.Deed("chief", "drill"), from_us(T0_US + minute * MINUTE_US))
    conn.commit()


def play(dsn: str, values: dict[int, float]) -> None:
    """Exercise readings of wl-1 by minute, journaled as the recorder would."""
    with connect(dsn) as conn:
        number = register.ids(conn)["wl-1"]
        for minute, value in values.items():
            at_us = T0_US + minute * MINUTE_US
            readings = Readings.of([(number, at_us, at_us, value, 1, value)])
            journal.append(conn, "exercise", journal.encode_exercise(DRILL, at_us, readings), from_us(at_us))
            conn.commit()


def told(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "alarms": query(
            dsn, "SELECT alarm, level, condition, raised_at, cleared_at, drill FROM city.alarms ORDER BY 1"
        ),
        "incidents": query(dsn, "SELECT incident, level, stage, acknowledged, drill_id, version FROM city.incidents"),
        "events": query(dsn, "SELECT event, kind, note FROM city.incident_events ORDER BY event"),
        "notices": query(dsn, "SELECT notice, kind, target, drill FROM city.notices ORDER BY notice"),
        "steps": query(
            dsn, "SELECT incident, round, step, repeat, state FROM lifeline.escalations ORDER BY 1, 2, 3, 4"
        ),
        "drills": query(dsn, "SELECT drill, state, ended_why FROM city.drills"),
    }


# -- without a snapshot --------------------------------------------------------------------------------------------


def story(dsn: str, folder: Path, clock: ManualClock, *, lost: bool) -> dict[str, list[tuple[Any, ...]]]:
    """A drill with a stop of the watcher in its middle; `lost`: nothing of its state is left then."""
    with watching(dsn, folder, clock):
        eventually(lambda: query(dsn, "SELECT 1 FROM lifeline.current_bundle"))
        with connect(dsn) as conn:
            say(conn, DrillSaid(DRILL, "chief", "", plan()), 0)
        play(dsn, {0: 0.0, 1: 50.0, 2: 50.0, 3: 50.0})
        ((incident,),) = eventually(lambda: query(dsn, "SELECT incident FROM city.incidents"))
        said = {"id": "c", "incident": incident, "kind": "acknowledge", "actor": "bo", "note": "", "via": "link"}
        with connect(dsn) as conn:
            journal.append(conn, "command", msgspec.json.encode(said), from_us(T0_US + 4 * MINUTE_US))
            conn.commit()
        eventually(lambda: handled(dsn))
    if lost:
        with connect(dsn) as conn:
            conn.execute("DELETE FROM lifeline.journal WHERE seq <= (SELECT seq FROM lifeline.followers)")
            conn.execute("DELETE FROM lifeline.snapshot_rest")
            conn.execute("DELETE FROM lifeline.snapshots")
            conn.commit()
    play(dsn, {4: 50.0, 5: 0.0, 6: 0.0})
    with watching(dsn, folder, clock):
        play(dsn, {minute: 0.0 for minute in range(7, 20)})
        with connect(dsn) as conn:
            say(conn, DrillSaid(DRILL, "chief", "seen enough"), 21)
        eventually(lambda: handled(dsn))
    return told(dsn)


def test_a_drill_that_runs_is_made_again_from_what_was_heard(database: str, folder: Path, clock: ManualClock) -> None:
    whole = story(database, folder, clock, lost=False)
    assert [(level, condition) for _, level, condition, *_ in whole["alarms"]] == [("none", "normal")]
    assert [(stage, acknowledged) for _, _, stage, acknowledged, *_ in whole["incidents"]] == [("closed", True)]
    assert whole["drills"] == [(DRILL, "ended", "ended by chief: seen enough")]
    other = fresh_database(database)
    try:
        assert story(other, folder, clock, lost=True) == whole
        ((advice,),) = query(other, "SELECT advice FROM city.health WHERE name = 'watcher_state'")
        assert "made again from the database: 0 alarms stand" in advice  # none that is real
    finally:
        drop_database(other)


# -- the recorder --------------------------------------------------------------------------------------------------


@contextmanager
def recording(dsn: str, folder: Path, clock: ManualClock) -> Iterator[BatchWriter]:
    with connect(dsn) as conn:
        apply_folder(conn, folder, clock)
        conn.commit()
    with connect(dsn, autocommit=True) as conn:
        for drill, state in ((DRILL, "running"), ("D-over", "ended")):
            conn.execute(
                "INSERT INTO lifeline.drills VALUES (%s, %s, 'x', 'd', '{}', 'me', '{}', '{wl-1}', '{north}', '[]', 1, "
                "now(), now())",
                (drill, state),
            )
        yield BatchWriter(conn, clock)


def sent(topic: str, readings: list[dict[str, Any]] | None, payload: bytes = b"") -> Delivery:
    body = payload or json.dumps({"readings": readings}).encode()
    return Delivery(Decoders().decode(topic, body, T0_US), T0_US, body, 1, 1)


def test_the_recorder_journals_a_drills_readings_and_stores_none(
    database: str, folder: Path, clock: ManualClock
) -> None:
    at_ms = T0_US // 1000
    good = [{"sensor": "wl-1", "time": at_ms, "value": 500.0, "unit": "mm"}]
    wrong = [*good, {"sensor": "wl-2", "time": at_ms, "value": 1.0}, {"sensor": "wl-1", "time": at_ms, "value": "x"}]
    with recording(database, folder, clock) as writer:
        base = "lifeline/v1/north/g1/exercise"
        writer.commit([
            sent(f"{base}/{DRILL}", wrong), sent(f"{base}/{DRILL}", []), sent(f"{base}/{DRILL}", None, b"{"),
            sent(f"{base}/D-nobody", good), sent(f"{base}/D-over", good),
        ])  # fmt: skip
    rows = query(database, "SELECT kind, payload FROM lifeline.journal WHERE kind <> 'bundle'")
    assert [kind for kind, _ in rows] == ["exercise"]
    drill, received_us, readings = journal.decode_exercise(bytes(rows[0][1]))
    assert (drill, received_us, readings.value.tolist()) == (DRILL, T0_US, [50.0])  # in the register's unit
    assert query(database, "SELECT count(*) FROM lifeline.readings") == [(0,)]
    assert query(database, "SELECT count(*) FROM lifeline.latest") == [(0,)]
    assert query(database, "SELECT count(*) FROM lifeline.gateway_ledger") == [(0,)]
    refused = query(database, "SELECT reason, detail FROM city.rejections ORDER BY rejection")
    assert {reason for reason, _ in refused} == {"exercise"}
    details = " | ".join(detail for _, detail in refused)
    assert f"drill {DRILL}: wrong_gateway: sensor belongs to gateway g2" in details
    assert f"drill {DRILL}: bad_value: " in details
    assert f"drill {DRILL}: bad_json: " in details
    assert "drill D-nobody: there is no such drill" in details
    assert "D-over" not in details  # what was still on its way when it ended is nobody's fault


# -- the API -------------------------------------------------------------------------------------------------------


@contextmanager
def api(dsn: str, clock: ManualClock) -> Iterator[httpx.Client]:
    with (
        serving(AppSettings(dsn, b"s" * 32, clock, "http://localhost")) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60) as web,
    ):
        yield web


def test_the_api_lists_and_reports_drills_and_ends_one_that_runs(
    database: str, folder: Path, clock: ManualClock
) -> None:
    with watching(database, folder, clock), api(database, clock) as web:
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        with connect(database) as conn:
            say(conn, DrillSaid(DRILL, "chief", "", plan()), 0)
        play(database, {0: 0.0, 1: 50.0, 2: 50.0})
        eventually(lambda: query(database, "SELECT incident FROM city.incidents"))
        (row,) = web.get("/drills").json()["items"]
        assert (row["drill"], row["state"], row["title_zh"]) == (DRILL, "running", "积水")
        report = web.get(f"/drills/{DRILL}").json()
        assert [one["peak_level"] for one in report["incidents"]] == ["red"]
        assert report["verdict"] == "missed"  # nobody has acknowledged yet
        assert web.get("/drills/D-none").status_code == 404
        done = web.post(f"/drills/{DRILL}/end", json={"note": "that will do", "actor": "chief"})
        assert (done.status_code, done.json()["state"]) == (202, "ended")
        assert web.post(f"/drills/{DRILL}/end", json={}).status_code == 409
    assert query(database, "SELECT ended_why FROM city.drills") == [("ended by chief: that will do",)]
    assert query(database, "SELECT actor FROM lifeline.audit WHERE action = 'drill.end'") == [("chief",)]
