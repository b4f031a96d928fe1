"""A recorder's writer that is fed by hand: messages in, transactions committed, no broker."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from city.clock import ManualClock, to_us
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.writer import BatchWriter
from store.connection import Connection

START = datetime(2026, 7, 1, tzinfo=UTC)
START_US = to_us(START)
TOPIC = "lifeline/v1/north/gw-1/readings"


class Fed:
    """One recorder's writer."""

    def __init__(self, conn: Connection, topic: str = TOPIC) -> None:
        self.conn, self.topic = conn, topic
        self.writer, self.decoders = BatchWriter(conn, ManualClock(START)), Decoders()

    def hear(self, *payloads: bytes, at_us: int = START_US) -> None:
        """Commit these messages as one batch that arrived then."""
        self.hear_each((at_us, one) for one in payloads)

    def hear_each(self, arrivals: Iterable[tuple[int, bytes]]) -> None:
        """Commit messages as one batch, each with its arrival."""
        self.writer.commit(
            [Delivery(self.decoders.decode(self.topic, one, at_us), at_us, one, 1, 1) for at_us, one in arrivals]
        )


def message(readings: Iterable[tuple[str, int, float]], **more: object) -> bytes:
    """A message of (sensor, µs since 1970, value)."""
    content = [{"sensor": sensor, "time": time_us // 1000, "value": value} for sensor, time_us, value in readings]
    return json.dumps({"readings": content, **more}).encode()
