"""What goes wrong with sensors, and under their eyes: each kind as a change of a series, with its truth.

A kind tells how long it takes and how it grows; `change` gives what it adds to a stretch of values, element by element
and without memory, so that the live city and long histories use the same. Kinds that act on messages instead of values
(`dropout`, `duplicate`, `clock_jump`) are `deliver`ed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.noise import Floats, Ints, Keys, normal, uniform

SEVERITIES: Final = ("subtle", "plain", "gross")
FAMILIES: Final = ("physical", "sensor", "delivery", "held out")
_STEP_MIN, _BLUNTED_MIN = 2.0, 720.0  # until a burst, and a blunting, is complete
_TELEGRAPH = 3  # readings that an intermittent contact stays as it is


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    name, family
        Id, and one of `FAMILIES`.
    hours
        How long it takes; 0: a single reading.
    growth
        How far it has come (0 to 1) by the part of its time that has passed (0 to 1).
    domains
        Quantities that it can befall; empty: all.
    note
        What happens, in a few words.
    shared
        The part of it that the nearest neighbours of the same quantity see.
    """

    name: str
    family: str
    hours: float
    growth: Callable[[Floats], Floats]
    note: str
    domains: tuple[str, ...] = ()
    shared: float = 0.0


def _ramp(part: Floats) -> Floats:
    return part


def _at_once(part: Floats) -> Floats:
    return np.ones_like(part)


def _seeping(part: Floats) -> Floats:
    """Gas finds its way: slow at first."""
    return part**1.5


def _filling(part: Floats) -> Floats:
    """A bucket under a steady inflow: dh/dt = q - h / K."""
    level: Floats = (1.0 - np.exp(-2.5 * part)) / (1.0 - np.exp(-2.5))
    return level


def _failing(part: Floats) -> Floats:
    """Tertiary creep with linear inverse velocity (Fukuzono 1985, alpha 2), to 5 % before failure."""
    sunk: Floats = np.log(1.0 - 0.95 * part) / np.log(0.05)
    return sunk


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("leak", "physical", 36.0, _ramp, "a main leaks more and more", ("gas_pressure", "gas_flow"), 0.3),
        Kind("methane_growth", "physical", 60.0, _seeping, "gas gathers in a manhole", ("methane",), 0.3),
        Kind("backup", "physical", 6.0, _filling, "a blocked drain backs up in dry weather", ("water_depth",)),
        Kind("stiffness_loss", "physical", 120.0, _ramp, "a span grows softer", ("strain",), 0.2),
        Kind("creep", "physical", 240.0, _failing, "the ground creeps, faster and faster", ("settlement",), 0.4),
        Kind("burst", "physical", 6.0, _at_once, "a sudden change that stays", (), 0.2),
        Kind("spike", "sensor", 0.0, _at_once, "one wrong reading"),
        Kind("stuck", "sensor", 12.0, _at_once, "the value no longer changes"),
        Kind("noise", "sensor", 12.0, _at_once, "more noise around the truth"),
        Kind("drift", "sensor", 336.0, _ramp, "the zero wanders off"),
        Kind("damping", "sensor", 120.0, _at_once, "the daily cycle is blunted",
             ("gas_pressure", "gas_flow", "strain", "settlement")),
        Kind("fouling", "sensor", 168.0, _ramp, "dirt on the sensor: an offset that grows", ("water_depth", "methane")),
        Kind("dropout", "delivery", 12.0, _at_once, "most readings are lost"),
        Kind("duplicate", "delivery", 12.0, _at_once, "every reading comes twice, seconds apart"),
        Kind("clock_jump", "delivery", 12.0, _at_once, "the clock jumps ahead"),
        Kind("intermittent", "held out", 24.0, _at_once, "a loose contact: an offset that comes and goes"),
        Kind("gain", "held out", 72.0, _at_once, "the value is multiplied by a wrong factor"),
    )
}  # fmt: skip


def kinds_for(quantity: str, *families: str) -> tuple[Kind, ...]:
    """The kinds that can befall a quantity."""
    return tuple(k for k in KINDS.values() if k.family in families and (not k.domains or quantity in k.domains))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a fault acts (n,): the part of its time that has passed, minutes since its onset, and whom it befalls.

    Attributes
    ----------
    part, minutes
        0 to 1, and >= 0.
    values
        As they were, canonical unit.
    cycle
        The part of them that follows the day, about its own mean.
    keys, counter
        Whose randomness.
    """

    part: Floats
    minutes: Floats
    values: Floats
    cycle: Floats
    keys: Keys
    counter: Ints


def change(kind: Kind, amount: float, at: Stretch) -> Floats:
    """What a fault adds to values (n,).

    `amount` is in the unit of the values, at its full size; the spread of added noise; the part of the cycle that
    `damping` takes; the part of the value that a wrong `gain` adds. What `stuck` adds holds the first value; what is
    wrong with delivery adds nothing.
    """
    if kind.family == "delivery":
        return np.zeros(len(at.values))
    if kind.name == "stuck":
        held: Floats = at.values[0] - at.values
        return held
    if kind.name == "noise":
        shaken: Floats = amount * normal(at.keys, at.counter)
        return shaken
    if kind.name == "damping":
        blunted: Floats = -amount * at.cycle * np.clip(at.minutes / _BLUNTED_MIN, 0.0, 1.0)
        return blunted
    if kind.name == "gain":
        more: Floats = amount * at.values
        return more
    if kind.name == "intermittent":
        loose: Floats = np.where(uniform(at.keys, at.counter // _TELEGRAPH) < 0.35, amount, 0.0)
        return loose
    grown: Floats = amount * kind.growth(at.part)
    if kind.name == "burst":
        grown = grown * np.clip((at.minutes + 1.0) / _STEP_MIN, 0.0, 1.0)
    return grown


def deliver(kind: Kind, amount: float, time_us: Ints, keys: Keys, counter: Ints) -> tuple[Ints, Ints]:
    """Which readings (places) of a stretch arrive, and with which times: rising.

    `amount` is the part that `dropout` loses, the seconds between the copies of `duplicate`, or the seconds by which
    `clock_jump` sets the clock ahead; `keys` and `counter` (n,) say whose luck it is.
    """
    places = np.arange(len(time_us))
    if kind.name == "dropout":
        places = places[uniform(keys, counter) >= amount]
        return places, time_us[places]
    if kind.name == "duplicate":
        twice = np.repeat(places, 2)
        return twice, time_us[twice] + np.tile([0, round(amount * 1e6)], len(places))
    if kind.name == "clock_jump":
        return places, time_us + round(amount * 1e6)
    return places, time_us
