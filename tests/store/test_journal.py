"""The journal is in commit order, its followers never go back, and it is trimmed behind the slowest one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event, Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import OutsideError
from city.reading import Readings
from store import journal
from store.connection import Connection, connect

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)


def _append(dsn: str, times: int, rolled_back: bool = False) -> None:
    with connect(dsn, autocommit=True) as conn:
        for _ in range(times):
            with conn.transaction():
                conn.execute("SELECT 1")
                journal.append(conn, "tick", b"{}", NOW)
            if rolled_back:
                with conn.transaction(force_rollback=True):
                    journal.append(conn, "tick", b"{}", NOW)


@pytest.mark.sessions
def test_a_follower_never_sees_a_smaller_number_appear_later(store_database: str) -> None:
    seen: list[int] = []
    done = Event()

    def follow() -> None:
        with connect(store_database, autocommit=True) as conn:
            finished = False
            while True:
                last = seen[-1] if seen else 0
                entries = journal.read(conn, last, 7)
                seen.extend(entry.seq for entry in entries)
                if finished and not entries:
                    return
                finished = done.is_set()

    follower = Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(_append, [store_database] * 6, [40] * 6, [False, True] * 3))
    done.set()
    follower.join()
    with connect(store_database, autocommit=True) as conn:
        everything = [entry.seq for entry in journal.read(conn, 0, 10_000)]
    assert seen == everything
    assert len(everything) == 240


@pytest.mark.sessions
def test_append_outside_a_transaction_is_refused(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn, pytest.raises(ValueError, match="open transaction"):
        journal.append(conn, "tick", b"{}", NOW)


def test_an_entry_comes_back_as_it_went_in(conn: Connection) -> None:
    seq = journal.append(conn, "command", b'{"id": "1"}', NOW)
    assert journal.read(conn, 0, 10) == [journal.Entry(seq, "command", NOW, b'{"id": "1"}')]
    assert journal.read(conn, seq, 10) == []
    assert journal.last_seq(conn) == seq


@pytest.mark.sessions
def test_waiting_ends_with_an_append_even_one_before_the_wait(store_database: str) -> None:
    with connect(store_database, autocommit=True) as listener:
        journal.listen(listener)
        _append(store_database, 1)
        assert len(journal.read(listener, 0, 10)) == 1
        assert journal.wait(listener, 10.0)
        assert not journal.wait(listener, 0.01)
        thread = Thread(target=_append, args=(store_database, 1))
        thread.start()
        assert journal.wait(listener, 10.0)
        thread.join()


def test_a_checkpoint_moves_forward_only(conn: Connection) -> None:
    assert journal.checkpoint(conn, "watcher") == 0
    journal.set_checkpoint(conn, "watcher", 5, NOW)
    journal.set_checkpoint(conn, "watcher", 5, NOW)
    with pytest.raises(OutsideError, match="stands at journal row 5, refused to go back to 4"):
        journal.set_checkpoint(conn, "watcher", 4, NOW)
    assert journal.checkpoint(conn, "watcher") == 5


def test_snapshots_come_back_and_trim_stays_behind_the_slowest(conn: Connection) -> None:
    seqs = [journal.append(conn, "tick", b"{}", NOW) for _ in range(10)]
    assert journal.trim(conn) == 0, "nobody follows yet"
    journal.set_checkpoint(conn, "watcher", seqs[7], NOW)
    assert journal.trim(conn) == 0, "the watcher would restart from the beginning"
    snapshot = journal.Snapshot(seqs[4], "bundle", b"state")
    journal.save_snapshot(conn, "watcher", snapshot, NOW)
    assert journal.load_snapshot(conn, "watcher") == snapshot
    journal.set_checkpoint(conn, "mirror", seqs[9], NOW)
    journal.save_snapshot(conn, "mirror", journal.Snapshot(seqs[2], "bundle", b""), NOW)
    assert journal.trim(conn) == 3
    assert [entry.seq for entry in journal.read(conn, 0, 100)] == seqs[3:]
    with pytest.raises(OutsideError, match="newer snapshot"):
        journal.save_snapshot(conn, "watcher", journal.Snapshot(seqs[3], "bundle", b""), NOW)


def test_trim_takes_portions(conn: Connection) -> None:
    seqs = [journal.append(conn, "tick", b"{}", NOW) for _ in range(10)]
    journal.set_checkpoint(conn, "watcher", seqs[-1], NOW)
    journal.save_snapshot(conn, "watcher", journal.Snapshot(seqs[-1], "b", b""), NOW)
    assert [journal.trim(conn, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert journal.append(conn, "tick", b"{}", NOW) > seqs[-1]


_numbers = st.floats(allow_nan=False, allow_infinity=False)
_rows = st.tuples(
    st.integers(1, 2**31 - 1),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    _numbers,
    st.sampled_from([1, 2, 3, 4, 9]),
    _numbers,
)


@given(st.lists(_rows, max_size=20))
def test_readings_survive_the_journal(rows: list[tuple[int, int, int, float, int, float]]) -> None:
    readings = Readings.of(rows)
    back = journal.decode_readings(journal.encode_readings(readings))
    for name in Readings.__slots__:
        before, after = getattr(readings, name), getattr(back, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("payload", [b"", b"LLR1x", b"{}" * 20])
def test_a_foreign_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(OutsideError, match="not a readings payload"):
        journal.decode_readings(payload)
