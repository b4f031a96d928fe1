"""Reads `gateways.csv`, `sensors.csv` and `calibrations.csv`: the boxes, what they measure, and their corrections."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from city.errors import Fault
from city.geo import Place
from city.identity import PLAIN_ID, TOPIC_ID, id_problem
from city.keys import optional, required
from city.model import Calibration, Gateway, Sensor
from city.positions import nearest_or_all
from city.quantity import Quantity
from city.sites import place_problem
from city.table import Row, read
from city.tablekeys import CALIBRATIONS, CLOCKS, GATEWAYS, GONE, SENSORS
from city.units import UnitError, convert, converter

_SUGGESTED = 200  # faults; looking for what was meant costs time, and beyond so many it helps nobody
_LONGEST_INTERVAL_S = 31 * 86_400.0


@dataclass
class Register:
    """What was read so far. The id sets hold every id that was named, also in faulty rows; None: file unreadable."""

    districts: Collection[str] | None
    sites: Collection[str] | None
    quantities: Mapping[str, Quantity]
    zone: ZoneInfo | None
    faults: list[Fault] = field(default_factory=list)
    gateways: dict[str, Gateway] = field(default_factory=dict)
    sensors: dict[str, Sensor] = field(default_factory=dict)
    calibrations: dict[str, tuple[Calibration, ...]] = field(default_factory=dict)
    gateway_ids: set[str] | None = None
    sensor_ids: set[str] | None = None

    def read_gateways(self, text: str, file: str) -> None:
        """Take in `gateways.csv`."""
        rows, faults = read(text, file, required(GATEWAYS), optional(GATEWAYS), GONE)
        self.faults += faults
        seen: dict[str, int] = {}
        for row in rows:
            cells = _Cells(row, self.faults)
            gateway = Gateway(
                id=cells.new_id("gateway", TOPIC_ID, seen),
                district=cells.known("district", self.districts),
                interval_s=cells.interval_s(),
                name=row["name"],
                place=cells.place(),
                clock=cells.word("clock", CLOCKS),
            )
            if not cells.faulty:
                self.gateways[gateway.id] = gateway
        self.gateway_ids = _named(seen, "gateway", rows, faults)

    def read_sensors(self, text: str, file: str) -> None:
        """Take in `sensors.csv` (after gateways and sites)."""
        rows, faults = read(text, file, required(SENSORS), optional(SENSORS))
        self.faults += faults
        seen: dict[str, int] = {}
        for row in rows:
            self._read_sensor(row, seen)
        self.sensor_ids = _named(seen, "sensor", rows, faults)
        for row in rows:
            for other in () if row.broken else _words(row["context"]):
                if other not in seen:
                    hint = nearest_or_all(other, seen) if len(self.faults) < _SUGGESTED else ""
                    self.faults.append(row.fault("context", "context: unknown sensor", hint, got=repr(other)))
                elif other == row["sensor"]:
                    self.faults.append(row.fault("context", "a sensor cannot be its own context", "another sensor"))

    def _read_sensor(self, row: Row, seen: dict[str, int]) -> None:
        cells = _Cells(row, self.faults)
        id_ = cells.new_id("sensor", PLAIN_ID, seen)
        gateway = cells.known("gateway", self.gateway_ids)
        site = cells.known("site", self.sites)
        quantity = self.quantities.get(cells.known("quantity", self.quantities))
        unit_works = quantity is not None and cells.unit(quantity)
        range_min, range_max = cells.number("range_min"), cells.number("range_max")
        if range_min is not None and range_max is not None and range_min >= range_max:
            cells.complain("range_max", f"range_max must be above range_min {row['range_min']}", "a larger number")
        interval_s, place = cells.interval_s(), cells.place()
        installed, removed = cells.day("installed"), cells.day("removed")
        if installed and removed and removed <= installed:
            cells.complain(
                "removed", f"removed must be after installed {installed}", "a later day, or leaving it empty"
            )
        if cells.faulty or quantity is None or not unit_works:
            return
        self.sensors[id_] = Sensor(
            id=id_, gateway=gateway, site=site, quantity=quantity, unit=row["unit"], interval_s=interval_s,
            name=row["name"], place=place, installed=installed, removed=removed,
            range_min=None if range_min is None else convert(range_min, row["unit"], quantity.unit),
            range_max=None if range_max is None else convert(range_max, row["unit"], quantity.unit),
            tags=frozenset(_words(row["tags"])), context=tuple(_words(row["context"])),
        )  # fmt: skip

    def read_calibrations(self, text: str, file: str) -> None:
        """Take in `calibrations.csv` (after sensors); each sensor's are sorted by time."""
        rows, faults = read(text, file, required(CALIBRATIONS), optional(CALIBRATIONS))
        self.faults += faults
        found: dict[str, dict[datetime, Calibration]] = {}
        for row in rows:
            cells = _Cells(row, self.faults)
            sensor = cells.known("sensor", self.sensor_ids)
            from_ = cells.moment("from", self.zone)
            scale, offset = cells.number("scale", needed=True), cells.number("offset", needed=True)
            if scale == 0:
                cells.complain("scale", "scale must not be 0", "1")
            if from_ in found.get(sensor, {}):
                cells.complain("from", f"duplicate calibration of {sensor!r}", "one row for each sensor and time")
            if not cells.faulty and from_ is not None and scale is not None and offset is not None:
                found.setdefault(sensor, {})[from_] = Calibration(sensor, from_, scale, offset, row["note"])
        for sensor, by_time in found.items():
            self.calibrations[sensor] = tuple(by_time[moment] for moment in sorted(by_time))


class _Cells:
    """Reads the cells of one row; a fault marks the row. A column the whole table lacks is told once, elsewhere."""

    def __init__(self, row: Row, faults: list[Fault]) -> None:
        self.row, self.faults, self.faulty = row, faults, row.broken

    def complain(self, column: str, what: str, hint: str = "") -> None:
        self.faulty = True
        if column in self.row.cells and not self.row.broken:
            self.faults.append(self.row.fault(column, what, hint))

    def new_id(self, column: str, pattern: re.Pattern[str], seen: dict[str, int]) -> str:
        """An id that no other row has."""
        id_ = self.row[column]
        problem = id_problem(id_, pattern)
        if problem:
            self.complain(column, *problem)
        elif id_ in seen:
            self.complain(column, f"duplicate {column}, first in line {seen[id_]}", "another id")
        if id_:
            seen.setdefault(id_, self.row.line)
        return id_

    def known(self, column: str, known: Collection[str] | None) -> str:
        """A cell that must be one of `known` (None: cannot be told)."""
        value = self.row[column]
        if not value:
            self.complain(column, f"missing {column}", nearest_or_all("", known or ()))
        elif known is None:
            self.faulty = True
        elif value not in known:
            hint = nearest_or_all(value, known) if len(self.faults) < _SUGGESTED else ""
            self.complain(column, f"unknown {column}", hint)
        return value

    def word(self, column: str, words: tuple[str, ...]) -> str:
        """One of `words`, the first when the cell is empty."""
        value = self.row[column]
        if value and value not in words:
            self.complain(column, f"unknown {column}", nearest_or_all(value, words))
        return value if value in words else words[0]

    def number(self, column: str, *, needed: bool = False) -> float | None:
        """A finite number; None when the cell is empty."""
        text = self.row[column]
        if not text:
            if needed:
                self.complain(column, f"missing {column}", "a number")
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.complain(column, f"{column} must be a number", "digits, with a point for decimals")
            return None
        return number

    def interval_s(self) -> float:
        """The seconds between samples, above 0 and at most 31 days."""
        seconds = self.number("interval_s", needed=True)
        if seconds is not None and not 0 < seconds <= _LONGEST_INTERVAL_S:
            self.complain("interval_s", "interval_s must be above 0 and at most 31 days", "60")
        return seconds or 0.0

    def place(self) -> Place | None:
        """The row's own place; None when it has none."""
        lon, lat = self.number("lon"), self.number("lat")
        if lon is None and lat is None:
            return None
        if lon is None or lat is None:
            if not self.faulty:
                self.complain("lon" if lon is None else "lat", "lon and lat go together", "both or neither")
            return None
        if problem := place_problem(lon, lat):
            self.complain("lat" if -180 <= lon <= 180 else "lon", *problem)
            return None
        return Place(lon, lat)

    def unit(self, quantity: Quantity) -> bool:
        """Whether the unit converts to the quantity's own."""
        unit = self.row["unit"]
        if not unit:
            self.complain("unit", "missing unit", quantity.unit)
            return False
        try:
            converter(unit, quantity.unit)
        except UnitError as error:
            what, _, hint = str(error).rpartition(", try ")
            unknown = what.startswith(("unknown", "not a unit"))
            what = (
                "unknown unit" if unknown else f"{quantity.id} is in {quantity.unit}: this unit does not convert to it"
            )
            self.complain("unit", what, hint)
            return False
        return True

    def day(self, column: str) -> date | None:
        """A calendar day."""
        text = self.row[column]
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.complain(column, f"{column} must be a day", "2026-07-01")
            return None

    def moment(self, column: str, zone: ZoneInfo | None) -> datetime | None:
        """A time with its offset, or a day (its first moment in the city's time zone), in UTC."""
        text = self.row[column]
        try:
            if len(text) == 10:
                return datetime.combine(date.fromisoformat(text), time(), zone or UTC).astimezone(UTC)
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
            self.complain(column, f"{column} must carry its offset from UTC", f"{text}+08:00")
        except (ValueError, OverflowError):
            self.complain(column, f"{column} must be a day or a time", "2026-07-01 or 2026-07-01T08:00:00+08:00")
        return None


def _named(seen: Collection[str], column: str, rows: list[Row], faults: list[Fault]) -> set[str] | None:
    """The ids a table named; None when it has no readable column of them (which is a fault already told)."""
    readable = column in rows[0].cells if rows else not faults
    return set(seen) if readable else None


def _words(text: str) -> list[str]:
    """The words of a cell, separated by spaces or semicolons."""
    return text.replace(";", " ").split()
