"""What somebody with a log-in of their own at the database can do to the system: look, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from city.clock import SystemClock
from store import audit, export, grants, journal
from store.audit import Deed, Head
from store.connection import Connection, connect
from tests.http.conftest import World
from tests.security.conftest import OURS, THEIRS

JOURNAL_LOCK = 7234017283807667200


@pytest.fixture
def name(districts: World) -> Iterator[str]:
    """A log-in's name that is free, and free again afterwards."""
    made = f"t_{secrets.token_hex(4)}"
    yield made
    districts.conn.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(made)))


@pytest.fixture
def reader(database: str, districts: World, name: str) -> Iterator[Connection]:
    """Somebody who may look at one district, and tries to do more."""
    grants.settle(districts.conn)  # as after each migration; a clone of a template has no rights of its database
    login = grants.grant_reader(districts.conn, name, [OURS])
    with connect(grants.dsn_of(database, login), autocommit=True) as opened:
        opened.execute("SET default_transaction_read_only = off")  # anybody may
        opened.execute("SET statement_timeout = 0")
        yield opened


def test_a_reader_cannot_hold_the_system_up(reader: Connection, districts: World) -> None:
    """The locks that recorder, watcher and the log wait for are advisory: PostgreSQL lets anybody take them."""
    for call in ("pg_advisory_lock", "pg_try_advisory_lock", "pg_advisory_xact_lock", "pg_advisory_lock_shared"):
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute(f"SELECT {call}({JOURNAL_LOCK})")
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute(f"SELECT {call}(1, 2)")
    for table in ("audit", "journal", "incidents", "readings"):
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute(f"BEGIN; LOCK TABLE lifeline.{table} IN ACCESS SHARE MODE")
        reader.rollback()
    with districts.conn.transaction():
        districts.conn.execute("SET LOCAL lock_timeout = '2s'")
        journal.append(districts.conn, "tick", b"{}", SystemClock().now())


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE large AS SELECT 1",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_create(0)",
        "CREATE TABLE city.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "CREATE FUNCTION city.now2() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "COPY city.sensors TO PROGRAM 'cat'",
        "COPY (SELECT 1) TO '/tmp/mine'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lifeline'",
        "SET SESSION AUTHORIZATION lifeline",
        "SET ROLE city_writer",
        "SET ROLE city_views",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "SELECT rolpassword FROM pg_authid",
        "UPDATE city.alarms SET hold = NULL",
        "DELETE FROM city.findings",
        "SELECT lifeline.drop_piece('readings', 'x')",
        "CREATE EXTENSION dblink",
    ],
)
def test_a_reader_writes_nothing_and_becomes_nobody_else(statement: str, reader: Connection) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute(statement.encode())


def test_one_log_in_does_not_take_every_connection(reader: Connection, database: str, name: str) -> None:
    login = grants.Login(name, str(reader.info.password))
    assert grants.READER_CONNECTIONS >= 5, "Grafana's source asks for five"
    with ExitStack() as opened:
        for _ in range(grants.READER_CONNECTIONS - 1):  # `reader` is one
            opened.enter_context(psycopg.connect(grants.dsn_of(database, login)))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(grants.dsn_of(database, login))


def test_an_export_of_one_district_is_of_that_district(
    reader: Connection, database: str, name: str, tmp_path: Path
) -> None:
    kinds: tuple[export.Kind, ...] = ("alarms", "incidents", "findings", "readings")
    for kind in kinds:
        file = tmp_path / f"{kind}.csv"
        export.export(database, export.Wish(kind, "csv", district=OURS), file, at=SystemClock().now())
        text = file.read_text() + file.with_name(f"{file.name}.meta.json").read_text()
        assert OURS in text, kind
        assert THEIRS not in text, kind
    dsn = grants.dsn_of(database, grants.Login(name, str(reader.info.password)))
    with pytest.raises(errors.InsufficientPrivilege):  # it is a command of who runs the system, not of readers
        export.export(dsn, export.Wish("alarms", "csv"), tmp_path / "x.csv", at=SystemClock().now())
    assert not (tmp_path / "x.csv").exists()


def test_functions_that_act_as_their_owner_trust_no_path_of_the_caller(districts: World) -> None:
    rows = districts.conn.execute(
        """SELECT p.oid::regprocedure::text, coalesce(array_to_string(p.proconfig, ' '), '')
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
           WHERE n.nspname IN ('lifeline', 'city') AND p.prosecdef"""
    ).fetchall()
    assert len(rows) >= 10
    for called, settings in rows:
        assert "search_path=pg_catalog" in settings, f"{called}: whose tables are those? {settings}"


def test_passwords_of_log_ins_are_hashed_before_they_travel(districts: World, database: str, name: str) -> None:
    """A server's log keeps statements that fail; so none of ours holds a password."""
    districts.conn.execute("SET password_encryption = 'md5'")  # what the server would do with a plain one
    login = grants.grant_reader(districts.conn, name)
    kept = districts.conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (name,)).fetchone()
    assert kept is not None
    assert kept[0].startswith("SCRAM-SHA-256$")
    with connect(grants.dsn_of(database, login)) as opened:
        assert opened.info.user == name


def tampered(conn: Connection, statement: str) -> str:
    """What the log's own check says after somebody with every right changed it."""
    conn.execute("ALTER TABLE lifeline.audit DISABLE TRIGGER append_only")
    conn.execute(statement.encode())
    conn.execute("ALTER TABLE lifeline.audit ENABLE TRIGGER append_only")
    with conn.transaction():
        return audit.verify(conn, ()).fault


def test_rows_of_the_log_that_changed_places_are_found_and_a_cut_end_against_an_anchor(world: World) -> None:
    """The rest (edited, deleted, inserted, made anew) is in tests/store/test_audit.py."""
    for n in range(6):
        with world.conn.transaction():
            audit.append(world.conn, Deed("li", f"command.{n}"))
    anchors = [audit.head(world.conn)]
    swap = (
        "UPDATE lifeline.audit SET seq = seq + 100 WHERE seq IN (2, 3);"
        "UPDATE lifeline.audit SET seq = 105 - seq WHERE seq > 100"
    )
    assert tampered(world.conn, swap).startswith("row 2: ")
    assert tampered(world.conn, swap) == ""
    assert tampered(world.conn, "DELETE FROM lifeline.audit WHERE seq = 6") == "", "only an anchor tells"
    with world.conn.transaction():
        assert "cut off" in audit.verify(world.conn, anchors).fault
        audit.append(world.conn, Deed("li", "something else"))
        assert "row 6" in audit.verify(world.conn, anchors).fault, "and it is not hidden by a new row in its place"
        assert audit.verify(world.conn, [Head(0, audit.START)]).fault == ""
