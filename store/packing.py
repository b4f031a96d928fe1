"""Builds the indexes of finished pieces of readings anew, where no columnstore makes them needless.

Rows come in turns, one of every sensor, so the pages of the key fill from the middle and stay two thirds full; built
anew they are dense. Readers and writers go on meanwhile.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import psycopg

from store.connection import Connection
from store.migrate import Tier, detect_tier
from store.statements import statements
from store.vitals import has_room_beside

log = logging.getLogger(__name__)

_SQL = statements("packing")
_OVER_SINCE = timedelta(days=1)  # what comes late has mostly come


def pack(conn: Connection, now: datetime) -> str:
    """Pack the oldest finished piece that is not packed; its name, or an empty one when there is nothing to do.

    Parameters
    ----------
    conn
        An autocommit connection of the tables' owner, that holds `rollups.alone`.
    now
        City time.

    Raises
    ------
    psycopg.Error
        When the database refuses; a later call clears what was half done.
    """
    if detect_tier(conn) is Tier.COMMUNITY:
        return ""
    conn.execute(_SQL["forget"])
    found = conn.execute(_SQL["next"], (now - _OVER_SINCE,)).fetchone()
    if found is None:
        return ""
    piece, size_bytes = str(found[0]), int(found[1])
    if not has_room_beside(conn, piece, size_bytes):
        return ""
    for (index,) in conn.execute(_SQL["leftovers"], (piece,)).fetchall():
        conn.execute(f"DROP INDEX CONCURRENTLY {index}".encode())
    try:
        conn.execute(f"REINDEX TABLE CONCURRENTLY {piece}".encode())
    except psycopg.errors.DeadlockDetected as error:  # somebody wants the table whole: next time
        log.info("packing waits: %s", error, extra={"action": "packing_waits"})
        return ""
    conn.execute(_SQL["done"], (piece,))
    log.info("packed %s", piece, extra={"action": "packed", "piece": piece})
    return piece
