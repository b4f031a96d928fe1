"""Reads the small values of rule tests (times, spans, words, sensors), each fault with its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from city import duration
from city.clock import to_us
from city.errors import Fault, InputError
from city.model import City
from city.positions import Path, Positions, check_keys, nearest, nearest_or_all, show


@dataclass
class Reading:
    """A rule test file being read.

    Attributes
    ----------
    positions, faults
        Where its values stand, and what is wrong so far.
    city
        The city its tests run in.
    start_us
        When the test being read begins.
    """

    positions: Positions
    faults: list[Fault]
    city: City
    start_us: int = 0

    def fault(self, path: Path, what: str, got: str = "", hint: str = "") -> None:
        """Remember a fault at a path."""
        self.faults.append(self.positions.fault(path, what, got, hint))

    def keys(self, data: object, path: Path, required: Collection[str], optional: Collection[str]) -> bool:
        """Whether `data` is a mapping with these keys; all that is wrong with them is a fault."""
        found = check_keys(data, path, self.positions, required=required, optional=optional)
        self.faults += found
        return not found

    def items(self, data: Mapping[str, object], key: str, path: Path, example: str) -> list[tuple[Path, object]]:
        """The parts of a list under `key` with their paths; none when there is no list."""
        value = data.get(key, [])
        if not isinstance(value, list):
            self.fault((*path, key), f"{key}: expected a list", show(value), example)
            return []
        return [((*path, key, at), item) for at, item in enumerate(value)]

    def span_us(self, data: Mapping[str, object], key: str, path: Path, default_us: int = 0) -> int:
        """A length of time in microseconds, above 0; a fault and the default when it is none."""
        if key not in data:
            return default_us
        value = data[key]
        try:
            span_us = round(duration.parse_s(value) * 1e6) if isinstance(value, str) else -1
        except InputError as error:
            self.fault((*path, key), f"{key}: {error}")
            return default_us
        if span_us <= 0:
            self.fault((*path, key), f"{key}: expected a length of time above 0", show(value), "5m")
            return default_us
        return span_us

    def moment_us(self, data: Mapping[str, object], key: str, path: Path) -> int:
        """An instant in microseconds since 1970: how long after the start (`10m`), or a time with its offset."""
        value = data.get(key)
        if isinstance(value, str):
            try:
                return self.start_us + round(duration.parse_s(value) * 1e6)
            except InputError:
                pass
            if (moment := _moment(value)) is not None:
                return moment
        hint = "10m (after the start) or 2026-07-01T08:10:00+08:00"
        self.fault((*path, key), f"{key}: expected an instant", show(value), hint)
        return self.start_us

    def start(self, data: Mapping[str, object], path: Path) -> int:
        """The time with its offset under `start`."""
        value = data.get("start")
        moment = _moment(value) if isinstance(value, str) else None
        if moment is None:
            hint = "2026-07-01T08:00:00+08:00"
            self.fault((*path, "start"), "start: expected a time with its offset", show(value), hint)
        return moment or 0

    def word(self, data: Mapping[str, object], key: str, path: Path, known: Collection[str]) -> str:
        """One of a few words; a fault and the first when it is none of them."""
        value = data.get(key)
        if not isinstance(value, str) or value not in known:
            hint = nearest(str(value), known)
            self.fault((*path, key), f"{key}: not one of {', '.join(known)}", show(value), hint and repr(hint))
            return next(iter(known))
        return value

    def names(
        self, data: Mapping[str, object], key: str, path: Path, known: Collection[str], what: str
    ) -> tuple[str, ...]:
        """One name or a list of them, each known; `all` means every one."""
        value = data.get(key)
        if value == "all":
            return tuple(sorted(known))
        whole: Path = (*path, key)
        parts = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        found = []
        for at, name in parts:
            if isinstance(name, str) and name in known:
                found.append(name)
                continue
            here = whole if at is None else (*whole, at)
            self.fault(here, f"no such {what}", show(name), nearest_or_all(str(name), known))
        if not parts:
            self.fault(whole, f"{key}: expected at least one {what}", "an empty list", nearest_or_all("", known))
        return tuple(found)

    def truth(self, data: Mapping[str, object], key: str, path: Path) -> bool:
        """True or false."""
        value = data.get(key, False)
        if not isinstance(value, bool):
            self.fault((*path, key), f"{key}: expected true or false", show(value), "true")
        return value is True

    def number(self, data: Mapping[str, object], key: str, path: Path, *, least: float = float("-inf")) -> float:
        """A number of at least `least`; 0 when it is missing."""
        value = data.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            hint = f"a number of at least {least:g}" if least > float("-inf") else "a number"
            self.fault((*path, key), f"{key}: expected a number", show(value), hint)
            return 0.0
        return float(value)


def _moment(text: str) -> int | None:
    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError:
        return None
