"""Rows into readings, by a mapping. What cannot be a reading is refused with one of a few reasons, and counted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from collections.abc import Mapping as AnyMapping
from enum import StrEnum
from typing import NamedTuple

from city.errors import InputError
from city.written import NoZoneError, Written, as_number
from gateway.mapping import Mapping, Profile, Template, TimeColumn, Value


class Why(StrEnum):
    """Why something recorded did not become a reading."""

    UNREADABLE_ROW = "unreadable_row"
    BAD_TIME = "bad_time"
    BAD_VALUE = "bad_value"
    BAD_PROFILE = "bad_profile"
    BAD_FLAG = "bad_flag"
    BAD_NAME = "bad_name"
    IMPLAUSIBLE = "implausible"


class Refused(Exception):
    """A row or value is not to be taken; why, and what it was."""

    def __init__(self, why: Why, detail: str) -> None:
        self.why, self.detail = why, detail
        super().__init__(f"{why}: {detail}")


class Source(NamedTuple):
    """Who says it: what is the same for all readings of one recorded series."""

    district: str
    gateway: str
    sensor: str
    unit: str


class Reading(NamedTuple):
    """One recorded reading; `flag` is 0 when none was recorded. Time in microseconds since 1970."""

    time_us: int
    source: Source
    value: float
    flag: int


_DAY_S = 86_400.0
_MOST_OFFSET_S = 366 * _DAY_S  # a profile longer than a year is a mistake


class Translator:
    """Turns rows into readings.

    `missing` counts values that were marked as missing: they are no fault. `ambiguous` counts local times that came
    twice because clocks went back; the first is taken.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._time = _time_reader(mapping.time)
        self._missing_numbers = frozenset(n for text in mapping.missing if (n := as_number(text)) is not None)
        self.missing = self.ambiguous = 0

    def readings(self, cells: AnyMapping[str, object]) -> Iterator[Reading | Refused]:
        """The readings of one row, and what was refused in it.

        Raises
        ------
        Refused
            The row as a whole is not to be taken.
        InputError
            The mapping speaks of a column that the file does not have.
        """
        row: AnyMapping[str, object] = cells
        if self._mapping.derived:
            row = {**cells}
            for derived in self._mapping.derived:
                text = str(self._cell(row, derived.source))
                found = derived.match.fullmatch(text)
                part = (found[1] if found.re.groups else found[0]) if found else ""
                name = derived.lookup.get(part, "") if derived.lookup else part
                if not name:
                    raise Refused(Why.BAD_NAME, f"no {derived.name} for {text!r}")
                row[derived.name] = name
        self._check_plausible(row)
        time_us = self._row_time(row)
        flag = self._flag(row)
        return (
            self._profile(row, self._mapping.profile, time_us, flag)
            if self._mapping.profile
            else (self._values(row, time_us, flag))
        )

    def _cell(self, row: AnyMapping[str, object], column: str) -> object:
        try:
            return row[column]
        except KeyError:
            known = ", ".join(sorted(map(str, row))[:12])
            raise InputError(f"mapping: no column {column!r} in the file, try one of {known}") from None

    def _name(self, row: AnyMapping[str, object], template: Template) -> str:
        for column in template.columns:
            self._cell(row, column)
        return template.fill(row).strip()

    def _source(self, row: AnyMapping[str, object], sensor: Template, unit: str) -> Source:
        mapping = self._mapping
        source = Source(
            self._name(row, mapping.district), self._name(row, mapping.gateway), self._name(row, sensor), unit
        )
        if not all(source[:3]):
            raise Refused(Why.BAD_NAME, "an empty sensor, gateway or district name")
        return source

    def _check_plausible(self, row: AnyMapping[str, object]) -> None:
        for column, (low, high) in self._mapping.plausible.items():
            number = as_number(self._cell(row, column))
            if number is not None and not low <= number <= high:
                raise Refused(Why.IMPLAUSIBLE, f"{column} is {number:g}, outside {low:g} to {high:g}")

    def _row_time(self, row: AnyMapping[str, object]) -> int:
        columns = self._mapping.time.columns
        found = [self._cell(row, column) for column in columns]
        moment, ambiguous = self._time(found[0] if len(found) == 1 else " ".join(str(part).strip() for part in found))
        self.ambiguous += ambiguous
        return moment

    def _flag(self, row: AnyMapping[str, object]) -> int:
        if not self._mapping.flag_column:
            return 0
        text = str(self._cell(row, self._mapping.flag_column)).strip()
        flag = self._mapping.flags.get(text, 0)
        if not flag and text:
            raise Refused(Why.BAD_FLAG, f"no flag for {text!r}")
        return flag

    def _value(self, raw: object) -> float | None:
        """A number, None when it is marked as missing."""
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in self._mapping.missing):
            return None
        number = as_number(raw)
        if number is not None and (number in self._missing_numbers or math.isnan(number)):
            return None
        if number is None or math.isinf(number):
            raise Refused(Why.BAD_VALUE, f"not a number: {str(raw)[:60]!r}")
        return number

    def _values(self, row: AnyMapping[str, object], time_us: int, flag: int) -> Iterator[Reading | Refused]:
        for column, name, unit, value in self._columns(row):
            try:
                number = self._value(self._cell(row, column))
                if number is None:
                    self.missing += 1
                    continue
                written = unit or (str(self._cell(row, value.unit_column)).strip() if value.unit_column else "")
                named = {**row, "name": name, "unit": written} if value.match else row
                yield Reading(time_us, self._source(named, value.sensor or self._mapping.sensor, written), number, flag)
            except Refused as refused:
                yield refused

    def _columns(self, row: AnyMapping[str, object]) -> Iterator[tuple[str, str, str, Value]]:
        """(column, name, unit, value) of every value column of a row."""
        for value in self._mapping.values:
            if value.match is None:
                yield value.column, value.column, value.unit, value
                continue
            for column in row:
                if found := value.match.fullmatch(column):
                    groups = found.groupdict()
                    yield column, groups.get("name") or column, value.unit or groups.get("unit") or "", value

    def _profile(
        self, row: AnyMapping[str, object], profile: Profile, time_us: int, flag: int
    ) -> Iterator[Reading | Refused]:
        source = self._source(row, self._mapping.sensor, profile.unit)
        values, offsets = (_array(self._cell(row, name), name) for name in (profile.values, profile.offsets_s))
        if len(values) != len(offsets):
            raise Refused(Why.BAD_PROFILE, f"{len(values)} values with {len(offsets)} offsets")
        for raw, offset in zip(values, offsets, strict=True):
            try:
                offset_us, number = _offset_us(offset), self._value(raw)
                if number is None:
                    self.missing += 1
                    continue
                yield Reading(time_us + offset_us, source, number, flag)
            except Refused as refused:
                yield refused


def _offset_us(raw: object) -> int:
    offset_s = as_number(raw)
    if offset_s is None or not 0 <= offset_s <= _MOST_OFFSET_S:
        raise Refused(Why.BAD_TIME, f"an offset of {str(raw)[:60]} s")
    return round(offset_s * 1e6)


def _array(raw: object, column: str) -> list[object]:
    try:
        found = json.loads(raw) if isinstance(raw, str) else raw
    except (ValueError, RecursionError) as error:
        raise Refused(Why.BAD_PROFILE, f"{column} is not a JSON array: {error}") from None
    if not isinstance(found, list):
        raise Refused(Why.BAD_PROFILE, f"{column} is not a JSON array")
    return found


def _time_reader(column: TimeColumn) -> Callable[[object], tuple[int, bool]]:
    """A function from a cell to microseconds since 1970, and whether the local time came twice."""
    written = Written(column.format, column.zone)

    def moment(raw: object) -> tuple[int, bool]:
        try:
            return written.read(raw)
        except NoZoneError as error:
            raise InputError(
                f"mapping: time {error} has no offset, try time: {{zone: Asia/Shanghai}}, or UTC"
            ) from None
        except ValueError as error:
            raise Refused(Why.BAD_TIME, str(error)) from None

    return moment
