"""The admission test: decoded readings against the register, in columns; pure, rebuilt when the city folder changes.

A reading is admitted when its gateway and sensor are registered and belong together, the sensor is in service, the unit
converts and the time is credible. Admitted values are converted to the canonical unit, calibrated, and flagged by the
gross range test (QARTOD): outside what the quantity can be, 4 (fail); outside the sensor's own range, 3 (suspect: a
flood beyond the gauge's end must still raise); inside, 1 (pass) where the gateway did not say. A flag the gateway set
is never made better.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from city.clock import from_us, to_us
from city.errors import OutsideError
from city.levels import Flag
from city.model import City, Sensor
from city.reading import Readings
from city.units import UnitError, converter, parse
from ingest.message import Arrival, ReadingsMessage, Refused, Tally
from ingest.reasons import Reason

FIRST_US: Final = to_us(datetime(2005, 1, 1, tzinfo=UTC))  # before it no network of this kind recorded anything
FUTURE_US: Final = 120_000_000  # a clock this far ahead is not believed
TOO_FAR_US: Final = 86_400_000_000
_NEVER_US: Final = to_us(datetime(9999, 1, 1, tzinfo=UTC))

# What a lookup gives instead of a variant's number.
_UNKNOWN, _OTHERS, _BAD_UNIT = -1, -2, -3
_LOOKUP_REASONS: Final = {
    _UNKNOWN: Reason.UNKNOWN_SENSOR,
    _OTHERS: Reason.WRONG_GATEWAY,
    _BAD_UNIT: Reason.BAD_UNIT,
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of a batch of messages.

    Attributes
    ----------
    readings
        The rows to store, in the order they were sent.
    origin
        intp (n,): for each row, the place of its message in the batch.
    claimed
        {row: time in µs since 1970 that the reading claimed} for rows stored under their arrival time.
    refused
        For each message, what was refused by this test (not what the decoder had refused already).
    """

    readings: Readings
    origin: NDArray[np.intp]
    claimed: Mapping[int, int]
    refused: Sequence[list[Refused]]


class _Lookup(dict[tuple[str, str | None], int]):
    """(sensor, unit) as sent by one gateway → number of the variant, below 0 when there is none."""

    def __init__(self, admission: Admission, gateway: str) -> None:
        super().__init__()
        self._admission, self._gateway = admission, gateway

    def __missing__(self, key: tuple[str, str | None]) -> int:
        if len(self) > 50_000:  # a gateway that invents names must not fill the memory
            self.clear()
        self[key] = number = self._admission.variant_of(self._gateway, *key)
        return number


class Admission:
    """The test for one state of the register.

    Parameters
    ----------
    city
        The register in force.
    ids
        The store's number of each sensor, by name.
    """

    def __init__(self, city: City, ids: Mapping[str, int]) -> None:
        if missing := sorted(city.sensors.keys() - ids.keys()):
            raise OutsideError(
                f"register: no number for sensor {missing[0]} ({len(missing)} in all), try applying again"
            )
        self.city = city
        self.names = {ids[name]: name for name in city.sensors}  # by the store's number
        self._sensors = list(city.sensors.values())
        self._place = {sensor.id: place for place, sensor in enumerate(self._sensors)}
        self._lookups = {gateway: _Lookup(self, gateway) for gateway in city.gateways}
        self._table = _Table(city, self._sensors, ids)
        self._variants: dict[tuple[int, str], int] = {}
        self._factors: list[tuple[int, float, float, float]] = []  # place, then canonical = (sent * up + add) / down
        self._frozen: tuple[NDArray[np.intp], NDArray[np.float64]] | None = None

    def variant_of(self, gateway: str, name: str, unit: str | None) -> int:
        """Number of a (sensor, unit) pair that `gateway` may send, or one of the codes below 0."""
        place = self._place.get(name)
        if place is None:
            return _UNKNOWN
        sensor = self._sensors[place]
        if sensor.gateway != gateway:
            return _OTHERS
        key = (place, sensor.unit if unit is None else unit)
        if key not in self._variants:
            try:
                factors = _factors(key[1], sensor.quantity.unit)
            except UnitError:
                return _BAD_UNIT
            self._variants[key] = len(self._factors)
            self._factors.append((place, *factors))
            self._frozen = None
        return self._variants[key]

    def stranger(self, district: str, gateway: str) -> tuple[Reason, str] | None:
        """Why nothing may come from this gateway under this district, None when it may."""
        known = self.city.gateways.get(gateway)
        if known is None:
            return Reason.UNKNOWN_GATEWAY, f"gateway not in the register, got {gateway[:80]}, try gateways.csv"
        if district and known.district != district:  # a mapping may leave the district to the register
            return Reason.WRONG_DISTRICT, f"gateway belongs to district {known.district}, got {district[:80]}"
        return None

    def admit(self, message: ReadingsMessage, received_us: int) -> Admitted:
        """Test one message (see `admit_all`)."""
        return self.admit_all([Arrival(message, received_us)])

    def admit_all(self, arrivals: Sequence[Arrival]) -> Admitted:
        """Test a batch of messages; `received_us` of each is city time."""
        batch = _Batch(arrivals, self._numbers(arrivals))
        known = batch.number >= 0
        place, factors = self._arrays()
        number = np.where(known, batch.number, 0)
        where = place[number] if len(place) else np.zeros(len(number), np.intp)
        up, add, down = factors[number].T if len(place) else np.ones((3, len(number)))
        with np.errstate(over="ignore", invalid="ignore"):
            raw = (batch.value * up + add) / down
        time_us, claimed = _credible_times(batch)
        with np.errstate(over="ignore", invalid="ignore"):
            value = self._table.calibrate(where, time_us, raw)
        reasons = {
            Reason.TIME_OUT_OF_RANGE: (batch.time_us < FIRST_US) | (batch.time_us > batch.received_us + TOO_FAR_US),
            Reason.OUT_OF_SERVICE: (time_us < self._table.from_us[where]) | (time_us >= self._table.until_us[where]),
            Reason.BAD_VALUE: ~(np.isfinite(value) & np.isfinite(raw)),
        }
        good = known.copy()
        for mask in reasons.values():
            good &= ~mask
        sensor_id, flag = self._table.sensor_id[where], self._table.flag(where, value, batch.flag)
        flag[claimed] = np.maximum(flag[claimed], Flag.SUSPECT)
        readings = Readings(sensor_id, time_us, batch.received_us, value, flag, raw).take(good)
        row_of = np.cumsum(good) - 1
        claims = {int(row_of[at]): int(batch.time_us[at]) for at in np.flatnonzero(claimed & good)}
        return Admitted(readings, batch.origin[good], claims, self._refusals(batch, good, reasons))

    def _numbers(self, arrivals: Sequence[Arrival]) -> list[int]:
        numbers: list[int] = []
        for arrival in arrivals:
            message = arrival.message
            lookup = self._lookups.get(message.gateway)
            if lookup is None or self.stranger(message.district, message.gateway):
                numbers.extend([_UNKNOWN] * len(message.sensor))
            else:
                numbers.extend(map(lookup.__getitem__, zip(message.sensor, message.unit, strict=True)))
        return numbers

    def _arrays(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        if self._frozen is None:
            place = np.array([factors[0] for factors in self._factors], dtype=np.intp)
            factors = np.array([factors[1:] for factors in self._factors], dtype=np.float64).reshape(-1, 3)
            self._frozen = place, factors
        return self._frozen

    def _refusals(
        self, batch: _Batch, good: NDArray[np.bool_], reasons: Mapping[Reason, NDArray[np.bool_]]
    ) -> list[list[Refused]]:
        refused: list[list[Refused]] = [[] for _ in batch.arrivals]
        bad_rows = np.flatnonzero(~good)
        for at, arrival in enumerate(batch.arrivals):
            if whole := self._whole(arrival):
                refused[at] = whole
        for at, rows in _groups(batch.origin[bad_rows], bad_rows):
            if refused[at]:
                continue
            tally = Tally()
            arrival, first = batch.arrivals[at], batch.first[at]
            for row in rows.tolist():
                number = int(batch.number[row])
                reason = _LOOKUP_REASONS.get(number) or next(reason for reason, mask in reasons.items() if mask[row])
                tally.add(reason, 1, lambda r=reason, i=row - first, a=arrival: self._tell(r, a, i))  # type: ignore[misc] # bound
            tally.finish(_kept(arrival))
            refused[at] = tally.refused
        return refused

    def _whole(self, arrival: Arrival) -> list[Refused]:
        """One row for a message whose gateway is unknown or out of place, instead of one for each reading."""
        message = arrival.message
        if (stranger := self.stranger(message.district, message.gateway)) is None:
            return []
        return [Refused(*stranger, payload=_kept(arrival), count=len(message.sensor))]

    def _tell(self, reason: Reason, arrival: Arrival, index: int) -> Refused:
        message = arrival.message
        name, unit, moment_us = message.sensor[index], message.unit[index], message.time_us[index]
        sensor = self.city.sensors.get(name)
        detail = _detail(reason, sensor, unit, moment_us, message.value[index], message.gateway)
        content = {"sensor": name, "time": moment_us // 1000, "value": message.value[index]}
        content |= {"unit": unit} if unit is not None else {}
        content["flag"] = message.flag[index]
        # json, not msgspec: half a surrogate pair in a name is escaped, not an error.
        return Refused(reason, detail, name, moment_us, json.dumps(content).encode())


def _kept(arrival: Arrival) -> bytes:
    """The payload to keep of a refused message: as it came, or, where it means nothing alone, as it was understood."""
    message = arrival.message
    if not message.topic.startswith("spBv1.0/"):
        return arrival.payload
    rows = zip(message.sensor, message.time_us, message.value, message.unit, message.flag, strict=True)
    readings = [
        {"sensor": sensor, "time": from_us(time_us).isoformat(), "value": value, "flag": flag}
        | ({"unit": unit} if unit is not None else {})
        for sensor, time_us, value, unit, flag in rows
    ]
    return json.dumps({"readings": readings}).encode()


class _Batch:
    """Messages laid end to end as columns."""

    def __init__(self, arrivals: Sequence[Arrival], numbers: list[int]) -> None:
        self.arrivals = arrivals
        counts = np.array([len(arrival.message.sensor) for arrival in arrivals], dtype=np.intp)
        self.first = (np.cumsum(counts) - counts).tolist()
        self.number = np.array(numbers, dtype=np.intp)
        self.origin = np.repeat(np.arange(len(arrivals), dtype=np.intp), counts)
        self.received_us = np.repeat(np.array([arrival.received_us for arrival in arrivals], dtype=np.int64), counts)
        self.time_us = np.array([t for arrival in arrivals for t in arrival.message.time_us], dtype=np.int64)
        self.value = np.array([v for arrival in arrivals for v in arrival.message.value], dtype=np.float64)
        self.flag = np.array([f for arrival in arrivals for f in arrival.message.flag], dtype=np.uint8)


class _Table:
    """The register's sensors as columns, in the order of their places."""

    def __init__(self, city: City, sensors: Sequence[Sensor], ids: Mapping[str, int]) -> None:
        zone = ZoneInfo(city.timezone)
        self.sensor_id = np.array([ids[sensor.id] for sensor in sensors] or [0], dtype=np.int32)
        self.from_us = np.array([_midnight_us(s.installed, zone, FIRST_US) for s in sensors] or [0], dtype=np.int64)
        # A sensor may still speak on the day it is taken away.
        ends = [_midnight_us(s.removed and s.removed + timedelta(days=1), zone, _NEVER_US) for s in sensors]
        self.until_us = np.array(ends or [0], dtype=np.int64)
        self._hard = np.array(
            [(s.quantity.hard_min, s.quantity.hard_max) for s in sensors] or [(0, 0)], dtype=np.float64
        )
        own = [(_or(s.range_min, -math.inf), _or(s.range_max, math.inf)) for s in sensors]
        self._own = np.array(own or [(0, 0)], dtype=np.float64)
        steps = [sorted(city.calibrations.get(s.id, ()), key=lambda step: step.from_) for s in sensors]
        self._steps = np.array([len(each) for each in steps] or [0], dtype=np.intp)
        self._first = np.cumsum(self._steps) - self._steps
        flat = [step for each in steps for step in each]
        self._step_us = np.array([to_us(step.from_) for step in flat], dtype=np.int64)
        self._scale = np.array([step.scale for step in flat], dtype=np.float64)
        self._offset = np.array([step.offset for step in flat], dtype=np.float64)

    def calibrate(
        self, where: NDArray[np.intp], time_us: NDArray[np.int64], raw: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Apply to each value the newest calibration that began at or before its time."""
        value = raw.copy()
        for step in range(int(self._steps.max(initial=0))):
            rows = np.flatnonzero(self._steps[where] > step)
            index = self._first[where[rows]] + step
            begun = self._step_us[index] <= time_us[rows]
            rows, index = rows[begun], index[begun]
            value[rows] = raw[rows] * self._scale[index] + self._offset[index]
        return value

    def flag(self, where: NDArray[np.intp], value: NDArray[np.float64], sent: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Combine the gateway's flag with the gross range test; the worse one counts."""
        hard, own = self._hard[where], self._own[where]
        flag = np.full(len(value), Flag.PASS, dtype=np.uint8)
        flag[(value < own[:, 0]) | (value > own[:, 1])] = Flag.SUSPECT
        flag[(value < hard[:, 0]) | (value > hard[:, 1])] = Flag.FAIL
        return np.where(sent == Flag.NOT_EVALUATED, flag, np.maximum(flag, sent))


def _factors(unit: str, canonical: str) -> tuple[float, float, float]:
    """Whole-number factors: canonical = (sent * up + add) / down is right to the last digit (150 mm is 15 cm)."""
    scale, offset = converter(unit, canonical)  # refuses what does not convert
    exact = parse(unit).scale / parse(canonical).scale
    if max(exact.numerator, exact.denominator) >= 1 << 53:
        return scale, offset, 1.0
    shift = (parse(unit).offset - parse(canonical).offset) / parse(canonical).scale
    return float(exact.numerator), float(shift * exact.denominator), float(exact.denominator)


def _credible_times(batch: _Batch) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Times for decisions, and which rows claimed another one.

    Readings from the future are moved back together, the newest of their message to its arrival, so that the
    distances between them stay.
    """
    ahead_us = batch.time_us - batch.received_us
    claimed = (ahead_us > FUTURE_US) & (ahead_us <= TOO_FAR_US)
    if not claimed.any():
        return batch.time_us, claimed
    time_us = batch.time_us.copy()
    rows = np.flatnonzero(claimed)
    for _, group in _groups(batch.origin[rows], rows):
        time_us[group] -= ahead_us[group].max()
    return time_us, claimed


def _groups(keys: NDArray[np.intp], rows: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Rows by key; keys come sorted."""
    if not len(rows):
        return
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    for start, group in zip(starts.tolist(), np.split(rows, starts[1:]), strict=True):
        yield int(keys[start]), group


def _detail(reason: Reason, sensor: Sensor | None, unit: str | None, moment_us: int, value: float, gateway: str) -> str:
    if sensor is None:
        return "sensor not in the register, try adding it to sensors.csv"
    if reason is Reason.WRONG_GATEWAY:
        return f"sensor belongs to gateway {sensor.gateway}, got {gateway[:80]}"
    if reason is Reason.BAD_UNIT:
        return f"unit does not convert to {sensor.quantity.unit}, got {str(unit)[:80]}, try {sensor.unit}"
    if reason is Reason.OUT_OF_SERVICE:
        return f"in service from {sensor.installed or 'ever'} to {sensor.removed or 'now'}"
    if reason is Reason.TIME_OUT_OF_RANGE:
        hint = ", try milliseconds: these look like seconds" if 0 < moment_us < 10**13 else ""
        return f"time before 2005 or more than a day ahead, got {_moment(moment_us)}{hint}"
    return f"value does not stay finite in {sensor.quantity.unit}, got {value}"


def _moment(moment_us: int) -> str:
    try:
        return from_us(moment_us).isoformat()
    except OverflowError:
        return f"{moment_us // 1000} ms"


def _midnight_us(day: date | None, zone: ZoneInfo, otherwise_us: int) -> int:
    return otherwise_us if day is None else to_us(datetime.combine(day, time(), tzinfo=zone))


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
