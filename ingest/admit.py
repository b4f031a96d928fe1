"""The admission test: decoded readings against the register, in columns; pure, rebuilt when the city folder changes.

A reading is admitted when its gateway and sensor are registered and belong together, the sensor is in service, the unit
converts and the time is credible. Admitted values are converted to the canonical unit, calibrated, and flagged by the
gross range test (QARTOD): outside what the quantity can be, 4 (fail); outside the sensor's own range, 3 (suspect: a
flood beyond the gauge's end must still raise); inside, 1 (pass) where the gateway did not say. A flag the gateway set
is never made better. Tests that compare a reading with others follow in `ingest.qartod`.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from city.clock import from_us
from city.levels import Flag
from city.reading import Readings
from ingest.corrections import Known
from ingest.message import Arrival, ReadingsMessage, Refused, Tally
from ingest.qartod import Check
from ingest.reasons import Reason
from ingest.sensortable import FIRST_US, SensorTable
from ingest.variants import REASONS, UNKNOWN, Variants
from store.columns import Marks

FUTURE_US: Final = 120_000_000  # a clock this far ahead is not believed
TOO_FAR_US: Final = 86_400_000_000


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
    place
        intp (n,): for each row, the place of its sensor in the register.
    marks
        What is kept beside the rows: tests that said something, and claimed times.
    used
        {row: where it would stand} for claims that a clock which was set back may have made before.
    """

    readings: Readings
    origin: NDArray[np.intp]
    claimed: Mapping[int, int]
    refused: Sequence[list[Refused]]
    place: NDArray[np.intp]
    marks: Marks
    used: Mapping[int, int]


class Admission:
    """The test for one state of the register. Not for several threads."""

    def __init__(self, table: SensorTable) -> None:
        self.table = table
        self.corrected = frozenset(name for name, gateway in table.gateways.items() if gateway.clock == "correct")
        self._variants = Variants(table)

    def stranger(self, district: str, gateway: str) -> tuple[Reason, str] | None:
        """Why nothing may come from this gateway under this district, None when it may."""
        known = self.table.gateways.get(gateway)
        if known is None:
            return Reason.UNKNOWN_GATEWAY, f"gateway not in the register, got {gateway[:80]}, try gateways.csv"
        if district and known.district != district:  # a mapping may leave the district to the register
            return Reason.WRONG_DISTRICT, f"gateway belongs to district {known.district}, got {district[:80]}"
        return None

    def admit(self, message: ReadingsMessage, received_us: int) -> Admitted:
        """Test one message (see `admit_all`)."""
        return self.admit_all([Arrival(message, received_us)])

    def admit_all(self, arrivals: Sequence[Arrival], corrections: Known = MappingProxyType({})) -> Admitted:
        """Test a batch of messages; `received_us` of each is city time. `corrections`: of clocks, by gateway."""
        self._variants.begin()
        numbers, strangers = self._numbers(arrivals)
        batch = _Batch(arrivals, numbers)
        used = batch.correct(corrections, self.corrected) if corrections else {}
        known = batch.number >= 0
        where, (up, add, down) = self._variants.meant(np.where(known, batch.number, 0))
        with np.errstate(over="ignore", invalid="ignore"):
            raw = (batch.value * up + add) / down
        time_us, claimed = _credible_times(batch)
        with np.errstate(over="ignore", invalid="ignore"):
            value = self.table.calibrate(where, time_us, raw)
        reasons = {
            Reason.TIME_OUT_OF_RANGE: (batch.time_us < FIRST_US) | (batch.time_us > batch.received_us + TOO_FAR_US),
            Reason.OUT_OF_SERVICE: ~self.table.serves(where, time_us),
            Reason.BAD_VALUE: ~(np.isfinite(value) & np.isfinite(raw)),
        }
        good = known.copy()
        for mask in reasons.values():
            good &= ~mask
        sensor_id, (flag, tests) = self.table.sensor_id[where], self.table.flag(where, value, batch.flag)
        if claimed.any():
            flag[claimed] = np.maximum(flag[claimed], Flag.SUSPECT)
            tests[claimed] |= Check.FUTURE
        readings = Readings(sensor_id, time_us, batch.received_us, value, flag, raw).take(good)
        row_of = np.cumsum(good) - 1
        claims = {int(row_of[at]): int(batch.claimed_us[at]) for at in np.flatnonzero(claimed & good)}
        marks = Marks(tests, batch.claimed_us).take(good)
        used = {int(row_of[at]): time_us for at, time_us in used.items() if good[at]}
        refusals = self._refusals(batch, good, reasons, strangers)
        return Admitted(readings, batch.origin[good], claims, refusals, where[good], marks, used)

    def _numbers(self, arrivals: Sequence[Arrival]) -> tuple[array[int], list[int]]:
        """The numbers of what messages name, and the places of messages from which nothing may come."""
        numbers = array("q")
        strangers: list[int] = []
        for at, arrival in enumerate(arrivals):
            message = arrival.message
            if self.stranger(message.district, message.gateway):
                numbers.extend([UNKNOWN] * len(message.sensor))
                strangers.append(at)
            else:
                self._variants.add(message, numbers)
        return numbers, strangers

    def _refusals(
        self,
        batch: _Batch,
        good: NDArray[np.bool_],
        reasons: Mapping[Reason, NDArray[np.bool_]],
        strangers: Sequence[int],
    ) -> list[list[Refused]]:
        refused: list[list[Refused]] = [[] for _ in batch.arrivals]
        bad_rows = np.flatnonzero(~good)
        for at in strangers:
            refused[at] = self._whole(batch.arrivals[at])
        for at, rows in _groups(batch.origin[bad_rows], bad_rows):
            if refused[at]:
                continue
            tally = Tally()
            arrival, first = batch.arrivals[at], batch.first[at]
            for row in rows.tolist():
                number = int(batch.number[row])
                reason = REASONS.get(number) or next(reason for reason, mask in reasons.items() if mask[row])
                tally.add(reason, 1, lambda r=reason, i=row - first, a=arrival: self._tell(r, a, i))  # type: ignore[misc] # bound
            tally.finish(_kept(arrival))
            refused[at] = tally.refused
        return refused

    def _whole(self, arrival: Arrival) -> list[Refused]:
        """One row for a message whose gateway is unknown or out of place, instead of one for each reading."""
        message = arrival.message
        if (stranger := self.stranger(message.district, message.gateway)) is None:
            return []
        return [Refused(*stranger, payload=_kept(arrival), count=len(message.time_us))]

    def _tell(self, reason: Reason, arrival: Arrival, index: int) -> Refused:
        message = arrival.message
        name, moment_us, value, unit, flag = message.row(index)
        place = self.table.names.find(name)
        detail = self._detail(reason, place, message.gateway, moment_us, value, unit)
        content = {"sensor": name, "time": moment_us // 1000, "value": value}
        content |= {"unit": unit} if unit is not None else {}
        content["flag"] = flag
        # json, not msgspec: half a surrogate pair in a name is escaped, not an error.
        return Refused(reason, detail, name, moment_us, json.dumps(content).encode())

    def _detail(self, reason: Reason, place: int, gateway: str, moment_us: int, value: float, unit: str | None) -> str:
        if place < 0:
            return "sensor not in the register, try adding it to sensors.csv"
        own, canonical = self.table.units_of(place)
        if reason is Reason.WRONG_GATEWAY:
            return f"sensor belongs to gateway {self.table.gateway_of(place)}, got {gateway[:80]}"
        if reason is Reason.BAD_UNIT:
            return f"unit does not convert to {canonical}, got {str(unit)[:80]}, try {own}"
        if reason is Reason.OUT_OF_SERVICE:
            installed, removed = self.table.days_of(place)
            return f"in service from {installed or 'ever'} to {removed or 'now'}"
        if reason is Reason.TIME_OUT_OF_RANGE:
            hint = ", try milliseconds: these look like seconds" if 0 < moment_us < 10**13 else ""
            return f"time before 2005 or more than a day ahead, got {_moment(moment_us)}{hint}"
        return f"value does not stay finite in {canonical}, got {value}"


def _kept(arrival: Arrival) -> bytes:
    """The payload to keep of a refused message: as it came, or, where it means nothing alone, as it was understood."""
    message = arrival.message
    if not message.topic.startswith("spBv1.0/"):
        return arrival.payload
    readings = [
        {"sensor": sensor, "time": from_us(time_us).isoformat(), "value": value, "flag": flag}
        | ({"unit": unit} if unit is not None else {})
        for sensor, time_us, value, unit, flag in message.rows()
    ]
    return json.dumps({"readings": readings}).encode()


class _Batch:
    """Messages laid end to end as columns."""

    def __init__(self, arrivals: Sequence[Arrival], numbers: array[int]) -> None:
        self.arrivals = arrivals
        messages = [arrival.message for arrival in arrivals]
        counts = np.array([len(one.time_us) for one in messages], dtype=np.intp)
        self.first = (np.cumsum(counts) - counts).tolist()
        self.number = np.frombuffer(numbers, dtype=np.int64)
        self.flag = np.frombuffer(b"".join([bytes(one.flag) for one in messages]), dtype=np.uint8)
        if any([one.runs for one in messages]):
            runs = np.array(list(chain.from_iterable([one.runs or [1] * len(one.sensor) for one in messages])), np.intp)
            self.number, self.flag = np.repeat(self.number, runs), np.repeat(self.flag, runs)
        self.origin = np.repeat(np.arange(len(arrivals), dtype=np.intp), counts)
        self.received_us = np.repeat(np.array([arrival.received_us for arrival in arrivals], dtype=np.int64), counts)
        self.claimed_us = np.array(list(chain.from_iterable([one.time_us for one in messages])), dtype=np.int64)
        self.time_us = self.claimed_us
        self.value = np.array(list(chain.from_iterable([one.value for one in messages])), dtype=np.float64)

    def correct(self, corrections: Known, corrected: Collection[str]) -> dict[int, int]:
        """Correct the times of gateways that ask for it; rows that may stand elsewhere already, and where."""
        used: dict[int, int] = {}
        self.time_us = self.claimed_us.copy()
        for arrival, first in zip(self.arrivals, self.first, strict=True):
            gateway = arrival.message.gateway
            known = corrections.get(gateway) if gateway in corrected else None
            if known is None:
                continue
            span = slice(first, first + len(arrival.message.time_us))
            self.time_us[span] = known.correct(self.claimed_us[span])
            rows, times_us = known.before(self.claimed_us[span])
            used |= zip((rows + first).tolist(), times_us.tolist(), strict=True)
        return used


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


def _moment(moment_us: int) -> str:
    try:
        return from_us(moment_us).isoformat()
    except OverflowError:
        return f"{moment_us // 1000} ms"
