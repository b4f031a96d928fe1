"""The store's health: judged from numbers, measured on every tier, and kept where dashboards read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from store import health, journal, roles, vitals
from store.connection import connect
from store.health import Row, Vitals, growth_per_day, human, judge
from store.migrate import Tier

AT = datetime(2026, 7, 10, 12, 0, tzinfo=UTC)
GB = 10**9
WELL = Vitals(
    tier=Tier.PLAIN, server="PostgreSQL 18.6", at=AT, size_bytes=10 * GB,
    sizes=[(AT - timedelta(days=4), 2 * GB), (AT - timedelta(hours=1), 9 * GB)], free_bytes=100 * GB, speed=1.0,
    journal_age_s=None, journal_rows=0, recorder_lag_s=0.4, rollups_waiting=3, rollups_oldest=AT, dead_rows=5,
    live_rows=100, worst_table="latest", jobs=0, job_errors=None, job_error="",
)  # fmt: skip
NAMES = {
    "store_tier", "store_size", "store_growth", "store_days_left", "store_jobs", "store_bloat", "recorder_lag",
    "journal_oldest", "rollup_lag",
}  # fmt: skip


def _found(vitals_: Vitals) -> dict[str, Row]:
    return {row.name: row for row in judge(vitals_)}


def test_a_well_store_says_so_in_every_row() -> None:
    found = _found(WELL)
    assert found.keys() == NAMES
    assert {row.state for row in found.values()} == {"ok"}
    assert not any(row.advice for row in found.values())
    assert all(row.text for row in found.values())
    assert found["store_growth"].value == 2 * GB
    assert found["store_days_left"].text == "100.0 GB free, full in 50 days"


@pytest.mark.parametrize(
    ("name", "state", "changed"),
    [
        ("store_days_left", "warning", {"free_bytes": 40 * GB}),
        ("store_days_left", "fault", {"free_bytes": 10 * GB}),
        ("store_days_left", "ok", {"free_bytes": GB, "size_bytes": GB}),
        ("recorder_lag", "warning", {"recorder_lag_s": 61.0}),
        ("recorder_lag", "fault", {"recorder_lag_s": 301.0}),
        ("recorder_lag", "ok", {"recorder_lag_s": 301.0, "speed": 60.0}),
        ("journal_oldest", "warning", {"journal_age_s": 31.0, "journal_rows": 1}),
        ("journal_oldest", "fault", {"journal_age_s": 301.0, "journal_rows": 1}),
        ("rollup_lag", "warning", {"rollups_waiting": 2001}),
        ("store_bloat", "warning", {"dead_rows": 200_000, "live_rows": 300_000}),
        ("store_bloat", "fault", {"dead_rows": 200_000, "live_rows": 100_000}),
        ("store_bloat", "ok", {"dead_rows": 90_000, "live_rows": 0}),
        ("store_jobs", "warning", {"jobs": 4, "job_errors": 2, "job_error": "policy: cannot drop portal"}),
        ("store_jobs", "ok", {"jobs": 4, "job_errors": 0}),
    ],
)
def test_what_is_not_well_says_what_to_do(name: str, state: str, changed: dict[str, object]) -> None:
    row = _found(replace(WELL, **changed))[name]  # type: ignore[arg-type]  # fields by name
    assert row.state == state
    assert bool(row.advice) == (state != "ok")


def test_growth_is_not_guessed_from_minutes() -> None:
    assert growth_per_day(replace(WELL, sizes=[])) is None
    assert growth_per_day(replace(WELL, sizes=[(AT - timedelta(minutes=59), 1)])) is None
    assert _found(replace(WELL, sizes=[]))["store_days_left"].state == "ok"
    far = _found(replace(WELL, free_bytes=None))["store_days_left"]
    assert (far.value, far.advice) == (None, "watch the disk of the database server")


def test_bytes_are_said_as_people_say_them() -> None:
    assert [human(size) for size in (0, 999, 1500, 2.5e6, 3e9, -4e12)] == [
        "0 B", "999 B", "1.5 kB", "2.5 MB", "3.0 GB", "-4.0 TB",
    ]  # fmt: skip


def test_it_is_measured_on_every_tier_and_shown(store_database: str) -> None:
    with connect(store_database) as conn:
        hour_ago = (
            "INSERT INTO lifeline.sizes VALUES (now() - interval '2 hours', 1000), (now() - interval '60 days', 1)"
        )
        conn.execute(hour_ago)
        roles.beat(conn, "recorder", 1, datetime.now(UTC) - timedelta(seconds=100))  # noqa: TID251 - what the server's clock says
        journal.append(conn, "tick", b"{}", datetime.now(UTC) - timedelta(seconds=400))  # noqa: TID251 - the same
        vitals.refresh(conn)
        shown = {
            row[0]: row[1:]
            for row in conn.execute("SELECT name, state, value, text, since FROM city.health").fetchall()
        }
        assert shown.keys() >= NAMES
        assert shown["recorder_lag"][0] == "warning"
        assert shown["journal_oldest"][0] == "fault"
        assert shown["store_size"][1] > 1_000_000
        assert shown["store_growth"][1] > 1_000_000
        (folder,) = conn.execute("SHOW data_directory").fetchone() or ("",)
        assert ("free" if Path(folder).is_dir() else "another machine's") in shown["store_days_left"][2]
        assert shown["store_tier"][2].startswith(("plain", "apache", "community"))
        assert conn.execute("SELECT count(*) FROM lifeline.sizes").fetchone() == (2,)
        conn.commit()
        vitals.refresh(conn)
        again = conn.execute("SELECT since FROM city.health WHERE name = 'journal_oldest'").fetchone()
        assert again == (shown["journal_oldest"][3],), "since moves only with the state"
        journal.set_checkpoint(conn, "watcher", journal.last_seq(conn), AT)
        assert {row.name: row.state for row in vitals.refresh(conn)}["journal_oldest"] == "ok"
        assert conn.execute("SELECT since > %s FROM city.health WHERE name = 'journal_oldest'", again).fetchone() == (
            True,
        )


def test_other_rows_keep_their_words(database: str) -> None:
    with connect(database) as conn:
        health.report(conn, "city_folder", "fault", 2.0, "faults", "mend it", "two faults")
        row = conn.execute("SELECT state, value, unit, advice, text FROM city.health").fetchone()
        assert row == ("fault", 2.0, "faults", "mend it", "two faults")
