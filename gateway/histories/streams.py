"""Named random streams, ranges of parameters, and the two recursions that numpy cannot do in columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gateway.noise import Floats, key


class Range(NamedTuple):
    """Where a parameter lies: for development and validation, and (wider) for held-out histories."""

    low: float
    high: float
    wide_low: float
    wide_high: float


class Source:
    """All the randomness of one history.

    Parameters
    ----------
    names
        What the history is called: domain, seed, salt.
    wide
        Draw parameters from the wider ranges.
    """

    def __init__(self, *names: object, wide: bool = False) -> None:
        self._names, self.wide = names, wide

    def stream(self, *purpose: object) -> np.random.Generator:
        """The stream of a purpose, from its start."""
        return np.random.Generator(np.random.Philox(key=key("history", *self._names, *purpose)))

    def normal(self, count: int, *purpose: object) -> Floats:
        """Standard normal numbers (count,)."""
        return self.stream(*purpose).standard_normal(count)

    def draw(self, within: Range, *purpose: object) -> float:
        """A parameter."""
        low, high = (within.wide_low, within.wide_high) if self.wide else (within.low, within.high)
        return low + (high - low) * float(self.stream("parameter", *purpose).random())

    def wander(self, count: int, memory: float, *purpose: object) -> Floats:
        """AR(1), mean 0, spread 1, with a memory of so many steps (the time in which correlation falls to 1/e)."""
        return autoregressive(self.normal(count, *purpose), float(np.exp(-1.0 / memory)))


@cache
def _compiled(function: Callable[..., Floats]) -> Callable[..., Floats]:
    """The function compiled where numba is there (at first use: it is slow to import), else as it is."""
    try:
        import numba
    except ImportError:
        return function
    quick: Any = numba.njit(nogil=True)(function)
    return quick  # type: ignore[no-any-return]  # numba has no types


def autoregressive(draws: Floats, phi: float) -> Floats:
    """AR(1) of spread 1 from standard normal draws."""
    return _compiled(_autoregressive)(draws, phi)


def _autoregressive(draws: Floats, phi: float) -> Floats:
    found = np.empty_like(draws)
    fresh, last = np.sqrt(1.0 - phi * phi), 0.0
    for at in range(len(draws)):
        last = phi * last + (fresh if at else 1.0) * draws[at]
        found[at] = last
    return found


def bucket(inflow: Floats, drain: float, pump: float) -> Floats:
    """Level of a bucket that starts empty: each step gains `inflow`, loses the part `drain` of itself and `pump`."""
    return _compiled(_bucket)(inflow, drain, pump)


def _bucket(inflow: Floats, drain: float, pump: float) -> Floats:
    found = np.empty_like(inflow)
    level = 0.0
    for at in range(len(inflow)):
        level = max(0.0, level + inflow[at] - drain * level - pump)
        found[at] = level
    return found


def lagged(values: Floats, memory: float) -> Floats:
    """Values as a body of heat follows them, with a memory of so many steps; starts settled."""
    return _compiled(_lagged)(values, float(np.exp(-1.0 / memory)))


def _lagged(values: Floats, phi: float) -> Floats:
    found = np.empty_like(values)
    last = values[0]
    for at in range(len(values)):
        last = phi * last + (1.0 - phi) * values[at]
        found[at] = last
    return found
