"""Who may see and write what: four group roles, settled after each migration, and log-ins made of them.

- `city_reader` sees the views of schema `city`, nothing else; a log-in may be held to some districts.
- `city_writer` runs recorder, watcher, notifier, API and keeper: it appends, and cannot rewrite what happened.
- `city_console` is what the API turns into while it reads for somebody: it sees what their districts let it see.
- `city_views` owns the views and no table, so that the tables' row policies hold for whoever looks through a view.

Roles belong to the whole server. Who migrates needs the right to make them (or to find them made).
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import conninfo, sql

from city.errors import InputError, OutsideError
from store.connection import Connection
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("grants")
CONSOLE = "city_console"
_GROUPS = ("city_views", "city_reader", "city_writer", CONSOLE)
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

# Rows that say how things are now. Everything else is history: it can be added to.
CHANGING = (
    "districts", "sites", "gateways", "sensors", "latest", "gateway_ledger", "current_bundle", "followers",
    "snapshots", "roles", "health", "clock", "incidents", "alarms", "escalations",
    "notices", "shelves", "sizes", "incident_clocks", "cap_messages", "floods", "maintenance",
    "accounts", "tokens", "sessions", "drills", "gateway_hours", "bands",
    "recorders",
)  # fmt: skip
# History of which one column is written later: when it was last in use, or that it was taken in after all.
MARKED = ("bundles.applied_at", "rejections.replayed_at")
# Tables without a policy by district that the API reads: about no district, or shown only beside a row that has one.
OPEN = (
    "roles", "health", "clock", "current_bundle", "bundles", "gateway_ledger", "readings", "kept_readings",
    "broker_sessions", "measured", "hearing", "origin",
)  # fmt: skip
PASSING = (
    "clock",
    "sizes",
    "snapshot_rest",
    "sessions",
    "limits",
    "gateway_hours",
    "recorders",
    "ledger_entries",
    "spoiled_entries",
)  # rows that go when no longer true
STATEMENT_TIMEOUT = "30s"
READER_CONNECTIONS = 20  # of one log-in: however many it opens, the roles still find room


_TRIES = 10


@dataclass(frozen=True, slots=True)
class Login:
    """A log-in as it was made: its name, its new password (shown once), and the districts it sees (empty: all)."""

    name: str
    password: str
    districts: tuple[str, ...] = ()


def settle(conn: Connection) -> bool:
    """Make the group roles and give them what they may, as the schema stands; false where this user may not.

    Safe to repeat; run after every migration, so that new tables and views are never forgotten.
    """
    row = conn.execute(_SQL["has_policies"]).fetchone()
    if row is None or not row[0]:
        return False  # a schema of before: without policies nobody is let in this way
    missing, may_make, owner, in_views = _one(conn)
    why = f"this user may not make roles {', '.join(missing or _GROUPS)}"
    if owner and (may_make or (not missing and in_views)):
        try:
            _settle_beside_others(conn, missing)
        except psycopg.errors.InsufficientPrivilege as error:  # roles that another administrator made
            why = str(error).splitlines()[0]
        else:
            return True
    log.warning("grants_not_settled: %s", why, extra={"action": "grants_not_settled"})
    return False


def _settle_beside_others(conn: Connection, missing: Sequence[str]) -> None:
    """Roles belong to the whole server: another database's migration may change the same row of them meanwhile."""
    for left in reversed(range(_TRIES)):
        try:
            with conn.transaction():
                return _settle(conn, missing)
        except psycopg.errors.InternalError_ as error:
            if not left or "tuple concurrently" not in str(error):
                raise
    return None


def _settle(conn: Connection, missing: Sequence[str]) -> None:
    conn.execute(_SQL["lock"])
    for role in missing:
        conn.execute(sql.SQL(_SQL["make_role"]).format(role=sql.Identifier(role)))
    conn.execute(_SQL["join_views"])
    conn.execute(_SQL["own_views"])
    conn.execute(_SQL["reader"])
    conn.execute(_literal("console", open=list(OPEN)))
    conn.execute(_literal("writer", changing=list(CHANGING), passing=list(PASSING), marked=list(MARKED)))
    conn.execute(_SQL["narrow"])


def grant_reader(conn: Connection, name: str, districts: Sequence[str] = (), password: str = "") -> Login:
    """Make (or renew) a log-in that may read schema `city`: all of it, or only rows of `districts`.

    A password that is not given is made.

    Raises
    ------
    InputError
        When the name or a district is not one.
    OutsideError
        When this user may not make roles.
    """
    known = {row[0] for row in conn.execute(_SQL["districts"]).fetchall()}
    if unknown := sorted(set(districts) - known):
        raise InputError(
            f"--district: not in the city, got {', '.join(unknown)}, try {', '.join(sorted(known)) or '-'}"
        )
    login = Login(_checked(name), password or secrets.token_urlsafe(24), tuple(districts))
    with _making(conn, login.name):
        _log_in(conn, login, "city_reader", "city_writer")
        conn.execute(_SQL["forget_reader"], (name,))
        if districts:
            conn.execute(_SQL["hold_reader"], (name, list(districts)))
        for setting, value in (
            ("default_transaction_read_only", "on"),
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("idle_in_transaction_session_timeout", "60s"),
            ("search_path", "city"),
        ):
            _set(conn, name, setting, value)
    return login


def grant_writer(conn: Connection, name: str, password: str = "") -> Login:
    """Make (or renew) a log-in for Lifeline's own roles: it appends, and cannot rewrite. Errors as a reader's."""
    login = Login(_checked(name), password or secrets.token_urlsafe(24))
    with _making(conn, login.name):
        _log_in(conn, login, "city_writer", "city_reader")
        conn.execute(_SQL["forget_reader"], (name,))
        conn.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(name)))
    return login


def revoke(conn: Connection, name: str) -> None:
    """Take a log-in away, with whatever it may do here (InputError when `grant_reader` or `grant_writer` made none)."""
    _checked(name)
    if not conn.execute(_SQL["is_ours"], {"name": name}).fetchone():
        raise InputError(f"no log-in {name!r} of Lifeline's here, try `lifeline store logins`")
    with _making(conn, name):
        conn.execute(_SQL["forget_reader"], (name,))
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def logins(conn: Connection) -> list[tuple[str, str, tuple[str, ...]]]:
    """Every log-in as (name, `read` or `write`, districts it is held to; empty: all)."""
    return [(name, kind, tuple(districts or ())) for name, kind, districts in conn.execute(_SQL["logins"]).fetchall()]


def dsn_of(dsn: str, login: Login) -> str:
    """The address of the same database for a log-in, as a URL-free `key=value` string with its password."""
    return conninfo.make_conninfo(dsn, user=login.name, password=login.password)


@contextmanager
def _making(conn: Connection, name: str) -> Iterator[None]:
    """One transaction; a missing right becomes an error that says whose help is needed."""
    try:
        with conn.transaction():
            yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise OutsideError(
            f"role {name}: this user may not make roles, got: {error}; try as an administrator, or let one "
            "say ALTER ROLE … CREATEROLE for the user that migrates"
        ) from error


def _log_in(conn: Connection, login: Login, group: str, not_group: str) -> None:
    name = sql.Identifier(login.name)
    exists = conn.execute(_SQL["exists"], (login.name,)).fetchone()
    if exists and not conn.execute(_SQL["is_ours"], {"name": login.name}).fetchone():
        raise InputError(f"role {login.name}: there is one that Lifeline did not make, try another name")
    # Hashed here: a server writes statements that fail, or take long, into its log.
    kept = conn.pgconn.encrypt_password(login.password.encode(), login.name.encode(), b"scram-sha-256").decode()
    most = READER_CONNECTIONS if group == "city_reader" else -1
    options = (
        "ALTER ROLE {} LOGIN" if exists else "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
    )
    statement = sql.SQL(f"{options} CONNECTION LIMIT {{}} PASSWORD {{}}")
    conn.execute(statement.format(name, sql.Literal(most), sql.Literal(kept)))
    conn.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(not_group), name))
    conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), name))


def _set(conn: Connection, name: str, setting: str, value: str) -> None:
    conn.execute(
        sql.SQL("ALTER ROLE {} SET {} = {}").format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value))
    )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or name in _GROUPS or name.startswith("pg_"):
        raise InputError(f"not a name for a log-in, got {name!r}, try letters a-z, digits and _, such as grafana")
    return name


def _literal(statement: str, **values: Sequence[str]) -> sql.Composed:
    """A statement of a DO block: those take no parameters, so values are written in."""
    text = _SQL[statement]
    parts = re.split(r"%\((\w+)\)s", text)
    composed = [
        sql.Literal(list(values[part])) if at % 2 else sql.SQL(part.replace("%%", "%")) for at, part in enumerate(parts)
    ]
    return sql.Composed(composed)


def _one(conn: Connection) -> tuple[list[str], bool, bool, bool]:
    row = conn.execute(_SQL["may_settle"]).fetchone()
    assert row is not None, "a SELECT without FROM always has a row"  # noqa: S101 - a fact of SQL, for the type checker
    return row[0], bool(row[1]), bool(row[2]), bool(row[3])
