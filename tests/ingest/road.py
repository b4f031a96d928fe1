"""Messages of every kind on their way into an emptied database, with or without what makes that quicker."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
import pytest

from city.clock import ManualClock
from city.load import load_city
from ingest.decoders import Decoders
from ingest.intake import Delivery, Intake
from ingest.newest import Newest
from ingest.posting import Posting
from ingest.turns import Turns
from ingest.writer import BatchWriter
from store import bundle, journal
from store.connection import Connection, Cursor
from tests.ingest.fed import START, START_US, TOPIC, message

SECOND_US = 1_000_000
_EMPTIED = """\
TRUNCATE lifeline.readings, lifeline.latest, lifeline.gateway_ledger, lifeline.gateway_hours, lifeline.rejections,
         lifeline.journal, lifeline.hearing, lifeline.ledger_entries"""
_KEPT = (
    "SELECT sensor_id, time, value, raw, flag, tests, claimed_at, received_at FROM lifeline.readings ORDER BY 1, 2",
    "SELECT reason, gateway, sensor, time, detail FROM lifeline.rejections ORDER BY 1, 2, 3, 4, 5",
    "SELECT gateway, first_seq, last_seq, gaps, messages, published, stored, repeated, rejected, missing"
    " FROM lifeline.gateway_ledger ORDER BY 1",
    "SELECT * FROM lifeline.gateway_hours ORDER BY 1, 2",
    "SELECT entry FROM lifeline.ledger_entries",
    "SELECT sensor_id, time, value FROM lifeline.latest ORDER BY 1",
    "SELECT kind, payload FROM lifeline.journal ORDER BY seq",
)


def deliveries(seed: int) -> list[Delivery]:
    """What a gateway may send: values that jump and rest, repeats, late ones, claims of the future, strangers."""
    chance, decoders = random.Random(seed), Decoders()
    found: list[Delivery] = []
    for seq in range(60):
        if found and chance.random() < 0.1:
            found.append(chance.choice(found))
            continue
        sensors = chance.sample(range(20), 4)
        at_us = START_US + seq * 10 * SECOND_US + chance.choice([0] * 9 + [-300, -20, 600]) * SECOND_US
        rows = [(f"wl-{n:03}", at_us, chance.choice([1.0, 1.0, 2.0, 40.0, 66.0])) for n in sensors]
        if chance.random() < 0.2:
            rows.append(("nobody", at_us, 1.0))
        payload = message(rows, seq=seq)
        arrived_us = START_US + seq * 10 * SECOND_US + SECOND_US
        found.append(Delivery(decoders.decode(TOPIC, payload, arrived_us), arrived_us, payload, 1, 1, len(rows)))
    return found


class Road:
    """What becomes of messages in an emptied database; a commit that fails is tried again.

    `beside`: connections over which several batches go in at the same time; without them, one after the other.
    """

    def __init__(self, conn: Connection, dsn: str = "", beside: Sequence[Connection] = ()) -> None:
        self.conn, self.failed = conn, 0
        conn.execute(_EMPTIED)
        self.intake = Intake(10_000, 1 << 30, lambda: None)
        self.newest = Newest(dsn) if beside else None
        self.posting = Posting(dsn) if beside else None
        self.turns = Turns(lambda _: self.intake.written(), most=len(beside) or 1)
        self.writer = BatchWriter(conn, ManualClock(START), self.newest, dsn, beside, self.posting)

    def go(self, messages: list[Delivery], files: dict[str, str]) -> list[list[Any]]:
        bundle.apply(self.conn, files, load_city(files), START)
        self.conn.execute("DELETE FROM lifeline.journal")
        self.intake.put(messages)
        number = 0
        while batch := self.intake.take(24, 0.0):
            if number == 6:  # what is judged from now on is judged under another register
                self.alone(*self.turns.settle())
                changed = {
                    **files,
                    "calibrations.csv": "sensor,from,scale,offset,note\nwl-002,2026-01-01T00:00:00Z,3,0,\n",
                }
                bundle.apply(self.conn, changed, load_city(changed), START)
            left = self.turns.write(self.writer, batch)
            self.failed += len(left) - (batch in left)
            self.alone(*left)
            number += 1
        self.alone(*self.turns.settle())
        self.turns.close()
        self.writer.catch_up()
        for beside in (self.newest, self.posting):
            if beside is not None:
                beside.close()
        return [self.conn.execute(query).fetchall() for query in _KEPT]

    def alone(self, *batches: list[Delivery]) -> None:
        """Write batches, one after the other, however often that fails."""
        for batch in batches:
            while True:
                try:
                    self.writer.commit(batch)
                    break
                except psycopg.OperationalError:
                    self.failed += 1
            self.intake.written()


def refuse_often(patch: pytest.MonkeyPatch, seed: int) -> None:
    """Let the database fail on the journal's row of two batches in five."""
    chance, send = random.Random(seed), journal.send

    def send_or_fail(conn: Connection, kind: journal.Kind, payload: bytes, at: datetime) -> Cursor:
        if kind == "readings" and chance.random() < 0.4:
            raise psycopg.OperationalError("the disk is full")
        return send(conn, kind, payload, at)

    patch.setattr(journal, "send", send_or_fail)
