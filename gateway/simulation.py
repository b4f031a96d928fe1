"""The simulated city's measurements: a pure function of seed, start, sensor and time.

There is no state to lose: any process that knows the seed and the start computes the same value for the same instant,
so a simulator that was killed goes on exactly where its outbox says it had come to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from city.errors import InputError
from gateway.envelope import Row
from gateway.mishaps import Mishap, Mishaps
from gateway.noise import Floats, Ints, Keys, key
from gateway.physics import CALM, Moments
from gateway.storyline import Storyline
from gateway.town import PlannedSensor, Town, plan

_SECOND_US = 1_000_000


def _kind(sensor: PlannedSensor) -> str:
    return sensor.id.split("-", 1)[0]


@dataclass(frozen=True)
class _Group:
    """Sensors of one kind and interval at one gateway, in columns."""

    kind: str
    interval_s: int
    sensors: tuple[PlannedSensor, ...]
    keys: Keys
    phase_s: Ints

    @classmethod
    def of(cls, seed: int, kind: str, interval_s: int, sensors: tuple[PlannedSensor, ...]) -> _Group:
        keys = [key(seed, "sensor", sensor.id) for sensor in sensors]
        phase_s = [value % interval_s for value in keys]  # a city's sensors do not all speak on the full minute
        return cls(kind, interval_s, sensors, np.array(keys, np.uint64), np.array(phase_s, np.int64))

    def due(self, after_s: int, until_s: int) -> tuple[Ints, Ints]:
        """Which sensors (indices) measure at which seconds in (after_s, until_s]."""
        first = (after_s - self.phase_s) // self.interval_s + 1
        counts = np.maximum(0, (until_s - self.phase_s) // self.interval_s - first + 1)
        which = np.repeat(np.arange(len(self.sensors)), counts)
        nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self.phase_s[which] + (first[which] + nth) * self.interval_s


class Simulation:
    """Everything the simulated city measures.

    Parameters
    ----------
    seed
        Decides the plan, the weather, the noise and the storyline's jitter.
    start_us
        Minute 0 of the storyline, microseconds since 1970 (cut to the second).
    calm
        No storyline: an ordinary day.
    mishaps
        Faults that were asked for, besides.
    """

    def __init__(self, seed: int, start_us: int, *, calm: bool = False, mishaps: Sequence[Mishap] = ()) -> None:
        self.seed, self.start_us = seed, start_us - start_us % _SECOND_US
        self.town: Town = plan(seed)
        self.storyline = Storyline(self.town, self.start_us, calm=calm)
        self._city = np.uint64(key(seed, "city"))
        self._groups = {gateway: self._group(sensors) for gateway, sensors in self.town.sensors_of.items()}
        self._alone = {s.id: _Group.of(seed, _kind(s), s.interval_s, (s,)) for s in self.town.sensors.values()}
        self.mishaps = Mishaps(self.town, self.start_us, mishaps, self._undisturbed)
        self._frozen = {
            sensor: float(
                self._values(self._alone[sensor], np.zeros(1, np.int64), self._second(minute), thawed=True)[0]
            )
            for sensor, minute in self.storyline.stuck.items()
        }

    def _group(self, sensors: tuple[PlannedSensor, ...]) -> tuple[_Group, ...]:
        def by(sensor: PlannedSensor) -> tuple[str, int]:
            return _kind(sensor), sensor.interval_s

        return tuple(_Group.of(self.seed, *k, tuple(s)) for k, s in groupby(sorted(sensors, key=by), by))

    def _second(self, minute: float) -> Ints:
        return np.array([self.start_us // _SECOND_US + round(minute * 60)], dtype=np.int64)

    def _undisturbed(self, sensor: str, minutes: Floats) -> Floats:
        second: Ints = self.start_us // _SECOND_US + np.round(minutes * 60).astype(np.int64)
        return self._values(self._alone[sensor], np.zeros(len(second), np.int64), second, thawed=True)

    def value(self, sensor: str, time_us: int) -> float:
        """What `sensor` would send at an instant (whole seconds; in its own unit). KeyError if there is none."""
        group = self._alone[sensor]
        second = np.array([time_us // _SECOND_US], dtype=np.int64)
        return float(self._sent(group, np.zeros(1, np.int64), second)[0])

    def series(self, sensor: str, after_us: int, until_us: int) -> tuple[Ints, Floats]:
        """Times (microseconds since 1970) and canonical values of one sensor in (after_us, until_us]."""
        group = self._alone[sensor]
        which, second = group.due(after_us // _SECOND_US, until_us // _SECOND_US)
        return second * _SECOND_US, self._values(group, which, second)

    def samples(self, gateway: str, after_us: int, until_us: int) -> list[Row]:
        """Everything `gateway` measures in (after_us, until_us], by time. KeyError if there is no such gateway."""
        rows: list[Row] = []
        for group in self._groups[gateway]:
            which, second = group.due(after_us // _SECOND_US, until_us // _SECOND_US)
            if len(which):
                values = self._sent(group, which, second)
                columns = zip(which.tolist(), second.tolist(), values.tolist(), strict=True)
                rows += [(group.sensors[i].id, s * _SECOND_US, v, group.sensors[i].unit, 0) for i, s, v in columns]
        rows.sort(key=lambda row: (row[1], row[0]))
        return self.mishaps.delivered(rows) if self.mishaps.planned else rows

    def _sent(self, group: _Group, which: Ints, second: Ints) -> Floats:
        scale = np.array([sensor.scale for sensor in group.sensors])[which]
        sent: Floats = np.round(self._values(group, which, second) * scale, 6)
        return sent

    def _values(self, group: _Group, which: Ints, second: Ints, *, thawed: bool = False) -> Floats:
        calm, resolution = CALM[group.kind]
        since_s = (second - self.start_us // _SECOND_US).astype(np.float64)
        interval_s = np.full(len(which), float(group.interval_s))
        city = np.full(len(which), self._city)
        values = calm(Moments(group.keys[which], city, second, since_s, interval_s))
        for i, sensor in enumerate(group.sensors):
            mine = which == i
            for effect in self.storyline.effects.get(sensor.id, ()):
                values[mine] = effect(values[mine], since_s[mine] / 60.0)
            if sensor.id in self.storyline.stuck and not thawed:
                late = mine & (since_s >= self.storyline.stuck[sensor.id] * 60.0)
                values[late] = self._frozen[sensor.id]
            if sensor.id in self.mishaps.sensors and not thawed:
                values[mine] = self.mishaps.bend(sensor.id, values[mine], since_s[mine] / 60.0)
        rounded: Floats = np.round(np.round(values / resolution) * resolution, 6)
        return rounded


def check_seed(seed: int) -> int:
    """The seed, if it is one (InputError otherwise)."""
    if seed < 0:
        raise InputError(f"seed must not be negative, got {seed}, try --seed 1")
    return seed
