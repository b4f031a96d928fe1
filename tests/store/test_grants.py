"""Readers see schema `city` and their districts, writers append: under the real roles, on every tier."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event

import psycopg
import pytest
from psycopg import errors, sql

from city.clock import ManualClock, to_us
from city.errors import InputError
from city.model import City, District, Name
from city.reading import Readings
from store import bundle, grants, health, journal, register, rejections, rollups
from store.connection import Connection, connect
from store.keeper import Keeping
from store.migrate import migrate
from store.readings import ReadingWriter

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
# Tables behind public views that need no policy: shown only together with a row that has one, or about no district.
WITHOUT_POLICY = {
    "readings", "kept_readings", "rollup_5m", "rollup_1h", "rollup_1d", "unheard", "gateway_ledger", "rejections",
    "roles", "health", "clock", "sizes", "bundles", "current_bundle", "deafness", "broker_sessions",
    "hearing", "origin", "measured",
}  # fmt: skip

# What a writer adds to and never rewrites (the rows of some are computed or trimmed by functions of the database).
HISTORY = {
    "readings", "kept_readings", "rollup_5m", "rollup_1h", "rollup_1d", "dirty_buckets", "rejections", "journal",
    "domain_rollups",
    "hearing", "deafness", "findings", "incident_events", "alarm_events", "hold_events", "meta", "migrations",
    "readers", "packed", "attachments", "command_marks", "cap_changes", "audit",
    "annunciations", "digest_entries", "clock_corrections", "broker_sessions", "origin", "given_traces",
    "bundles", "snapshot_rest", "limits", "ledger_entries", "unheard", "hindered",
    "spoiled_entries",
}  # fmt: skip


@pytest.fixture
def two_districts(small_city: City) -> City:
    """The small city, its second site in a district of its own with a gateway of its own."""
    sites = dict(small_city.sites)
    sites["gauge"] = replace(sites["gauge"], district="d2")
    gateways = dict(small_city.gateways)
    gateways["gw-2"] = replace(gateways["gw-1"], id="gw-2", district="d2")
    sensors = dict(small_city.sensors)
    sensors["rg-1"] = replace(sensors["rg-1"], gateway="gw-2")
    districts = {**small_city.districts, "d2": District("d2", Name({"en": "Hill"}))}
    return replace(small_city, districts=districts, sites=sites, gateways=gateways, sensors=sensors)


@pytest.fixture
def conn(store_database: str, two_districts: City) -> Iterator[Connection]:
    """The owner's connection to a city of two districts with something of each in every table."""
    with connect(store_database, autocommit=True) as opened:
        bundle.apply(opened, {"city.yaml": "x"}, two_districts, NOW)
        numbers = register.ids(opened)
        writer = ReadingWriter(opened)
        us = to_us(NOW)
        rows = [(number, us - k * 600_000_000, us, 1.5, 1, 1.5) for number in numbers.values() for k in range(10)]
        with opened.transaction():
            writer.write(Readings.of(rows))
            gateways = ("gw-1", "gw-2", "?")
            rejections.add(opened, [rejections.Rejection(NOW, "x", gateway=gateway) for gateway in gateways])
        health.report(opened, "x", "ok")
        opened.execute("INSERT INTO lifeline.roles VALUES ('keeper', 1, now(), now())")
        opened.execute("INSERT INTO lifeline.sizes VALUES (now(), 1)")
        opened.execute("INSERT INTO lifeline.deafness VALUES (now())")
        opened.execute("INSERT INTO lifeline.hearing (seq, kind, recorded_at, payload) VALUES (-1, 'tick', now(), '')")
        opened.execute("INSERT INTO lifeline.ledger_entries (entry) VALUES ('')")
        opened.execute("INSERT INTO lifeline.spoiled_entries VALUES (1, '', now(), now(), 'cut off')")
        opened.execute("INSERT INTO lifeline.broker_sessions VALUES ('c', now(), false)")
        opened.execute("INSERT INTO lifeline.recorders VALUES ('c', now(), now(), 1)")
        rollups.finish(opened, NOW - timedelta(minutes=30))
        for n, (sensor, site, gateway) in enumerate((("wl-1", "under", "gw-1"), ("rg-1", "gauge", "gw-2")), 1):
            values = {"n": str(n), "sensor": sensor, "site": site, "district": f"d{n}", "gateway": gateway}
            for statement in _OF_EACH_DISTRICT:
                opened.execute(statement, values)
        yield opened


_OF_EACH_DISTRICT = (
    """INSERT INTO lifeline.incidents VALUES
       ('i' || %(n)s, %(site)s, %(district)s, 4, 4, 'raised', false, now(), NULL, '{}', 'a', 'c', 'v', false)""",
    "INSERT INTO lifeline.incident_events VALUES ('ie' || %(n)s, now(), 'i' || %(n)s, 'opened', '', '')",
    """INSERT INTO lifeline.incident_clocks VALUES ('i' || %(n)s, 1, 'close', 4, now(), now(), 'running', NULL, '')""",
    "INSERT INTO lifeline.escalations VALUES ('i' || %(n)s, 1, 0, 0, now(), 'due', '')",
    """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level,
       condition, raised_at, incident, title) VALUES ('a' || %(n)s, 'r', 'v', %(sensor)s, %(sensor)s, %(site)s,
       %(district)s, 'drainage', 4, 4, 'active', now(), 'i' || %(n)s, '{}')""",
    """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, site, district, domain, level, peak_level,
       condition, raised_at, title) VALUES ('s' || %(n)s, 'silent', 'v', %(gateway)s, %(site)s,
       %(district)s, 'drainage', 2, 2, 'active', now(), '{}')""",
    """INSERT INTO lifeline.alarm_events (event, time, recorded_at, alarm, kind, from_level, to_level, from_condition,
       to_condition, reason, evidence) VALUES ('ae' || %(n)s, now(), now(), 'a' || %(n)s, 'raised', 0, 4, 'normal',
       'active', 'x', '[]')""",
    """INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score)
       VALUES (now(), %(sensor)s, 'early_sign', 'c', 'abnormal', 9)""",
    "INSERT INTO lifeline.limits VALUES (%(sensor)s, 'r', 4, 'high', 9)",
    """INSERT INTO lifeline.bands (sensor_id, place, time, low, high)
       SELECT sensor_id, 7, now(), 1, 2 FROM lifeline.sensors WHERE sensor = %(sensor)s""",
    """INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level, content,
       created_at, next_try_at) VALUES ('n' || %(n)s, 'i' || %(n)s, 'raise', 1, 1, 'li', 'x', 'w', 'queued', 4, '{}',
       now(), now())""",
    """INSERT INTO lifeline.shelves VALUES ('sh' || %(n)s, 'shelved', 'r/' || %(sensor)s, 'r', %(sensor)s, 2, false,
       now(), now(), 'li', 'x', 'page')""",
    "INSERT INTO lifeline.hold_events VALUES ('he' || %(n)s, now(), 'r/' || %(sensor)s, 'shelved', 'li', '', '')",
    """INSERT INTO lifeline.shelves VALUES ('ma' || %(n)s, 'maintenance', 'site/' || %(site)s, 'site', %(site)s, 3,
       false, now(), now(), 'li', 'x', 'page')""",
    """INSERT INTO lifeline.annunciations VALUES ('an' || %(n)s, 'k' || %(n)s, '', 'a' || %(n)s, 'i' || %(n)s,
       %(district)s, 'drainage', true, true, now())""",
    "INSERT INTO lifeline.floods VALUES ('f' || %(n)s, 'k' || %(n)s, '', now() - interval '1 h', now(), NULL, 9, 9, 1)",
    """INSERT INTO lifeline.digest_entries VALUES ('de' || %(n)s, 'dg' || %(n)s, 'f' || %(n)s, 'li', %(district)s,
       'drainage', 'i' || %(n)s, 'raise', 1, 0, 0, '{}', '{}', 'x', 2, now())""",
    """INSERT INTO lifeline.maintenance VALUES ('mw' || %(n)s, 'w' || %(n)s, '{}', '{}', ARRAY[%(district)s], now(),
       now(), 3, '', 'x', 'running')""",
    """INSERT INTO lifeline.drills VALUES ('dr' || %(n)s, 'ended', 'x', 'y', '{}', 'li', '{}', '{}',
       ARRAY[%(district)s], '[]', 1, now(), now())""",
    "INSERT INTO lifeline.gateway_ledger (gateway, online) VALUES (%(gateway)s, true)",
    "INSERT INTO lifeline.given_traces VALUES (repeat('a', 31) || %(n)s, 1, %(gateway)s, now())",
    "INSERT INTO lifeline.gateway_hours (gateway, hour) VALUES (%(gateway)s, date_trunc('hour', now()))",
    """INSERT INTO lifeline.clock_corrections (gateway, from_claimed, offset_us, made_at)
       VALUES (%(gateway)s, now(), 9, now())""",
    """INSERT INTO lifeline.attachments VALUES (repeat('a', 63) || %(n)s, 'i' || %(n)s, 'li', now(), 'c', 'image/jpeg',
       1, 1, 'x')""",
    """INSERT INTO lifeline.cap_messages
       VALUES ('c' || %(n)s, 'i' || %(n)s, 'e' || %(n)s, 'Alert', 'Actual', 'draft', 4, now(), NULL, '', '', '', '{}',
               '<alert/>', now())""",
)


@pytest.fixture
def name(conn: Connection) -> Iterator[str]:
    """A log-in's name that is free on the server, and free again afterwards."""
    made = f"t_{secrets.token_hex(4)}"
    yield made
    if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (made,)).fetchone():
        conn.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(made)))


def _views(conn: Connection) -> list[str]:
    found = conn.execute("SELECT relname FROM pg_class WHERE relnamespace = 'city'::regnamespace AND relkind = 'v'")
    return sorted(row[0] for row in found.fetchall())


def _shown(conn: Connection, view: str) -> str:
    return repr(conn.execute(sql.SQL("SELECT * FROM city.{}").format(sql.Identifier(view))).fetchall())


def test_a_reader_sees_every_view_and_nothing_else(store_database: str, conn: Connection, name: str) -> None:
    login = grants.grant_reader(conn, name)
    with connect(grants.dsn_of(store_database, login), autocommit=True) as reader:
        for view in _views(conn):
            assert _shown(reader, view).count("(") >= _shown(conn, view).count("(") > 0
        for table in ("readings", "alarms", "journal", "readers", "meta"):
            with pytest.raises(errors.InsufficientPrivilege):
                reader.execute(sql.SQL("SELECT * FROM lifeline.{}").format(sql.Identifier(table)))
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute("SELECT lifeline.seen_districts('x')")
        assert reader.execute("SHOW statement_timeout").fetchone() == (grants.STATEMENT_TIMEOUT,)
        with pytest.raises(errors.ReadOnlySqlTransaction):
            reader.execute("CREATE TABLE city.mine ()")
        reader.execute("SET statement_timeout = '50ms'")
        with pytest.raises(errors.QueryCanceled):
            reader.execute("SELECT count(*) FROM generate_series(1, 1e9) a, city.readings b")


def test_a_reader_of_one_district_sees_nothing_of_another_in_any_view(
    store_database: str, conn: Connection, name: str
) -> None:
    login = grants.grant_reader(conn, name, ["d1"])
    theirs = ("'d2'", "rg-1", "gauge", "gw-2", "'i2'", "'a2'", "'s2'", "'n2'", "'sh2'", "'?'", "'k2'")
    about_all = {"health", "roles", "sizes", "bundles", "deafness", "broker_sessions", "traces"}
    with connect(grants.dsn_of(store_database, login), autocommit=True) as reader:
        for view in _views(conn):
            whole, shown = _shown(conn, view), _shown(reader, view)
            assert not [word for word in theirs if word in shown], view
            if view not in about_all:
                assert any(word in whole for word in theirs), f"{view}: nothing of the other district to hide"
            assert shown != "[]", f"{view}: what is its own is hidden too"
        # A function of the reader's own must not be shown what the reader is not.
        reader.execute("SET default_transaction_read_only = off")
        reader.execute(
            """CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
               BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$"""
        )
        heard: list[str] = []
        reader.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
        columns = {"sensors": "sensor", "alarms": "scope", "findings": "sensor", "rejections": "gateway"}
        for view, column in columns.items():
            reader.execute(f"SELECT * FROM city.{view} WHERE pg_temp.tell({column})")  # noqa: S608 - the names above
        assert heard
        assert not [line for line in heard if any(word.strip("'") in line for word in theirs)]
    grants.grant_reader(conn, name)
    with connect(store_database) as again:
        assert (name, "read", ()) in grants.logins(again)


@pytest.mark.parametrize("by", ["owner", "writer"])
def test_for_an_account_of_one_district_the_rest_is_not_there(
    by: str, store_database: str, conn: Connection, name: str
) -> None:
    """What the API does while it reads for somebody, whatever log-in it has."""
    dsn = store_database if by == "owner" else grants.dsn_of(store_database, grants.grant_writer(conn, name))
    tables = ("incidents", "alarms", "notices", "sensors", "sites", "gateways", "shelves", "districts", "escalations")
    ask = "SELECT set_config('lifeline.districts', %s, true), set_config('lifeline.incidents', %s, true), "
    ask += "set_config('role', 'city_console', true)"
    theirs = ("'d2'", "rg-1", "gauge", "gw-2", "'i2'", "'a2'", "'s2'", "'n2'", "'sh2'")

    def seen(opened: Connection, districts: str, incidents: str) -> str:
        with opened.transaction():
            opened.execute(ask, (districts, incidents))
            views = [_shown(opened, view) for view in _views(conn)]
            direct = [opened.execute(f"SELECT to_jsonb(t) FROM lifeline.{table} t").fetchall() for table in tables]  # noqa: S608 - ours
            return repr((views, direct))

    with connect(dsn, autocommit=True) as opened:
        one = seen(opened, "{d1}", "")
        assert not [word for word in theirs if word in one]
        assert "'i1'" in one
        assert "'i2'" in seen(opened, "", "")
        nothing = seen(opened, "{}", "")
        assert "'i1'" not in nothing
        assert "'i2'" not in nothing
        link = seen(opened, "", "{i2}")
        assert "'i2'" in link
        assert "'i1'" not in link
        assert "'s2'" not in link, "an alarm of the district, but not of the incident"
        for table in ("accounts", "tokens", "sessions", "readers", "journal"):
            with opened.transaction(force_rollback=True):
                opened.execute(ask, ("", ""))
                with pytest.raises(errors.InsufficientPrivilege):
                    opened.execute(sql.SQL("SELECT * FROM lifeline.{}").format(sql.Identifier(table)))


def test_a_reader_widens_nothing_by_setting_something(store_database: str, conn: Connection, name: str) -> None:
    login = grants.grant_reader(conn, name, ["d1"])
    with connect(grants.dsn_of(store_database, login), autocommit=True) as reader:
        for districts, incidents in (("{d1,d2}", ""), ("{d2}", ""), ("", "{i2}"), ("{d2}", "{i2}")):
            reader.execute("SELECT set_config('lifeline.districts', %s, false)", (districts,))
            reader.execute("SELECT set_config('lifeline.incidents', %s, false)", (incidents,))
            assert "i2" not in _shown(reader, "incidents")
            assert "gw-2" not in _shown(reader, "gateways")
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute("SET ROLE city_console")


def test_every_table_behind_a_view_has_a_policy_or_a_reason(conn: Connection) -> None:
    behind = {
        row[0]: row[1]
        for row in conn.execute(
            """SELECT DISTINCT t.relname, t.relrowsecurity FROM pg_class v
               JOIN pg_rewrite w ON w.ev_class = v.oid JOIN pg_depend d ON d.objid = w.oid
               JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
               WHERE v.relnamespace = 'city'::regnamespace AND t.relnamespace = 'lifeline'::regnamespace"""
        ).fetchall()
    }
    assert {table for table, policy in behind.items() if not policy} <= WITHOUT_POLICY
    owners = conn.execute(
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'city'::regnamespace"
    )
    assert owners.fetchall() == [("city_views",)]


def test_every_table_is_history_or_says_how_things_are_now(conn: Connection) -> None:
    found = conn.execute(
        """SELECT relname FROM pg_class WHERE relnamespace = 'lifeline'::regnamespace AND relkind IN ('r', 'p')
           AND NOT relispartition"""
    ).fetchall()
    unknown = {row[0] for row in found} - set(grants.CHANGING) - HISTORY
    assert not unknown, f"{unknown}: may a writer rewrite their rows? Then into grants.CHANGING, else into HISTORY here"


def test_a_writer_records_keeps_and_trims_but_cannot_rewrite(
    store_database: str, conn: Connection, name: str, two_districts: City
) -> None:
    login = grants.grant_writer(conn, name)
    with connect(grants.dsn_of(store_database, login), autocommit=True) as writer:
        assert migrate(grants.dsn_of(store_database, login)) == [], "nothing to apply asks for no rights"
        bundle.apply(writer, {"city.yaml": "y"}, two_districts, NOW)
        us = to_us(NOW) + 40 * 86_400_000_000
        number = register.ids(writer)["wl-1"]
        with writer.transaction():
            ReadingWriter(writer).write(Readings.of([(number, us, us, 2.0, 1, 2.0), (number, us, us, 3.0, 1, 3.0)]))
            rejections.add(writer, [rejections.Rejection(NOW, "conflict", gateway="gw-1")])
            seq = journal.append(writer, "tick", b"{}", NOW)
        journal.set_checkpoint(writer, "watcher", seq, NOW)
        journal.save_snapshot(writer, "watcher", journal.Snapshot(seq, "", b""), NOW)
        assert journal.trim(writer) == seq
        conn.execute("UPDATE lifeline.dirty_buckets SET marked_at = now() - interval '1 hour'")
        keeping = Keeping(writer, ManualClock(NOW + timedelta(days=41)), Event())
        keeping.turn()
        assert keeping.computed > 0
        columns = """SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                     WHERE c.relnamespace = 'lifeline'::regnamespace AND c.relkind IN ('r', 'p')
                     AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = ''"""
        for table, column in conn.execute(columns).fetchall():
            refused = [f"TRUNCATE lifeline.{table}", f"DROP TABLE lifeline.{table}"]
            refused += [] if table in grants.PASSING else [f"DELETE FROM lifeline.{table}"]  # noqa: S608 - ours
            if table not in grants.CHANGING and f"{table}.{column}" not in grants.MARKED:
                refused.append(f"UPDATE lifeline.{table} SET {column} = {column}")  # noqa: S608 - ours
            for statement in refused:
                with pytest.raises(errors.InsufficientPrivilege):
                    writer.execute(statement.encode())
        assert writer.execute("UPDATE lifeline.rejections SET replayed_at = now()").rowcount > 0, "taken in after all"
        for statement in (
            "INSERT INTO lifeline.readers VALUES ('x', '{}')",
            "UPDATE lifeline.rejections SET payload = '', replayed_at = now()",
            "CREATE TABLE lifeline.mine ()",
            "ALTER TABLE lifeline.audit DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "SELECT lifeline.drop_piece('readings', piece) FROM lifeline.pieces('readings')",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                writer.execute(statement)


def test_log_ins_are_renewed_listed_and_taken_away(store_database: str, conn: Connection, name: str) -> None:
    first = grants.grant_reader(conn, name, ["d2"])
    second = grants.grant_reader(conn, name, ["d1", "d2"])
    assert first.password != second.password
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(grants.dsn_of(store_database, first))
    assert (name, "read", ("d1", "d2")) in grants.logins(conn)
    grants.revoke(conn, name)
    assert name not in [login[0] for login in grants.logins(conn)]
    with pytest.raises(InputError, match="no log-in"):
        grants.revoke(conn, name)
    for wrong in ("city_reader", "Grafana", "x; drop", "pg_x"):
        with pytest.raises(InputError, match="not a name for a log-in"):
            grants.grant_reader(conn, wrong)
    with pytest.raises(InputError, match="got d9, try d1, d2"):
        grants.grant_reader(conn, name, ["d9"])
    with pytest.raises(InputError, match="one that Lifeline did not make"):
        grants.grant_reader(conn, "lifeline")
