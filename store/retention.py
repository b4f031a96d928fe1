"""Lets old readings and roll-ups go, as `city.yaml` says; what lies around red incidents stays.

In this order, so that a kill at any point loses nothing and the next run goes on:

1. once every roll-up before an edge is computed, the sensors are frozen there (`sensors.raw_from`): from then on their
   kept roll-ups stand, whatever still comes in or goes behind that edge;
2. a piece of readings that lies behind every sensor's edge has its rows around red incidents copied, and is dropped, in
   one transaction; readings of quantities that are kept shorter than others are deleted from the pieces that stay;
3. pieces of roll-ups go when their own time is over.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

from city.retention import ROLLUPS, Retention
from store import decimals, hearing
from store.connection import Connection
from store.hindrance import attempt
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("retention")
_TABLES = dict(zip(ROLLUPS, ("rollup_5m", "rollup_1h", "rollup_1d"), strict=True))
_MINUTES = {"rollup_1h": 60, "rollup_1d": 1440}  # widths that are kept by domain, too


@dataclass(frozen=True, slots=True)
class Gone:
    """What one pass let go: pieces by name, readings deleted one by one, readings kept, and whether some must wait.

    `waits` says why a later pass has to go on: roll-ups that are not computed yet, or a table that is in use.
    """

    pieces: tuple[str, ...] = ()
    deleted: int = 0
    kept: int = 0
    waits: str = ""


def let_go(conn: Connection, retention: Retention, now: datetime) -> Gone:
    """Let go what is older than `retention` allows at city time `now`; safe to repeat, and to kill at any point.

    Parameters
    ----------
    conn
        An autocommit connection of the tables' owner, that holds `rollups.alone`.

    Raises
    ------
    psycopg.Error
        When the database refuses; what was done before stands.
    """
    quantities = [row[0] for row in conn.execute(_SQL["quantities"]).fetchall()]
    waits = "" if _freeze(conn, retention, quantities, now) else "roll-ups are not computed yet"
    pieces: list[str] = []
    deleted = kept = 0
    try:
        for piece, first, past in _readings_over(conn, retention, quantities, now):
            kept += _drop_readings(conn, piece, (first, past), retention, now)
            pieces.append(piece)
        for number, copied in _delete_short(conn, retention, quantities, now):
            deleted, kept = deleted + number, kept + copied
        pieces += _rollups(conn, retention, now)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        waits = f"a table is in use ({str(error).splitlines()[0]})"
    if (edge := _edge(now, max((retention.of(quantity) for quantity in quantities), default=math.inf))) is not None:
        hearing.forget(conn, edge)
    if pieces or deleted:
        log.info(
            "let_go %d pieces, %d readings, kept %d", len(pieces), deleted, kept,
            extra={"action": "let_go", "pieces": pieces, "deleted": deleted, "kept": kept},
        )  # fmt: skip
    return Gone(tuple(pieces), deleted, kept, waits)


def compress(
    conn: Connection, retention: Retention, now: datetime, go_on: Callable[[float], bool] = lambda _: True
) -> str:
    """Pack and compress one more piece where the database can; its name, or empty when there is none to compress.

    `go_on` is told between two transactions how long one took (seconds); false stops there, and a later pass goes on.
    """
    edge = columns_before(retention, now)
    row = conn.execute(_SQL["next_columns"], (edge,)).fetchone() if edge is not None else None
    if row is None or row[0] is None:
        return ""
    piece = str(row[0])

    def into_columns() -> bool:
        if not decimals.pack_next(conn, piece, go_on):
            return False
        conn.execute(_SQL["compress"], (edge,))
        return True

    return piece if attempt(conn, "columns", piece, into_columns) else ""


def columns_before(retention: Retention, now: datetime) -> datetime | None:
    """The time before which readings are to be columns where the database can keep such; None when never."""
    return _edge(now, retention.compress_after_s)


def _edge(now: datetime, keep_s: float) -> datetime | None:
    """The midnight (UTC) before which all is over; None when nothing ever is."""
    if math.isinf(keep_s):
        return None
    return (now.astimezone(UTC) - timedelta(seconds=keep_s)).replace(hour=0, minute=0, second=0, microsecond=0)


def _freeze(conn: Connection, retention: Retention, quantities: list[str], now: datetime) -> bool:
    whole = True
    for keep_s in {retention.of(quantity) for quantity in quantities}:
        edge = _edge(now, keep_s)
        same = [quantity for quantity in quantities if retention.of(quantity) == keep_s]
        if edge is not None:
            conn.execute(_SQL["freeze"], {"edge": edge, "quantities": same})
            row = conn.execute(_SQL["frozen"], (same,)).fetchone()
            whole &= row is not None and row[0] is not None and row[0] >= edge
    return whole


def _readings_over(
    conn: Connection, retention: Retention, quantities: list[str], now: datetime
) -> Iterator[tuple[str, datetime, datetime]]:
    """The pieces behind the edge of every sensor."""
    edge = _edge(now, max((retention.of(quantity) for quantity in quantities), default=math.inf))
    row = conn.execute(_SQL["frozen"], (quantities,)).fetchone()
    if edge is None or row is None or row[0] is None:
        return
    for piece, first, past in conn.execute(_SQL["pieces"], ("readings",)).fetchall():
        if past <= min(edge, row[0]):
            yield piece, first, past


def _drop_readings(
    conn: Connection, piece: str, span: tuple[datetime, datetime], retention: Retention, now: datetime
) -> int:
    with conn.transaction():
        conn.execute(_SQL["hurry"])
        conn.execute(sql.SQL(_SQL["hold"]).format(piece=sql.Identifier(*_parts(piece))))
        kept = _keep(conn, span, retention, now)
        conn.execute(_SQL["drop"], ("readings", piece))
    return kept


def _delete_short(
    conn: Connection, retention: Retention, quantities: list[str], now: datetime
) -> Iterator[tuple[int, int]]:
    """Delete, piece by piece, readings of quantities that go before their piece does; how many went and were kept."""
    longest_s = max((retention.of(quantity) for quantity in quantities), default=math.inf)
    short = [quantity for quantity in quantities if retention.of(quantity) < longest_s]
    newest = max((edge for quantity in short if (edge := _edge(now, retention.of(quantity)))), default=None)
    for _, first, past in conn.execute(_SQL["pieces"], ("readings",)).fetchall() if newest else []:
        if first >= newest:
            break
        with conn.transaction():
            conn.execute(_SQL["hurry"])
            conn.execute(_SQL["retiring"])
            kept = _keep(conn, (first, past), retention, now)
            statement = _spanned("delete", (first, past), quantities=sql.Literal(short))
            yield conn.execute(statement).rowcount, kept


def _rollups(conn: Connection, retention: Retention, now: datetime) -> list[str]:
    gone = []
    for view, table in _TABLES.items():
        edge = _edge(now, retention.rollups_s[view])
        if edge is None:
            continue
        if table in _MINUTES:
            conn.execute(_SQL["delete_domains"], (_MINUTES[table], edge))
        if table == "rollup_1d":
            conn.execute(_SQL["delete_days"], (edge,))
            continue
        for piece, _, past in conn.execute(_SQL["pieces"], (table,)).fetchall():
            if past <= edge:
                with conn.transaction():
                    conn.execute(_SQL["hurry"])
                    conn.execute(_SQL["drop"], (table, piece))
                gone.append(piece)
    return gone


def _keep(conn: Connection, span: tuple[datetime, datetime], retention: Retention, now: datetime) -> int:
    if math.isinf(retention.around_red_s):
        half = timedelta(days=366_000 // 2)
    else:
        half = timedelta(seconds=retention.around_red_s / 2)
    # Bounds written in, so that other pieces are left out.
    return conn.execute(_spanned("keep", span), {"half": half, "now": now}).rowcount


def _spanned(name: str, span: tuple[datetime, datetime], **more: sql.Composable) -> sql.Composed:
    text: LiteralString = _SQL[name]
    return sql.SQL(text).format(first=sql.Literal(span[0]), past=sql.Literal(span[1]), **more)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip('"') for part in name.split("."))
