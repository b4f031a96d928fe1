"""Several batches under way change nothing but the time: the same rows, notes and counts, in the same order."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
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
_ROW = """\
INSERT INTO lifeline.readings (sensor_id, flag, time, value, received_at)
SELECT sensor_id, 0, lifeline.from_us(%s), 1.0, now() FROM lifeline.sensors WHERE sensor = %s"""
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
PATIENCE_S = 60.0


@pytest.fixture
def hands(database: str) -> Iterator[list[Connection]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(database, autocommit=True)) for _ in range(3)]


@pytest.mark.parametrize(
    ("seed", "trouble", "most"),
    [(1, "database", 3), (2, "poison", 3), (3, "database", 2), (4, "none", 3), (5, "none", 1), (6, "poison", 1)],
)
def test_nothing_differs_for_several_under_way(
    conn: Connection,
    hands: list[Connection],
    database: str,
    files: dict[str, str],
    seed: int,
    trouble: str,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files["city.yaml"] += "quality: {water_depth: {spike: {change: 5 cm}, flat_line: {for: 30s}}}\n"
    if trouble == "poison":
        conn.execute("ALTER TABLE lifeline.readings ADD CONSTRAINT poison CHECK (value <> 66)")
    expected = Road(conn).go(deliveries(seed), files)
    assert len(expected[0]) > 50, "there is something to compare"
    assert {reason for reason, *_ in expected[1]} >= {"future_time", "unknown_sensor"}
    beside = list[int]()

    def put(self: BatchWriter, ready: writer.Ready, hand: writer.Hand, before: Callable[[], object]) -> writer.Put:
        beside.append(hand.conn.info.backend_pid)
        return into(self, ready, hand, before)

    into = BatchWriter.put
    monkeypatch.setattr(BatchWriter, "put", put)
    if trouble == "database":
        refuse_often(monkeypatch, seed)
    road = Road(conn, database, hands[:most])
    assert road.go(deliveries(seed), files) == expected
    assert len(set(beside)) == most, "each hand had its turn"
    assert road.failed > 0 or trouble == "none"


class Held:
    """Batches under way; `put` counts those whose readings are in."""

    def __init__(
        self,
        conn: Connection,
        hands: list[Connection],
        files: dict[str, str],
        newest: Newest,
        patch: pytest.MonkeyPatch,
    ) -> None:
        bundle.apply(conn, files, load_city(files), START)
        self.done: list[list[Delivery]] = []
        self.put = threading.Semaphore(0)
        self.turns = Turns(self.done.append, self.put.release)
        self.writer = BatchWriter(conn, ManualClock(START), newest, "", hands)
        self.left: list[list[Delivery]] = []
        self.number = 0

    def write(self, *batches: list[Delivery]) -> None:
        for batch in batches:
            self.left += self.turns.write(self.writer, batch)
        self.left += self.turns.settle()

    def alone(self) -> None:
        """Write what is left, as the recorder does."""
        left, self.left = self.left, []
        for batch in left:
            self.writer.commit(batch)
            self.done.append(batch)

    def know(self, *sensors: str) -> None:
        """Let every hand have met these, and forget it."""
        for _ in range(1 + len(self.writer.hands)):
            self.number += 1
            self.write(batch(self.number, *[(sensor, 9.0) for sensor in sensors], at_us=START_US + self.number * 1_000))
            self.alone()
        self.done.clear()
        while self.put.acquire(blocking=False):
            pass


def batch(seq: int, *values: tuple[str, float], at_us: int = START_US) -> list[Delivery]:
    payload = message([(sensor, at_us, value) for sensor, value in values], seq=seq)
    return [Delivery(Decoders().decode(TOPIC, payload, at_us), at_us, payload, seq, 1, len(values))]


@pytest.fixture
def held(
    conn: Connection, hands: list[Connection], database: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Held]:
    with closing(Newest(database)) as newest:
        held = Held(conn, hands, files, newest, monkeypatch)
        held.know("wl-011", "wl-012")
        conn.execute("DELETE FROM lifeline.readings")
        yield held
        held.turns.close()


LATER_US = START_US + 1_000_000


def test_others_go_in_while_the_one_before_waits_for_its_commit(conn: Connection, database: str, held: Held) -> None:
    batches = [batch(10 + number, ("wl-011", float(number)), at_us=LATER_US + number * 1_000) for number in range(3)]
    thread = threading.Thread(target=held.write, args=batches)
    with connect(database) as other:
        other.execute(_JOURNAL_LOCK)
        thread.start()
        assert all(held.put.acquire(timeout=PATIENCE_S) for _ in batches), "all three went in"
        assert held.done == []
        other.rollback()
    thread.join(PATIENCE_S)
    assert (held.done, held.left) == (batches, [])
    found = conn.execute("SELECT value FROM lifeline.readings ORDER BY time, sensor_id").fetchall()
    assert found == [(0.0,), (1.0,), (2.0,)]


def test_a_batch_goes_in_while_the_one_before_is_on_its_way_and_is_committed_after_it(
    conn: Connection, database: str, held: Held
) -> None:
    batches = [batch(10, ("wl-011", 1.0), at_us=LATER_US), batch(11, ("wl-012", 2.0), at_us=LATER_US)]
    thread = threading.Thread(target=held.write, args=batches)
    with connect(database) as other:
        other.execute(_ROW, (LATER_US, "wl-011"))
        thread.start()
        assert held.put.acquire(timeout=PATIENCE_S), "the second is in"
        assert held.done == []
        other.rollback()
    thread.join(PATIENCE_S)
    assert (held.done, held.left) == (batches, [])


def test_a_batch_gives_way_when_the_one_before_waits_for_its_rows(conn: Connection, database: str, held: Held) -> None:
    batches = [batch(10, ("wl-011", 1.0), ("wl-012", 2.0), at_us=LATER_US), batch(11, ("wl-012", 2.0), at_us=LATER_US)]
    thread = threading.Thread(target=held.write, args=batches)
    with connect(database) as other:
        other.execute(_ROW, (LATER_US, "wl-011"))
        thread.start()
        assert held.put.acquire(timeout=PATIENCE_S), "the second is in, and has a row that the first shall have"
        other.rollback()
    thread.join(PATIENCE_S)
    assert (held.done, held.left) == (batches[:1], batches[1:])
    held.alone()
    assert conn.execute("SELECT count(*), sum(value) FROM lifeline.readings").fetchone() == (2, 3.0)
    books = conn.execute("SELECT stored, repeated, rejected FROM lifeline.gateway_ledger").fetchone()
    assert books == (2 + 2 * held.number, 1, 0)


def test_what_comes_again_while_its_first_copy_waits_is_stored_once(
    conn: Connection, database: str, held: Held
) -> None:
    batches = [
        batch(10, ("wl-011", 1.0), ("wl-012", 2.0), at_us=LATER_US),
        batch(10, ("wl-011", 1.0), ("wl-012", 3.0), at_us=LATER_US),
    ]
    with connect(database) as other, connect(database, autocommit=True) as watching:
        other.execute(_JOURNAL_LOCK)
        assert held.turns.write(held.writer, batches[0]) == []
        assert held.put.acquire(timeout=PATIENCE_S)
        thread = threading.Thread(target=held.write, args=batches[1:])
        thread.start()
        eventually(lambda: watching.execute(_WAITING).fetchone() == (2,))  # for the journal, and for the first's rows
        other.rollback()
    thread.join(PATIENCE_S)
    assert (held.done, held.left) == (batches, [])
    assert conn.execute("SELECT count(*), sum(value) FROM lifeline.readings").fetchone() == (2, 3.0)
    books = conn.execute("SELECT stored, repeated, rejected FROM lifeline.gateway_ledger").fetchone()
    assert books == (2 + 2 * held.number, 1, 1)
    assert conn.execute("SELECT reason, sensor FROM lifeline.rejections").fetchall() == [("conflict", "wl-012")]
