"""What a detector may know of a sensor beforehand, and how it may ask what was measured around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

_QUARTER_US = 900_000_000  # clocks are put forward and back at full quarters of an hour of UTC
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def _offset_us(zone: ZoneInfo, quarter: int) -> int:
    offset = (_EPOCH + timedelta(microseconds=quarter * _QUARTER_US)).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)


class Neighbour(NamedTuple):
    """Another sensor that tells something about a sensor.

    Its quantity says as what it counts: the same quantity is a peer, `temperature` explains, `rainfall` gates, the
    others are companions. `away_m` is how far apart they stand, None when a place is not known.
    """

    sensor: str
    quantity: str
    away_m: float | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A sensor as detectors know it.

    Attributes
    ----------
    quantity
        Its id; values come in that quantity's canonical unit.
    interval_s
        How often it is meant to speak, > 0.
    context
        Its neighbours, the most telling first.
    range_low, range_high
        What it can measure, in its unit; None when nobody said.
    tags
        As the register has them.
    zone
        Whose wall clock people around it live by; None: UTC.
    """

    sensor: str
    quantity: str
    interval_s: float = 60.0
    context: tuple[Neighbour, ...] = ()
    range_low: float | None = None
    range_high: float | None = None
    tags: frozenset[str] = frozenset()
    zone: ZoneInfo | None = None

    def local_us(self, time_us: int) -> int:
        """An instant as the wall clock shows it, read as if it were UTC: for habits, never for durations.

        >>> Subject("s", "gas_flow", zone=ZoneInfo("Asia/Shanghai")).local_us(0) // 3_600_000_000
        8
        """
        return time_us if self.zone is None else time_us + _offset_us(self.zone, time_us // _QUARTER_US)


class Surroundings(Protocol):
    """What was measured elsewhere. Only the past can be asked for, so the order inside an instant cannot matter."""

    def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
        """Time and value of the last usable reading of `sensor` strictly before an instant, None when there is none."""
        ...


class _Nothing:
    def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
        return None


NOTHING: Surroundings = _Nothing()
"""Surroundings of which nothing is known."""
