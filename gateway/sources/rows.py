"""Rows of text or JSON into readings, by a source's configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from city.clock import Clock
from city.errors import InputError
from gateway.config import Rows
from gateway.envelope import Row
from gateway.mapping import Mapping as Recorded
from gateway.mapping import Template, TimeColumn
from gateway.translate import Reading, Refused, Translator

_ARRIVED = " arrived"  # no file or payload has a column of this name
_MOST_DEPTH, _MOST_SENSORS = 8, 100_000
_SECOND_US = 1_000_000
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Found:
    """What was found in some rows: readings, how much was bad, and the latest reason."""

    rows: list[Row] = field(default_factory=list)
    bad: int = 0
    why: str = ""

    def refuse(self, why: object) -> None:
        """Count something that cannot be a reading."""
        self.bad += 1
        self.why = str(why)[:200]


class RowReader:
    """Reads rows as a source's configuration says. Never raises on what comes from outside."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows, self._clock = rows, clock
        self._last_us: dict[str, int] = {}  # of readings timed by their arrival
        self._translator = Translator(
            Recorded(
                files=(),
                time=rows.time or TimeColumn((_ARRIVED,), "unix_s"),
                sensor=Template("-"),
                gateway=Template("-"),
                district=Template("-"),
                values=rows.values,
                missing=rows.missing,
            )
        )

    def read(self, cells: Iterable[Mapping[str, object]]) -> Found:
        """The readings of some rows (columns by name)."""
        found = Found()
        arrived_s = self._clock.now_us() // 1000 / 1000
        for row in cells:
            try:
                for reading in self._translator.readings({**row, _ARRIVED: arrived_s}):
                    if isinstance(reading, Refused):
                        found.refuse(reading)
                    else:
                        found.rows.append(self._row(reading))
            except (Refused, InputError) as error:  # InputError: a column that should be there is not
                found.refuse(error)
        return found

    def _row(self, reading: Reading) -> Row:
        sensor, time_us = reading.source.sensor, reading.time_us
        if self._rows.time is None:
            last_us = self._last_us.get(sensor, 0)
            if 0 <= last_us - time_us < _SECOND_US:  # two rows in one millisecond are two readings
                time_us = last_us + 1000
            if len(self._last_us) > _MOST_SENSORS:
                self._last_us.clear()
            self._last_us[sensor] = time_us
        return sensor, time_us, reading.value, reading.source.unit, reading.flag

    def read_json(self, payload: bytes, beside: Mapping[str, object] | None = None) -> Found:
        """The readings of a JSON payload; `beside` are columns that come from elsewhere, such as the topic."""
        try:
            content = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            found = Found()
            found.refuse(f"not JSON: {error}")
            return found
        listed = _at(content, self._rows.each) if self._rows.each else content
        outer = dict(_flat(content, "")) if self._rows.each else {}
        if listed is None:
            found = Found()
            found.refuse(f"no list {self._rows.each!r} in the payload")
            return found
        entries = listed if isinstance(listed, list) else [listed]
        return self.read({**outer, **dict(_flat(entry, "")), **(beside or {})} for entry in entries)


def _at(content: object, path: str) -> object:
    for part in path.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def _flat(value: object, name: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Columns of a JSON value: `{"a": {"b": 1}, "c": [2]}` has `a.b` and `c.0`; a bare value is the column `value`."""
    inner: Iterable[tuple[object, object]]
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value[:100])
    else:
        yield name or "value", value
        return
    if depth < _MOST_DEPTH:
        for key, part in inner:
            yield from _flat(part, f"{name}.{key}" if name else str(key), depth + 1)
