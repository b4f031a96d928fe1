"""How late live readings are: from when they were measured until another connection sees them committed."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import numpy as np

from city.clock import SystemClock
from city.errors import OutsideError
from store import journal
from store.connection import connect

_STEP_US = 10_000
_STEPS = 6_000  # a minute; what is later counts as that
_POLL_S = 0.05


class Lateness:
    """A thread that follows the journal; a context manager. Readings measured before `live_us` are an outage's."""

    def __init__(self, dsn: str) -> None:
        self._conn = connect(dsn, autocommit=True, application_name="lifeline bench")
        self._clock, self._stop = SystemClock(), threading.Event()
        self._seq = journal.last_seq(self._conn)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._follow, name="lateness", daemon=True)
        self.live_us = 1 << 62
        self.phase = ""
        self.late: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        self.most_us: dict[str, int] = {}

    def __enter__(self) -> Self:
        # A follower without a snapshot: the journal is not trimmed while we read it.
        journal.set_checkpoint(self._conn, "bench", self._seq, self._clock.now())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._conn.close()

    def share_s(self, phase: str, share: float) -> float:
        """Seconds within which that share of a phase's live readings was committed."""
        if self._failure is not None:
            raise OutsideError(f"the journal could not be followed: {self._failure}") from self._failure
        counts = self.late.get(phase, np.zeros(1, np.int64))
        return float(np.searchsorted(np.cumsum(counts), share * counts.sum()) + 1) * _STEP_US / 1e6

    def _follow(self) -> None:
        try:
            while not self._stop.is_set():
                self._clock.pause_s(_POLL_S, self._stop)
                while entries := journal.read(self._conn, self._seq, 50):
                    now_us, self._seq = self._clock.now_us(), entries[-1].seq
                    for entry in entries:
                        if entry.kind == "readings":
                            self._take(now_us, np.asarray(journal.decode_readings(entry.payload).time_us))
        except Exception as error:  # noqa: BLE001 - told to whoever asks
            self._failure = error

    def _take(self, now_us: int, time_us: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        late_us = now_us - time_us[time_us > self.live_us]
        if len(late_us):
            counts = self.late.setdefault(self.phase, np.zeros(_STEPS, np.int64))
            counts += np.bincount(np.clip(late_us // _STEP_US, 0, _STEPS - 1), minlength=_STEPS)
            self.most_us[self.phase] = max(self.most_us.get(self.phase, 0), int(late_us.max()))
