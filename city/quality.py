"""The tests of quality (QARTOD) that every reading goes through, by quantity: `quality` in `city.yaml`.

.. code-block:: yaml

    quality:
      water_depth:
        spike: {change: 20 cm}                # the rest as built in
        flat_line: {for: 2d, within: 1 mm}
      temperature:
        neighbour: {differ: 8 °C, distance: 500 m, as: suspect}
      strain:
        rate: {as: none}                      # not tested

What is built in is wide: it finds what a sensor that works hardly says, and no published limit stands behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

from city import duration
from city.errors import Fault, InputError
from city.keys import Key, Kind, optional
from city.levels import Flag
from city.positions import Path, Positions, check_keys, nearest_or_all, show
from city.quantity import Quantity
from city.units import measure


class Effect(IntEnum):
    """What a test makes of a reading that does not pass: not run, noted beside it, suspect, or failed."""

    NONE = 0
    NOTE = Flag.PASS
    SUSPECT = Flag.SUSPECT
    FAIL = Flag.FAIL


@dataclass(frozen=True, slots=True)
class Gap:
    """More than so many of the sensor's intervals since the reading before; tests that compare begin anew there."""

    effect: Effect = Effect.NOTE
    intervals: float = 5.0


@dataclass(frozen=True, slots=True)
class Spike:
    """Differs by more than `change` from each of the two readings before (the quantity's unit)."""

    effect: Effect = Effect.SUSPECT
    change: float = math.inf


@dataclass(frozen=True, slots=True)
class Rate:
    """Changed by more than `change` in `within_s`, or by as much more as the reading before is older than that."""

    effect: Effect = Effect.SUSPECT
    change: float = math.inf
    within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class FlatLine:
    """Stayed `within` for `for_s` without a gap, above `rest`: a dry gauge is no broken one."""

    effect: Effect = Effect.SUSPECT
    for_s: float = math.inf
    within: float = 0.0
    rest: float = -math.inf


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Differs by more than `differ` from the median of at least `at_least` sensors of its quantity near it."""

    effect: Effect = Effect.SUSPECT
    differ: float = math.inf
    distance_m: float = 1_000.0
    at_least: int = 2


@dataclass(frozen=True, slots=True)
class Quality:
    """The tests of one quantity, in its canonical unit; a limit of infinity is a test that is not run."""

    gap: Gap = field(default_factory=Gap)
    spike: Spike = field(default_factory=Spike)
    rate: Rate = field(default_factory=Rate)
    flat_line: FlatLine = field(default_factory=FlatLine)
    neighbour: Neighbour = field(default_factory=Neighbour)


_DAY_S: Final = 86_400.0
USUAL: Final = Quality()


def _quality(
    spike: float, rate: tuple[float, float], flat_d: float, *, rest: float = -math.inf, differ: float = math.inf
) -> Quality:
    """Built-in tests: changes in the canonical unit, the rate's in so many seconds, days for a flat line."""
    return Quality(
        spike=Spike(change=spike), rate=Rate(change=rate[0], within_s=rate[1]),
        flat_line=FlatLine(for_s=flat_d * _DAY_S, rest=rest), neighbour=Neighbour(differ=differ),
    )  # fmt: skip


BUILT_IN: Final[Mapping[str, Quality]] = {
    "gas_pressure": _quality(200.0, (400.0, 60.0), 1.0),
    "gas_flow": _quality(math.inf, (math.inf, 60.0), 1.0, rest=0.0),
    "methane": _quality(30.0, (60.0, 60.0), 1.0, rest=0.0),
    "water_depth": _quality(40.0, (40.0, 60.0), 2.0, rest=0.0),
    "water_level": _quality(1.0, (1.0, 60.0), 2.0),
    "rainfall": _quality(math.inf, (math.inf, 60.0), 0.5, rest=0.0),
    "strain": _quality(1_000.0, (math.inf, 60.0), 1.0),
    "temperature": _quality(15.0, (15.0, 60.0), 2.0, differ=40.0),
    "deflection": _quality(200.0, (math.inf, 60.0), 7.0),
    "tilt": _quality(20.0, (math.inf, 60.0), 30.0),
    "crack": _quality(5.0, (5.0, 3_600.0), 90.0),
    "acceleration": _quality(100.0, (math.inf, 60.0), 0.25),
    "settlement": _quality(50.0, (50.0, 3_600.0), 90.0),
    "pore_pressure": _quality(100.0, (100.0, 60.0), 30.0),
    "battery": _quality(5.0, (math.inf, 60.0), math.inf),
}

_AS = Key(Kind.WORD, "What becomes of a reading that does not pass.", words=("none", "note", "suspect", "fail"))
TESTS: Mapping[str, Key] = {
    "gap": Key(Kind.MAPPING, "How long may pass before a reading; noted as usual.", keys={
        "intervals": Key(Kind.NUMBER, "So many of the sensor's intervals (5)."), "as": _AS}),
    "spike": Key(Kind.MAPPING, "A value that stands apart from each of the two before.", keys={
        "change": Key(Kind.DIFFERENCE, "By more than this: 20 cm."), "as": _AS}),
    "rate": Key(Kind.MAPPING, "A change that is too quick.", keys={
        "change": Key(Kind.DIFFERENCE, "By more than this: 20 cm."),
        "within": Key(Kind.DURATION, "In this time: 1m."), "as": _AS}),
    "flat_line": Key(Kind.MAPPING, "A value that does not change.", keys={
        "for": Key(Kind.DURATION, "For so long: 1d."),
        "within": Key(Kind.DIFFERENCE, "Changes up to this are none: 1 mm."),
        "rest": Key(Kind.MEASURE, "At or below this it may rest for ever: 0 cm."), "as": _AS}),
    "neighbour": Key(Kind.MAPPING, "A value unlike those of sensors of the same quantity near it.", keys={
        "differ": Key(Kind.DIFFERENCE, "By more than this from their median: 8 °C."),
        "distance": Key(Kind.DISTANCE, "How far away they may stand: 1 km."),
        "at_least": Key(Kind.COUNT, "How many must have spoken lately (2)."), "as": _AS}),
}  # fmt: skip
_FIELDS: Final = {
    ("rate", "within"): "within_s",
    ("flat_line", "for"): "for_s",
    ("neighbour", "distance"): "distance_m",
}


def of(quantity: str, own: Mapping[str, Quality]) -> Quality:
    """The tests of a quantity: the city's own, else what is built in."""
    return own.get(quantity) or BUILT_IN.get(quantity, USUAL)


def read_quality(
    value: object, quantities: Mapping[str, Quantity], positions: Positions, faults: list[Fault]
) -> dict[str, Quality]:
    """The tests that `city.yaml` changes, by quantity; whatever is wrong is added to `faults`."""
    at: Path = ("quality",)
    if not isinstance(value, Mapping):
        faults.append(positions.fault(at, "expected quantities and their tests", show(value), "{water_depth: {…}}"))
        return {}
    found: dict[str, Quality] = {}
    for name, tests in value.items():
        here = (*at, name)
        if name not in quantities:
            hint = nearest_or_all(str(name), quantities)
            faults.append(positions.key_fault(here, "unknown quantity", show(name), hint))
            continue
        faults += check_keys(tests, here, positions, optional=optional(TESTS))
        if isinstance(tests, Mapping):
            found[str(name)] = _tests(tests, quantities[str(name)], here, positions, faults)
    return found


def _tests(
    tests: Mapping[object, object], quantity: Quantity, at: Path, positions: Positions, faults: list[Fault]
) -> Quality:
    changed: dict[str, Any] = {}
    usual = BUILT_IN.get(quantity.id, USUAL)
    for test, known in TESTS.items():
        if test in tests:
            keys, here = tests[test], (*at, test)
            faults += check_keys(keys, here, positions, optional=optional(known.keys))
            if isinstance(keys, Mapping):
                changed[test] = _changed(getattr(usual, test), test, keys, (quantity, here, positions, faults))
    return replace(usual, **changed)


def _changed(
    usual: Any,  # noqa: ANN401 - one of the five
    test: str,
    keys: Mapping[object, object],
    place: tuple[Quantity, Path, Positions, list[Fault]],
) -> Any:  # noqa: ANN401 - as `usual`
    """A test as built in, with the keys that a city says."""
    quantity, at, positions, faults = place
    changed: dict[str, Any] = {}
    for name, key in TESTS[test].keys.items():
        if name not in keys:
            continue
        try:
            value = _read(key, keys[name], quantity)
        except InputError as error:
            what, _, hint = str(error).partition(", try ")
            faults.append(positions.fault((*at, name), what.partition(", got ")[0], show(keys[name]), hint))
        else:
            changed["effect" if name == "as" else _FIELDS.get((test, name), name)] = value
    return replace(usual, **changed)


def _read(key: Key, said: object, quantity: Quantity) -> float:
    """A key's value: in the quantity's unit, seconds or metres (InputError when it is none)."""
    match key.kind:
        case Kind.WORD:
            if said not in key.words:
                raise InputError(f"unknown word, try {nearest_or_all(str(said), key.words)}")
            return Effect[str(said).upper()]
        case Kind.DURATION:
            return _above(duration.parse_s(str(said)), "1m")
        case Kind.NUMBER | Kind.COUNT:
            whole = int if key.kind is Kind.COUNT else int | float
            if isinstance(said, bool) or not isinstance(said, whole):
                raise InputError("not a number, try 2")
            return _above(said, "2")
        case Kind.DISTANCE:
            return _above(measure(str(said), "m"), "500 m")
        case Kind.MEASURE:
            return measure(str(said), quantity.unit)
    change = measure(str(said), quantity.unit, difference=True)
    if change < 0:
        raise InputError("less than nothing, try a change from 0")
    return change


def _above(value: float, example: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"must be above 0, try {example}")
    return value
