"""Watches commits from a connection of its own: what it sees is what anybody would see, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from city.clock import Clock
from city.errors import OutsideError
from store import journal
from store.connection import connect

# The benchmark's own database tells of each alarm at its commit.
_TELL = (
    """CREATE FUNCTION lifeline.bench_tell() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM pg_notify('lifeline_bench', NEW.sensor); RETURN NULL; END $$""",
    """CREATE TRIGGER bench_tell AFTER INSERT ON lifeline.alarms
       FOR EACH ROW EXECUTE FUNCTION lifeline.bench_tell()""",
    "LISTEN lifeline_bench",
)
_NEWS = "SELECT seq, rows FROM lifeline.hearing WHERE seq > %s AND kind = 'readings' ORDER BY seq"
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Seen:
    """One committed journal row of readings: when it was seen, its number, and how many readings it holds."""

    seen_us: int
    seq: int
    rows: int


@dataclass
class Observations:
    """Everything seen so far."""

    commits: list[Seen] = field(default_factory=list)
    alarms: dict[str, int] = field(default_factory=dict)  # probe sensor to when its alarm was seen
    checkpoints: list[tuple[int, int]] = field(default_factory=list)  # when seen, the watcher's place in the journal
    readings: int = 0


class Observer:
    """A thread that listens; a context manager.

    It shares the machine with what it measures, so it asks for little; what the readings said is read afterwards.

    Parameters
    ----------
    dsn
        The benchmark's own database: a trigger is put on its alarms, and its journal is kept whole.
    follower
        Whose checkpoint counts as evaluated; empty where nothing is.
    """

    def __init__(self, dsn: str, clock: Clock, follower: str = "") -> None:
        self._dsn, self._clock, self._follower = dsn, clock, follower
        self._conn = connect(dsn, autocommit=True, application_name="lifeline bench")
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="observer", daemon=True)
        self._failure: Exception | None = None
        self._seq = journal.last_seq(self._conn)
        self.seen = Observations()

    def __enter__(self) -> Self:
        for statement in _TELL:
            self._conn.execute(statement.encode())
        # A follower without a snapshot: the journal is not trimmed while we read it.
        journal.set_checkpoint(self._conn, "bench", self._seq, self._clock.now())
        journal.listen(self._conn)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._conn.close()

    def wait_readings(self, count: int, timeout_s: float) -> bool:
        """Wait until `count` readings were seen committed."""
        return self._wait(lambda: self.seen.readings >= count, timeout_s)

    def wait_evaluated(self, seq: int, timeout_s: float) -> bool:
        """Wait until the follower has passed journal row `seq`."""
        return self._wait(lambda: bool(self.seen.checkpoints) and self.seen.checkpoints[-1][1] >= seq, timeout_s)

    def wait_alarms(self, count: int, timeout_s: float) -> bool:
        """Wait until `count` alarms were seen committed."""
        return self._wait(lambda: len(self.seen.alarms) >= count, timeout_s)

    def delays_us(self, since_us: int) -> NDArray[np.int64]:
        """From publishing to being seen (µs), of each reading published since `since_us`; events carry whole ms.

        Call it when all is over.
        """
        seen_us = {one.seq: one.seen_us for one in self.seen.commits if one.seen_us >= since_us}
        after, found = min(seen_us, default=1) - 1, [np.zeros(0, np.int64)]
        with connect(self._dsn, autocommit=True, application_name="lifeline bench") as conn:
            while rows := journal.read(conn, after, 200):
                after = rows[-1].seq
                for row in rows:
                    if row.seq in seen_us:
                        published_us = np.array(journal.decode_readings(row.payload).time_us)
                        found.append((seen_us[row.seq] - published_us)[published_us >= since_us - 1000])
        return np.concatenate(found)

    def _wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        with self._news:
            came = self._news.wait_for(lambda: self._failure is not None or done(), timeout_s)
        if self._failure is not None:
            raise OutsideError(f"the observer's connection failed: {self._failure}") from self._failure
        return came

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                notes = [(note.channel, note.payload) for note in self._conn.notifies(timeout=_POLL_S, stop_after=1)]
                now_us = self._clock.now_us()
                alarms = [payload for channel, payload in notes if channel == "lifeline_bench"]
                commits = self._read(now_us)
                place = journal.checkpoint(self._conn, self._follower) if self._follower else 0
                with self._news:
                    self.seen.alarms.update((sensor, now_us) for sensor in alarms if sensor not in self.seen.alarms)
                    self.seen.commits += commits
                    self.seen.readings += sum(commit.rows for commit in commits)
                    if not self.seen.checkpoints or self.seen.checkpoints[-1][1] != place:
                        self.seen.checkpoints.append((self._clock.now_us(), place))
                    self._news.notify_all()
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            with self._news:
                self._failure = error
                self._news.notify_all()

    def _read(self, now_us: int) -> list[Seen]:
        found = [Seen(now_us, seq, rows) for seq, rows in self._conn.execute(_NEWS, (self._seq,)).fetchall()]
        self._seq = found[-1].seq if found else self._seq
        return found
