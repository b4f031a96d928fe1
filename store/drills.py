"""Drills in the database: begun and ended through the journal, shown by what the engine recorded of them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from store import audit, journal
from store.connection import Connection
from store.statements import statements

_SQL = statements("drills")
Row = dict[str, Any]


def new_id(at: datetime) -> str:
    """A name for a drill that begins at an aware time: its day, and letters nobody guesses."""
    return f"D-{at:%Y%m%d}-{secrets.token_hex(4)}"


def say(conn: Connection, content: Mapping[str, Any], deed: audit.Deed, at: datetime) -> int:
    """Journal that a drill begins or ends, and remember who said so, in one transaction; the journal row's number."""
    with conn.transaction():
        audit.append(conn, deed)
        return journal.append(conn, "drill", msgspec.json.encode(content), at)


def states(conn: Connection, drills: Sequence[str]) -> dict[str, str]:
    """How drills stand (`running`, `ended`, `refused`), by id; those that never began are not in it."""
    return dict(conn.execute(_SQL["states"], (list(drills),)).fetchall())


def running(conn: Connection) -> list[str]:
    """The drills that run."""
    return [name for (name,) in conn.execute(_SQL["running"]).fetchall()]


def listed(conn: Connection, limit: int = 50, before: datetime | None = None) -> list[Row]:
    """Drills as rows of `city.drills`, the newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["listed"], {"limit": limit, "before": before}).fetchall()


def one(conn: Connection, drill: str) -> Row | None:
    """One drill whole."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["one"], (drill,)).fetchone()


def keep_report(conn: Connection, drill: str, report: Mapping[str, Any]) -> None:
    """Keep what became of a drill with it."""
    conn.execute(_SQL["report"], {"drill": drill, "report": Jsonb(dict(report))})
