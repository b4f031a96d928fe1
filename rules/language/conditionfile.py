"""Reads conditions from rule books: checks words, units and durations, and resolves neighbours for one sensor.

Reading has two stages, so that a fault is told once and not for every sensor: `read_condition` turns YAML into a
`Blueprint` for one quantity, and `Blueprint.build` makes the condition for one sensor of that quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from city.duration import parse_s
from city.duration import write as write_duration
from city.errors import Fault, InputError
from city.model import City, Sensor
from city.positions import Path, Positions, check_keys, nearest_or_all, show
from city.quantity import Quantity
from city.units import measure
from detectors.registry import create
from rules.conditions.condition import All, Any_, Compare, Condition, Detect, Near, Not, Silent, Trend

AGGREGATES = ("sum", "mean", "min", "max", "last")
COMPARISONS = ("above", "below", "outside")
FORMS = (*COMPARISONS, "rising", "falling", "detector", "near", "silent", "all", "any", "not")
# What may stand beside each form, inside one condition.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "rising": ("within",),
    "falling": ("within",),
    "detector": ("score", "direction"),
    "near": (*AGGREGATES, *COMPARISONS, "detector", "score", "direction", "in_last"),
}
BESIDE_LEVEL = ("for", "deadband", "on_gap")

Build = Callable[[Sensor], Condition]


@dataclass
class Reader:
    """One rule book being read: its positions, the city, the faults so far, and the detectors it names.

    `whole`: the city has no faults of its own, so what a rule refers to and is not there is a fault of the rule.
    """

    positions: Positions
    city: City
    faults: list[Fault]
    detectors: set[str] = field(default_factory=set)
    whole: bool = True

    def fault(self, path: Path, what: str, got: str = "", hint: str = "") -> None:
        """Remember a fault at a path."""
        self.faults.append(self.positions.fault(path, what, got, hint))

    def duration_us(self, data: Mapping[str, object], key: str, path: Path, default_us: int = 0) -> int:
        """A duration under `key` in microseconds; a fault and the default when it is none."""
        if key not in data:
            return default_us
        text = data[key]
        if not isinstance(text, str):
            self.fault((*path, key), f"{key}: expected a duration", show(text), "5m")
            return default_us
        try:
            return round(parse_s(text) * 1e6)
        except InputError as error:
            self.fault((*path, key), f"{key}: {error}")
            return default_us

    def measure(self, value: object, unit: str, path: Path, *, difference: bool = False) -> float:
        """A number with a unit, in the canonical unit; a fault and 0 when it is none."""
        if not isinstance(value, str):
            hint = f"{value} {unit}" if isinstance(value, int | float) and not isinstance(value, bool) else f"15 {unit}"
            self.fault(path, "expected a number with a unit", show(value), hint)
            return 0.0
        try:
            return measure(value, unit, difference=difference)
        except InputError as error:
            self.fault(path, str(error))
            return 0.0

    def word(self, data: Mapping[str, object], key: str, path: Path, known: tuple[str, ...], default: str) -> str:
        """One of a few words; a fault and the default when it is none of them."""
        value = data.get(key, default)
        if value not in known and value != default:
            hint = nearest_or_all(str(value), known)
            self.fault((*path, key), f"{key}: not one of {', '.join(known)}", show(value), hint)
            return default
        return str(value)


def read_condition(
    reader: Reader, data: object, path: Path, quantity: Quantity, beside: tuple[str, ...] = ()
) -> Build | None:
    """A condition for sensors of `quantity`; None when it has faults. `beside`: keys the caller reads itself."""
    before = len(reader.faults)
    if not isinstance(data, Mapping):
        reader.fault(path, "expected a condition", show(data), "{above: 15 cm}")
        return None
    forms = [key for key in data if key in FORMS]
    if "near" in forms:
        forms = ["near"]
    if len(forms) != 1:
        strange = [] if forms else [key for key in data if key not in beside]
        reader.faults += check_keys({key: 0 for key in strange}, path, reader.positions, optional=FORMS)
        if strange:
            return None
        got = ", ".join(forms) or "nothing"
        reader.fault(path, "a condition has exactly one form", got, "one of " + ", ".join(FORMS) + ", or all: [...]")
        return None
    form = forms[0]
    reader.faults += check_keys(data, path, reader.positions, optional=(form, *BESIDE.get(form, ()), *beside))
    build = _FORMS[form](reader, data, path, quantity)
    return build if len(reader.faults) == before else None


def _compare(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Compare | None:
    form = next((key for key in COMPARISONS if key in data), None)
    if form is None:
        return None
    value, unit = data[form], quantity.unit
    if form != "outside":
        number = reader.measure(value, unit, (*path, form))
        low, high = (None, number) if form == "above" else (number, None)
        return Compare(low, high, f"{form} {value}")
    if not isinstance(value, list) or len(value) != 2:
        reader.fault((*path, form), "outside: expected two bounds", show(value), f"[10 {unit}, 20 {unit}]")
        return None
    low, high = (reader.measure(bound, unit, (*path, form, at)) for at, bound in enumerate(value))
    if low >= high:
        reader.fault(
            (*path, form), "outside: the first bound must be lower", f"{value[0]} and {value[1]}", "swapping them"
        )
    return Compare(low, high, f"outside {value[0]} to {value[1]}")


def _read_compare(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Build | None:
    compare = _compare(reader, data, path, quantity)
    return None if compare is None else lambda sensor: compare


def _read_trend(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Build:
    form = "rising" if "rising" in data else "falling"
    by = reader.measure(data[form], quantity.unit, (*path, form), difference=True)
    within_us = reader.duration_us(data, "within", path)
    if "within" not in data or within_us <= 0:
        reader.fault(path, f"{form} needs a time to do it in", hint="within: 10m")
    if by <= 0:
        reader.fault((*path, form), f"{form}: expected an amount above 0", show(data[form]), f"2 {quantity.unit}")
    trend = Trend(by if form == "rising" else -by, within_us, f"{form} {data[form]} within {data.get('within')}")
    return lambda sensor: trend


def _detect(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Detect | None:
    name = data.get("detector")
    try:
        detector = create(str(name))
    except InputError as error:
        reader.fault((*path, "detector"), str(error))
        return None
    if detector.quantities and quantity.id not in detector.quantities:
        suits = ", ".join(sorted(detector.quantities))
        reader.fault((*path, "detector"), f"{name} is not made for {quantity.id}", hint=f"watching {suits}")
    reader.detectors.add(str(name))
    score = data.get("score", 1)
    if isinstance(score, bool) or not isinstance(score, int | float) or not score > 0:
        reader.fault((*path, "score"), "score: expected a number above 0", show(score), "1")
        score = 1
    direction = reader.word(data, "direction", path, ("up", "down"), "")
    return Detect(str(name), float(score), direction, f"{name} {direction}".strip())


def _read_detector(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Build | None:
    detect = _detect(reader, data, path, quantity)
    return None if detect is None else lambda sensor: detect


def _read_near(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Build | None:
    where, near_path = data["near"], (*path, "near")
    reader.faults += check_keys(
        where, near_path, reader.positions, required=("quantity", "within"), optional=("site_kind",)
    )
    if not isinstance(where, Mapping):
        return None
    other = reader.city.quantities.get(str(where.get("quantity")))
    if other is None:
        hint = nearest_or_all(str(where.get("quantity")), reader.city.quantities)
        reader.fault((*near_path, "quantity"), "unknown quantity", show(where.get("quantity")), hint)
        return None
    within_m = reader.measure(where.get("within", "1 m"), "m", (*near_path, "within"))
    aggregates = [key for key in AGGREGATES if key in data]
    compare, detect = _compare(reader, data, path, other), None
    if "detector" in data:
        detect = _detect(reader, data, path, other)
        window_us = reader.duration_us(data, "in_last", path)
        said = f"{data['detector']} in the last {data.get('in_last')}"
        fits = not aggregates and compare is None and window_us > 0
    else:
        window_us = reader.duration_us(data, aggregates[0], path) if aggregates else 0
        said = f"{aggregates[0]} over {data[aggregates[0]]} {compare.written}" if aggregates and compare else ""
        fits = len(aggregates) == 1 and compare is not None and window_us > 0
    if not fits:
        hint = "{near: {…}, sum: 30m, above: 15 mm} or {near: {…}, detector: name, in_last: 60m}"
        reader.fault(
            path, "near needs an aggregate over a time and a comparison, or a detector with in_last", hint=hint
        )
        return None
    kind = str(where.get("site_kind", ""))
    written = f"{other.id} within {where.get('within')}: {said}"
    aggregate = aggregates[0] if aggregates else ""

    def build(sensor: Sensor) -> Condition:
        found = neighbours_of(reader.city, sensor, other, within_m, kind)
        return Near(found, aggregate, window_us, None if detect else compare, detect, written)

    return build


def neighbours_of(city: City, sensor: Sensor, quantity: Quantity, within_m: float, site_kind: str) -> tuple[str, ...]:
    """The sensors of a quantity within a distance, nearest first; never the sensor itself."""
    here = city.place_of(sensor)
    away = [
        (here.distance_m(city.place_of(other)), other.id)
        for other in city.sensors.values()
        if other.quantity.id == quantity.id and other.id != sensor.id
        and (not site_kind or city.sites[other.site].kind == site_kind)
    ]  # fmt: skip
    return tuple(name for away_m, name in sorted(away) if away_m <= within_m)


def _read_parts(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Build | None:
    form = "all" if "all" in data else "any"
    parts = data[form]
    if not isinstance(parts, list) or not parts:
        reader.fault(
            (*path, form), f"{form}: expected a list of conditions", show(parts), f"{form}: [{{above: …}}, {{…}}]"
        )
        return None
    builds = [read_condition(reader, part, (*path, form, at), quantity) for at, part in enumerate(parts)]
    good = [build for build in builds if build is not None]
    join = All if form == "all" else Any_
    return lambda sensor: join(tuple(build(sensor) for build in good))


def _read_not(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Build | None:
    build = read_condition(reader, data["not"], (*path, "not"), quantity)
    return None if build is None else lambda sensor: Not(build(sensor))


def _read_silent(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Build:
    after_us = reader.duration_us(data, "silent", path)
    if after_us <= 0:
        reader.fault((*path, "silent"), "silent: expected a duration above 0", show(data["silent"]), "5m")
    silent = Silent(after_us, f"silent {write_duration(after_us / 1e6)}")
    return lambda sensor: silent


_FORMS: Mapping[str, Callable[[Reader, Mapping[str, object], Path, Quantity], Build | None]] = {
    **dict.fromkeys(COMPARISONS, _read_compare),
    "rising": _read_trend,
    "falling": _read_trend,
    "detector": _read_detector,
    "near": _read_near,
    "all": _read_parts,
    "any": _read_parts,
    "not": _read_not,
    "silent": _read_silent,
}
