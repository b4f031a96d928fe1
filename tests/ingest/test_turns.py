"""Two batches under way change nothing but the time: the same rows, notes and counts, in the same order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from city.clock import ManualClock
from city.load import load_city
from ingest import writer
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.newest import Newest
from ingest.turns import Turns
from ingest.writer import BatchWriter
from store import bundle
from store.connection import Connection, connect
from tests.ingest.fed import START, START_US, TOPIC, message
from tests.ingest.road import Road, deliveries, refuse_often
from tests.running import eventually

_JOURNAL_LOCK = "SELECT pg_advisory_xact_lock(7234017283807667200)"  # as journal.sql takes it
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
PATIENCE_S = 60.0


@pytest.fixture
def second(database: str) -> Iterator[Connection]:
    with connect(database, autocommit=True) as conn:
        yield conn


@pytest.mark.parametrize(
    ("seed", "trouble", "looks"),
    [(1, "database", True), (2, "poison", True), (3, "database", False), (5, "none", True)],
)
def test_nothing_differs_for_two_under_way(
    conn: Connection,
    second: Connection,
    database: str,
    files: dict[str, str],
    seed: int,
    trouble: str,
    looks: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files["city.yaml"] += "quality: {water_depth: {spike: {change: 5 cm}, flat_line: {for: 30s}}}\n"
    if trouble == "poison":
        conn.execute("ALTER TABLE lifeline.readings ADD CONSTRAINT poison CHECK (value <> 66)")
    monkeypatch.setattr(writer, "WORTH_ROWS", 1)
    expected = Road(conn, looks=False).go(deliveries(seed), files)
    assert len(expected[0]) > 50, "there is something to compare"
    if trouble == "database":
        refuse_often(monkeypatch, seed)
    road = Road(conn, looks=looks, dsn=database, second=second)
    assert road.go(deliveries(seed), files) == expected
    assert (road.failed > 0) == (trouble != "none")


class Held:
    """Two batches, the first of which cannot be finished before the journal is let go."""

    def __init__(
        self, conn: Connection, second: Connection, files: dict[str, str], newest: Newest, patch: pytest.MonkeyPatch
    ) -> None:
        bundle.apply(conn, files, load_city(files), START)
        self.done: list[list[Delivery]] = []
        self.put = threading.Semaphore(0)
        self.turns = Turns(self.done.append)
        self.writer = BatchWriter(conn, ManualClock(START), None, newest, "", second)
        self.left: list[list[Delivery]] = []
        into = self.writer._put

        def telling(*args: object) -> writer.Put:
            found = into(*args)  # type: ignore[arg-type] # passed through
            self.put.release()
            return found

        patch.setattr(self.writer, "_put", telling)

    def write(self, *batches: list[Delivery]) -> None:
        for batch in batches:
            self.left += self.turns.write(self.writer, batch)
        self.left += self.turns.settle()


def batch(seq: int, *values: tuple[str, float], at_us: int = START_US) -> list[Delivery]:
    payload = message([(sensor, at_us, value) for sensor, value in values], seq=seq)
    return [Delivery(Decoders().decode(TOPIC, payload, at_us), at_us, payload, seq, 1, len(values))]


@pytest.fixture
def held(
    conn: Connection, second: Connection, database: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Held]:
    with closing(Newest(database)) as newest:
        yield Held(conn, second, files, newest, monkeypatch)


def test_the_next_goes_in_while_the_one_before_waits_for_its_commit(
    conn: Connection, database: str, held: Held
) -> None:
    first = batch(0, ("wl-011", 4.0), ("wl-012", 5.0), at_us=START_US)
    held.write(first)  # a sensor's first value goes in alone
    assert held.put.acquire(timeout=PATIENCE_S)
    later_us = START_US + 1_000_000
    batches = [batch(1, ("wl-011", 1.0), at_us=later_us), batch(2, ("wl-012", 2.0), at_us=later_us)]
    thread = threading.Thread(target=held.write, args=batches)
    with connect(database) as other:
        other.execute(_JOURNAL_LOCK)
        thread.start()
        assert all(held.put.acquire(timeout=PATIENCE_S) for _ in batches), "the second went in beside the first"
        assert held.done == [first]
        other.rollback()
    thread.join(PATIENCE_S)
    assert (held.done, held.left) == ([first, *batches], [])
    held.turns.close()
    found = conn.execute("SELECT value FROM lifeline.readings ORDER BY time, sensor_id").fetchall()
    assert found == [(4.0,), (5.0,), (1.0,), (2.0,)]


def test_what_comes_again_while_its_first_copy_waits_is_stored_once(
    conn: Connection, database: str, held: Held
) -> None:
    batches = [batch(0, ("wl-011", 1.0), ("wl-012", 2.0)), batch(0, ("wl-011", 1.0), ("wl-012", 3.0))]
    thread = threading.Thread(target=held.write, args=batches)
    with connect(database) as other, connect(database, autocommit=True) as watching:
        other.execute(_JOURNAL_LOCK)
        thread.start()
        eventually(lambda: watching.execute(_WAITING).fetchone() == (2,))  # for the journal, and for the first's rows
        other.rollback()
    thread.join(PATIENCE_S)
    assert (held.done, held.left) == (batches, [])
    held.turns.close()
    assert conn.execute("SELECT count(*), sum(value) FROM lifeline.readings").fetchone() == (2, 3.0)
    books = conn.execute("SELECT published, stored, repeated, rejected FROM lifeline.gateway_ledger").fetchone()
    assert books == (4, 2, 1, 1)
    assert conn.execute("SELECT reason, sensor FROM lifeline.rejections").fetchall() == [("conflict", "wl-012")]
