"""The register's sensors as columns: when they serve, how they are calibrated, and what they can say at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from city.clock import to_us
from city.levels import Flag
from city.model import City, Sensor
from ingest.qartod import Check

FIRST_US: Final = to_us(datetime(2005, 1, 1, tzinfo=UTC))  # before it no network of this kind recorded anything
_NEVER_US: Final = to_us(datetime(9999, 1, 1, tzinfo=UTC))


class SensorTable:
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

    def flag(
        self, where: NDArray[np.intp], value: NDArray[np.float64], sent: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
        """Combine the gateway's flag with the gross range test, the worse one counts; which of them said something."""
        hard, own = self._hard[where], self._own[where]
        flag = np.full(len(value), Flag.PASS, dtype=np.uint8)
        flag[(value < own[:, 0]) | (value > own[:, 1])] = Flag.SUSPECT
        flag[(value < hard[:, 0]) | (value > hard[:, 1])] = Flag.FAIL
        tests = np.where(flag > Flag.PASS, Check.RANGE, 0).astype(np.int16)
        tests[sent > Flag.NOT_EVALUATED] |= Check.GATEWAY
        return np.where(sent == Flag.NOT_EVALUATED, flag, np.maximum(flag, sent)), tests


def _midnight_us(day: date | None, zone: ZoneInfo, otherwise_us: int) -> int:
    return otherwise_us if day is None else to_us(datetime.combine(day, time(), tzinfo=zone))


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
