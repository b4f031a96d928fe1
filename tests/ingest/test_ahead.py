"""Judging a batch ahead changes nothing but the time: the same rows, flags, notes and counts, whatever fails."""

from __future__ import annotations

import threading

import pytest

from city.clock import stopwatch_s
from ingest import ahead, writer
from ingest.admit import Admission
from ingest.ahead import Ahead, Ready
from ingest.intake import Delivery, Intake
from ingest.memory import Memory
from store.connection import Connection
from tests.ingest.road import Road, deliveries, refuse_often


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

    ready = list[Ready]()

    def look(self: Ahead, admission: Admission, memory: Memory) -> Ready | None:
        if (found := looked(self, admission, memory)) is not None and found.judged is not None:
            ready.append(found)
        return found

    looked = ahead.Ahead._look
    monkeypatch.setattr(ahead.Ahead, "_look", look)
    if trouble == "database":
        refuse_often(monkeypatch, seed)
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


def test_little_waits_a_moment_for_more_and_enough_does_not() -> None:
    intake = Intake(10, 1 << 20, lambda: None)
    one, more = (Delivery(None, at, b"x", at, 1, rows=3) for at in range(2))
    intake.put([one])
    assert intake.take(10, 0.0, enough_rows=5, linger_s=0.001) == [one], "only a moment"
    intake.put([one])
    late = threading.Timer(0.01, intake.put, [[more]])
    late.start()
    assert intake.take(10, 0.0, enough_rows=5, linger_s=60.0) == [one, more]
    late.join()


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
