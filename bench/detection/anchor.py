"""The information anchor: when the data could first have told, to somebody who knew the undisturbed course exactly.

It is the first reading at which the Kullback-Leibler information of the true shift, in the true short-term noise (white
plus AR(1), seen through the innovations of its exact Kalman filter), reaches ln(readings in a year): what a shift must
show to stand out once a year. Of the shift counts what the sensor can read: depth, flow and gas end at 0. An optimistic
bound: nobody knows the undisturbed course exactly, and what comes and goes within minutes (traffic, plumes) counts as
if it were white and Gaussian.
"""

from __future__ import annotations

from math import erf, exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np

from gateway.faults import KINDS
from gateway.histories.faulty import Fault, seen
from gateway.histories.history import History
from gateway.histories.trace import Noise, Trace
from gateway.noise import Floats

_YEAR_S = 365.25 * 86_400


class Filter(NamedTuple):
    """The steady Kalman filter of white plus AR(1) noise: innovation variance, gain, and `phi` a step."""

    variance: float
    gain: float
    phi: float


def steady(noise: Noise, resolution: float = 0.0) -> Filter:
    """The filter that knows the noise (rounding adds resolution^2 / 12)."""
    white = noise.white**2 + noise.bursts**2 + resolution**2 / 12.0
    fresh = noise.correlated**2 * (1.0 - noise.phi**2)
    ahead = noise.correlated**2
    for _ in range(10_000):  # the Riccati equation converges to its fixed point
        after = noise.phi**2 * ahead * white / max(ahead + white, 1e-300) + fresh
        if abs(after - ahead) <= 1e-12 * ahead:
            break
        ahead = after
    total = max(ahead + white, 1e-300)
    return Filter(total, ahead / total, noise.phi)


def information(added: Floats, known: Filter) -> Floats:
    """Nats that a shift (n,) of the mean has given after each reading (n,)."""
    seen = np.empty_like(added)
    state = 0.0
    for at, value in enumerate(added.tolist()):
        ahead = known.phi * state
        innovation = value - ahead
        state = ahead + known.gain * innovation
        seen[at] = innovation * innovation
    found: Floats = np.cumsum(seen) / (2.0 * known.variance)
    return found


def needed(step_s: float) -> float:
    """ln(readings in a year)."""
    return log(_YEAR_S / step_s)


def anchor(history: History, fault: Fault) -> float:
    """Readings after the onset at which the information suffices (1: the first one); inf if it never does."""
    if KINDS[fault.kind].family == "delivery":
        return inf
    trace, enough = history.traces[fault.which], needed(history.step_s)
    known = steady(trace.noise, trace.resolution)
    if fault.kind == "stuck":
        each = -log(_repeats(trace, known))
    elif fault.kind == "noise":
        ratio = 1.0 + fault.amount**2 / known.variance
        each = 0.5 * (ratio - 1.0 - log(ratio))
    else:
        told = np.flatnonzero(information(seen(history, fault), known) >= enough)
        return float(told[0] + 1) if len(told) else inf
    readings = enough / each if each > 0 else inf
    return float(np.ceil(readings)) if readings <= fault.length else inf


def _repeats(trace: Trace, known: Filter) -> float:
    """How probable it is that a working sensor says the same number twice."""
    half = trace.resolution / 2.0
    return min(max(erf(half / sqrt(2.0 * known.variance)), exp(-50.0)), 1.0)
