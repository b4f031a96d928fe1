"""Faults asked for in the live simulated city: `lifeline simulate --faults FILE` or `--faults random`.

A file says which sensor, which kind, from when (minutes after the start), for how long and by how much; the kinds are
those of `gateway.faults`. What was done is written into the truth beside the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import isfinite
from typing import Final

import msgspec
import numpy as np

from city.clock import from_us
from city.errors import Fault, FaultyInput
from city.positions import Positions, check_keys, nearest_or_all, show
from city.yamlfile import parse
from gateway.envelope import Row
from gateway.faults import KINDS, Kind, Stretch, change, deliver, kinds_for
from gateway.noise import Floats, Ints, key
from gateway.town import Town

RANDOM: Final = "random"
_AT_RANDOM = 12  # faults
_WITHIN_MIN = 720.0  # of the start they begin
_REQUIRED, _OPTIONAL = ("sensor", "kind", "from_min"), ("hours", "amount")

# What a plain fault of a quantity amounts to (its canonical unit), where nobody says.
USUAL: Final = {
    "gas_pressure": -8.0, "gas_flow": 30.0, "methane": 8.0, "water_depth": 10.0, "water_level": 0.4, "strain": 30.0,
    "temperature": 6.0, "deflection": 5.0, "tilt": 0.3, "crack": 0.05, "settlement": -6.0, "pore_pressure": 4.0,
    "rainfall": 2.0, "battery": -0.4,
}  # fmt: skip
_OTHER: Final = {"damping": 0.7, "gain": 0.2, "dropout": 0.6, "duplicate": 5.0, "clock_jump": 3600.0, "stuck": 0.0}


@dataclass(frozen=True, slots=True)
class Mishap:
    """One fault: `hours` long from `from_min` after the start; `amount` as `faults.change` and `deliver` take it."""

    sensor: str
    kind: str
    from_min: float
    hours: float
    amount: float

    @property
    def to_min(self) -> float:
        """When it is over; a spike lasts for one reading at most a minute long."""
        return self.from_min + max(self.hours * 60.0, 1.0)


def usual_amount(kind: Kind, quantity: str) -> float:
    """What it amounts to where nobody says."""
    usual = USUAL.get(quantity, 1.0)
    return _OTHER.get(kind.name, abs(usual) / 4.0 if kind.name == "noise" else usual)


def load(text: str, file: str, town: Town) -> tuple[Mishap, ...]:
    """The faults of a file (FaultyInput with every mistake in it)."""
    data, positions = parse(text, file)
    if not isinstance(data, list):
        hint = "- {sensor: gp-old-01, kind: drift, from_min: 30}"
        raise FaultyInput([positions.fault((), "expected a list of faults", show(data), hint)])
    faults: list[Fault] = []
    found = [_one(entry, at, positions, town, faults) for at, entry in enumerate(data)]
    if faults:
        raise FaultyInput(faults)
    return tuple(mishap for mishap in found if mishap is not None)


def _one(entry: object, at: int, positions: Positions, town: Town, faults: list[Fault]) -> Mishap | None:
    mistakes = check_keys(entry, (at,), positions, required=_REQUIRED, optional=_OPTIONAL)
    faults += mistakes
    if mistakes or not isinstance(entry, dict):
        return None
    sensor, kind = entry["sensor"], entry["kind"]
    if sensor not in town.sensors:
        hint = nearest_or_all(str(sensor), town.sensors)
        faults.append(positions.fault((at, "sensor"), "no such sensor in this city", show(sensor), hint))
        return None
    quantity = town.sensors[str(sensor)].quantity
    known = [each.name for each in kinds_for(quantity, "physical", "sensor", "delivery", "held out")]
    if kind not in known:
        hint = nearest_or_all(str(kind), known)
        faults.append(positions.fault((at, "kind"), f"no fault of a {quantity} sensor", show(kind), hint))
        return None
    chosen = KINDS[str(kind)]
    usual = {"hours": chosen.hours, "amount": usual_amount(chosen, quantity)}
    numbers = {"from_min": entry["from_min"], **{name: entry.get(name, usual[name]) for name in _OPTIONAL}}
    for name, value in numbers.items():
        least = None if name == "amount" else 0.0
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not number or (least is not None and value < least):
            what = "expected a number" if least is None else "expected a number that is not negative"
            faults.append(positions.fault((at, name), what, show(value), str(usual.get(name, 30))))
            return None
    return Mishap(str(sensor), chosen.name, *(float(value) for value in numbers.values()))


def at_random(town: Town) -> tuple[Mishap, ...]:
    """A dozen faults of the city's seed, all within its first twelve hours, on sensors of the domains."""
    stream = np.random.Generator(np.random.Philox(key=key(town.seed, "mishaps")))
    sensors = [s for s in sorted(town.sensors) if town.sensors[s].quantity in
               {"gas_pressure", "gas_flow", "methane", "water_depth", "strain", "settlement"}]  # fmt: skip
    found = []
    for place in stream.permutation(len(sensors))[:_AT_RANDOM].tolist():
        quantity = town.sensors[sensors[place]].quantity
        kinds = kinds_for(quantity, "physical", "sensor", "delivery")
        kind = kinds[int(stream.random() * len(kinds))]
        size, begin = 0.5 + 1.5 * float(stream.random()), 30.0 + _WITHIN_MIN * float(stream.random())
        own = kind.name in _OTHER
        amount = usual_amount(kind, quantity) * (1.0 if own else size)
        found.append(Mishap(sensors[place], kind.name, round(begin, 1), kind.hours, round(amount, 3)))
    return tuple(sorted(found, key=lambda mishap: (mishap.from_min, mishap.sensor)))


class Mishaps:
    """Faults at work.

    Parameters
    ----------
    town, start_us
        The city, and its minute 0.
    planned
        The faults.
    undisturbed
        Takes a sensor and minutes since the start (n,), gives its values without any of these faults.
    """

    def __init__(
        self,
        town: Town,
        start_us: int,
        planned: Sequence[Mishap],
        undisturbed: Callable[[str, Floats], Floats],
    ) -> None:
        self.town, self.start_us, self.planned = town, start_us, tuple(planned)
        self._undisturbed = undisturbed
        self.sensors = frozenset(mishap.sensor for mishap in planned)

    @cached_property
    def _before(self) -> dict[Mishap, tuple[float, float]]:
        """What each fault's sensor said last, and its mean over the day before."""
        found = {}
        for one in self.planned:
            hours = one.from_min - 60.0 * np.arange(24.0)
            found[one] = (
                float(self._undisturbed(one.sensor, np.array([one.from_min]))[0]),
                float(self._undisturbed(one.sensor, hours).mean()),
            )
        return found

    def bend(self, sensor: str, values: Floats, minutes: Floats) -> Floats:
        """Values (n,) of one sensor at minutes since the start, as its faults leave them."""
        for one in self.planned:
            inside = (minutes >= one.from_min) & (minutes < one.to_min)
            if one.sensor == sensor and KINDS[one.kind].family != "delivery" and inside.any():
                values = values.copy()
                values[inside] += self._added(one, values[inside], minutes[inside])
        return values

    def _added(self, one: Mishap, values: Floats, minutes: Floats) -> Floats:
        last, mean = self._before[one]
        if one.kind == "stuck":
            return last - values
        since = minutes - one.from_min
        keys = np.full(len(values), key(self.town.seed, one.sensor, one.kind, one.from_min), dtype=np.uint64)
        counter: Ints = np.round(minutes * 60.0).astype(np.int64)
        part = np.clip(since / (one.to_min - one.from_min), 0.0, 1.0)
        return change(KINDS[one.kind], one.amount, Stretch(part, since, values, values - mean, keys, counter))

    def delivered(self, rows: Sequence[Row]) -> list[Row]:
        """What arrives of rows, with the times they arrive under."""
        found = list(rows)
        for one in self.planned:
            if KINDS[one.kind].family != "delivery":
                continue
            begin_us, end_us = (self.start_us + round(minute * 6e7) for minute in (one.from_min, one.to_min))
            mine = [row for row in found if row[0] == one.sensor and begin_us <= row[1] < end_us]
            if not mine:
                continue
            times = np.array([row[1] for row in mine], np.int64)
            keys = np.full(len(mine), key(self.town.seed, one.sensor, one.kind, one.from_min), dtype=np.uint64)
            places, times = deliver(KINDS[one.kind], one.amount, times, keys, times // 1_000_000)
            found = [row for row in found if not (row[0] == one.sensor and begin_us <= row[1] < end_us)]
            pairs = zip(places.tolist(), times.tolist(), strict=True)
            found += [(one.sensor, time_us, *mine[place][2:]) for place, time_us in pairs]
        found.sort(key=lambda row: (row[1], row[0]))
        return found

    def truth_lines(self) -> bytes:
        """The truth as JSON lines, in the storyline's own form."""
        return b"".join(msgspec.json.encode(self._truth(one)) + b"\n" for one in self.planned)

    def _truth(self, one: Mishap) -> dict[str, object]:
        at = [from_us(self.start_us + round(m * 6e7)).isoformat(timespec="seconds") for m in (one.from_min, one.to_min)]
        return {
            "what": one.kind, "where": self.town.sensors[one.sensor].site, "sensors": [one.sensor], "from": at[0],
            "to": at[1], "note": KINDS[one.kind].note, "amount": one.amount,
        }  # fmt: skip


def dump(planned: Sequence[Mishap]) -> str:
    """As JSON, to keep beside the story."""
    return msgspec.json.encode([asdict(one) for one in planned]).decode()


def undump(text: str) -> tuple[Mishap, ...]:
    """What `dump` wrote."""
    return tuple(msgspec.json.decode(text, type=list[Mishap]))
