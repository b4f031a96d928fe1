"""Ground that creeps towards failure: the range in which its inverse velocity, falling in a straight line, ends."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import ClassVar, NamedTuple

import msgspec

from city.errors import InputError
from detectors.blocks import Ring, add, bend_free_scatter
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.robust import median
from detectors.thermal import Thermal, follow, learn

_SCALES_H = (1 / 6, 1.0, 6.0, 36.0)  # blocks; with `_BLOCKS` of each, windows of 3 h, 18 h, 4.5 and 27 days
_BLOCKS = 18
_STRIDE = 3  # a velocity is the movement over so many blocks
_LEAST = 6  # velocities since the acceleration began
_FAST, _SLOW = 0.5, 0.15  # gains of the two averages of velocity whose crossing is the onset
_SURE = 3.0  # a velocity counts from so many of its standard errors on
_GROWN = 2.0  # velocity now over that at the onset, at least
_BENDS = 0.5  # slope of 1/v in its newer half over that in its older, at least: below, it will not reach zero
_QUANTILE = 2.6  # of Student's t for nineteen twentieths, with some five degrees of freedom
_FARTHEST = 3.0  # how far it extrapolates, in spans of what it has seen
_WARM_UP = 12


class Forecast(NamedTuple):
    """Hours (as the state counts them) between which 1/v reaches zero, R2 of the line, velocities, velocity now."""

    earliest_h: float
    latest_h: float
    r2: float
    velocities: int
    velocity_mm_h: float


class CreepState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: blocks at every scale, how often running each was established, its forecast."""

    origin_us: int = -1
    recent: tuple[float, ...] = ()
    rings: tuple[Ring, ...] = msgspec.field(default_factory=lambda: tuple(Ring() for _ in _SCALES_H))
    running: tuple[int, ...] = (0,) * len(_SCALES_H)
    forecasts: tuple[tuple[float, float, float, int, float] | None, ...] = (None,) * len(_SCALES_H)
    thermal: Thermal = msgspec.field(default_factory=Thermal)
    waiting: int = _WARM_UP


class CreepToFailure(PerSensor[CreepState]):
    """Fukuzono's inverse velocity, printed only when an acceleration is established.

    Readings (medians of three, without what temperature explains) are averaged into blocks of 10 min, 1, 6 and 36 h.
    At each scale a velocity is the movement over three blocks. The onset is where its fast average left the slow one
    for good. From there on, 1/v against time must be a falling line with R2 above `least_r2`, over at least 6
    velocities that are each sure, the last twice the first, and not flattening: a curve that decelerates is never
    extrapolated. Where the line meets zero is given as a range (Fieller, nineteen twentieths), no farther away than
    three times the time seen. Score = R2 / `least_r2`, below 1 until all of this holds `persist` blocks in a row.

    Parameters
    ----------
    least_r2
        Of the line through the inverse velocities, 0 to 1.
    least_mm
        Movement since the onset, at least (mm).
    persist
        Blocks in a row that must agree.
    gap_s
        Pause after which readings are gathered anew (s).

    Notes
    -----
    Input
        mm, negative downwards, at any cadence from 10 s to hours.
    Warm-up, delay
        12 readings; at least nine blocks of a scale before it can speak. See the figures in `docs/detectors.md`.
    Direction
        `up` always: sinking faster and faster.
    Evidence
        `earliest_h` and `latest_h` from the reading on, `r2`, `velocities`, `velocity_mm_h`. Never one instant.
    Blind spots
        Failure without creep; an acceleration that is over within nine blocks of 10 min; loads that change meanwhile
        bend the line. A forecast of the range is no forecast of a collapse: many accelerations stop.
    Source
        Fukuzono (1985), 4th Int. Conf. on Landslides, 145, linear form. Smoothing and onset as advised by Carla et al.
        (2017), Landslides 14, 517. R2 above 0.8 is from a secondary source. The combination and its numbers are ours.

    Examples
    --------
    >>> from math import log
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> sunk = [20 * log(1 - minute / 3000) for minute in range(2400)]  # fails after 3000 min = 50 h
    >>> samples = [Sample("s1", i * 60_000_000, mm, Flag.PASS, 0) for i, mm in enumerate(sunk)]
    >>> found = CreepToFailure().update(samples)[-1]
    >>> evidence = dict(found.evidence)
    >>> found.score >= 1, 40 + evidence["earliest_h"] < 50 < 40 + evidence["latest_h"]
    (True, True)
    """

    name: ClassVar[str] = "creep_to_failure"
    quantities: ClassVar[frozenset[str]] = frozenset({"settlement"})
    channel: ClassVar[str] = "inverse_velocity"
    state_type: ClassVar[type[CreepState]] = CreepState

    def __init__(
        self, *, least_r2: float = 0.8, least_mm: float = 1.0, persist: int = 2, gap_s: float = 4 * 3600.0
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, least_r2=least_r2, least_mm=least_mm, persist=persist)
        if least_r2 >= 1:
            raise InputError(f"{self.name}: least_r2 must be below 1, got {least_r2}")
        self.least_r2, self.least_mm, self.persist = least_r2, least_mm, persist

    def _first(self) -> CreepState:
        return CreepState()

    def _resume(self, own: CreepState) -> CreepState:
        return CreepState(thermal=own.thermal)

    def _step(self, own: CreepState, moment: Moment) -> Answer:
        if own.origin_us < 0:
            own.origin_us = moment.time_us
        hour = (moment.time_us - own.origin_us) / 3.6e9
        if follow(own.thermal, moment):
            learn(own.thermal, moment, moment.value)
        own.recent = (*own.recent, moment.value - own.thermal.part)[-3:]
        sunk = -median(own.recent)
        for place, block_h in enumerate(_SCALES_H):
            if add(own.rings[place], hour, sunk, block_h, _BLOCKS):
                self._refresh(own, place, block_h)
        if own.waiting:
            own.waiting -= 1
            return Answer(None, f"warming up, {own.waiting} readings to go")
        return self._judge(own, hour)

    def _refresh(self, own: CreepState, place: int, block_h: float) -> None:
        found = _forecast(own.rings[place].points, block_h, self.least_mm)
        sure = found is not None and found.r2 > self.least_r2
        own.forecasts = (*own.forecasts[:place], found, *own.forecasts[place + 1 :])
        own.running = (*own.running[:place], own.running[place] + 1 if sure else 0, *own.running[place + 1 :])

    def _judge(self, own: CreepState, hour: float) -> Answer:
        standing = [
            Forecast(*found)
            for found, running in zip(own.forecasts, own.running, strict=True)
            if found is not None and running >= self.persist and found[1] > hour
        ]
        if not standing:
            best = max((found[2] for found in own.forecasts if found is not None), default=0.0)
            return Answer(min(best / self.least_r2, 0.99))
        found = min(standing, key=lambda one: one.latest_h)
        earliest_h, latest_h = max(found.earliest_h - hour, 0.0), found.latest_h - hour
        reason = (
            f"sinking at {found.velocity_mm_h:.2f} mm/h and faster: inverse velocity (R2 {found.r2:.2f}, "
            f"{found.velocities} velocities) meets zero in {earliest_h:.1f} to {latest_h:.1f} h"
        )
        evidence = (
            ("earliest_h", earliest_h),
            ("latest_h", latest_h),
            ("r2", found.r2),
            ("velocities", float(found.velocities)),
            ("velocity_mm_h", found.velocity_mm_h),
        )
        return Answer(found.r2 / self.least_r2, reason, "up", evidence=evidence)


def _forecast(points: Sequence[tuple[float, float]], block_h: float, least_mm: float) -> Forecast | None:
    """What blocks of (hour, mm sunk) say; None when no acceleration is established, or it does not lead to zero."""
    speeds = _speeds(points)
    if len(speeds) < _LEAST:
        return None
    begin = _onset([speed for _, speed in speeds])
    chosen = speeds[begin:]
    if len(chosen) < _LEAST or chosen[-1][1] < _GROWN * chosen[0][1]:
        return None
    if points[-1][1] - points[begin][1] < least_mm or chosen[-1][1] < 0.99 * max(speed for _, speed in chosen):
        return None
    return _zero([(hour, 1 / speed) for hour, speed in chosen], block_h, points[-1][0])


def _speeds(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Hour and velocity (mm/h) over `_STRIDE` blocks each, from the last one on that is not sure to be positive."""
    if len(points) < _LEAST + _STRIDE:
        return []
    scatter_mm = bend_free_scatter([mm for _, mm in points])
    speeds: list[tuple[float, float]] = []
    for (early_h, early_mm), (late_h, late_mm) in zip(points, points[_STRIDE:], strict=False):
        moved_mm = late_mm - early_mm
        if moved_mm <= max(_SURE * sqrt(2) * scatter_mm, 1e-9):
            speeds.clear()
        else:
            speeds.append(((early_h + late_h) / 2, moved_mm / (late_h - early_h)))
    return speeds


def _onset(speeds: Sequence[float]) -> int:
    """Place of the last velocity whose fast average did not exceed the slow one."""
    fast = slow = speeds[0]
    begin = 0
    for place, speed in enumerate(speeds):
        fast += _FAST * (speed - fast)
        slow += _SLOW * (speed - slow)
        if fast <= slow:
            begin = place
    return begin


def _zero(line: Sequence[tuple[float, float]], block_h: float, now_h: float) -> Forecast | None:
    """Where a line through (hour, inverse velocity) meets zero; None when it does not, or nobody knows when."""
    n, half = len(line), len(line) // 2
    mean_h, mean = sum(hour for hour, _ in line) / n, sum(value for _, value in line) / n
    slope, spread = _slope(line), sum((hour - mean_h) ** 2 for hour, _ in line)
    older, newer = _slope(line[: half + 1]), _slope(line[half:])
    if slope >= 0 or newer >= 0 or newer > _BENDS * older:
        return None
    rest = sum((value - mean - slope * (hour - mean_h)) ** 2 for hour, value in line)
    whole = sum((value - mean) ** 2 for _, value in line)
    unsure = _QUANTILE**2 * _STRIDE * rest / (n - 2)  # velocities overlap, so their errors go together
    square = slope**2 - unsure / spread
    root = (mean * slope) ** 2 - square * (mean**2 - unsure / n)
    if square <= 0 or root < 0:
        return None
    middle, away = mean_h - mean * slope / square, sqrt(root) / square
    earliest_h, latest_h = middle - away - block_h, middle + away + block_h
    if latest_h <= now_h or latest_h - now_h > _FARTHEST * (line[-1][0] - line[0][0]):
        return None
    return Forecast(earliest_h, latest_h, 1 - rest / whole, n, 1 / line[-1][1])


def _slope(line: Sequence[tuple[float, float]]) -> float:
    mean_h, mean = sum(hour for hour, _ in line) / len(line), sum(value for _, value in line) / len(line)
    return sum((h - mean_h) * (v - mean) for h, v in line) / sum((h - mean_h) ** 2 for h, _ in line)
