"""Judging a batch ahead changes nothing but the time: the same rows, flags, notes and counts, whatever fails."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import psycopg
import pytest

from city.clock import ManualClock, stopwatch_s
from city.load import load_city
from ingest import ahead, writer
from ingest.admit import Admission
from ingest.ahead import Ahead, Ready
from ingest.decoders import Decoders
from ingest.intake import Delivery, Intake
from ingest.memory import Memory
from ingest.writer import BatchWriter
from store import bundle, journal
from store.connection import Connection, Cursor
from tests.ingest.fed import START, START_US, TOPIC, message

SECOND_US = 1_000_000
_EMPTIED = """\
TRUNCATE lifeline.readings, lifeline.latest, lifeline.gateway_ledger, lifeline.gateway_hours, lifeline.rejections,
         lifeline.journal, lifeline.hearing"""
_KEPT = (
    "SELECT sensor_id, time, value, raw, flag, tests, claimed_at, received_at FROM lifeline.readings ORDER BY 1, 2",
    "SELECT reason, gateway, sensor, time, detail FROM lifeline.rejections ORDER BY 1, 2, 3, 4, 5",
    "SELECT gateway, first_seq, last_seq, gaps, messages, published, stored, repeated, rejected, missing"
    " FROM lifeline.gateway_ledger ORDER BY 1",
    "SELECT * FROM lifeline.gateway_hours ORDER BY 1, 2",
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
    """What becomes of messages in an emptied database, looked at ahead or not; a commit that fails is tried again."""

    def __init__(self, conn: Connection, *, looks: bool, dsn: str = "") -> None:
        self.conn, self.failed = conn, 0
        conn.execute(_EMPTIED)
        self.intake = Intake(10_000, 1 << 30, lambda: None)
        self.ahead = Ahead(self.intake, 1, 24, dsn) if looks else None
        self.writer = BatchWriter(conn, ManualClock(START), self.ahead)

    def go(self, messages: list[Delivery], files: dict[str, str]) -> list[list[Any]]:
        bundle.apply(self.conn, files, load_city(files), START)
        self.conn.execute("DELETE FROM lifeline.journal")
        self.intake.put(messages)
        number = 0
        while batch := self.intake.take(24, 0.0):
            if number == 6:  # what was judged ahead was judged under another register
                changed = {
                    **files,
                    "calibrations.csv": "sensor,from,scale,offset,note\nwl-002,2026-01-01T00:00:00Z,3,0,\n",
                }
                bundle.apply(self.conn, changed, load_city(changed), START)
            try:
                self.writer.commit(batch)
            except psycopg.OperationalError:
                self.failed += 1
                continue
            self.intake.written()
            number += 1
        if self.ahead is not None:
            self.ahead.close()
        self.writer.catch_up()
        return [self.conn.execute(query).fetchall() for query in _KEPT]


@pytest.mark.parametrize(("seed", "trouble"), [(1, "database"), (2, "poison"), (3, "database"), (4, "none")])
def test_nothing_differs_for_having_looked_ahead(
    conn: Connection, database: str, files: dict[str, str], seed: int, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files["city.yaml"] += "quality: {water_depth: {spike: {change: 5 cm}, flat_line: {for: 30s}}}\n"
    if trouble == "poison":
        conn.execute("ALTER TABLE lifeline.readings ADD CONSTRAINT poison CHECK (value <> 66)")
    monkeypatch.setattr(writer, "WORTH_ROWS", 1)
    expected = Road(conn, looks=False).go(deliveries(seed), files)
    assert len(expected[0]) > 50, "there is something to compare"
    assert {reason for reason, *_ in expected[1]} >= {"future_time", "unknown_sensor"}

    chance, send, ready = random.Random(seed), journal.send, list[Ready]()

    def fail_often(conn: Connection, kind: journal.Kind, payload: bytes, at: datetime) -> Cursor:
        if trouble == "database" and kind == "readings" and chance.random() < 0.4:
            raise psycopg.OperationalError("the disk is full")
        return send(conn, kind, payload, at)

    def look(self: Ahead, admission: Admission, memory: Memory) -> Ready | None:
        if (found := looked(self, admission, memory)) is not None and found.judged is not None:
            ready.append(found)
        return found

    looked = ahead.Ahead._look
    monkeypatch.setattr(ahead.Ahead, "_look", look)
    monkeypatch.setattr(journal, "send", fail_often)
    road = Road(conn, looks=True, dsn=database if seed > 1 else "")
    assert road.go(deliveries(seed), files) == expected
    assert ready, "some were judged ahead"
    assert (road.failed > 0) == (trouble == "database")


def test_a_look_ahead_ends_when_nothing_comes() -> None:
    intake = Intake(10, 1 << 20, lambda: None)
    looking = Ahead(intake, 5, 10)
    began_s = stopwatch_s()
    looking.begin(None, None)  # type: ignore[arg-type] # nothing comes that they would be needed for
    assert looking.end() is None
    looking.close()
    assert stopwatch_s() - began_s < 10.0


def test_what_was_taken_ahead_is_given_next_and_acknowledged_in_order() -> None:
    intake = Intake(10, 1 << 20, lambda: None)
    sent = [Delivery(None, at, b"x", at, 1) for at in range(9)]
    intake.put(sent)
    first = list(intake.take(3, 0.0))
    assert intake.take_ahead(2, 4) == sent[3:7]
    assert intake.take_ahead(1, 4) == [], "one batch ahead, not two"
    assert (intake.rows, intake.oldest_us()) == (9, 0)
    assert intake.drop_queued() == 2, "what was taken ahead is no longer queued"
    intake.written()
    assert intake.take(1, 0.0) == sent[3:7]
    intake.written()
    assert not intake.idle
    assert intake.to_acknowledge() == [*first, *sent[3:7]]
    assert intake.rows == 0
    assert intake.idle
