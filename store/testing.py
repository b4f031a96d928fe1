"""Databases for tests: a fresh, migrated one in a few dozen milliseconds, cloned from a template on the same server."""

from __future__ import annotations

import hashlib
import secrets

import psycopg
from psycopg import conninfo, sql

from city.clock import SystemClock
from store.connection import connect
from store.migrate import Tier, detect_tier, migrate, steps

_ATTEMPTS = 100


def fresh_database(dsn: str) -> str:
    """Make a new migrated database beside the one of `dsn`, whose user must be allowed to, and return its DSN."""
    with connect(dsn, autocommit=True, application_name="lifeline testing") as conn:
        template = f"template_{_fingerprint(detect_tier(conn))}"
        conn.execute("SELECT pg_advisory_lock(hashtext(%s))", (template,))
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", (template,)).fetchone():
            _make_template(conn, dsn, template)
        name = f"test_{secrets.token_hex(6)}"
        _clone(conn, template, name)
    return named(dsn, name)


def copy_of(dsn: str) -> str:
    """Make a copy of the database `dsn` names, in which nobody may be, and return its DSN."""
    original = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    name = f"test_{secrets.token_hex(6)}"
    with connect(named(dsn, "postgres"), autocommit=True, application_name="lifeline testing") as conn:
        _clone(conn, original, name)
    return named(dsn, name)


def drop_database(dsn: str) -> None:
    """Drop the database `dsn` names, with whoever is still in it."""
    name = conninfo.conninfo_to_dict(dsn)["dbname"]
    with connect(named(dsn, "postgres"), autocommit=True, application_name="lifeline testing") as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name))))


def named(dsn: str, database: str) -> str:
    """`dsn`, but for another database of the same server."""
    return conninfo.make_conninfo(dsn, dbname=database)


def _fingerprint(tier: Tier) -> str:
    return hashlib.sha256("".join(step.checksum for step in steps(tier)).encode()).hexdigest()[:12]


def _make_template(conn: psycopg.Connection[tuple[object, ...]], dsn: str, template: str) -> None:
    unfinished = f"{template}_unfinished"
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(unfinished)))
    conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
    migrate(named(dsn, unfinished))
    # Closed to everybody, TimescaleDB's scheduler included: a template with sessions in it cannot be cloned.
    for statement in (
        "ALTER DATABASE {old} WITH ALLOW_CONNECTIONS false",
        "ALTER DATABASE {old} RENAME TO {new}",
        "ALTER DATABASE {new} WITH IS_TEMPLATE true",
    ):
        names = {"old": sql.Identifier(unfinished), "new": sql.Identifier(template)}
        _patiently(conn, sql.SQL(statement).format(**names), unfinished)


def _clone(conn: psycopg.Connection[tuple[object, ...]], template: str, name: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    _patiently(conn, statement.format(sql.Identifier(name), sql.Identifier(template)), template)


def _patiently(conn: psycopg.Connection[tuple[object, ...]], statement: sql.Composed, busy: str) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            conn.execute(statement)
        except psycopg.errors.ObjectInUse:
            if attempt == _ATTEMPTS:
                raise
            conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (busy,))
            SystemClock().pause_s(0.05)
        else:
            return
