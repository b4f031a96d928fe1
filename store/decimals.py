"""Packs the values of a finished piece as whole numbers, before the columnstore takes it.

A columnstore keeps whole numbers in a third of what it takes for doubles that end in two digits. So a value that is a
short decimal becomes its digits and a power of ten (see migration 0060, and the view `lifeline.measured` that everybody
reads): only where the division gives back the very same double, bit for bit. All others stay as they are, and so do
readings with a calibration, whose values have seventeen digits.

It goes on in short transactions, span by span: readers see the same values before and after, a writer of late rows
waits for one span at most, and after a kill the next pass finds what is left. Roll-ups are not marked: nothing changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from psycopg import sql

from city.clock import stopwatch_s
from store.columns import literal
from store.connection import Connection
from store.statements import statements
from store.vitals import has_room_beside

log = logging.getLogger(__name__)

_SQL = statements("decimals")
_ROWS = 100_000  # packed in one transaction: about a second


def pack_next(conn: Connection, piece: str, go_on: Callable[[float], bool]) -> bool:
    """Pack the values of a piece that is to be compressed; false when it was stopped before its end.

    Parameters
    ----------
    conn
        An autocommit connection of the tables' owner that holds `rollups.alone`, on TimescaleDB's community tier.
    piece
        Its name; one that holds no readings is left alone.
    go_on
        Told after each transaction how long it took (seconds); false stops here.
    """
    found = conn.execute(_SQL["next"], (piece,)).fetchone()
    if found is None:
        return True
    first, past, size_bytes = found
    if not has_room_beside(conn, piece, size_bytes):  # rows are written anew before the old ones go
        return True
    return pack(conn, piece, (first, past), go_on)


def pack(conn: Connection, piece: str, span: tuple[datetime, datetime], go_on: Callable[[float], bool]) -> bool:
    """Pack the values of one piece, whose rows lie in `span`; false when `go_on` stopped it before its end."""
    name = sql.Identifier(*piece.replace('"', "").split("."))
    began_s = stopwatch_s()
    scales = conn.execute(sql.SQL(_SQL["scales"]).format(piece=name)).fetchall()
    if not go_on(stopwatch_s() - began_s):
        return False
    portions = -(-sum(n for _, _, n in scales) // _ROWS)
    columns = {
        "sensors": sql.Literal(literal(sensor for sensor, _, _ in scales)),
        "powers": sql.Literal(literal(10.0**scale for _, scale, _ in scales)),
        "marks": sql.Literal(literal(scale << 8 for _, scale, _ in scales)),
    }
    packed = 0
    for number in range(portions):
        first, past = (span[0] + (span[1] - span[0]) * step / portions for step in (number, number + 1))
        bounds = {"first": sql.Literal(first), "past": sql.Literal(past)}  # written in: other columns stay packed
        began_s = stopwatch_s()
        packed += conn.execute(sql.SQL(_SQL["pack"]).format(piece=name, **columns, **bounds)).rowcount
        if not go_on(stopwatch_s() - began_s):
            return False
    if packed:
        log.info("packed %d values of %s", packed, piece, extra={"action": "packed", "piece": piece, "values": packed})
    return True
