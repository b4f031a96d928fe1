"""How often a batch's transaction goes to the server and back: each time waits for the scheduler twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from psycopg import pq

from city.clock import ManualClock
from ingest.intake import Delivery
from ingest.newest import Newest
from ingest.posting import Posting
from ingest.turns import Turns
from ingest.writer import BatchWriter
from store.connection import Connection, connect
from tests.ingest.fed import START, START_US, TOPIC, Fed, message

_WAITED_FOR = ("ReadyForQuery", "CopyInResponse")  # what a client waits for before it says more


@contextmanager
def _ways(conn: Connection, file: Path) -> Iterator[list[int]]:
    """How often the server was waited for within the block: the list's one number, afterwards."""
    counted: list[int] = []
    with file.open("w+") as log:
        conn.pgconn.trace(log.fileno())
        conn.pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
        yield counted
        conn.pgconn.untrace()
    counted.append(sum(line.split("\t")[2] in _WAITED_FOR for line in file.read_text().splitlines() if "\t" in line))


class Beside(Fed):
    """One whose batches go in by a hand, as the recorder's do; those that cannot are written alone."""

    def __init__(self, conn: Connection, hand: Connection, newest: Newest, posting: Posting) -> None:
        super().__init__(conn)
        self.writer, self.hand = BatchWriter(conn, ManualClock(START), newest, "", [hand], posting), hand
        self.turns = Turns(lambda _: None, most=1)

    def hear(self, *payloads: bytes, at_us: int = START_US) -> None:
        batch = [Delivery(self.decoders.decode(TOPIC, one, at_us), at_us, one, 1, 1) for one in payloads]
        for one in [*self.turns.write(self.writer, batch), *self.turns.settle()]:
            self.writer.commit(one)


@pytest.fixture
def fed(city_database: str, conn: Connection) -> Iterator[Beside]:
    with (
        connect(city_database, autocommit=True) as hand,
        closing(Newest(city_database)) as newest,
        closing(Posting(city_database)) as posting,
    ):
        fed = Beside(conn, hand, newest, posting)
        yield fed
        fed.turns.close()


def test_a_batch_asks_the_server_seldom(fed: Beside, tmp_path: Path) -> None:
    def batch(number: int, value: float = 0.5) -> list[bytes]:
        places = range(number * 10, number * 10 + 10)
        return [message([("wl-002", START_US + at * 1_000_000, value)], seq=at) for at in places]

    def ways(*payloads: bytes) -> int:
        with _ways(fed.hand, tmp_path / "trace") as counted:
            fed.hear(*payloads)
        return counted[0]

    for number in range(8):  # what is asked once: the register, a partition; and what is prepared once it came often
        fed.hear(*batch(number))
    fresh = [ways(*batch(number)) for number in (8, 9)]
    assert fresh == [3, 3], "begin and COPY; its end; accounts, journal and commit"
    assert ways(*batch(0)) <= 7, "a COPY in vain, its end in psycopg, and what stands"
    for number in range(1, 7):
        fed.hear(*batch(number))
    assert [ways(*batch(number)) for number in (7, 8)] == [3, 3], "begin; what stands; accounts and commit"
    assert ways(*batch(1)[5:], *batch(10)) == 5, "what stands, and a COPY of the rest"
    assert ways(*batch(2, 0.7)) <= 6, "conflicts: what was told of them, and telling it"
    assert fed.conn.execute("SELECT count(*), sum(value) FROM lifeline.readings").fetchall() == [(110, 55.0)]
    told = fed.conn.execute("SELECT reason, count(*) FROM lifeline.rejections GROUP BY reason").fetchall()
    assert told == [("conflict", 10)]
