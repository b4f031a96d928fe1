"""A city moves to another server with everything it has: same rows, same ids, same views, or it has not moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest

from city.clock import to_us
from city.errors import InputError, OutsideError
from city.model import City
from city.reading import Readings
from store import backup, bundle, journal, restore, roles, rollups, upgrade
from store.connection import connect
from store.migrate import detect_tier, migrate, plan
from store.readings import ReadingWriter
from store.register import ids

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
VIEWS = (
    "readings", "readings_5m", "readings_1h", "readings_1d", "domains_1h", "domains_1d", "sensors", "rejections",
    "alarms", "incidents",
)  # fmt: skip

# As many rows, and one of them a little different.
_WRONG = """
CREATE OR REPLACE FUNCTION public.wrong() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.value := NEW.value + 1e-9;
    RETURN NEW;
END $$;
CREATE TRIGGER wrong BEFORE INSERT ON lifeline.readings FOR EACH ROW EXECUTE FUNCTION public.wrong()"""


@pytest.fixture
def other(store_empty: str) -> str:
    """An empty database on a server of each tier (beside, for plain)."""
    return store_empty


@pytest.fixture
def filled(database: str, small_city: City) -> str:
    """An embedded city with two days of data, a journal that was trimmed, an incident, and roll-ups half computed."""
    with connect(database, autocommit=True) as conn:
        bundle.apply(conn, {"city.yaml": "name: Small"}, small_city, NOW)
        chance = np.random.default_rng(1)
        writer = ReadingWriter(conn)
        for _ in range(4):
            times = to_us(NOW) - chance.integers(0, 6 * 24 * 3600, 80) * 1_000_000
            sensors = chance.choice(list(ids(conn).values()), 80)
            rows = [
                (int(sensor), int(us), int(us) + 1, float(value), 1, float(value) * (1 + sensor % 2))
                for sensor, us, value in zip(sensors, times, chance.normal(size=80), strict=True)
            ]
            readings = Readings.of(rows)
            with conn.transaction():
                writer.write(readings)
                journal.append(conn, "readings", journal.encode_readings(readings), NOW)
        journal.set_checkpoint(conn, "watcher", 4, NOW)
        journal.save_snapshot(conn, "watcher", journal.Snapshot(5, "", b"\x00state\xff"), NOW)
        journal.set_checkpoint(conn, "watcher", 5, NOW)
        assert journal.trim(conn) == 5, "the highest number is in no row any more"
        for statement in (
            """INSERT INTO lifeline.incidents VALUES ('i1', 'under', 'd1', 4, 4, 'raised', false, now(), NULL,
               '{"zh": "积水"}', 'a1', 'c', 'v', false)""",
            """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level,
               peak_level, condition, raised_at, incident, title)
               VALUES ('a1', 'r', 'v', 'wl-1', 'wl-1', 'under', 'd1', 'drainage', 4, 4, 'active', now(), 'i1', '{}')""",
            "INSERT INTO lifeline.escalations VALUES ('i1', 1, 1, 0, now(), 'due', '')",
            r"INSERT INTO lifeline.rejections (received_at, reason, payload) VALUES (now(), 'conflict', '\x00ff0a5c')",
        ):
            conn.execute(statement)
        for count, _ in enumerate(rollups.keep_up(conn, NOW, settle_s=0, wait_s=0)):
            if count == 60:
                break
    return database


def _views(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    """What the views show; means are sums in the order in which rows lie, so their last digits are left out."""
    with connect(dsn) as conn:
        return {
            view: sorted(
                tuple(round(value, 9) if isinstance(value, float) else value for value in row)
                for row in conn.execute(f"SELECT * FROM city.{view}").fetchall()  # noqa: S608 - names above
            )
            for view in VIEWS
        }


def test_everything_arrives_and_is_counted_by_table_and_by_day(filled: str, other: str) -> None:
    told: list[tuple[int, int, str]] = []
    before = _views(filled)
    moved = upgrade.move(filled, other, progress=lambda *step: told.append(step))
    assert _views(other) == before == _views(filled)
    assert told[-1] == (told[0][1], told[0][1], "verified")
    days = [part for part in moved.parts if part.table == "readings"]
    with connect(filled) as conn:
        expected = conn.execute("SELECT count(*), count(DISTINCT time::date) FROM lifeline.readings").fetchone()
    assert (sum(part.rows for part in days), len([part for part in days if part.rows])) == expected
    with connect(other, autocommit=True) as conn:
        assert plan(conn) == []
        assert conn.execute("SELECT stage FROM lifeline.incidents").fetchall() == [("raised",)]
        snapshot = journal.load_snapshot(conn, "watcher")
        assert snapshot is not None
        assert (snapshot.seq, snapshot.body) == (5, b"\x00state\xff")
        with conn.transaction():
            assert journal.append(conn, "tick", b"{}", NOW) == 6, "numbers once given never come again"
        rollups.finish(conn, NOW + timedelta(days=2))
    with connect(filled, autocommit=True) as conn:
        rollups.finish(conn, NOW + timedelta(days=2))
    assert _views(other)["readings_1d"] == _views(filled)["readings_1d"]


def test_a_backup_comes_back_on_a_server_of_any_tier(filled: str, other: str, tmp_path: Path) -> None:
    manifest = backup.write(filled, tmp_path / "b.zip", {}, version="1", at=NOW)
    done = restore.read(other, tmp_path / "b.zip")
    assert done.manifest == manifest
    assert _views(other) == _views(filled)
    with connect(other) as conn:
        assert detect_tier(conn) is done.tier
        assert conn.execute("SELECT incident, state FROM lifeline.escalations").fetchall() == [("i1", "due")]


@pytest.mark.sessions
def test_a_move_that_was_killed_starts_nothing_and_is_begun_again(filled: str, other: str) -> None:
    class Killed(Exception):
        pass

    def kill(done: int, _steps: int, _what: str) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        upgrade.move(filled, other, progress=kill)
    with pytest.raises(OutsideError, match="holds half of a"):
        migrate(other)

    def change_one_digit(done: int, _steps: int, _what: str) -> None:
        if not done:
            with connect(other, autocommit=True) as conn:
                conn.execute(_WRONG)

    with pytest.raises(OutsideError, match=r"readings of 2026-06-2\d did not arrive whole \(\d+ rows for \d+\)"):
        upgrade.move(filled, other, progress=change_one_digit)
    with pytest.raises(OutsideError, match="holds half of a"):
        migrate(other)
    assert upgrade.move(filled, other).rows > 320
    assert _views(other) == _views(filled)


@pytest.mark.sessions
def test_what_must_not_be_moved_is_refused(filled: str, other: str) -> None:
    with pytest.raises(InputError, match="that is the database to be moved"):
        upgrade.move(filled, filled)
    with connect(filled, autocommit=True, application_name="lifeline recorder") as conn:
        roles.beat(conn, "recorder", 1)
        with pytest.raises(InputError, match="in use by lifeline recorder, try stopping"):
            upgrade.move(filled, other)
    with connect(filled) as writer:
        writer.execute("INSERT INTO lifeline.followers VALUES ('x', 1, now())")
        with pytest.raises(InputError, match="somebody writes there"):
            upgrade.move(filled, other)
    with psycopg.connect(other, autocommit=True) as plain:
        plain.execute("DROP SCHEMA IF EXISTS lifeline CASCADE")
        plain.execute("CREATE SCHEMA lifeline")
    with pytest.raises(InputError, match="not empty, and nothing is ever overwritten"):
        upgrade.move(filled, other)
    with connect(filled, autocommit=True) as conn:
        conn.execute("DELETE FROM lifeline.migrations WHERE name = '0015_post_rollup_views'")
        with pytest.raises(InputError, match="0015_post_rollup_views not applied, try `lifeline migrate`"):
            upgrade.move(filled, other)
