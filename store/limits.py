"""The limits of the rules in force, kept for views: what trends are drawn with."""

from __future__ import annotations

from collections.abc import Iterable

from store.connection import Connection
from store.statements import statements

_SQL = statements("limits")

Limit = tuple[str, str, int, str, float]  # sensor, rule, level (1 to 4), `high` or `low`, value in the sensor's unit


def sync(conn: Connection, limits: Iterable[Limit]) -> None:
    """Make the table say what `limits` say, in one transaction; rows that stay are not touched."""
    with conn.transaction():
        conn.execute(_SQL["stage"])
        conn.execute(_SQL["empty"])
        with conn.cursor() as cursor, cursor.copy(_SQL["copy"]) as copy:
            for limit in limits:
                copy.write_row(limit)
        conn.execute(_SQL["gone"])
        conn.execute(_SQL["come"])
