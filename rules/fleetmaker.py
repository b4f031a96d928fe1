"""Fleets for the watcher that work at once: plain until a thread has compiled the engine, then compiled.

Compiling takes from ten seconds to a minute once after each installation, reading the kept code back about one. Alarms
do not wait for it. The plain engine gives the same answers to the bit, so it does not matter where the change comes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from city.clock import stopwatch_s
from detectors.early.fleet import Fleet
from detectors.early.settings import Settings
from detectors.subject import Subject

LOG = logging.getLogger(__name__)


class FleetMaker:
    """Builds fleets, as `rules.engine.Engine` wants it; the thread begins at once."""

    def __init__(self) -> None:
        self._last: Fleet | None = None
        self._compiled = threading.Event()
        threading.Thread(target=self._compile, name="compile", daemon=True).start()

    def __call__(self, subjects: Sequence[Subject], settings: Settings) -> Fleet:
        """A new fleet."""
        fleet = Fleet(subjects, settings, plain=True)
        self._last = fleet  # the one before is let go at a reload
        if self._compiled.is_set():  # asked after the fleet is kept: the thread sets it before it looks there
            fleet.hurry()
        return fleet

    def _compile(self) -> None:
        began_s = stopwatch_s()
        try:
            can = Fleet([]).compiled
        except Exception:
            LOG.exception("engine_not_compiled: early signs are judged slowly", extra={"action": "engine_not_compiled"})
            return
        self._compiled.set()
        if (last := self._last) is not None:
            last.hurry()
        if can:  # else there is no compiler, or it is forbidden
            LOG.info("engine_compiled in %.1f s", stopwatch_s() - began_s, extra={"action": "engine_compiled"})
