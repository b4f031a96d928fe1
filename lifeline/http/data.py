"""Reading the database: named statements, rows as dicts, short patience."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from city.errors import OutsideError
from lifeline.http.who import Who, current
from rules.notify.zone import Home, HomeFinder
from store.connection import Connection, pool
from store.grants import CONSOLE
from store.statements import statements

STATEMENT_TIMEOUT_MS = 5000
WAIT_S = 3.0
POOL_SIZE = 8

Row = dict[str, Any]  # one row of a public view: the decode boundary
FILES = ("pages", "asking", "api", "incidents", "holds", "sources", "notices", "statistics", "drills", "metrics")
_sql = {name: text for file in FILES for name, text in statements(file, package="lifeline.http").items()}


class Data:
    """The pool the pages read through."""

    def __init__(self, database_url: str) -> None:
        options = str(conninfo.conninfo_to_dict(database_url).get("options") or "")
        patient = f"{options} -c statement_timeout={STATEMENT_TIMEOUT_MS}".strip()
        self._pool = pool(
            conninfo.make_conninfo(database_url, options=patient), POOL_SIZE, application_name="lifeline api"
        )
        self._home = HomeFinder()
        self._console: bool | None = None

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @property
    def connections(self) -> ConnectionPool[Connection]:
        """The pool itself, for commands and beats; take connections with a timeout of `WAIT_S`."""
        return self._pool

    @contextmanager
    def reading(self, asks: Who | None = None) -> Iterator[Connection]:
        """A transaction in which the database shows only what `asks` (default: who asks now) may see; nobody, nothing.

        Raises
        ------
        OutsideError
            When somebody is held to districts and this database cannot hold them to it.
        """
        asks = asks or current.get()
        with self._pool.connection(timeout=WAIT_S) as conn, conn.transaction():
            if self._polices(conn):
                given = {"role": CONSOLE, "districts": _set(asks, "districts"), "incidents": _set(asks, "incidents")}
                conn.execute(_sql["ask_as"], given)
            elif asks is None or asks.districts is not None:
                raise OutsideError(
                    f"database: has no role {CONSOLE}, so that districts do not hold; see docs/accounts.md"
                )
            yield conn

    def _polices(self, conn: Connection) -> bool:
        if self._console is None:
            row = conn.execute(_sql["has_console"], {"role": CONSOLE}).fetchone()
            self._console = bool(row and row[0])
        return self._console

    def rows(self, name: str, **given: object) -> list[Row]:
        """Rows of the statement `name` in `sql/` (one of `FILES`), as far as who asks may see them."""
        with self.reading() as conn:
            return conn.cursor(row_factory=dict_row).execute(_sql[name], given).fetchall()

    def page(self, name: str, limit: int, after: object, **given: object) -> list[Row]:
        """Up to `limit` rows behind place `after` (None: from the first on), in the order of their `page_key`."""
        text = _sql["part"].replace("statement", _sql[name], 1)
        place = None if after is None else Jsonb(after)
        with self.reading() as conn:
            cursor = conn.cursor(row_factory=dict_row)
            return cursor.execute(text, {**given, "page_after": place, "page_limit": limit}).fetchall()

    def row(self, name: str, **given: object) -> Row | None:
        """The first of those rows, if there is one."""
        found = self.rows(name, **given)
        return found[0] if found else None

    def home(self) -> Home:
        """The city's name and time zone."""
        with self._pool.connection(timeout=WAIT_S) as conn:
            return self._home.home(conn)


def _set(asks: Who | None, what: str) -> str:
    """Districts or incidents as the database's policies read them: empty for no bounds, `{}` for none of them."""
    names = frozenset[str]() if asks is None else getattr(asks, what)
    if names is None:
        return ""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in sorted(names))
    return "{" + ",".join(f'"{name}"' for name in quoted) + "}"
