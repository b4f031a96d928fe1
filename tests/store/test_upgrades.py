"""From every released schema to this one, in two phases, with data in it and code at work on it."""

from __future__ import annotations

import secrets
import shutil
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from psycopg import conninfo

from city.clock import to_us
from city.errors import OutsideError
from city.model import City
from city.reading import Readings
from store import bundle, grants, journal, register, roles, rollups
from store.connection import Connection, connect
from store.migrate import Phase, detect_tier, migrate, plan, size_of, steps
from store.readings import ReadingWriter

NOW = datetime(2026, 7, 3, 8, 15, tzinfo=UTC)
SHIPPED = Path(__file__).parents[2] / "store" / "migrations"
# The last migration of each released version, and of the cities that run what is not released yet.
RELEASED = {"0.1.0": "0004", "0.1.0 of November": "0054"}
WIDTHS = {"readings_5m": "5 minutes", "readings_1h": "1 hour", "readings_1d": "1 day"}
TRUTH = """SELECT date_bin('{}', r.time, '2000-01-01 00:00:00+00'), s.sensor, count(*), min(r.value), max(r.value),
                  round(avg(r.value)::numeric, 9), (array_agg(r.value ORDER BY r.time DESC))[1], max(r.flag)
           FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id) GROUP BY 1, 2 ORDER BY 1, 2"""
TRUE_DAYS = """SELECT date_bin('1 day', r.time, '2000-01-01 00:00:00+00'), t.district, s.domain, count(*), max(r.value)
               FROM lifeline.readings r JOIN lifeline.sensors s USING (sensor_id) JOIN lifeline.sites t USING (site)
               GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
SHOWN_DAYS = """SELECT bucket, district, domain, sum(n)::bigint, max(max) FROM city.domains_1d
                GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
SHOWN = """SELECT bucket, sensor, n, min, max, round(mean::numeric, 9), last, worst_flag FROM city.{} ORDER BY 1, 2"""


@pytest.fixture
def empty(store_empty: str) -> str:
    """A database without anything in it, on each tier."""
    return store_empty


def _released(version: str, folder: Path) -> Path:
    """The migrations that a released version shipped."""
    folder.mkdir()
    for file in SHIPPED.glob("*.sql"):
        if file.name[:4] <= RELEASED[version]:
            shutil.copy(file, folder)
    return folder


def _fill_released(conn: Connection) -> None:
    """What a released version wrote, by its own statements: tables change, these do not."""
    statements = (
        "INSERT INTO lifeline.districts VALUES ('d1', '{}')",
        "INSERT INTO lifeline.sites (site, kind, name, district, lon, lat) VALUES ('u', 'underpass', '{}', 'd1', 1, 2)",
        "INSERT INTO lifeline.gateways (gateway, district, interval_s) VALUES ('g', 'd1', 60)",
        """INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)
           SELECT 's' || n, 'g', 'u', 'water_depth', 'drainage', 'cm', 60, 1, 2 FROM generate_series(1, 3) n""",
        "SELECT lifeline.prepare_readings('2026-07-01', '2026-07-03')",
        """INSERT INTO lifeline.readings (sensor_id, flag, time, value, received_at)
           SELECT s, 1 + k % 3, t, (k * 7 + s) % 100, t + interval '5 s'
           FROM generate_series(1, 3) s,
                generate_series(timestamptz '2026-07-01 00:01', '2026-07-03 08:00', '17 minutes')
                WITH ORDINALITY AS x (t, k)""",
        """INSERT INTO lifeline.latest SELECT DISTINCT ON (sensor_id) sensor_id, time, value, flag, received_at
           FROM lifeline.readings ORDER BY sensor_id, time DESC""",
        "INSERT INTO lifeline.journal (kind, recorded_at, payload) SELECT 'tick', now(), '' FROM generate_series(1, 5)",
        "INSERT INTO lifeline.followers VALUES ('watcher', 5, now())",
        """INSERT INTO lifeline.incidents
           VALUES ('i', 'u', 'd1', 4, 4, 'raised', false, now(), NULL, '{}', 'a', 'c', 'v', false)""",
        """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level,
           peak_level, condition, raised_at, incident, title)
           VALUES ('a', 'r', 'v', 's1', 's1', 'u', 'd1', 'drainage', 4, 4, 'active', now(), 'i', '{}')""",
        """INSERT INTO lifeline.alarm_events VALUES ('e', now(), now(), 'a', 'raised', 0, 4, 'normal', 'active', 'x',
           '[]')""",
        "INSERT INTO lifeline.escalations VALUES ('i', 1, 1, 0, now(), 'due', '')",
        """INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level,
           content, created_at, next_try_at)
           VALUES ('n', 'i', 'raise', 1, 1, 'li', 'x', 'w', 'queued', 4, '{}', now(), now())""",
    )
    for statement in statements:
        conn.execute(statement)


def _public(conn: Connection) -> dict[str, list[dict[str, object]]]:
    """Every row that the released views showed, by column name, but for what time changes."""
    found = {}
    for view in ("readings", "sensors", "sites", "alarms", "alarm_events", "incidents", "notices", "latest"):
        cursor = conn.execute(f"SELECT * FROM city.{view}")  # noqa: S608 - the names above
        names = [column.name for column in cursor.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        found[view] = sorted(({k: v for k, v in row.items() if k != "age_s"} for row in rows), key=repr)
    return found


def _agrees(conn: Connection) -> bool:
    return all(
        conn.execute(TRUTH.format(width)).fetchall() == conn.execute(SHOWN.format(view)).fetchall()
        for view, width in WIDTHS.items()
    ) and (conn.execute(TRUE_DAYS).fetchall() == conn.execute(SHOWN_DAYS).fetchall())


@pytest.mark.parametrize("version", sorted(RELEASED))
def test_every_released_schema_comes_up_with_its_data(empty: str, tmp_path: Path, version: str) -> None:
    migrate(empty, folder=_released(version, tmp_path / "old"))
    with connect(empty, autocommit=True) as conn:
        _fill_released(conn)
        if version != "0.1.0":  # it had a keeper: some of its roll-ups are done
            assert rollups.finish(conn, NOW.replace(day=2, hour=0)) > 100
        before = _public(conn)
        todo = plan(conn)
        assert all(size_of(conn, step) > 0 for step in todo if "lifeline.readings" in step.changes)
    pre = migrate(empty, phase=Phase.PRE)
    assert {step.phase for step in pre} == {Phase.PRE}
    with connect(empty, autocommit=True) as conn:
        assert _agrees(conn), "half-way: views as they were"
        assert [step.phase for step in plan(conn)] == [Phase.POST] * (len(todo) - len(pre))
    migrate(empty, phase=Phase.POST)
    with connect(empty, autocommit=True) as conn:
        assert plan(conn) == []
        assert _agrees(conn), "nothing computed yet"
        # What was there before is computed newest first, for as long as it takes.
        computed = list(islice(rollups.keep_up(conn, NOW, settle_s=0, wait_s=0), 200))
        assert len(computed) > 100
        assert computed[0][1] >= NOW - timedelta(minutes=30)
        assert _agrees(conn)
        after = _public(conn)
        for view, rows in before.items():
            shown = [{name: row[name] for name in rows[0]} for row in after[view]]
            assert sorted(shown, key=repr) == rows, view


def test_the_new_code_works_on_the_schema_half_way(empty: str, tmp_path: Path, small_city: City) -> None:
    migrate(empty, folder=_released("0.1.0", tmp_path / "old"))
    migrate(empty, phase=Phase.PRE)
    with connect(empty, autocommit=True) as conn:
        bundle.apply(conn, {"city.yaml": "x"}, small_city, NOW)
        chance = np.random.default_rng(1)
        us = to_us(NOW) - chance.integers(0, 90_000, 200) * 1_000_000
        numbers = list(register.ids(conn).values())
        rows = [(numbers[k % 2], int(t), int(t), float(k), 1, float(k)) for k, t in enumerate(us)]
        with conn.transaction():
            ReadingWriter(conn).write(Readings.of(rows))
            seq = journal.append(conn, "readings", journal.encode_readings(Readings.of(rows)), NOW)
        journal.set_checkpoint(conn, "watcher", seq, NOW)
        journal.save_snapshot(conn, "watcher", journal.Snapshot(seq, "", b""), NOW)
        assert journal.trim(conn) == seq
        roles.beat(conn, "recorder", 1)
        assert _agrees(conn)
        assert rollups.finish(conn, NOW) > 0
        rollups.tidy(conn, NOW - timedelta(days=1), NOW)
        assert _agrees(conn)
        assert conn.execute("SELECT count(*) FROM city.latest WHERE time IS NOT NULL").fetchone() == (2,)
    migrate(empty)
    with connect(empty, autocommit=True) as conn:
        assert _agrees(conn)


def test_the_old_code_still_writes_on_the_schema_half_way(empty: str, tmp_path: Path) -> None:
    migrate(empty, folder=_released("0.1.0", tmp_path / "old"))
    migrate(empty, phase=Phase.PRE)
    with connect(empty, autocommit=True) as conn:
        _fill_released(conn)
        assert conn.execute("DELETE FROM lifeline.journal WHERE seq < 3").rowcount == 2
        assert _agrees(conn)
    migrate(empty)
    with connect(empty, autocommit=True) as conn:
        assert _agrees(conn)


@pytest.mark.sessions
def test_a_migration_killed_in_the_middle_goes_on_where_it_was(empty: str, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "0001_a.sql").write_text("CREATE TABLE lifeline.a ()")
    (folder / "0002_pre_b.sql").write_text("CREATE TABLE lifeline.b (); SELECT pg_sleep(30)")
    failed: list[OutsideError] = []

    def run() -> None:
        try:
            migrate(empty, folder=folder)
        except OutsideError as error:
            failed.append(error)

    thread = Thread(target=run)
    thread.start()
    with connect(empty, autocommit=True) as conn:
        kill = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE query LIKE '%pg_sleep(30)' AND wait_event = 'PgSleep'"""
        while not conn.execute(kill).fetchall():
            assert thread.is_alive()
        thread.join()
        assert failed
        there = "SELECT to_regclass('lifeline.a') IS NOT NULL, to_regclass('lifeline.b') IS NOT NULL"
        assert conn.execute(there).fetchone() == (True, False)
        (folder / "0002_pre_b.sql").write_text("CREATE TABLE lifeline.b ()")
        assert [step.name for step in migrate(empty, folder=folder)] == ["0002_pre_b"]
        assert conn.execute(there).fetchone() == (True, True)


def test_post_steps_are_refused_before_pre_steps(empty: str, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "0001_post_a.sql").write_text("CREATE TABLE lifeline.a ()")
    (folder / "0002_pre_b.sql").write_text("CREATE TABLE lifeline.b ()")
    with pytest.raises(OutsideError, match="got 0002_pre_b not applied; try --phase pre first"):
        migrate(empty, folder=folder, phase=Phase.POST)
    assert [step.name for step in migrate(empty, folder=folder, phase=Phase.PRE)] == ["0002_pre_b"]
    assert [step.name for step in migrate(empty, folder=folder)] == ["0001_post_a"]


@pytest.mark.sessions
@pytest.mark.parametrize("rights", ["none", "roles made by another", "all that is asked for"])
def test_no_superuser_is_needed(empty: str, rights: str) -> None:
    user = f"t_{secrets.token_hex(4)}"
    with connect(empty, autocommit=True) as conn:
        if "timescaledb" in str(conn.execute("SELECT array_agg(name) FROM pg_available_extensions").fetchone()):
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
        conn.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'x' {'' if rights == 'none' else 'CREATEROLE'}")
        conn.execute(f"GRANT CREATE ON DATABASE {conn.info.dbname} TO {user}")
        for role in ("city_views", "city_reader", "city_writer", grants.CONSOLE):
            conn.execute(f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
            if rights == "all that is asked for":
                conn.execute(f"GRANT {role} TO {user} WITH ADMIN OPTION")
        try:
            own = conninfo.make_conninfo(empty, user=user, password="x")  # noqa: S106 - gone with the test
            assert len(migrate(own)) == len(steps(detect_tier(conn)))
            assert migrate(own) == []
            with connect(own, autocommit=True) as mine:
                assert mine.execute("SELECT count(*) FROM city.readings_5m").fetchone() == (0,)
                if rights == "all that is asked for":
                    login = grants.grant_reader(mine, f"{user}_r")
                    with connect(grants.dsn_of(own, login)) as reader:
                        assert reader.execute("SELECT count(*) FROM city.latest").fetchone() == (0,)
                    grants.revoke(mine, login.name)
                else:
                    with pytest.raises(OutsideError, match="this user may not make roles"):
                        grants.grant_reader(mine, f"{user}_r")
        finally:
            conn.execute(f"DROP OWNED BY {user} CASCADE; DROP ROLE {user}")
