"""Cities to prove pages on, in any database: an empty one and one in a storm, looked at as a reader may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from psycopg import conninfo, sql

from city.clock import to_us
from city.reading import Readings
from store import rollups
from store.connection import Connection, connect
from store.grants import dsn_of, grant_reader, revoke
from store.readings import ReadingWriter

NOW = datetime(2026, 7, 2, 9, 30, tzinfo=UTC)  # city.now() stands still at it
SPEAKING = 23
_SEED = Path(__file__).with_name("storm.sql").read_text(encoding="utf-8")


def storm(conn: Connection, days: int = 30, *, rolled: bool = True) -> None:
    """Fill an empty migrated database with a city in a storm, through an autocommit connection.

    `days`: how far back readings go, a day at least; `rolled`: their roll-ups are kept, else views make them.
    """
    with conn.transaction():
        for statement in _SEED.split(";\n"):
            if statement.strip():
                conn.execute(statement.encode(), {"now": NOW})
    with conn.transaction():
        ReadingWriter(conn).write(_readings(days))
    if rolled:
        rollups.finish(conn, NOW)


def _readings(days: int) -> Readings:
    """Days with a reading every four hours, then six hours with one every two minutes, some of them late or bad.

    Sensor 7 fell silent two hours ago; from number 24 on none ever spoke.
    """
    times = [NOW - timedelta(hours=4 * n) for n in range(2, 6 * days + 1)]
    times += [NOW - timedelta(minutes=2 * n) for n in range(181)]
    chance = np.random.default_rng(7)
    rows = []
    for sensor in range(1, SPEAKING + 1):
        for at in times:
            if sensor == 7 and at > NOW - timedelta(hours=2):
                continue
            value = round(float(chance.normal(20, 6)), 2)
            late_s = 1200 if chance.random() < 0.03 else 2
            flag = 3 if chance.random() < 0.02 else 1
            rows.append((sensor, to_us(at), to_us(at) + late_s * 1_000_000, value, flag, value))
    return Readings.of(sorted(set(rows), key=lambda row: (row[2], row[0], row[1])))


@contextmanager
def reader(dsn: str, districts: tuple[str, ...] = ()) -> Iterator[Connection]:
    """A connection of a log-in as `lifeline store grant` makes it for Grafana; the log-in goes with the block."""
    name = f"proof_{conninfo.conninfo_to_dict(dsn)['dbname']}"
    with connect(dsn, autocommit=True) as conn:
        login = grant_reader(conn, name, districts)
    try:
        with connect(dsn_of(dsn, login)) as conn:
            yield conn
    finally:
        with connect(dsn, autocommit=True) as conn:
            revoke(conn, name)


@contextmanager
def as_reader(conn: Connection) -> Iterator[Connection]:
    """The same for a server with one session: this session becomes the log-in and then itself again."""
    login = grant_reader(conn, "proof_reader")
    conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(login.name)))
    try:
        yield conn
    finally:
        conn.execute("RESET ROLE")
        revoke(conn, login.name)
