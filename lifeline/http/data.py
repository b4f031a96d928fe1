"""Reading the database: named statements, rows as dicts, short patience."""

from __future__ import annotations

from typing import Any

from psycopg import conninfo
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from rules.notify.zone import Home, HomeFinder
from store.connection import Connection, pool
from store.statements import statements

STATEMENT_TIMEOUT_MS = 5000
WAIT_S = 3.0
POOL_SIZE = 8

Row = dict[str, Any]  # one row of a public view: the decode boundary
_sql = statements("pages", package="lifeline.http")


class Data:
    """The pool the pages read through."""

    def __init__(self, database_url: str) -> None:
        options = str(conninfo.conninfo_to_dict(database_url).get("options") or "")
        patient = f"{options} -c statement_timeout={STATEMENT_TIMEOUT_MS}".strip()
        self._pool = pool(
            conninfo.make_conninfo(database_url, options=patient), POOL_SIZE, application_name="lifeline api"
        )
        self._home = HomeFinder()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @property
    def connections(self) -> ConnectionPool[Connection]:
        """The pool itself, for commands and beats; take connections with a timeout of `WAIT_S`."""
        return self._pool

    def rows(self, name: str, **given: object) -> list[Row]:
        """Rows of the statement `name` in `sql/pages.sql`."""
        with self._pool.connection(timeout=WAIT_S) as conn:
            return conn.cursor(row_factory=dict_row).execute(_sql[name], given).fetchall()

    def row(self, name: str, **given: object) -> Row | None:
        """The first of those rows, if there is one."""
        found = self.rows(name, **given)
        return found[0] if found else None

    def home(self) -> Home:
        """The city's name and time zone."""
        with self._pool.connection(timeout=WAIT_S) as conn:
            return self._home.home(conn)
