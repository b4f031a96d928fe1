"""The private tables as data: which there are, their columns, and a checksum that does not hang on order or tier."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from psycopg import sql

from store.connection import Connection
from store.statements import statements

_SQL = statements("backup")
SERIES_TIME = ("time", "bucket")  # the column by which a series is cut into pieces
NOT_KEPT = frozenset({"migrations", "meta", "restoring", "sizes", "packed", "unheard", "hindered"})  # not the city's


class Table(msgspec.Struct, frozen=True):
    """One table as it was: `columns` are (name, type); `first` and `last` bound a series' time (ISO 8601, or empty).

    `pieces` are the spans of time, first and past (ISO 8601), in which a backup carries a series.
    """

    name: str
    series: bool
    columns: list[tuple[str, str]]
    rows: int = 0
    checksum: str = "0"
    first: str = ""
    last: str = ""
    pieces: list[tuple[str, str]] = []

    @property
    def time(self) -> str:
        """The column by which a series is cut into pieces; empty when there is none."""
        return next((name for name, _ in self.columns if self.series and name in SERIES_TIME), "")

    @property
    def place(self) -> sql.Identifier:
        """Its name in a statement."""
        return sql.Identifier("lifeline", self.name)

    @property
    def names(self) -> sql.Composed:
        """Its columns in a statement."""
        return sql.SQL(", ").join(sql.Identifier(name) for name, _ in self.columns)


def tables(conn: Connection) -> list[Table]:
    """Every table of schema `lifeline` that holds the city's data, not yet counted."""
    found = conn.execute(_SQL["tables"]).fetchall()
    return [Table(name, series, _columns(conn, name)) for name, series in found if name not in NOT_KEPT]


def emptied(conn: Connection, tables: Iterable[Table]) -> sql.Composed:
    """The names of those tables that can be emptied; the others refuse it, and in a new database they are empty."""
    append_only = {name for (name,) in conn.execute(_SQL["append_only"]).fetchall()}
    return sql.SQL(", ").join(table.place for table in tables if table.name not in append_only)


def _columns(conn: Connection, table: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind in conn.execute(_SQL["columns"], (f"lifeline.{table}",)).fetchall()]


def counted(conn: Connection, table: Table) -> Table:
    """The table with its rows counted and summed up: the sum of a 64-bit hash of each row as text.

    Equal sums mean equal rows in any order, on any tier and version: call `plain_text` on the connection first.
    """
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(ROW({columns})::text, 0)::numeric), 0)::text, {span} "
        "FROM {table}"
    )
    ends = sql.SQL("min({0})::text, max({0})::text") if table.time else sql.SQL("NULL, NULL")
    span = ends.format(sql.Identifier(table.time or "-"))
    row = conn.execute(query.format(columns=table.names, span=span, table=table.place)).fetchone()
    assert row is not None, "an aggregate always has a row"  # noqa: S101 - a fact of SQL, for the type checker
    return msgspec.structs.replace(table, rows=row[0], checksum=row[1], first=row[2] or "", last=row[3] or "")


def plain_text(conn: Connection) -> None:
    """Make the session write values as text the one way that checksums are made of."""
    conn.execute(_SQL["plain_text"])
