"""The fault cases of a history: kinds, severities and onsets, sized so that each one's anchor lies where it should."""

from __future__ import annotations

from typing import Final

import numpy as np

from bench.detection.anchor import information, needed, steady
from gateway.faults import SEVERITIES, Kind, kinds_for
from gateway.histories.faulty import Fault, shift, steps_of
from gateway.histories.history import History
from gateway.histories.streams import Source

# How much of its time has passed when the information suffices.
ANCHOR_AT: Final = {"subtle": 1 / 8, "plain": 1 / 16, "gross": 1 / 32}
# How many times over the first full reading of what is sudden, or a spike's only one, gives the information needed.
BURST: Final = {"subtle": 1.0, "plain": 4.0, "gross": 16.0}
SPIKE: Final = {"subtle": 1.5, "plain": 3.0, "gross": 6.0}
NOISE: Final = {"subtle": 2.0, "plain": 3.0, "gross": 4.0}  # innovations' spread over the usual one
STUCK_H: Final = {"subtle": 3.0, "plain": 6.0, "gross": 12.0}
DELIVERY: Final = {
    "dropout": {"subtle": 0.3, "plain": 0.6, "gross": 0.9},
    "duplicate": {"subtle": 2.0, "plain": 5.0, "gross": 10.0},
    "clock_jump": {"subtle": 600.0, "plain": 3600.0, "gross": 6 * 3600.0},
}
BURST_MIN: Final = 2  # until a burst is complete
_SIGNS: Final = {("burst", "gas_pressure"): -1, ("burst", "settlement"): -1, ("fouling", "methane"): -1}
_MOST_GAIN: Final = 0.5
_SUDDEN: Final = frozenset({"burst", "intermittent", "gain"})
_UP: Final = frozenset({"burst", "fouling"})
_DAYS: Final = 4  # within which an onset is sought
DAMPED: Final = {"subtle": 0.3, "plain": 0.6, "gross": 0.9}  # of the cycle


def place(history: History, kind: Kind, which: int, first: int, severity: str) -> Fault:
    """The fault of a kind and severity that begins at a step of the grid."""
    length = steps_of(kind, history.step_s)
    trace = history.traces[which]
    if kind.name == "stuck":
        length = max(1, round(STUCK_H[severity] * 3600 / history.step_s))
        return Fault(kind.name, which, first, length, severity, 0.0)
    if kind.family == "delivery":
        return Fault(kind.name, which, first, length, severity, DELIVERY[kind.name][severity])
    if kind.name == "damping":
        return Fault(kind.name, which, first, length, severity, DAMPED[severity])
    known = steady(trace.noise, trace.resolution)
    if kind.name == "noise":
        amount = float(np.sqrt((NOISE[severity] ** 2 - 1.0) * known.variance))
        return Fault(kind.name, which, first, length, severity, amount)
    unit = Fault(kind.name, which, first, length, severity, 1.0)
    added = shift(history, unit)
    told = information(added, known)
    until, enough = max(1, round(ANCHOR_AT[severity] * length)), needed(history.step_s)
    if kind.name in _SUDDEN:  # the first full reading; of a loose contact, the first one that is off
        first_full = int(np.flatnonzero(added)[0]) if kind.name == "intermittent" and added.any() else 0
        until, enough = first_full + (BURST_MIN * 60 // history.step_s or 1), enough * BURST[severity]
    if kind.name == "spike":
        enough *= SPIKE[severity]
    amount = float(np.sqrt(enough * 1.0001 / max(told[min(until, len(told)) - 1], 1e-300)))
    if kind.name == "gain":  # a value near zero hides any factor
        amount = min(amount, _MOST_GAIN)
    return Fault(kind.name, which, first, length, severity, _sign(history, kind, which, first) * amount)


def _sign(history: History, kind: Kind, which: int, first: int) -> float:
    if kind.family == "physical" and kind.name != "burst":
        return 1.0  # the trace knows its own direction
    quantity = history.traces[which].quantity
    if (kind.name, quantity) in _SIGNS or kind.name in _UP:
        return float(_SIGNS.get((kind.name, quantity), 1))
    return 1.0 if Source(history.domain, history.seed, kind.name, which, first).stream("sign").random() < 0.5 else -1.0


def onset(history: History, kind: Kind, which: int, around: int, attempt: str) -> int | None:
    """A step near `around` (within some days after) at which the kind may begin: dry weather, nothing else going on."""
    day, length = 86_400 // history.step_s, steps_of(kind, history.step_s)
    stream = Source(history.domain, history.seed, kind.name, which, around).stream("onset", attempt)
    kept = history.kept(which, around, min(around + _DAYS * day, history.count))
    trace = history.traces[which]
    for place_at in stream.random(40):
        first = int(kept[int(place_at * len(kept))]) if len(kept) else around
        if first + length + day > history.count:
            continue
        wet = trace.calm is not None and history.climate.rain_mm[first - day // 4 : first + min(length, day // 4)].any()
        if not wet and (trace.calm is None or trace.calm[first : first + min(length, day)].all()):
            return first
    return None


def cases(history: History, around: int, *, families: tuple[str, ...], turn: int) -> list[Fault]:
    """One case of each kind and severity from `around` on, on one of the judged sensors by turns."""
    judged = [i for i, trace in enumerate(history.traces) if trace.judged]
    found = []
    for number, kind in enumerate(kinds_for(history.traces[0].quantity, *families)):
        for step, severity in enumerate(SEVERITIES):
            which = judged[(turn + number + step) % len(judged)]
            first = onset(history, kind, which, around, severity)
            if first is not None:
                found.append(place(history, kind, which, first, severity))
    return found
