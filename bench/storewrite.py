"""How fast readings become durable: the recorder's own writer with roll-ups kept up, against raw COPY, turn by turn."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from bench.storecity import DAY, NOW, Scale, minutes
from city.clock import SystemClock, stopwatch_s
from city.reading import Readings
from ingest.newest import Newest
from store import rollups
from store.columns import copy_bytes
from store.connection import Connection, connect
from store.readings import ReadingWriter

TURN = 30  # minutes of readings written one way before the other has its turn
COPY = "COPY lifeline.readings (sensor_id, flag, time, value, received_at, raw) FROM STDIN (FORMAT binary)"
_TRIGGERS = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'lifeline.readings'::regclass AND NOT tgisinternal"


@dataclass(frozen=True, slots=True)
class Writing:
    """Rows per second: the writer with roll-ups kept up to date, the writer alone, raw COPY of the same rows."""

    rows: int
    kept_per_s: float
    written_per_s: float
    copied_per_s: float

    @property
    def ratio(self) -> float:
        """Writer with upkeep to raw COPY."""
        return self.kept_per_s / self.copied_per_s


class Keeper:
    """Keeps roll-ups up beside the writer, over a connection of its own, as the keeper does; a context manager."""

    def __init__(self, dsn: str) -> None:
        self._conn = connect(dsn, autocommit=True, application_name="lifeline bench keeper")
        self._now, self._stop, self._turn = DAY, threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._work, name="keeper", daemon=True)
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._conn.close()

    def reached(self, now: datetime) -> None:
        """Say how far the city's time has come."""
        self._now = now

    def drain(self, *, last: bool = False) -> None:
        """Compute what is over by now (`last`: without waiting for stragglers)."""
        with self._turn:
            if self._failure is not None:
                raise self._failure
            settle_s = 0.0 if last else rollups.SETTLE_S
            for _ in rollups.keep_up(self._conn, self._now, settle_s=settle_s, wait_s=0.0):
                pass
            rollups.tidy(self._conn, self._now - timedelta(days=2), self._now + timedelta(days=3))

    def _work(self) -> None:
        wall = SystemClock()
        try:
            while not wall.pause_s(0.2, self._stop):
                with self._turn:
                    rollups.tidy(self._conn, self._now - timedelta(days=2))  # as the keeper does every few seconds
                    for _ in rollups.keep_up(self._conn, self._now, wait_s=0.5):
                        if self._stop.is_set():
                            return
        except Exception as error:  # noqa: BLE001 - told to whoever drains
            self._failure = error


def measure(dsn: str, other: str, scale: Scale, progress: Callable[[str], None]) -> Writing:
    """Write the day both ways, a turn each, and wait for the roll-ups in every turn of the writer's."""
    rows, kept_s, written_s, copied_s = 0, 0.0, 0.0, 0.0
    with (
        connect(dsn, autocommit=True, application_name="lifeline bench") as conn,
        connect(other, autocommit=True, application_name="lifeline bench") as plain,
        Keeper(dsn) as keeper,
    ):
        without_triggers(plain)
        writer = Writer(conn, dsn)
        for first in range(0, scale.minutes, TURN):
            progress(f"writing {first}/{scale.minutes} minutes, {rows / kept_s if kept_s else 0:,.0f} rows/s")
            batches = list(minutes(scale, first, min(TURN, scale.minutes - first)))
            last = first + TURN >= scale.minutes
            began_s = stopwatch_s()
            for number, batch in enumerate(batches, first + 1):
                writer.write(batch)
                keeper.reached(DAY + timedelta(minutes=number))
            writer.settle()
            written_s += stopwatch_s() - began_s
            if last:
                keeper.reached(NOW)  # the day is over, also where only its first hours were written
            keeper.drain(last=last)
            kept_s += stopwatch_s() - began_s
            copied_s += _copy(plain, [copy_bytes(batch) for batch in batches], first)
            rows += sum(map(len, batches))
    return Writing(rows, rows / kept_s, rows / written_s, rows / copied_s)


class Writer:
    """Writes as the recorder does: batches in transactions, the newest value of each sensor beside them."""

    def __init__(self, conn: Connection, dsn: str) -> None:
        self._conn, self._dsn = conn, dsn
        self._readings = ReadingWriter(conn, math.inf)
        self._newest: Newest | None = None

    def write(self, batch: Readings) -> None:
        """One batch, committed."""
        with self._conn.transaction():
            self._readings.begin()
            self._readings.write(batch)
        self._readings.committed()
        if self._newest is None:
            self._newest = Newest(self._dsn)
        self._newest.hear(self._readings.take_held())

    def settle(self) -> None:
        """Wait for the newest values, as long as `Newest.close` does."""
        if self._newest is not None:
            self._newest.close()
            self._newest = None


def without_triggers(conn: Connection) -> None:
    """Let nothing keep up what is copied here."""
    for (name,) in conn.execute(_TRIGGERS).fetchall():
        conn.execute(f'DROP TRIGGER "{name}" ON lifeline.readings'.encode())


def _copy(conn: Connection, blocks: list[bytes], first: int) -> float:
    at = DAY + timedelta(minutes=first)
    conn.execute("SELECT lifeline.prepare_readings(%s, %s)", (at, at + timedelta(minutes=len(blocks))))
    began_s = stopwatch_s()
    for block in blocks:
        with conn.transaction(), conn.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write(block)
    return stopwatch_s() - began_s


@dataclass(frozen=True, slots=True)
class Polled:
    """Rows per second of the writer (with upkeep) without and with walls that refresh."""

    alone_per_s: float
    polled_per_s: float

    @property
    def ratio(self) -> float:
        """With to without."""
        return self.polled_per_s / self.alone_per_s


def polled(dsn: str, scale: Scale, turns: int, polling: Callable[[], AbstractContextManager[None]]) -> Polled:
    """Write on after the day, in turns without and with dashboards polling."""
    spent, rows = [0.0, 0.0], [0, 0]
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn, Keeper(dsn) as keeper:
        writer, at = Writer(conn, dsn), scale.minutes
        for turn in range(2 * turns):
            way = turn % 2
            batches = list(minutes(scale, at, TURN))
            with polling() if way else nullcontext():
                began_s = stopwatch_s()
                for batch in batches:
                    at += 1
                    writer.write(batch)
                    keeper.reached(DAY + timedelta(minutes=at))
                writer.settle()
                keeper.drain()
                spent[way] += stopwatch_s() - began_s
            rows[way] += sum(map(len, batches))
    return Polled(rows[0] / spent[0], rows[1] / spent[1])
