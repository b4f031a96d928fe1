"""Whatever arrives, however often: the table says what a dict would say, and each row is told its fate."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Thread

import numpy as np
import pytest

from city.clock import from_us, to_us
from city.reading import Readings
from store import journal
from store.connection import Connection, connect
from store.readings import ReadingWriter, Written

START_US = to_us(datetime(2026, 6, 30, 23, 0, tzinfo=UTC))
_SELECT = "SELECT sensor_id, (extract(epoch FROM time) * 1000000)::bigint, value"
Row = tuple[int, int, int, float, int, float]


def _row(sensor: int, minute: int, value: float, raw: float | None = None) -> Row:
    time_us = START_US + minute * 60_000_000
    return (sensor, time_us, time_us + 5_000_000, value, 1, value if raw is None else raw)


def _write(writer: ReadingWriter, conn: Connection, rows: list[Row]) -> Written:
    with conn.transaction():
        return writer.write(Readings.of(rows))


def _fates(written: Written) -> list[str]:
    assert ((written.new.astype(int) + written.repeated + written.conflicting) == 1).all()
    return [
        "new" if n else "repeated" if r else "conflicting" for n, r in zip(written.new, written.repeated, strict=True)
    ]


def test_first_value_wins_and_every_row_is_told(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
        writer = ReadingWriter(conn)
        first = _write(writer, conn, [_row(1, 0, 5.0), _row(1, 0, 5.0), _row(1, 0, 6.0), _row(2, 0, 7.0, raw=70.0)])
        assert _fates(first) == ["new", "repeated", "conflicting", "new"]
        assert first.stored.tolist() == [5.0, 5.0, 5.0, 7.0]
        again = _write(writer, conn, [_row(2, 0, 8.0, raw=70.0), _row(1, 0, 9.0), _row(3, 1, 1.0), _row(1, 0, 5.0)])
        assert _fates(again) == ["repeated", "conflicting", "new", "repeated"]
        assert again.stored.tolist() == [7.0, 5.0, 1.0, 5.0]
        rows = conn.execute("SELECT sensor_id, value, raw, flag FROM lifeline.readings ORDER BY 1").fetchall()
        assert rows == [(1, 5.0, None, 1), (2, 7.0, 70.0, 1), (3, 1.0, None, 1)]


def test_an_empty_batch_is_nothing(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
        assert _fates(_write(ReadingWriter(conn), conn, [])) == []


def test_times_are_kept_to_the_microsecond(store_database: str) -> None:
    moment = datetime(2026, 7, 1, 8, 0, 0, 123457, tzinfo=UTC)
    with connect(store_database, autocommit=True) as conn:
        _write(ReadingWriter(conn), conn, [(1, to_us(moment), to_us(moment) + 1, -0.5, 3, -0.5)])
        row = conn.execute("SELECT time, received_at, value, flag FROM lifeline.readings").fetchone()
        assert row == (moment, moment.replace(microsecond=123458), -0.5, 3)
        latest = conn.execute("SELECT time, received_at, value, flag FROM lifeline.latest").fetchone()
        assert latest == row


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_batches_agree_with_a_dict(store_database: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    oracle: dict[tuple[int, int], float] = {}
    with connect(store_database, autocommit=True) as conn:
        writer = ReadingWriter(conn)
        for _ in range(40):
            if chance.random() < 0.1:
                writer = ReadingWriter(conn)  # a restart: back to the fast way, nothing remembered
            rows = _random_rows(chance, oracle)
            undone = chance.random() < 0.15
            expected, after = _expected(rows, dict(oracle))
            with conn.transaction(force_rollback=bool(undone)):
                written = writer.write(Readings.of(rows))
            assert list(zip(_fates(written), written.stored.tolist(), strict=True)) == expected
            oracle = oracle if undone else after
        stored = conn.execute(f"{_SELECT} FROM lifeline.readings").fetchall()
        assert {(sensor, time_us): value for sensor, time_us, value in stored} == oracle
        assert len(stored) == len(oracle)
        latest = conn.execute(f"{_SELECT} FROM lifeline.latest").fetchall()
        newest = {sensor: max(t for s, t in oracle if s == sensor) for sensor, _ in oracle}
        assert sorted(latest) == sorted((s, t, oracle[s, t]) for s, t in newest.items())


def _random_rows(chance: np.random.Generator, oracle: dict[tuple[int, int], float]) -> list[Row]:
    """Mostly fresh rows over three months; sometimes repeats and revisions of old ones, and of each other."""
    rows = []
    known = list(oracle)
    fresh_only = chance.random() < 0.4
    for _ in range(int(chance.integers(1, 60))):
        value = float(chance.integers(0, 3))
        if known and not fresh_only and chance.random() < 0.3:
            sensor, time_us = known[int(chance.integers(len(known)))]
            value = oracle[sensor, time_us] if chance.random() < 0.6 else value
        else:
            minute = int(chance.integers(0, 3 * 30 * 24 * 60 if fresh_only else 500))
            sensor, time_us = int(chance.integers(1, 8)), START_US + minute * 60_000_000
        rows.append((sensor, time_us, time_us + 1_000_000, value, 1, value))
    return rows


def _expected(
    rows: list[Row], oracle: dict[tuple[int, int], float]
) -> tuple[list[tuple[str, float]], dict[tuple[int, int], float]]:
    fates = []
    for sensor, time_us, _, value, _, _ in rows:
        stands = oracle.get((sensor, time_us))
        fate = "new" if stands is None else "repeated" if stands == value else "conflicting"
        fates.append((fate, oracle.setdefault((sensor, time_us), value)))
    return fates, oracle


def test_a_partition_lost_with_its_transaction_is_made_again(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
        writer = ReadingWriter(conn)
        with conn.transaction(force_rollback=True):
            writer.write(Readings.of([_row(1, 0, 1.0)]))
        assert _fates(_write(writer, conn, [_row(1, 0, 1.0)])) == ["new"]


def test_what_the_caller_wrote_before_survives_a_repeat(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
        _write(ReadingWriter(conn), conn, [_row(1, 0, 1.0)])
        with conn.transaction():
            conn.execute("INSERT INTO lifeline.gateway_ledger (gateway) VALUES ('gw')")
            written = ReadingWriter(conn).write(Readings.of([_row(1, 0, 1.0)]))
        assert _fates(written) == ["repeated"]
        assert conn.execute("SELECT gateway FROM lifeline.gateway_ledger").fetchall() == [("gw",)]


@pytest.mark.sessions
def test_two_writers_of_one_row_agree_who_was_first(store_database: str) -> None:
    fates: list[str] = []
    with connect(store_database) as one, connect(store_database, autocommit=True) as two:
        _write(ReadingWriter(two), two, [_row(9, 0, 0.0)])  # the partition is there already
        ReadingWriter(one).write(Readings.of([_row(1, 0, 1.0)]))
        thread = Thread(target=lambda: fates.extend(_fates(_write(ReadingWriter(two), two, [_row(1, 0, 2.0)]))))
        thread.start()
        with connect(store_database, autocommit=True) as watching:
            query = "SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s"
            while watching.execute(query, (two.info.backend_pid,)).fetchone() is None:
                assert thread.is_alive()
        one.commit()
        thread.join()
    assert fates == ["conflicting"]


@pytest.mark.sessions
def test_writers_side_by_side_count_every_row_once_and_never_deadlock(store_database: str) -> None:
    def work(seed: int) -> int:
        chance = np.random.default_rng(seed)
        counted = 0
        with connect(store_database, autocommit=True) as conn:
            writer = ReadingWriter(conn)
            for _ in range(25):
                keys = zip(chance.integers(1, 30, 40).tolist(), chance.integers(0, 20, 40).tolist(), strict=True)
                rows = [_row(sensor, minute, float(sensor * minute)) for sensor, minute in keys]
                with conn.transaction():
                    written = writer.write(Readings.of(rows))
                    journal.append(conn, "tick", b"{}", from_us(START_US))
                assert not written.conflicting.any()
                counted += int(written.new.sum())
        return counted

    with ThreadPoolExecutor(4) as threads:
        counted = sum(threads.map(work, range(4)))
    with connect(store_database) as conn:
        assert conn.execute("SELECT count(*) FROM lifeline.readings").fetchone() == (counted,)
        wrong = """SELECT l.sensor_id FROM lifeline.latest l
                   WHERE l.time <> (SELECT max(r.time) FROM lifeline.readings r WHERE r.sensor_id = l.sensor_id)"""
        assert conn.execute(wrong).fetchall() == []


def test_every_bucket_that_a_batch_touched_is_marked_however_it_went_in(store_database: str) -> None:
    """Straight into one piece, through the table (two months at once), and beside what stands."""
    random = np.random.default_rng(20)
    with connect(store_database, autocommit=True) as conn:
        writer, touched = ReadingWriter(conn), set[int]()
        conn.execute("DELETE FROM lifeline.dirty_buckets")
        for first, last in ((0, 59), (60, 400), (0, 400), (200, 300)):
            rows = [_row(int(n), int(minute), 1.0) for n, minute in enumerate(random.integers(first, last, 40))]
            fresh = np.flatnonzero(_write(writer, conn, rows).new).tolist()
            touched |= {rows[at][1] // 300_000_000 * 300_000_000 for at in fresh}
            marked = conn.execute("SELECT DISTINCT bucket FROM lifeline.dirty_buckets WHERE minutes = 5").fetchall()
            assert {to_us(bucket) for (bucket,) in marked} == touched


def test_a_piece_that_was_let_go_meanwhile_is_made_again(store_database: str) -> None:
    with connect(store_database, autocommit=True) as conn:
        writer = ReadingWriter(conn)
        _write(writer, conn, [_row(1, 0, 1.0)])
        (piece,) = conn.execute("SELECT piece FROM lifeline.pieces('readings')").fetchone() or ("",)
        conn.execute("SELECT lifeline.drop_piece('readings', %s)", (piece,))
        assert _fates(_write(writer, conn, [_row(1, 0, 2.0), _row(1, 1, 3.0)])) == ["new", "new"]
        assert conn.execute("SELECT value FROM lifeline.readings ORDER BY time").fetchall() == [(2.0,), (3.0,)]
