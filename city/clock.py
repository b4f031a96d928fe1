"""The one file that reads the clock; everything else takes time as an argument or is handed a Clock.

A city can also live on a faster clock: `FastClock` plays the past at `speed` until it has caught up with the wall, then
goes on at the wall's pace, so that nothing ever carries a time in the future. All roles of a run share it by
`LIFELINE_CLOCK` (see `FastClock.spell`).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from city.errors import InputError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime (ValueError if it is naive)."""
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: give it a time zone")
    return (moment - EPOCH) // _MICROSECOND


def from_us(moment_us: int) -> datetime:
    """Aware UTC datetime of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=moment_us)


class Clock(Protocol):
    """What a shell may ask about time. Durations are in this clock's own seconds."""

    def now(self) -> datetime:
        """Aware UTC time."""
        ...

    def now_us(self) -> int:
        """Microseconds since 1970."""
        ...

    def pause_s(self, duration_s: float, until: threading.Event | None = None) -> bool:
        """Wait in a thread; true at once when `until` is set."""
        ...

    async def sleep_s(self, duration_s: float) -> None:
        """Wait in a coroutine."""
        ...


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        """Aware UTC time."""
        return datetime.now(UTC)  # noqa: TID251 - this is the one place

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000

    def pause_s(self, duration_s: float, until: threading.Event | None = None) -> bool:
        """Wait in a thread; true at once when `until` is set."""
        return (until or threading.Event()).wait(max(0.0, duration_s))

    async def sleep_s(self, duration_s: float) -> None:
        """Wait in a coroutine."""
        await asyncio.sleep(max(0.0, duration_s))  # noqa: TID251 - this is the one place


class FastClock:
    """Plays `speed` city seconds a wall second from `origin_us`, until it meets the wall.

    Parameters
    ----------
    origin_us
        City time at `wall_us` (microseconds since 1970).
    wall_us
        Wall time at which this clock stood at `origin_us`.
    speed
        City seconds per wall second, above 0.
    """

    def __init__(self, origin_us: int, wall_us: int, speed: float, wall: Clock | None = None) -> None:
        if not speed > 0:
            raise InputError(f"speed must be above 0, got {speed}, try --speed 60")
        self.origin_us, self.wall_us, self.speed = origin_us, wall_us, speed
        self._wall = wall or SystemClock()

    def now_us(self) -> int:
        """Microseconds since 1970, by this clock."""
        wall_us = self._wall.now_us()
        fast_us = self.origin_us + int((wall_us - self.wall_us) * self.speed)
        return min(fast_us, wall_us) if self.origin_us <= self.wall_us else fast_us

    def now(self) -> datetime:
        """Aware UTC time, by this clock."""
        return from_us(self.now_us())

    def _wall_s(self, duration_s: float) -> float:
        caught_up = self.origin_us <= self.wall_us and self.now_us() >= self._wall.now_us()
        return duration_s if caught_up else duration_s / self.speed

    def pause_s(self, duration_s: float, until: threading.Event | None = None) -> bool:
        """Wait `duration_s` of this clock in a thread; true at once when `until` is set."""
        return self._wall.pause_s(self._wall_s(duration_s), until)

    async def sleep_s(self, duration_s: float) -> None:
        """Wait `duration_s` of this clock in a coroutine."""
        await self._wall.sleep_s(self._wall_s(duration_s))

    def spell(self) -> str:
        """This clock as the text other processes read (`LIFELINE_CLOCK`): `origin_us@wall_us*speed`."""
        return f"{self.origin_us}@{self.wall_us}*{self.speed}"

    @classmethod
    def read(cls, text: str) -> FastClock:
        """The clock spelled by `spell` (InputError when it is not one)."""
        try:
            origin, rest = text.split("@")
            wall, speed = rest.split("*")
            return cls(int(origin), int(wall), float(speed))
        except ValueError as error:
            raise InputError(f"LIFELINE_CLOCK: not a clock, got {text!r}, try unsetting it") from error


class ManualClock:
    """A clock that moves only when told to; for tests, rule tests and replays."""

    def __init__(self, now: datetime) -> None:
        self._us = to_us(now)

    def now(self) -> datetime:
        """Aware UTC time last set."""
        return from_us(self._us)

    def now_us(self) -> int:
        """Microseconds since 1970 last set."""
        return self._us

    def advance(self, duration_s: float) -> None:
        """Move on by `duration_s` seconds."""
        self._us += round(duration_s * 1e6)

    def pause_s(self, duration_s: float, until: threading.Event | None = None) -> bool:
        """Move on at once instead of waiting."""
        if until is not None and until.is_set():
            return True
        self.advance(duration_s)
        return until is not None and until.is_set()

    async def sleep_s(self, duration_s: float) -> None:
        """Move on at once instead of waiting."""
        self.advance(duration_s)


def process_clock() -> Clock:
    """The clock of this process: the wall, or the fast one named by `LIFELINE_CLOCK`."""
    text = os.environ.get("LIFELINE_CLOCK", "")
    return FastClock.read(text) if text else SystemClock()


def stopwatch_s() -> float:
    """Seconds on the wall's monotonic clock, for rates, back-off and progress (never for decisions about readings)."""
    return time.monotonic()  # noqa: TID251 - this is the one place
