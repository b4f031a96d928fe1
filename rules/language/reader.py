"""What every part of the rule language needs while it reads: the file's positions, the city, and the faults so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from city.duration import parse_s
from city.errors import Fault, InputError
from city.identity import PLAIN_ID, id_problem
from city.model import City, Sensor
from city.nearby import Nearby
from city.positions import Path, Positions, check_keys, nearest_or_all, show
from city.quantity import Quantity
from city.units import measure
from rules.conditions.kinds import Condition
from rules.language.calendarfile import Calendars
from rules.language.grammar import Key, optional, required

ANY = Quantity("any", "1", "platform", {"en": "any", "zh": "任意"}, float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Plan:
    """Makes a condition for one sensor. `shared`: sensors with the same interval get the same one."""

    make: Callable[[Sensor], Condition]
    shared: bool = True


def fixed(condition: Condition) -> Plan:
    """The same condition for every sensor."""
    return Plan(lambda sensor: condition)


@dataclass
class Reader:
    """One rule book being read: its positions, the city, the faults so far, and the detectors it names.

    Attributes
    ----------
    whole
        The city has no faults of its own, so what a rule refers to and is not there is a fault of the rule.
    calendars
        Those of calendar.yaml.
    nearby
        The city's neighbourhoods; made when first needed and shared by all files.
    slots
        How many sequences the rule being read has so far.
    """

    positions: Positions
    city: City
    faults: list[Fault]
    detectors: set[str] = field(default_factory=set)
    whole: bool = True
    calendars: Calendars = field(default_factory=Calendars)
    nearby: Nearby | None = None
    slots: int = 0

    def fault(self, path: Path, what: str, got: str = "", hint: str = "") -> None:
        """Remember a fault at a path."""
        self.faults.append(self.positions.fault(path, what, got, hint))

    def check(self, data: object, table: Mapping[str, Key], path: Path) -> Mapping[str, object]:
        """`data` as a mapping with the keys of a table, its faults remembered; empty when it is no mapping."""
        self.faults += check_keys(data, path, self.positions, required=required(table), optional=optional(table))
        return data if isinstance(data, Mapping) else {}

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

    def span_us(self, data: Mapping[str, object], key: str, path: Path, default_us: int = 0) -> int:
        """The same, above 0."""
        before, found_us = len(self.faults), self.duration_us(data, key, path, default_us)
        if key in data and found_us <= 0 and len(self.faults) == before:
            self.fault((*path, key), f"{key}: expected a duration above 0", show(data[key]), "5m")
        return found_us

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

    def distance_m(self, data: Mapping[str, object], key: str, path: Path) -> float | None:
        """A distance above 0 in metres; None when there is none, with a fault when it is wrong."""
        if key not in data:
            return None
        before, found_m = len(self.faults), self.measure(data[key], "m", (*path, key))
        if found_m <= 0 and len(self.faults) == before:
            self.fault((*path, key), f"{key}: expected a distance above 0", show(data[key]), "300 m")
        return found_m

    def number(self, value: object, path: Path) -> float:
        """A plain number; a fault and 0 when it is none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(path, "expected a plain number", show(value), "5")
            return 0.0
        return float(value)

    def count(self, data: Mapping[str, object], key: str, path: Path, default: int) -> int:
        """A whole number from 1 on; a fault and the default when it is none."""
        value = data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or (key in data and not 1 <= value <= 10_000):
            self.fault((*path, key), f"{key}: expected a whole number from 1 on", show(value), str(max(default, 2)))
            return default
        return value

    def word(self, data: Mapping[str, object], key: str, path: Path, known: tuple[str, ...], default: str) -> str:
        """One of a few words; a fault and the default when it is none of them."""
        value = data.get(key, default)
        if value not in known and value != default:
            hint = nearest_or_all(str(value), known)
            self.fault((*path, key), f"{key}: not one of {', '.join(known)}", show(value), hint)
            return default
        return str(value)

    def texts(self, data: Mapping[str, object], key: str, path: Path) -> list[str] | None:
        """A list of texts; None when there is none, with a fault when it is wrong."""
        if key not in data:
            return None
        value = data[key]
        if not isinstance(value, list):
            self.fault((*path, key), f"{key}: expected a list", show(value), f"[{value}]")
            return None
        return [str(item) for item in value]

    def entries(self, data: Mapping[str, object], section: str, kind: type = dict) -> list[tuple[str, Any, Path]]:
        """The well-formed entries of a mapping of named mappings (or lists), with their paths."""
        found = data.get(section, {})
        if not isinstance(found, Mapping):
            self.fault((section,), f"{section}: expected a mapping", show(found), "name: …")
            return []
        good = []
        for name, entry in found.items():
            path: Path = (section, name)
            if (problem := id_problem(name, PLAIN_ID)) is not None:
                self.faults.append(self.positions.key_fault(path, problem[0], show(name), problem[1]))
            if isinstance(entry, Mapping if kind is dict else kind):
                good.append((str(name), entry, path))
            else:
                self.fault(path, f"expected a {'list' if kind is list else 'mapping'}", show(entry))
        return good

    def text(self, data: Mapping[str, object], key: str, path: Path, hint: str = "quotes around it") -> str:
        """A text under `key`; empty when there is none, with a fault when it is wrong."""
        value = data.get(key)
        if key in data and (not isinstance(value, str) or not value.strip()):
            self.fault((*path, key), f"{key}: expected text", show(value), hint)
        return value.strip() if isinstance(value, str) else ""

    def known(self, value: object, path: Path, what: str, names: Collection[str]) -> bool:
        """Whether it is the name of something known, with a fault when it is not (it may be anything)."""
        if isinstance(value, str) and value in names:
            return True
        self.fault(path, f"no such {what}", show(value), nearest_or_all(str(value), names) or f"adding the {what}")
        return False

    def quantity(self, data: Mapping[str, object], path: Path) -> Quantity | None:
        """The quantity under `quantity`; None with a fault when there is no such one."""
        name = data.get("quantity", "")
        found = self.city.quantities.get(name) if isinstance(name, str) else None
        if found is None and "quantity" in data:
            hint = nearest_or_all(str(name), self.city.quantities)
            self.fault((*path, "quantity"), "unknown quantity", show(name), hint)
        return found

    def site_kind(self, data: Mapping[str, object], key: str, path: Path) -> str:
        """A kind of site; empty when there is none, with a fault when it is not known."""
        kind = data.get(key)
        if kind is None:
            return ""
        if not isinstance(kind, str) or kind not in self.city.site_kinds:
            hint = nearest_or_all(str(kind), self.city.site_kinds)
            self.fault((*path, key), "unknown kind of site", show(kind), hint)
        return str(kind)

    def neighbourhoods(self) -> Nearby:
        """The city's neighbourhoods."""
        if self.nearby is None:
            self.nearby = Nearby(self.city)
        return self.nearby
