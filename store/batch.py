"""A batch of readings made ready to be written, which needs no connection: sorted, repeats set aside, spelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from city.reading import Readings
from store.columns import Marks, copy_bytes, literal

DAY_US = 86_400_000_000
_BUCKET_US = 300_000_000  # of the shortest roll-up

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings as COPY takes them, sorted by sensor and time, each sensor and time once.

    Attributes
    ----------
    marks
        What is kept beside them; None for nothing.
    data
        Their bytes.
    newest
        The last one of each sensor.
    days, month
        Days since 1970 (UTC) on which they lie, and the month since then that holds them all (None: several do).
    buckets
        The five-minute buckets in which they lie, as an array that PostgreSQL reads (µs since 1970).
    """

    readings: Readings
    marks: Marks | None
    data: bytes
    newest: Readings
    days: frozenset[int]
    month: int | None
    buckets: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch: as it came, its order by sensor and time, in that order which are the first of their key, and those."""

    readings: Readings
    order: NDArray[np.intp]
    first: Mask
    rows: Rows


def pack(readings: Readings, marks: Marks | None = None) -> Packed:
    """Sort a batch by sensor and time, set repeats within it aside, and spell the rest as COPY takes it."""
    order, first = _first_of_each(readings)
    unique = readings.take(order if first.all() else order[first])
    if marks is not None:
        marks = None if marks.say_nothing(readings) else marks.take(order[first])
    return Packed(readings, order, first, spell(unique, marks))


def spell(readings: Readings, marks: Marks | None) -> Rows:
    """Spell rows that are sorted and have no repeats."""
    buckets = _each(readings.time_us // _BUCKET_US) * _BUCKET_US
    days = _each(buckets // DAY_US).tolist()
    months = np.array([*days[:1], *days[-1:]], "datetime64[D]").astype("datetime64[M]").astype(np.int64).tolist()
    month = months[0] if len(set(months)) == 1 else None
    data = copy_bytes(readings, None, marks)
    return Rows(readings, marks, data, newest(readings), frozenset(days), month, literal(buckets.tolist()))


def _each(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The different ones in their order; mostly there is one."""
    return numbers[:1] if (numbers == numbers[:1]).all() else np.unique(numbers)


def newest(rows: Readings) -> Readings:
    """The last row of each sensor; `rows` are sorted by sensor and time."""
    return rows.take(np.append(rows.sensor_id[1:] != rows.sensor_id[:-1], True)) if len(rows) else rows


def newest_of(*parts: Readings) -> Readings:
    """The newest of each sensor, by sensor, of parts that hold one of each; of equally new ones the last part's."""
    some = [part for part in parts if len(part)]
    if len(some) < 2:
        return some[0] if some else parts[-1]
    every = Readings.joined(some)
    return newest(every.take(np.lexsort((every.time_us, every.sensor_id))))


def _first_of_each(readings: Readings) -> tuple[NDArray[np.intp], Mask]:
    """Order by (sensor, time), stable, and in that order which rows are the first of their key."""
    order = np.lexsort((readings.time_us, readings.sensor_id))
    sensor, time = readings.sensor_id[order], readings.time_us[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (sensor[1:] != sensor[:-1]) | (time[1:] != time[:-1])
    return order, first
