"""What a history consists of: the undisturbed course of each sensor on a grid, and what is true about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gateway.noise import Floats

# Takes a stretch of the grid and how far trouble has come there (n,), gives the change of the value (canonical unit).
Physical: TypeAlias = Callable[[slice, Floats], Floats]


class Noise(NamedTuple):
    """The short-term noise that was put in: spreads of its white and its AR(1) part, and the latter's `phi` a step.

    `bursts` is the spread of what else comes and goes within minutes (traffic, plumes): noise too, to who looks for a
    shift, though not Gaussian.
    """

    white: float
    correlated: float = 0.0
    phi: float = 0.0
    bursts: float = 0.0


def plain(_: slice, trouble: Floats) -> Floats:
    """Trouble that simply adds."""
    return trouble


@dataclass(frozen=True)
class Trace:
    """One sensor's undisturbed course.

    Attributes
    ----------
    sensor, quantity
        Id, and what it measures.
    clean
        Values on the grid (count,), canonical unit, before rounding and loss.
    noise, resolution
        What of it is short-term noise, and the step to which the sensor rounds.
    context
        Places of its neighbours in the history, the most telling first.
    judged
        Whether it is judged, or only explains others.
    low, high
        Static limits that an engineer sets who has seen a year and wants no false alarm, or that the domain has.
    physical
        How the domain's own trouble (a leak, a lost support) shows in this sensor.
    sign
        Which way that goes.
    cycle
        The part of the values that follows day and weather (count,), which a blunted sensor damps.
    calm
        Where nothing real is going on (count,); alarms elsewhere are neither right nor wrong.
    """

    sensor: str
    quantity: str
    clean: Floats = field(repr=False)
    noise: Noise
    resolution: float
    context: tuple[int, ...] = ()
    judged: bool = True
    low: float = -inf
    high: float = inf
    physical: Physical = plain
    sign: float = 1.0
    cycle: Floats = field(default_factory=lambda: np.zeros(0), repr=False)
    calm: NDArray[np.bool_] | None = field(default=None, repr=False)


def year_limits(clean: Floats, margin: float = 0.05) -> tuple[float, float]:
    """Limits a little outside everything that calm showed."""
    low, high = float(clean.min()), float(clean.max())
    return low - margin * (high - low), high + margin * (high - low)
