"""Faults in a history: what sensors send while something is wrong, with the truth about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gateway.faults import KINDS, Kind, Stretch, change, deliver
from gateway.histories.history import History, Readings
from gateway.noise import Floats, key

_FLOORS = {"water_depth": 0.0, "methane": 0.0, "gas_flow": 0.0}  # below it these sensors do not read


@dataclass(frozen=True, slots=True)
class Fault:
    """The truth: what befell which sensor, from grid step `first` on, how severely, by how much (`faults.change`)."""

    kind: str
    which: int
    first: int
    length: int
    severity: str
    amount: float

    @property
    def last(self) -> int:
        """First step after it."""
        return self.first + self.length


def steps_of(kind: Kind, step_s: int) -> int:
    """How many grid steps a kind takes, at least one."""
    return max(1, round(kind.hours * 3600 / step_s))


def shift(history: History, fault: Fault) -> Floats:
    """What the fault adds to its sensor's undisturbed values over its own stretch (length,), before floors."""
    kind, trace = KINDS[fault.kind], history.traces[fault.which]
    where = slice(fault.first, min(fault.last, history.count))
    minutes = np.arange(where.stop - where.start) * history.step_s / 60.0
    part = (np.arange(len(minutes)) + 1.0) / fault.length
    if kind.family == "physical" and kind.name != "burst":
        trouble: Floats = trace.physical(where, kind.growth(part))
        return fault.amount * trouble
    day = 86_400 // history.step_s
    mean = trace.cycle[max(0, fault.first - 7 * day) : fault.first].mean() if len(trace.cycle) else 0.0
    cycle = trace.cycle[where] - mean if len(trace.cycle) else np.zeros(len(part))
    keys = np.full(len(part), key(history.domain, history.seed, fault.kind, fault.which, fault.first), dtype=np.uint64)
    counter = np.arange(where.start, where.stop, dtype=np.int64)
    return change(kind, fault.amount, Stretch(part, minutes, trace.clean[where], cycle, keys, counter))


def seen(history: History, fault: Fault) -> Floats:
    """What is left of `shift` in what the sensor can read: nothing is less than nothing."""
    added, trace = shift(history, fault), history.traces[fault.which]
    clean = trace.clean[fault.first : fault.first + len(added)]
    floor = _FLOORS.get(trace.quantity)
    return added if floor is None else np.maximum(clean + added, floor) - clean


def faulty(history: History, fault: Fault, first: int, last: int) -> dict[int, Readings]:
    """What each disturbed sensor sends in [first, last), which must hold the fault's onset: the sensor, and peers."""
    kind, added = KINDS[fault.kind], shift(history, fault)
    shares = {fault.which: 1.0}
    if kind.shared:
        quantity = history.traces[fault.which].quantity
        context = history.traces[fault.which].context
        shares |= {i: kind.shared for i in context if history.traces[i].quantity == quantity}
    found = {}
    for which, share in shares.items():
        trace = history.traces[which]
        values = trace.clean[first:last].copy()
        begin = fault.first - first
        part = added[: len(values) - begin]
        values[begin : begin + len(part)] += share * part
        if (floor := _FLOORS.get(trace.quantity)) is not None:
            np.maximum(values, floor, out=values)
        found[which] = history.readings(which, first, last, values)
    if kind.family == "delivery":
        found[fault.which] = _delivered(history, fault, found[fault.which])
    return found


def _delivered(history: History, fault: Fault, sent: Readings) -> Readings:
    begin, end = np.searchsorted(sent.at, [fault.first, fault.last])
    keys = np.full(end - begin, key(history.seed, fault.kind, fault.which, fault.first), dtype=np.uint64)
    places, time_us = deliver(KINDS[fault.kind], fault.amount, sent.time_us[begin:end], keys, sent.at[begin:end])
    after = sent.time_us[end:]
    late = after > (time_us[-1] if len(time_us) else 0)  # older than the newest is ignored
    return replace(
        sent,
        time_us=np.concatenate([sent.time_us[:begin], time_us, after[late]]),
        value=np.concatenate([sent.value[:begin], sent.value[begin:end][places], sent.value[end:][late]]),
        at=np.concatenate([sent.at[:begin], sent.at[begin:end][places], sent.at[end:][late]]),
    )
