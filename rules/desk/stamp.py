"""When and as what something is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Stamp:
    """The journal row being handled: its time and a source of deterministic event ids."""

    now_us: int
    next_id: Callable[[], str]
