"""Tests of quality (QARTOD) over a batch of readings in columns: gap, spike, rate of change, flat line, neighbour.

Readings are judged once, as they come, and are not judged again: a spike is what stands apart from each of the two
readings before it, so the first reading after a real step is one too. What comes later than a newer reading of its
sensor (an outage's backlog beside live readings) is judged along its own line, from where the gap began. Memory is six
numbers a sensor and line. Pure: what a sensor said before is put in with `learn`, and a batch's share is kept with
`keep`, which can be taken back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntFlag
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from city.levels import Flag
from city.model import City, Sensor
from city.quality import Effect, Quality, of
from city.surroundings import Ask, surroundings

Places = NDArray[np.intp]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
Flags = NDArray[np.uint8]
Tests = NDArray[np.int16]
Mask = NDArray[np.bool_]

NEVER: Final = -(1 << 62)
_NEIGHBOURS: Final = 4
_LATELY: Final = 3.0  # intervals: a neighbour that spoke longer ago is not asked
_FOREVER_US: Final = 1 << 61
MIN_GAP_US: Final = 1_000_000  # a clock's jitter is no gap


class Check(IntFlag):
    """The tests that said something of a reading, as `lifeline.readings.tests` keeps them."""

    GATEWAY = 1
    RANGE = 2
    GAP = 4
    SPIKE = 8
    RATE = 16
    FLAT_LINE = 32
    NEIGHBOUR = 64
    FUTURE = 128


_RUN: Final = (Check.GAP, Check.SPIKE, Check.RATE, Check.FLAT_LINE, Check.NEIGHBOUR)


class Limits:
    """The settings as columns: by the sensor's place (gap_us, lately_us, beside, kind), else by kind, its quantity."""

    def __init__(self, city: City, sensors: Sequence[Sensor]) -> None:
        kinds = {sensor.quantity.id: of(sensor.quantity.id, city.quality) for sensor in sensors} or {"": Quality()}
        number, tests = {quantity: at for at, quantity in enumerate(kinds)}, list(kinds.values())
        self.kind = np.array([number[sensor.quantity.id] for sensor in sensors] or [0], dtype=np.int16)
        intervals_us = np.array([sensor.interval_s * 1e6 for sensor in sensors] or [0.0])
        gap = np.array([each.gap.intervals for each in tests])[self.kind] * intervals_us
        self.gap_us = np.maximum(gap, MIN_GAP_US).astype(np.int64)
        self.lately_us = np.maximum(_LATELY * intervals_us, MIN_GAP_US).astype(np.int64)
        self.spike = np.array([each.spike.change for each in tests])
        self.rate = np.array([each.rate.change for each in tests])
        self.rate_us = np.array([each.rate.within_s * 1e6 for each in tests])
        self.flat_us = np.array([min(each.flat_line.for_s * 1e6, _FOREVER_US) for each in tests]).astype(np.int64)
        self.flat = np.array([each.flat_line.within for each in tests])
        self.rest = np.array([each.flat_line.rest + each.flat_line.within for each in tests])
        self.differ = np.array([each.neighbour.differ for each in tests])
        self.at_least = np.array([each.neighbour.at_least for each in tests], dtype=np.intp)
        self.effect = np.array(
            [[each.gap.effect, each.spike.effect, each.rate.effect, each.flat_line.effect, each.neighbour.effect]
             for each in tests], dtype=np.uint8,
        ).T  # fmt: skip
        for limit, effect in ((self.spike, 1), (self.rate, 2), (self.differ, 4)):
            limit[self.effect[effect] == Effect.NONE] = math.inf
        self.flat_us[self.effect[3] == Effect.NONE] = _FOREVER_US
        self.beside = _beside(city, sensors)


def _beside(city: City, sensors: Sequence[Sensor]) -> NDArray[np.int32]:
    """The places of up to four sensors of the same quantity near each whose test is run, -1 where there are fewer."""
    beside = np.full((max(1, len(sensors)), _NEIGHBOURS), -1, dtype=np.int32)
    place = {sensor.id: at for at, sensor in enumerate(sensors)}

    def asks(sensor: Sensor) -> tuple[Ask, ...]:
        test = of(sensor.quantity.id, city.quality).neighbour
        run = test.effect is not Effect.NONE and math.isfinite(test.differ)
        return (Ask(sensor.quantity.id, _NEIGHBOURS, test.distance_m),) if run else ()

    if any(asks(sensor) for sensor in sensors):
        for name, others in surroundings(city, asks).items():
            sensor = city.sensors[name]
            same = [place[one.sensor] for one in others if city.sensors[one.sensor].quantity == sensor.quantity]
            if asks(sensor):
                beside[place[name], : len(same)] = same
    return beside


class _Line(NamedTuple):
    """What is remembered of sensors along one line: the last two readings, and where the flat run began."""

    time_us: Times
    value: Values
    time_2_us: Times
    value_2: Values
    run_us: Times
    run_value: Values

    @classmethod
    def of(cls, sensors: int) -> _Line:
        """Nothing remembered."""
        never = [np.full(sensors, NEVER, dtype=np.int64) for _ in range(3)]
        nothing = [np.full(sensors, np.nan) for _ in range(3)]
        return cls(never[0], nothing[0], never[1], nothing[1], never[2], nothing[2])

    def at(self, places: Places) -> _Line:
        """What is remembered of some."""
        return _Line(
            self.time_us[places], self.value[places], self.time_2_us[places], self.value_2[places],
            self.run_us[places], self.run_value[places],
        )  # fmt: skip

    def put(self, places: Places, line: _Line) -> None:
        """Remember it."""
        for column, new in zip(self, line, strict=True):
            column[places] = new


class Kept(NamedTuple):
    """What a batch leaves to remember, per line: whose, and what."""

    lines: tuple[tuple[int, Places, _Line], ...] = ()


class Remembered(NamedTuple):
    """What a sensor said last, as it is found in the store: the newest reading, the one before, and its flat run."""

    place: int
    time_us: int
    value: float
    time_2_us: int | None
    value_2: float | None
    run_us: int


class Qartod:
    """The tests of one state of the register, and what they remember."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        count = len(limits.gap_us)
        self._lines = _Line.of(count), _Line.of(count)
        self._met = np.zeros(count, np.bool_)

    def strangers(self, places: Places) -> Places:
        """Those of whom it is not known what they said last (see `learn`)."""
        return np.unique(places[~self._met[places]])

    def learn(self, strangers: Places, found: Sequence[Remembered]) -> None:
        """Remember what strangers said before; those of them that are not among `found` said nothing."""
        for place, time_us, value, time_2_us, value_2, run_us in found:
            # A gap between the two begins everything anew.
            gap = time_2_us is None or time_us - time_2_us > self.limits.gap_us[place]
            two = (NEVER, math.nan) if gap or time_2_us is None or value_2 is None else (time_2_us, value_2)
            row = time_us, value, *two, time_us if gap else run_us, value
            for column, one in zip(self._lines[0], row, strict=True):
                column[place] = one
        self._met[strangers] = True

    def judge(self, places: Places, time_us: Times, value: Values, flag: Flags) -> tuple[Flags, Tests, Kept]:
        """Judge readings in the order in which they came.

        Parameters
        ----------
        places
            intp (n,): of their sensors in the register.
        time_us, value, flag
            (n,): event time, value in the canonical unit, and the flag so far. Failed and missing ones are not judged.

        Returns
        -------
        tuple
            The flags, none better than before; the tests that said something; and what `keep` shall be told once the
            readings are committed.
        """
        tests = np.zeros(len(places), dtype=np.int16)
        rows = _by_sensor(np.flatnonzero(flag < Flag.FAIL), places)
        kept: list[tuple[int, Places, _Line]] = []
        before: tuple[Places, _Line] | None = None
        for number, line in enumerate(self._lines):
            if before is not None:
                line = _with(line, *before)
            batch = _Batch(self.limits, line, places[rows], time_us[rows], value[rows], rows)
            tests[batch.rows] = batch.tests
            if len(batch.rows):
                kept.append((number, *batch.newest()))
            rows = rows[~batch.in_order]
            if number == 0:
                before = batch.before_gaps()
                if len(before[0]):
                    kept.append((1, *before))
                if not len(rows):
                    break
        if not tests.any():
            return flag, tests, Kept(tuple(kept))
        return self._flagged(places, flag, tests), tests, Kept(tuple(kept))

    def keep(self, kept: Kept) -> Kept:
        """Remember what a batch leaves; what stood before, to go back to when it is not committed."""
        before = tuple((number, places, self._lines[number].at(places)) for number, places, _ in kept.lines)
        for number, places, line in kept.lines:
            self._lines[number].put(places, line)
        return Kept(before)

    def _flagged(self, places: Places, flag: Flags, tests: Tests) -> Flags:
        worse = flag.copy()
        for test, effect in zip(_RUN, self.limits.effect, strict=True):
            hit = np.flatnonzero(tests & test)
            worse[hit] = np.maximum(worse[hit], effect[self.limits.kind[places[hit]]])
        return worse


class _Batch:
    """One line's share of a batch: its rows sorted by sensor, in order of time; and what became of them."""

    def __init__(
        self, limits: Limits, line: _Line, places: Places, time_us: Times, value: Values, rows: Places
    ) -> None:
        self.in_order = _in_order(places, time_us, line)
        if not self.in_order.all():
            places, time_us, value = places[self.in_order], time_us[self.in_order], value[self.in_order]
            rows = rows[self.in_order]
        self.rows, self._places, self._time_us, self._value, self._limits = rows, places, time_us, value, limits
        self._kind = limits.kind[places]
        self._first = _firsts(places)
        self._where = np.flatnonzero(self._first)
        self._memory = line.at(places[self._where])
        memory = self._memory
        self._time_1_us, self._value_1 = self._before(time_us, memory.time_us), self._before(value, memory.value)
        heard = self._time_1_us != NEVER
        self._known = heard & (time_us - self._time_1_us <= limits.gap_us[places])
        self._two = self._known & self._before(self._known, memory.time_2_us != NEVER)
        self._value_2 = self._before(self._value_1, memory.value_2)
        self._gap = heard & ~self._known
        self.tests = self._tests(line) if len(rows) else np.zeros(0, np.int16)

    def _before(self, column: NDArray[Any], remembered: NDArray[Any]) -> NDArray[Any]:
        """Each row's predecessor in a column: the row before it, or what is remembered of its sensor."""
        out = np.empty_like(column)
        out[1:] = column[:-1]
        out[self._where] = remembered
        return out

    def _tests(self, line: _Line) -> Tests:
        limits, kind, value = self._limits, self._kind, self._value
        change = np.abs(value - self._value_1)
        spike = limits.spike[kind]
        hits = {
            Check.GAP: self._gap & (limits.effect[0][kind] != Effect.NONE),
            Check.SPIKE: self._two & (change > spike) & (np.abs(value - self._value_2) > spike),
            Check.RATE: self._known & (change > self._most_change()),
            Check.FLAT_LINE: self._flat(change),
        }
        asked = np.flatnonzero(limits.differ[kind] < math.inf)
        tests = np.zeros(len(kind), dtype=np.int16)
        for test, hit in hits.items():
            if hit.any():
                tests[hit] |= np.int16(test)
        if len(asked):
            tests[asked[self._unlike_neighbours(asked, line)]] |= np.int16(Check.NEIGHBOUR)
        return tests

    def _most_change(self) -> Values:
        rate, within_us = self._limits.rate[self._kind], self._limits.rate_us[self._kind]
        return np.asarray(rate * np.maximum(1.0, (self._time_us - self._time_1_us) / within_us))

    def _flat(self, change: Values) -> Mask:
        """Which rows end a run of equal values that is long enough; sets the runs."""
        limits, kind, time_us, value = self._limits, self._kind, self._time_us, self._value
        within = limits.flat[kind]
        same = self._known & (change <= within)
        self._run(same)
        off = np.abs(value - self._run_value) > within
        if off.any():  # it crept away from where the run began
            same &= ~off
            self._run(same)
        return np.asarray(same & (time_us - self._run_us >= limits.flat_us[kind]) & (value > limits.rest[kind]))

    def _run(self, same: Mask) -> None:
        index = np.arange(len(same))
        start = np.maximum.accumulate(np.where(same & ~self._first, 0, index))
        self._run_us, self._run_value = self._time_us[start], self._value[start]
        since = np.full(len(same), -1, dtype=np.intp)
        since[self._where] = np.arange(len(self._where))
        since = np.where(same[start], since[start], -1)  # the run goes on from what is remembered
        on = np.flatnonzero(since >= 0)
        self._run_us[on] = self._memory.run_us[since[on]]
        self._run_value[on] = self._memory.run_value[since[on]]

    def _unlike_neighbours(self, asked: Places, line: _Line) -> Mask:
        """Which of the rows asked for are far from the median of what their neighbours said last, before them."""
        limits, places = self._limits, self._places
        size = int(self.rows.max()) + 1
        keys = places * size + self.rows
        own, rows = places[asked], self.rows[asked]
        beside = np.full((len(asked), _NEIGHBOURS), np.nan)
        for number in range(_NEIGHBOURS):
            other = limits.beside[own, number].astype(np.intp)
            at = np.searchsorted(keys, np.maximum(other, 0) * size + rows) - 1
            here = (at >= 0) & (places[at] == other)
            said_us = np.where(here, self._time_us[at], line.time_us[other])
            lately_us = np.maximum(limits.lately_us[own], limits.lately_us[other])
            lately = np.abs(self._time_us[asked] - said_us) <= lately_us
            said = np.where(here, self._value[at], line.value[other])
            beside[:, number] = np.where((other >= 0) & lately, said, np.nan)
        beside.sort(axis=1)  # what is not there comes last
        count = (~np.isnan(beside)).sum(axis=1)
        row = np.arange(len(asked))
        median = (beside[row, np.maximum(count - 1, 0) // 2] + beside[row, count // 2]) / 2
        kind = self._kind[asked]
        return np.asarray(
            (count >= limits.at_least[kind]) & (np.abs(self._value[asked] - median) > limits.differ[kind])
        )

    def newest(self) -> tuple[Places, _Line]:
        """What is to be remembered of each sensor."""
        last = np.append(self._where[1:], len(self._places)) - 1
        time_2_us = np.where(self._known, self._time_1_us, NEVER)
        line = _Line(self._time_us, self._value, time_2_us, self._value_1, self._run_us, self._run_value)
        return self._places[last], line.at(last)

    def before_gaps(self) -> tuple[Places, _Line]:
        """What stood before the last gap of each sensor: there its late readings go on."""
        gaps = np.flatnonzero(self._gap)
        if len(gaps):
            gaps = gaps[np.append(self._places[gaps][1:] != self._places[gaps][:-1], True)]
        memory = self._memory
        if not len(gaps):
            return gaps, _Line.of(0)
        time_2_us = np.where(self._known, self._time_1_us, NEVER)
        line = _Line(
            self._time_1_us, self._value_1, self._before(time_2_us, memory.time_2_us), self._value_2,
            self._before(self._run_us, memory.run_us), self._before(self._run_value, memory.run_value),
        )  # fmt: skip
        return self._places[gaps], line.at(gaps)


def _with(line: _Line, places: Places, new: _Line) -> _Line:
    """A line with some of it replaced, in a copy."""
    if not len(places):
        return line
    changed = line.at(np.arange(len(line.time_us)))
    changed.put(places, new)
    return changed


def _by_sensor(rows: Places, places: Places) -> Places:
    """Rows sorted by sensor, else in their order: as numbers of both, which sort ten times as fast as an index does."""
    bits = max(1, len(places)).bit_length()
    both = np.sort((places[rows] << bits) | rows)
    return np.asarray(both & ((1 << bits) - 1))


def _firsts(places: Places) -> Mask:
    first = np.ones(len(places), np.bool_)
    first[1:] = places[1:] != places[:-1]
    return first


def _in_order(places: Places, time_us: Times, line: _Line) -> Mask:
    """Which rows (sorted by sensor) are later than all before them, what is remembered included."""
    first = np.flatnonzero(_firsts(places))
    newest_us = line.time_us[places[first]]
    before_us = np.empty_like(time_us)
    before_us[1:] = time_us[:-1]
    before_us[first] = newest_us
    later = time_us > before_us
    if later.all():
        return later
    # The newest so far, of all sensors at once: ranks of time, raised from sensor to sensor.
    moments = np.unique(np.concatenate((time_us, newest_us)))
    sensor = np.cumsum(_firsts(places)) - 1
    rank = np.searchsorted(moments, time_us) + sensor * len(moments)
    floor = np.searchsorted(moments, newest_us)[sensor] + sensor * len(moments)
    so_far = np.maximum.accumulate(np.maximum(rank, floor))
    before = np.empty_like(so_far)
    before[1:] = so_far[:-1]
    before[first] = floor[first]
    return np.asarray(rank > np.maximum(before, floor))
