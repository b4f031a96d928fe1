"""What is not as it should be, one row per thing, each with what to do about it; shown in `city.health`."""

from __future__ import annotations

from typing import Literal

from city.clock import FastClock, from_us
from store.connection import Connection
from store.statements import statements

_SQL = statements("state")
State = Literal["ok", "warning", "fault"]


def report(
    conn: Connection, name: str, state: State, value: float | None = None, unit: str = "", advice: str = ""
) -> None:
    """Set the row of `name`; its `since` moves only when the state does."""
    conn.execute(_SQL["report"], (name, value, unit, state, advice))


def keep_clock(conn: Connection, clock: FastClock | None) -> None:
    """Tell the views which clock the city runs on (None: the wall's), so that `city.now()` agrees with the roles."""
    if clock is None:
        conn.execute(_SQL["wall_clock"])
    else:
        conn.execute(_SQL["set_clock"], (from_us(clock.origin_us), from_us(clock.wall_us), clock.speed))
