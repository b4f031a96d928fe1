"""Builds the indexes of finished pieces of readings anew, unless a columnstore makes them needless before long.

Rows come in turns, one of every sensor, so the pages of the key fill from the middle and stay two thirds full; built
anew they are dense. Readers and writers go on meanwhile.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from store.connection import Connection
from store.hindrance import attempt
from store.migrate import Tier, detect_tier
from store.statements import statements
from store.vitals import has_room_beside

log = logging.getLogger(__name__)

_SQL = statements("packing")
_OVER_SINCE = timedelta(days=1)  # what comes late has mostly come


def pack(conn: Connection, now: datetime, soon: datetime | None = None, *, beside: bool = True) -> str:
    """Pack the oldest finished piece that is not packed; its name, or an empty one when there is nothing to do.

    A piece that the database refuses to pack is passed over (see `store.hindrance`).

    Parameters
    ----------
    conn
        An autocommit connection of the tables' owner, that holds `rollups.alone`.
    now
        City time.
    soon
        Where the database can keep readings as columns: pieces that end before this are about to become such.
    beside
        Whether others read and write meanwhile. Only a server of one session cannot build an index beside the old one.

    Raises
    ------
    psycopg.Error
        When the connection is lost, or when this user does not own the tables.
    """
    conn.execute(_SQL["forget"])
    past = soon if detect_tier(conn) is Tier.COMMUNITY else None
    found = conn.execute(_SQL["next"], {"over": now - _OVER_SINCE, "past": past}).fetchone()
    if found is None:
        return ""
    piece, size_bytes = str(found[0]), int(found[1])
    if not has_room_beside(conn, piece, size_bytes):
        return ""
    if not attempt(conn, "indexes", piece, lambda: _rebuild(conn, piece, "CONCURRENTLY" if beside else "")):
        return ""
    log.info("packed %s", piece, extra={"action": "packed", "piece": piece})
    return piece


def _rebuild(conn: Connection, piece: str, how: str) -> bool:
    for (index,) in conn.execute(_SQL["leftovers"], (piece,)).fetchall():
        conn.execute(f"DROP INDEX {how} {index}".encode())
    conn.execute(f"REINDEX TABLE {how} {piece}".encode())
    conn.execute(_SQL["done"], (piece,))
    return True
