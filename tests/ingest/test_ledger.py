"""The ledger: message numbers in any order, hours that add up, recorders that share a gateway's messages."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city.clock import ManualClock, to_us
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.ledger import HOUR_US
from ingest.numbering import Came, Gap, Numbering, take
from ingest.writer import BatchWriter
from store.connection import Connection, connect

START = datetime(2026, 7, 1, tzinfo=UTC)
START_US = to_us(START)
TOPIC = "lifeline/v1/north/gw-1/readings"


def missing(came: Iterable[tuple[int, int, bool]]) -> tuple[Numbering, int]:
    """What is missing after messages of (number, second of the newest reading, any reading new)."""
    state, changes = take(None, [(Came(seq, at_s * 1_000_000, fresh), 0) for seq, at_s, fresh in came])
    return state, changes.get(0, 0)


def steady(*numbers: int) -> list[tuple[int, int, bool]]:
    """A gateway that measures every ten seconds; a number that comes again brings nothing new."""
    return [(seq, seq * 10, seq not in numbers[:at]) for at, seq in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ((1, 2, 3), 0),
        ((1, 2, 5), 2),
        ((1, 2, 5, 3), 1),
        ((1, 2, 5, 4, 3), 0),
        ((1, 2, 5, 5, 2), 2),
        ((150, 1, 151, 2), 147),  # the first ones come again, late: no new beginning
        ((150, 151, *range(1, 150)), 0),
        ((7, 5, 6), 0),
        ((0, *range(400, 500), *range(1, 400), 500), 0),
        ((*range(1, 200), 1, 2, 200), 0),  # redelivered, and known
        ((5, 3_000_000, 3_000_001), 0),  # too far to be a gap
    ],
)
def test_gaps_are_counted_and_fill(numbers: tuple[int, ...], lost: int) -> None:
    assert missing(steady(*numbers))[1] == lost


@pytest.mark.parametrize("again", [0, 1, 2, 17])
def test_a_box_that_begins_anew_is_no_loss(again: int) -> None:
    before = steady(*range(400, 500))
    after = [(again + n, 6_000 + 10 * n, True) for n in range(30)]
    state, lost = missing([*before, *after])
    assert (state.first, state.last, lost) == (again, again + 29, 0)
    assert missing([*before, *after, (450, 4_500, False), (again + 31, 9_000, True)])[1] == 1


@given(st.lists(st.integers(0, 60), min_size=1, max_size=60, unique=True), st.randoms(use_true_random=False), st.data())
def test_what_is_missing_is_what_did_not_come_whatever_the_order(
    sent: list[int], order: random.Random, data: st.DataObject
) -> None:
    refused = data.draw(st.sets(st.sampled_from(sent)))  # all readings of these are poison
    numbers = [*sent, *data.draw(st.lists(st.sampled_from(sent)))]
    order.shuffle(numbers)
    came = [(seq, seq * 10, seq not in refused and seq not in numbers[:at]) for at, seq in enumerate(numbers)]
    state, lost = missing(came)
    assert (state.first, state.last) == (min(sent), max(sent))
    assert lost == max(sent) - min(sent) + 1 - len(sent)
    assert lost == sum(high - low + 1 for low, high, _ in state.gaps)


@given(
    st.lists(
        st.tuples(
            st.builds(
                Came, st.integers(0, 8) | st.integers(0, 300), st.integers(0, 9).map(lambda s: s * 10**6), st.booleans()
            ),
            st.integers(0, 1),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_numbers_taken_together_are_numbers_taken_one_by_one(came: list[tuple[Came, int]]) -> None:
    together, changes = take(None, came)
    alone, summed = None, dict[int, int]()
    for one in came:
        alone, found = take(alone, [one])
        summed = {hour: summed.get(hour, 0) + found.get(hour, 0) for hour in summed.keys() | found.keys()}
    assert together == alone
    assert {hour: change for hour, change in changes.items() if change} == {h: c for h, c in summed.items() if c}


def test_a_gap_is_kept_in_the_hour_in_which_it_was_found() -> None:
    came = [(Came(1, 0, True), 7), (Came(5, 40, True), 7), (Came(9, 80, True), 8), (Came(3, 20, True), 9)]
    state, changes = take(None, came)
    assert changes == {7: 2, 8: 3}
    assert state.gaps == (Gap(2, 2, 7), Gap(4, 4, 7), Gap(6, 8, 8))


class Recorder:
    """A recorder's writer that is fed by hand."""

    def __init__(self, conn: Connection) -> None:
        self.writer, self.decoders = BatchWriter(conn, ManualClock(START)), Decoders()

    def hear(self, *payloads: bytes, at_us: int = START_US) -> None:
        made = [Delivery(self.decoders.decode(TOPIC, payload, at_us), at_us, payload, 1, 1) for payload in payloads]
        self.writer.commit(made)


def message(seq: int, sensors: Sequence[str] = ("wl-003", "wl-004"), value: float = 1.0) -> bytes:
    time_ms = START_US // 1000 - 100_000 + seq * 1000
    return json.dumps(
        {"seq": seq, "readings": [{"sensor": name, "time": time_ms, "value": value} for name in sensors]}
    ).encode()


def hours(conn: Connection) -> list[tuple[int, ...]]:
    found = conn.execute(
        """SELECT published, received, stored, repeated, rejected, missing, messages
           FROM city.gateway_hours WHERE gateway = 'gw-1' ORDER BY hour"""
    ).fetchall()
    for published, _, stored, repeated, rejected, *_ in found:
        assert published == stored + repeated + rejected
    return found


def account(conn: Connection) -> tuple[int, ...] | None:
    return conn.execute(
        """SELECT published, received, stored, repeated, rejected, missing, messages
           FROM city.gateways WHERE gateway = 'gw-1'"""
    ).fetchone()


def test_recorders_that_share_a_gateway_agree_on_what_is_missing(conn: Connection, city_database: str) -> None:
    with connect(city_database, autocommit=True) as other:
        two = Recorder(conn), Recorder(other)
        for seq in range(40):
            if seq not in (11, 12, 30):
                two[seq % 2].hear(message(seq))
        assert account(conn) == (74, 74, 74, 0, 0, 3, 37)
        two[0].hear(message(11))
        two[1].hear(message(11))
    assert account(conn) == (78, 78, 76, 2, 0, 2, 39)


def test_hours_add_up_to_the_sums(conn: Connection) -> None:
    recorder = Recorder(conn)
    recorder.hear(message(1), message(2), message(6))
    recorder.hear(message(7), message(2), message(8, ["nobody", "wl-005"]), b"{", at_us=START_US + HOUR_US)
    recorder.hear(message(4), message(8, ["wl-005"], 3.0), at_us=START_US + 2 * HOUR_US)
    assert hours(conn) == [(6, 6, 6, 0, 0, 2, 3), (7, 6, 3, 2, 2, 0, 4), (3, 3, 2, 0, 1, 0, 2)]
    assert account(conn) == tuple(map(sum, zip(*hours(conn), strict=True)))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
def test_whatever_is_delivered_the_ledger_adds_up(conn: Connection, city_database: str, data: st.DataObject) -> None:
    """Any messages, shuffled, repeated, lost and poisoned, over any batches, hours and two recorders."""
    for table in ("gateway_ledger", "gateway_hours", "readings", "latest", "rejections"):
        conn.execute(f"DELETE FROM lifeline.{table}".encode())  # noqa: S608 - the names above
    seqs = data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=25))
    poison = data.draw(st.sets(st.integers(0, 30)))
    payloads = [message(seq, ["nobody", "wl-003"] if seq in poison else ["wl-003", "wl-004"]) for seq in seqs]
    payloads += data.draw(st.lists(st.sampled_from([b"{", b"[]", b'{"seq": 99}']), max_size=3))
    payloads = data.draw(st.permutations(payloads))
    with connect(city_database, autocommit=True) as other:
        recorders = Recorder(conn), Recorder(other)
        while payloads:
            batch = data.draw(st.integers(1, 6))
            hour = data.draw(st.integers(0, 2))
            data.draw(st.sampled_from(recorders)).hear(*payloads[:batch], at_us=START_US + hour * HOUR_US)
            payloads = payloads[batch:]
    sums = tuple(map(sum, zip(*hours(conn), strict=True)))
    assert sums == account(conn)
    seen = set(seqs)
    assert sums[5] == max(seen) - min(seen) + 1 - len(seen)
    assert sums[2] == sum(1 if seq in poison else 2 for seq in seen)
    assert conn.execute("SELECT count(*) FROM lifeline.readings").fetchone() == (sums[2],)
