"""What sources have read, gathered into messages and put into the outbox: one transaction for all that is pending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from city.clock import Clock, SystemClock
from city.errors import OutsideError
from gateway.envelope import Row, body
from gateway.outbox import Outbox, Put
from gateway.sources.source import Take

log = logging.getLogger(__name__)

_MOST_READINGS = 500  # a message: a quarter of a second of a slow line at most
_MOST_PENDING = 5_000  # readings in memory; more wait at their sources
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Pending:
    take: Take
    priority: int


class Intake:
    """Gathers takes and keeps them.

    Parameters
    ----------
    outbox, clock, disk
        Where they go; the time of what overflow drops; where the outbox's calls run.
    gather_s
        How long to wait for more, so that messages hold many readings.
    hold
        Whether to wait while the outbox is full, instead of letting it drop.
    woken, told
        Called when something new is in the outbox, and when there is something to report.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        disk: Executor | None,
        *,
        gather_s: float,
        hold: bool,
        woken: Callable[[], None],
        told: Callable[[], None],
    ) -> None:
        self._outbox, self._clock, self._disk = outbox, clock, disk
        self._gather_s, self._hold, self._woken, self._told = gather_s, hold, woken, told
        self._pending: list[_Pending] = []
        self._readings = 0
        self._some, self._room, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()
        self.state = "ok"  # or disk_refuses, full
        self.trouble = ""

    async def submit(self, take: Take, priority: int) -> None:
        """Take over what a source has read; waits while too much is pending."""
        await self._room.wait()
        self._pending.append(_Pending(take, priority))
        self._readings += len(take.rows)
        if self._readings >= _MOST_PENDING:
            self._room.clear()
        if self._readings >= _MOST_READINGS:
            self._hurry.set()
        self._some.set()

    async def flush(self) -> None:
        """Until all that was submitted before is on disk."""
        done = asyncio.Event()
        self._pending.append(_Pending(Take([], kept=done.set), 0))
        self._hurry.set()
        self._some.set()
        await done.wait()

    async def run(self) -> None:
        """Keep what is submitted, until cancelled (`flush` first)."""
        wall = SystemClock()
        while True:
            await self._some.wait()
            if not self._hurry.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), self._gather_s)
            batch, self._pending, self._readings = self._pending, [], 0
            self._some.clear()
            self._hurry.clear()
            while batch:
                kept = await self._keep(batch)
                for pending in batch[:kept]:
                    if pending.take.kept is not None:
                        pending.take.kept()
                batch = batch[kept:]
                if not kept:
                    await wall.sleep_s(_RETRY_S if self.state == "disk_refuses" else self._gather_s)
            self._room.set()

    async def _keep(self, batch: list[_Pending]) -> int:
        """Keep what can be kept now, from the beginning of a batch; how many takes."""
        if self._hold and not self._outbox.fits(_messages(batch)):
            batch = batch[:1]
            if self._outbox.messages and not self._outbox.fits(_messages(batch)):
                self._turn("full", "the outbox is full: sources wait")
                return 0
        notes = {key: text for pending in batch for key, text in pending.take.notes.items()}
        put = partial(self._outbox.put, _messages(batch), self._clock.now_us(), notes)
        try:
            dropped = await asyncio.get_running_loop().run_in_executor(self._disk, put)
        except OutsideError as error:
            self._turn("disk_refuses", str(error))
            return 0
        self._turn("ok", "")
        if dropped:
            self._told()
        self._woken()
        return len(batch)

    def _turn(self, state: str, trouble: str) -> None:
        if state == self.state:
            return
        self.state, self.trouble = state, trouble
        log.warning("intake.%s %s", state, trouble, extra={"action": "intake_state"})
        self._told()


def _messages(batch: list[_Pending]) -> list[Put]:
    rows: dict[int, list[Row]] = {}
    for pending in batch:
        rows.setdefault(pending.priority, []).extend(pending.take.rows)
    parts = [
        (priority, mine[start : start + _MOST_READINGS])
        for priority, mine in rows.items()
        for start in range(0, len(mine), _MOST_READINGS)
    ]
    return [(body(part), len(part), priority) for priority, part in parts]
