"""Kept roll-ups: five minutes from raw readings, hours from five minutes, days from hours.

Triggers mark what changed (`lifeline.dirty_buckets`); here marked buckets are computed again, one transaction each.
Views never wait for this: they make marked buckets from their parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from city.clock import stopwatch_s
from store.connection import Connection
from store.statements import statements

_SQL = statements("rollups")
_PORTION = 20

SETTLE_S = 60.0  # city time after a bucket's end: the usual stragglers are in
WAIT_S = 15.0  # wall time from a mark to the work: an outage's buffer marks the same buckets again and again


@dataclass(frozen=True, slots=True)
class Backlog:
    """Buckets over but not yet computed, and how long the oldest mark has waited (wall seconds)."""

    buckets: int
    oldest_s: float


def keep_up(
    conn: Connection, now: datetime, *, settle_s: float = SETTLE_S, wait_s: float = WAIT_S
) -> Iterator[tuple[int, datetime, float]]:
    """Compute what is due at city time `now`, a bucket at each step, until nothing is.

    Parameters
    ----------
    conn
        An autocommit connection that holds `alone`.
    settle_s, wait_s
        How long after its end (city time), and after its oldest mark (wall time), a bucket is left alone.

    Yields
    ------
    tuple
        Width in minutes (5, 60, 1440), bucket, and the wall seconds it took.
    """
    while True:
        found = due(conn, now, _PORTION, settle_s=settle_s, wait_s=wait_s)
        for minutes, bucket in found:
            began_s = stopwatch_s()
            conn.execute(_SQL["refresh"], (minutes, bucket))
            yield minutes, bucket, stopwatch_s() - began_s
        if not found:
            return


def due(
    conn: Connection, now: datetime, limit: int, *, settle_s: float = SETTLE_S, wait_s: float = WAIT_S
) -> list[tuple[int, datetime]]:
    """Up to `limit` buckets to compute, as (minutes, bucket): short ones before those made from them, newest first."""
    values = {"now": now, "limit": limit, "settle_s": settle_s, "wait_s": wait_s}
    return conn.execute(_SQL["due"], values).fetchall()


def finish(conn: Connection, now: datetime) -> int:
    """Compute everything that is over by city time `now`, without waiting for stragglers; how many buckets."""
    return sum(1 for _ in keep_up(conn, now, settle_s=0.0, wait_s=0.0))


def tidy(conn: Connection, since: datetime, until: datetime | None = None) -> None:
    """Keep queries of the newest minutes quick: one mark a bucket, and rows since `since` found by time.

    Pieces that will be needed up to `until` are made now, so that none is born while the first rows wait for it.
    """
    conn.execute(_SQL["compact"])
    conn.execute(_SQL["summarize"], (since,))
    if until is not None:
        conn.execute(_SQL["prepare"], {"first": since, "last": until})


def backlog(conn: Connection, now: datetime) -> Backlog:
    """What waits, at city time `now`."""
    row = conn.execute(_SQL["waiting"], (now,)).fetchone()
    return Backlog(int(row[0]), float(row[1])) if row else Backlog(0, 0.0)


def alone(conn: Connection) -> bool:
    """Take the keeper's place; false when another connection has it. It is given back when the connection ends."""
    row = conn.execute(_SQL["only_one"]).fetchone()
    return bool(row and row[0])
