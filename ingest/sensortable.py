"""The register as admission sees it, in columns: whose sensors they are, when they serve, what they can say at all.

A recorder keeps nothing else of the register: two hundred bytes a sensor instead of more than a thousand.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from city.clock import to_us
from city.errors import OutsideError
from city.levels import Flag
from city.model import City, Sensor
from ingest.names import Names
from ingest.qartod import Check, Limits

FIRST_US: Final = to_us(datetime(2005, 1, 1, tzinfo=UTC))  # before it no network of this kind recorded anything
T = TypeVar("T")
_NEVER_US: Final = to_us(datetime(9999, 1, 1, tzinfo=UTC))


class SensorTable:
    """A register's gateways, and its sensors as columns, in the order of their places.

    Parameters
    ----------
    city
        The register.
    ids
        The store's number of each sensor, by name.
    """

    def __init__(self, city: City, ids: Mapping[str, int]) -> None:
        if missing := sorted(city.sensors.keys() - ids.keys()):
            raise OutsideError(
                f"register: no number for sensor {missing[0]} ({len(missing)} in all), try applying again"
            )
        sensors, zone = list(city.sensors.values()), ZoneInfo(city.timezone)
        self.gateways = {gateway.id: gateway for gateway in city.gateways.values()}
        self.names = Names([sensor.id for sensor in sensors])
        self.limits = Limits(city, sensors)
        self.sensor_id = np.array([ids[sensor.id] for sensor in sensors] or [0], dtype=np.int32)
        self._by_id = np.argsort(self.sensor_id).astype(np.int32)
        self._gateways, gateway = _told([sensor.gateway for sensor in sensors])
        self._units, unit = _told([(sensor.unit, sensor.quantity.unit) for sensor in sensors])
        self._gateway, self._unit = array("i", gateway.tolist()), array("i", unit.tolist())  # asked one by one
        self._days, self._day = _told([(sensor.installed, sensor.removed) for sensor in sensors])
        # A sensor may still speak on the day it is taken away.
        self._from_us = np.array([_midnight_us(day, zone, FIRST_US) for day, _ in self._days] or [0], dtype=np.int64)
        ends = [_midnight_us(day and day + timedelta(days=1), zone, _NEVER_US) for _, day in self._days]
        self._until_us = np.array(ends or [0], dtype=np.int64)
        hard, self._hard_of = _told([(s.quantity.hard_min, s.quantity.hard_max) for s in sensors])
        self._hard = np.array(hard or [(0, 0)], dtype=np.float64)
        own, self._own_of = _told([(_or(s.range_min, -math.inf), _or(s.range_max, math.inf)) for s in sensors])
        self._own = np.array(own or [(0, 0)], dtype=np.float64)
        self._calibrations(city, sensors)

    def _calibrations(self, city: City, sensors: Sequence[Sensor]) -> None:
        steps = [sorted(city.calibrations.get(s.id, ()), key=lambda step: step.from_) for s in sensors]
        self._steps = np.array([len(each) for each in steps] or [0], dtype=np.int32)
        self._first = (np.cumsum(self._steps) - self._steps).astype(np.int32)
        flat = [step for each in steps for step in each]
        self._step_us = np.array([to_us(step.from_) for step in flat], dtype=np.int64)
        self._scale = np.array([step.scale for step in flat], dtype=np.float64)
        self._offset = np.array([step.offset for step in flat], dtype=np.float64)

    def gateway_of(self, place: int) -> str:
        """The gateway that speaks for a sensor."""
        return self._gateways[self._gateway[place]]

    def units_of(self, place: int) -> tuple[str, str]:
        """What a sensor's gateway sends, and the canonical unit."""
        return self._units[self._unit[place]]

    def days_of(self, place: int) -> tuple[date | None, date | None]:
        """Since when it serves, and until when."""
        return self._days[int(self._day[place])]

    def names_of(self, sensor_id: NDArray[np.int32]) -> list[str]:
        """The names of sensors, by the store's number; all of them must be in the register."""
        at = np.searchsorted(self.sensor_id, sensor_id, sorter=self._by_id)
        return [self.names[place] for place in self._by_id[at].tolist()]

    def serves(self, where: NDArray[np.intp], time_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each sensor is in service at a time."""
        day = self._day[where]
        return np.asarray((time_us >= self._from_us[day]) & (time_us < self._until_us[day]))

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

    def flag(
        self, where: NDArray[np.intp], value: NDArray[np.float64], sent: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
        """Combine the gateway's flag with the gross range test, the worse one counts; which of them said something."""
        hard, own = self._hard[self._hard_of[where]], self._own[self._own_of[where]]
        flag = np.full(len(value), Flag.PASS, dtype=np.uint8)
        flag[(value < own[:, 0]) | (value > own[:, 1])] = Flag.SUSPECT
        flag[(value < hard[:, 0]) | (value > hard[:, 1])] = Flag.FAIL
        tests = np.where(flag > Flag.PASS, Check.RANGE, 0).astype(np.int16)
        tests[sent > Flag.NOT_EVALUATED] |= Check.GATEWAY
        return np.where(sent == Flag.NOT_EVALUATED, flag, np.maximum(flag, sent)), tests


def _told(column: Sequence[T]) -> tuple[list[T], NDArray[np.int32]]:
    """Different values, each once, and which of them stands at each place: most sensors share theirs."""
    number: dict[T, int] = {}
    at = [number.setdefault(value, len(number)) for value in column]
    return list(number), np.array(at or [0], dtype=np.int32)


def _midnight_us(day: date | None, zone: ZoneInfo, otherwise_us: int) -> int:
    return otherwise_us if day is None else to_us(datetime.combine(day, time(), tzinfo=zone))


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
