"""What an outbox had to drop, by sensor: kept in the outbox itself, so that no restart forgets a loss."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

SCHEMA = """
CREATE TABLE IF NOT EXISTS losses (
    sensor   TEXT NOT NULL,
    why      TEXT NOT NULL,
    readings INTEGER NOT NULL,
    from_us  INTEGER,  -- NULL: the message did not say
    to_us    INTEGER,
    PRIMARY KEY (sensor, why)
) WITHOUT ROWID;
"""
ROOM, AGE = "room", "age"  # dropped because the queue was full, or because it had waited for too long
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Loss:
    """Readings of one sensor that were dropped for one reason; the times of the first and last of them.

    The sensor is empty and the times are None for messages whose readings could not be told.
    """

    sensor: str
    why: str
    readings: int
    from_us: int | None
    to_us: int | None


def record(sql: sqlite3.Connection, why: str, messages: Iterable[tuple[bytes, int]]) -> None:
    """Add dropped messages (body, readings) to the record, in the transaction that drops them."""
    found: dict[str, list[Any]] = {}
    for body, readings in messages:
        for sensor, count, time_us in _told(body, readings):
            entry = found.setdefault(sensor, [0, time_us, time_us])
            entry[0] += count
            if time_us is not None:
                entry[1], entry[2] = min(entry[1], time_us), max(entry[2], time_us)
    sql.executemany(
        "INSERT INTO losses VALUES (?, ?, ?, ?, ?) ON CONFLICT (sensor, why) DO UPDATE SET"
        " readings = readings + excluded.readings, from_us = min(from_us, excluded.from_us),"
        " to_us = max(to_us, excluded.to_us)",
        [(sensor, why, *entry) for sensor, entry in found.items()],
    )


def _told(body: bytes, readings: int) -> list[tuple[str, int, int | None]]:
    """(sensor, count, time) of what a body holds; one entry without a name when it cannot be read."""
    rows: list[tuple[str, int, int | None]]
    try:
        rows = [(str(row["sensor"]), 1, int(row["time"]) * 1000) for row in _decode(body)["readings"]]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return [("", readings, None)]
    return rows if len(rows) == readings else [("", readings, None)]


def read(sql: sqlite3.Connection) -> list[Loss]:
    """The whole record, the largest losses first."""
    query = "SELECT sensor, why, readings, from_us, to_us FROM losses ORDER BY readings DESC, sensor, why"
    return [Loss(*row) for row in sql.execute(query)]
