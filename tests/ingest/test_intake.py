"""The queue between network and database: what a batch waits for, and in which order it is let go."""

from __future__ import annotations

import threading

from city.clock import stopwatch_s
from ingest.intake import Delivery, Intake

PATIENCE_S = 60.0


def queue(*rows: int) -> tuple[Intake, list[Delivery]]:
    intake = Intake(10, 1 << 20, lambda: None)
    sent = [Delivery(None, at, b"x", at, 1, rows=count) for at, count in enumerate(rows)]
    intake.put(sent)
    return intake, sent


def test_little_waits_a_moment_for_more_and_enough_does_not() -> None:
    intake, (one,) = queue(3)
    intake.await_rows(5, 0.001)
    assert intake.take(10, 0.0) == [one], "only a moment"
    intake.put([one])
    more = Delivery(None, 1, b"x", 1, 1, rows=3)
    late = threading.Timer(0.01, intake.put, [[more]])
    late.start()
    began_s = stopwatch_s()
    intake.await_rows(5, PATIENCE_S)
    assert intake.take(10, 0.0) == [one, more]
    assert stopwatch_s() - began_s < PATIENCE_S
    late.join()


def test_little_waits_no_longer_when_it_need_not() -> None:
    intake, (one,) = queue(1)
    ready = threading.Event()

    def now_it_is() -> None:
        ready.set()
        intake.look_again()

    late = threading.Timer(0.01, now_it_is)
    late.start()
    began_s = stopwatch_s()
    intake.await_rows(5, PATIENCE_S, ready.is_set)
    assert stopwatch_s() - began_s < PATIENCE_S
    assert intake.take(10, 0.0) == [one]
    late.join()


def test_batches_are_acknowledged_in_the_order_in_which_they_were_taken() -> None:
    intake, sent = queue(*[1] * 9)
    first, second = intake.take(3, 0.0), intake.take(4, 0.0)
    assert (first, second) == (sent[:3], sent[3:7])
    assert (intake.rows, intake.oldest_us()) == (9, 0)
    assert intake.drop_queued() == 2, "what was taken is no longer queued"
    intake.written()
    assert intake.to_acknowledge() == first
    intake.written()
    assert not intake.idle
    assert intake.to_acknowledge() == second
    assert intake.rows == 0
    assert intake.idle


def test_a_batch_is_bounded_by_its_payloads_too() -> None:
    intake = Intake(10, 1 << 20, lambda: None)
    sent = [Delivery(None, at, b"x" * size, at, 1) for at, size in enumerate((5, 5, 5, 50, 1))]
    intake.put(sent)
    assert intake.take(10, 0.0, 10) == sent[:2]
    assert intake.take(10, 0.0, 10) == sent[2:3], "the next one is too large beside it"
    assert intake.take(10, 0.0, 10) == sent[3:4], "too large, yet alone it goes"
    assert intake.take(10, 0.0, 10) == sent[4:]
