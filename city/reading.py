"""Readings in columns: what the recorder commits, the journal carries, and detectors and rules consume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from city.levels import Flag

_FLAGS = {flag.value: flag for flag in Flag}  # a look-up costs a tenth of calling the enumeration


class Sample(NamedTuple):
    """One reading of one sensor, in its quantity's canonical unit. Times are microseconds since 1970."""

    sensor: str
    time_us: int
    value: float
    flag: Flag
    received_us: int


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings as equally long columns.

    Attributes
    ----------
    sensor_id
        int32 (n,): the store's key of each sensor.
    time_us, received_us
        int64 (n,): event and arrival time, microseconds since 1970.
    value
        float64 (n,): finite, in the canonical unit of the sensor's quantity, calibrated.
    flag
        uint8 (n,): `city.levels.Flag`.
    raw
        float64 (n,): as the gateway sent it, converted to the canonical unit but not calibrated.
    """

    sensor_id: NDArray[np.int32]
    time_us: NDArray[np.int64]
    received_us: NDArray[np.int64]
    value: NDArray[np.float64]
    flag: NDArray[np.uint8]
    raw: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sensor_id)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Readings:
        """The rows that a mask or index array chooses."""
        return Readings(*(getattr(self, name)[which] for name in Readings.__slots__))

    def samples(self, names: dict[int, str]) -> Iterator[Sample]:
        """The rows as samples, sensors by name; rows of sensors not in `names` are passed over."""
        columns = (self.sensor_id, self.time_us, self.value, self.flag, self.received_us)
        for sensor_id, time_us, value, flag, received_us in zip(*(c.tolist() for c in columns), strict=True):
            if (name := names.get(sensor_id)) is not None:
                yield Sample(name, time_us, value, _FLAGS[flag], received_us)

    @classmethod
    def joined(cls, parts: Iterable[Readings]) -> Readings:
        """The rows of all parts (one at least), one after another."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    @classmethod
    def of(cls, rows: list[tuple[int, int, int, float, int, float]]) -> Readings:
        """Readings from (sensor_id, time_us, received_us, value, flag, raw) rows."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * 6
        kinds = (np.int32, np.int64, np.int64, np.float64, np.uint8, np.float64)
        return cls(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))
