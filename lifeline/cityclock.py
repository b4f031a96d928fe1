"""A demonstration's clock on disk: city time goes on where it stood, whatever killed the demonstration."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

from city.clock import FastClock, SystemClock
from lifeline.files import write_atomic

log = logging.getLogger(__name__)

KEEP_EVERY_S = 0.25  # wall seconds


def resumed_us(data: Path, start_us: int) -> int:
    """City time to go on from: what `clock` in the data folder says, or `start_us` when there is none.

    A killed clock may have run for one more writing interval after its last note. That much is added, because city
    time must never run back: what was recorded then would lie in the future.
    """
    try:
        note = json.loads((data / "clock").read_text())
        return int(note["city_us"]) + int(2 * KEEP_EVERY_S * 1e6 * float(note["speed"]))
    except (FileNotFoundError, ValueError, KeyError):
        return start_us


class ClockKeeper:
    """Writes where the city's clock stands, a few times a wall second, in a thread of its own."""

    def __init__(self, data: Path, clock: FastClock, start_us: int) -> None:
        self._path, self._clock, self._start_us = data / "clock", clock, start_us
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock-keeper", daemon=True)

    def start(self) -> None:
        """Begin to keep."""
        self._write()
        self._thread.start()

    def stop(self) -> None:
        """Write a last time and end; safe twice."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            self._write()

    def _run(self) -> None:
        wall = SystemClock()
        while not wall.pause_s(KEEP_EVERY_S, self._stop):
            try:
                self._write()
            except OSError as error:  # a full disk is mended while the city goes on
                log.warning("cannot keep the clock: %s", error, extra={"action": "clock.failed"})

    def _write(self) -> None:
        note = {
            "city_us": self._clock.now_us(),
            "wall_us": SystemClock().now_us(),
            "speed": self._clock.speed,
            "start_us": self._start_us,
        }
        write_atomic(self._path, json.dumps(note))
