"""Histories: a neighbourhood's traces, and what its sensors send of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from city.errors import InputError
from gateway.histories import gas, structure, water
from gateway.histories.climate import LOCAL_S, Climate
from gateway.histories.streams import Range, Source
from gateway.histories.trace import Trace
from gateway.noise import Floats, Ints

_FIRST_DAY = 19_000  # days since 1970: 2022-01-08; histories start within two years from it

# By the name that `--domain` takes: who draws it, and minutes between readings.
DOMAINS: Final[Mapping[str, tuple[Callable[[Climate], list[Trace]], int]]] = {
    "gas_pressure": (gas.pressure, 1),
    "gas_flow": (gas.flow, 1),
    "methane": (gas.methane, 1),
    "water_depth": (water.depth, 1),
    "strain": (structure.strain, 1),
    "settlement": (structure.settlement, 10),
}
DEVELOPMENT: Final = range(1000)
VALIDATION: Final = range(1000, 2000)

_LOSS = Range(0.001, 0.02, 0.001, 0.02)  # of all readings, each on its own
_OUTAGES_A_YEAR = Range(2.0, 12.0, 0.0, 24.0)  # and whole stretches, of 10 min to 6 h
_JITTER = Range(0.01, 0.15, 0.0, 0.3)  # of the interval: how unpunctual readings are (uniform, both ways)


@dataclass(frozen=True)
class Readings:
    """What one sensor sent: event times (rising, microseconds since 1970), values, and their place on the grid."""

    time_us: Ints
    value: Floats
    at: Ints

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class History:
    """One neighbourhood over the days.

    Attributes
    ----------
    domain, seed
        What was asked for.
    step_s, start_us
        The grid.
    traces
        Undisturbed courses; those that are not `judged` explain the others.
    climate
        What the neighbours share.
    """

    domain: str
    seed: int
    step_s: int
    start_us: int
    traces: tuple[Trace, ...]
    climate: Climate
    _sent: dict[int, tuple[NDArray[np.bool_], Ints]] = field(default_factory=dict, init=False, repr=False)

    @property
    def count(self) -> int:
        """Instants on the grid."""
        return self.climate.count

    @property
    def years(self) -> float:
        """How long it is."""
        return self.count * self.step_s / (365.25 * 86_400)

    def kept(self, which: int, first: int, last: int) -> Ints:
        """Places on the grid whose readings of sensor `which` arrive, within [first, last)."""
        arrives, _ = self._sending(which)
        return np.flatnonzero(arrives[first:last]) + first

    def readings(self, which: int, first: int = 0, last: int | None = None, values: Floats | None = None) -> Readings:
        """What sensor `which` sends of [first, last) of its trace, or of `values` (last - first,) in its place."""
        last = self.count if last is None else min(last, self.count)
        trace, at = self.traces[which], self.kept(which, first, last)
        course = trace.clean[at] if values is None else values[at - first]
        time_us = self.start_us + at * (self.step_s * 1_000_000) + self._sending(which)[1][at]
        return Readings(time_us, rounded(course, trace.resolution), at)

    def _sending(self, which: int) -> tuple[NDArray[np.bool_], Ints]:
        """Which readings of a sensor arrive (count,), and by how many microseconds each is early or late (count,)."""
        if (known := self._sent.get(which)) is not None:
            return known
        source, step = self.climate.source, self.step_s
        lost = source.stream("loss", which).random(self.count) < source.draw(_LOSS, "loss", which)
        rate = source.draw(_OUTAGES_A_YEAR, "outages", which) * step / (365.25 * 86_400)
        for begin in np.flatnonzero(source.stream("outages", which).random(self.count) < rate).tolist():
            length = 600.0 * 36.0 ** float(source.stream("outage", which, begin).random())
            lost[begin : begin + int(length / step) + 1] = True
        jitter = source.draw(_JITTER, "jitter", which) * step * 1e6
        late = jitter * (2.0 * source.stream("jitter", which).random(self.count) - 1.0)
        return self._sent.setdefault(which, (~lost, late.astype(np.int64)))


def rounded(values: Floats, resolution: float) -> Floats:
    """As the sensor's electronics round."""
    found: Floats = np.round(np.round(values / resolution) * resolution, 9)
    return found


def simulate(domain: str, seed: int, days: int, *, salt: str = "") -> History:
    """Draw a history.

    Parameters
    ----------
    domain
        One of `DOMAINS`.
    seed
        0 to 999 for development, 1000 to 1999 for validation; other people's numbers with a salt.
    days
        How long, > 0.
    salt
        Makes a held-out history: other draws, and parameters from the wider ranges.

    Raises
    ------
    InputError
        An unknown domain, a seed or length that is none.
    """
    if domain not in DOMAINS:
        raise InputError(f"simulated histories: unknown domain, got {domain!r}, try one of {', '.join(DOMAINS)}")
    if seed < 0 or days <= 0:
        raise InputError(f"simulated histories: seed >= 0 and days > 0 are needed, got {seed} and {days}")
    draw, step_min = DOMAINS[domain]
    source = Source(domain, seed, salt, wide=bool(salt))
    start_day = _FIRST_DAY + int(730 * source.stream("start").random())
    start_s = start_day * 86_400 - LOCAL_S
    climate = Climate(source, start_s, step_min, days * 1440 // step_min)
    return History(domain, seed, step_min * 60, start_s * 1_000_000, tuple(draw(climate)), climate)


def code_hash() -> str:
    """Twelve hex digits of the simulator's own source: histories of equal hash and seed are equal."""
    digest = sha256()
    room = files("gateway")
    for name in sorted(path.name for path in (room / "histories").iterdir() if path.name.endswith(".py")):
        digest.update((room / "histories" / name).read_bytes())
    for name in ("faults.py", "noise.py"):
        digest.update((room / name).read_bytes())
    return digest.hexdigest()[:12]
