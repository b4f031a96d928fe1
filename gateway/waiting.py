"""Waiting for several things at once, leaving no task behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine

from city.clock import SystemClock

_LOOK_EVERY_S = 0.1


async def first_of(*tasks: asyncio.Task[object], timeout_s: float | None = None) -> None:
    """Until one of `tasks` is done, or the time is up; nothing is cancelled."""
    await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)


async def unless_stopped(waiting: Coroutine[object, object, object], stopped: asyncio.Task[bool]) -> None:
    """Until `waiting` or `stopped` is done; `waiting` is cancelled then."""
    task = asyncio.create_task(waiting)
    await first_of(task, stopped)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def follow(stop: threading.Event, stopping: asyncio.Event) -> None:
    """Set `stopping` in this loop soon after another thread has set `stop`."""
    wall = SystemClock()
    while not stop.is_set():
        await wall.sleep_s(_LOOK_EVERY_S)
    stopping.set()
