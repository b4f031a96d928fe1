"""City folders as they were applied, whole: the one in force and all before it, so that a replay reads the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from city.folder import bundle_hash
from city.model import City
from store import journal, register
from store.connection import Connection
from store.statements import statements

_SQL = statements("bundle")
BEGIN = ("BEGIN;" + _SQL["current_hash"]).encode()
"""Begins a transaction, and gives the hash of the folder in force as its only row."""


def apply(conn: Connection, files: Mapping[str, str], city: City, at: datetime) -> bool:
    """Put a checked city folder in force: files, register and journal row in one transaction.

    Parameters
    ----------
    files
        The folder's files, by relative path.
    city
        What `city.load` made of them.
    at
        City time.

    Returns
    -------
    bool
        False when this very folder was in force already; nothing is written then.
    """
    bundle = bundle_hash(files)
    with conn.transaction():
        conn.execute(_SQL["lock"])
        if current_hash(conn) == bundle:
            return False
        conn.execute(_SQL["keep"], (bundle, Jsonb(dict(files)), at))
        conn.execute(_SQL["make_current"], (bundle,))
        register.sync(conn, city)
        journal.append(conn, "bundle", msgspec.json.encode({"bundle": bundle}), at)
    return True


def current(conn: Connection) -> tuple[str, dict[str, str]] | None:
    """Hash and files of the folder in force; None before the first."""
    row = conn.execute(_SQL["current"]).fetchone()
    return (row[0], row[1]) if row else None


def current_hash(conn: Connection) -> str | None:
    """Hash of the folder in force; None before the first. Cheap enough to ask every second."""
    row = conn.execute(_SQL["current_hash"]).fetchone()
    return row[0] if row else None


def begin(conn: Connection) -> str | None:
    """Begin a transaction (of a connection in autocommit), and the hash of the folder in force, on one way."""
    asked = conn.execute(BEGIN)
    asked.nextset()
    row = asked.fetchone()
    return row[0] if row else None


def part(conn: Connection, bundle: str, prefix: str) -> dict[str, str]:
    """Those files of a folder that was applied once, by its hash, whose path begins with `prefix`."""
    row = conn.execute(_SQL["part"], (bundle, prefix)).fetchone()
    return dict(row[0]) if row else {}


def get(conn: Connection, bundle: str) -> dict[str, str] | None:
    """The files of a folder that was applied once, by its hash."""
    row = conn.execute(_SQL["get"], (bundle,)).fetchone()
    return row[0] if row else None
