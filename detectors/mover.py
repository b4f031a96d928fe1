"""Whether a sensor has just moved: a fast average beside a slow one, in its own usual difference."""

from __future__ import annotations

from math import exp

import msgspec

from detectors.subject import Neighbour, Surroundings

_FAST_S, _SLOW_S, _SPREAD_S = 180.0, 2700.0, 2 * 86400.0
_TYPICAL = 1.25  # standard deviation over mean absolute deviation, normal noise
_CLIP = 4.0
_SETTLED = 10  # readings
_STALE_S = 1800.0


class Mover(msgspec.Struct, array_like=True):
    """What is kept of one sensor: newest time, both averages, the usual size of their difference, readings."""

    time_us: int = 0
    fast: float = 0.0
    slow: float = 0.0
    spread: float = 0.0
    seen: int = 0

    @property
    def by(self) -> float:
        """How far it has moved from where it was of late, in its unit."""
        return self.fast - self.slow

    def spreads(self, floor: float) -> float:
        """The same in usual differences, at least `floor` each."""
        return self.by / max(_TYPICAL * self.spread, floor) if self.seen >= _SETTLED else 0.0

    def take(self, value: float, time_us: int, floor: float) -> None:
        """Take in a reading; a large move teaches the usual size only a little."""
        dt_s = (time_us - self.time_us) * 1e-6
        if not self.seen or dt_s <= 0:
            self.time_us, self.fast, self.slow, self.seen, self.spread = time_us, value, value, 1, floor
            return
        self.time_us, self.seen = time_us, min(self.seen + 1, 1 << 20)
        self.fast += (value - self.fast) * (1 - exp(-dt_s / _FAST_S))
        self.slow += (value - self.slow) * (1 - exp(-dt_s / _SLOW_S))
        size = min(abs(self.by), _CLIP * max(self.spread, floor))
        share = 1 - exp(-dt_s / _SPREAD_S)
        self.spread += (size - self.spread) * max(share, 1 / self.seen)


def hear(movers: dict[str, Mover], other: Neighbour, around: Surroundings, time_us: int, floor: float) -> Mover | None:
    """The neighbour's mover with its newest reading taken in; None while it is silent or not known well enough."""
    last = around.before(other.sensor, time_us)
    if last is None or (time_us - last[0]) * 1e-6 > _STALE_S:
        movers.pop(other.sensor, None)
        return None
    mover = movers.get(other.sensor)
    if mover is None:
        mover = movers[other.sensor] = Mover()
    if last[0] > mover.time_us:
        mover.take(last[1], last[0], floor)
    return mover if mover.seen >= _SETTLED else None
