"""A step in a bridge's strain that does not come back: a support has moved, a member has yielded."""

from __future__ import annotations

from math import exp, sqrt
from typing import ClassVar

import msgspec

from city.errors import InputError
from detectors.blocks import SIGMA_PER_MAD, Ring, add
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.robust import mad, median
from detectors.thermal import Thermal, follow, learn

_TYPICAL = 1.25  # standard deviation over mean absolute deviation, normal noise
_MEDIAN_OF_MAD = 1.4826 * 1.2533  # standard error of a median of n normal readings: this x MAD / sqrt(n)
_TRUSTED = 60  # readings the fresh baseline counts for: least squares from fewer would follow noise as if trend
_SCALE_MEMORY = 720  # readings: half a day of minutes
_CALM_AT = 0.5  # the baseline learns below this part of the limit; a shift that falls below it has come back
_BLOCK_H, _A_DAY = 8.0, 3  # blocks of the slow comparison, which only runs when temperature explains something
_BEFORE, _BETWEEN = 8, 2  # days that today is compared with, and days in between
_BLOCKS = (_BEFORE + _BETWEEN + 1) * _A_DAY
_LEAST_INTERVALS = 30  # the baseline is at least this many intervals slow, or it would swallow the step at low cadence


class ShiftState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: the last readings, the baseline with its trend, the scale, the step being watched.

    Readings and baseline are without what temperature explains.
    """

    recent: tuple[float, ...] = ()
    level: float = 0.0
    slope_s: float = 0.0
    scale: float = 0.0
    fitted: int = 0
    scaled: int = 0
    waiting: int = 0
    beyond: int = 0
    shifted: bool = False
    frozen_us: int = 0
    blocks: Ring = msgspec.field(default_factory=Ring)
    slow_shift: float = 0.0
    slow_limit: float = 1.0
    thermal: Thermal = msgspec.field(default_factory=Thermal)


class BaselineShift(PerSensor[ShiftState]):
    """Median of the last `width` readings against a slow baseline with a local trend.

    The median throws traffic away; the baseline (alpha-beta, critically damped, time constant `memory_s`) follows
    temperature. Score = |median - baseline| / max(`least_step`, `limit` x scale), and counts from the `persist`-th
    reading in a row beyond 1 on the same side. The scale is the mean absolute deviation of the median itself. Baseline
    and scale are frozen while the deviation is above half the limit (the trend fades meanwhile), for at most
    `freeze_s`; then the new level is learned (BLIND meanwhile).

    When the register names a temperature sensor among the neighbours, what temperature explains (with lags, see
    `detectors.thermal`) is taken away first; the baseline is the slower the more that is, up to `steady_s`; and the
    last day is compared with eight days before as well, two days apart (channel `slow`).

    Parameters
    ----------
    least_step
        Smallest step worth a finding (um/m).
    limit
        The same in standard deviations of the short median.
    width, persist
        Readings in the short median (odd); readings in a row that must be beyond.
    memory_s, steady_s, freeze_s, gap_s
        Time constant of the baseline, and the same at most when temperature explains all; longest freeze; pause after
        which `width` readings are needed and the baseline starts anew (all seconds).

    Notes
    -----
    Input
        um/m (any unit, if `least_step` is set in it). Any regular or irregular cadence; made for 30 s to 2 min. For
        fast records set `memory_s` to some 60 intervals.
    Warm-up, delay
        30 readings; after a pause `width`. A step of +34 um/m on noise of 5 is found after `width`/2 + `persist`
        readings, about 13.
    False alarms
        Without temperature 4 in 300 simulated calm sensor-days (thermal cycle, weather, traffic); with it see
        `docs/detectors.md`. None in four of five recordings of a test
        bridge, while in the fifth the lowering of a support (+29 um/m within some 5 min) is found before it is over.
    Direction
        `up` tension (the value rose), `down` compression.
    Blind spots
        A change slower than the baseline, and with temperature one slower than some 10 um/m in a week; a step during a
        pause; a step that comes back within `persist` readings. A load that stays (a jam) looks like a step, and so
        does a temperature front that bends the signal by about `least_step` within `memory_s`: without the temperature
        itself they cannot be told apart. Lorries in one reading of eight cost one false alarm in 10 sensor-days, in one
        of five one a day: then send medians, not instants.
    Source
        Median level against trend: guided by Kromanis & Kripakaran (2014), Adv. Eng. Inform. 28, 277, on thermal
        response; gains as in `flood_onset`. The combination and its numbers are our own.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> values = [0.0, 3.0, -2.0, 1.0, -1.0] * 20 + [34.0, 37.0, 32.0, 35.0] * 5
    >>> samples = [Sample("b1", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(values)]
    >>> found = [f for f in BaselineShift().update(samples) if f.score >= 1]
    >>> found[0].time_us // 60_000_000 - 100, found[0].direction
    (11, 'up')
    """

    name: ClassVar[str] = "baseline_shift"
    quantities: ClassVar[frozenset[str]] = frozenset({"strain"})
    channel: ClassVar[str] = "level"
    channels: ClassVar[tuple[str, ...]] = ("level", "slow")
    state_type: ClassVar[type[ShiftState]] = ShiftState

    def __init__(
        self,
        *,
        least_step: float = 12.0,
        limit: float = 6.0,
        width: int = 9,
        persist: int = 8,
        warm_up: int = 30,
        memory_s: float = 3600.0,
        steady_s: float = 12 * 3600.0,
        freeze_s: float = 4 * 3600.0,
        gap_s: float = 1800.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, least_step=least_step, limit=limit, persist=persist, memory_s=memory_s, freeze_s=freeze_s)
        positive(self.name, steady_s=steady_s)
        if width % 2 == 0 or not 3 <= width < warm_up:
            raise InputError(f"{self.name}: width must be odd, 3 or more and below warm_up, got {width=} {warm_up=}")
        self.least_step, self.limit, self.width, self.persist = least_step, limit, width, persist
        self.warm_up, self.memory_s, self.freeze_us = warm_up, memory_s, round(freeze_s * 1e6)
        self.steady_s = steady_s

    def _first(self) -> ShiftState:
        return ShiftState(waiting=self.warm_up)

    def _resume(self, own: ShiftState) -> ShiftState:
        waiting = max(own.waiting, self.width)
        own.recent, own.fitted, own.beyond, own.shifted, own.frozen_us, own.waiting = (), 0, 0, False, 0, waiting
        return own

    def _step(self, own: ShiftState, moment: Moment) -> Answer:
        knew = own.thermal.explained > 0
        warm = follow(own.thermal, moment)
        part = own.thermal.part
        if knew != (own.thermal.explained > 0):  # the trend so far was partly temperature's, or will be
            own.slope_s, own.fitted, own.blocks, own.slow_shift = 0.0, _TRUSTED, Ring(), 0.0
        if own.waiting:
            return self._wait(own, moment.value - part)
        own.recent = (*own.recent, moment.value - part)[-self.width :]
        own.level += own.slope_s * moment.dt_s
        middle = median(own.recent)
        if own.thermal.explained and add(own.blocks, moment.time_us / 3.6e9, middle, _BLOCK_H, _BLOCKS):
            self._compare(own)
        deviation, limit = middle - own.level, max(self.least_step, self.limit * own.scale)
        ratio = deviation / limit
        expected = own.level + part
        band = (expected, expected - limit, expected + limit)
        self._count(own, ratio)
        if abs(ratio) < _CALM_AT:
            own.frozen_us = 0
            self._learn(own, moment, deviation)
            if warm:
                learn(own.thermal, moment, middle + part)
        else:
            own.frozen_us = own.frozen_us or moment.time_us
            if moment.time_us - own.frozen_us > self.freeze_us:
                own.beyond, own.shifted, own.frozen_us, own.waiting = 0, False, 0, 1
                return Answer(None, "learning the level anew: it has stayed beside the old baseline")
            own.slope_s *= exp(-moment.dt_s / self._memory_s(own, moment))
        slow = own.slow_shift / own.slow_limit
        if not own.shifted and abs(slow) < 1:
            return Answer(min(max(abs(ratio), abs(slow)), 0.99), "", "", *band)
        if not own.shifted:
            return _found(own, middle, own.slow_shift, own.slow_limit, band, "slow")
        return _found(own, middle, deviation, limit, band, "level")

    def _compare(self, own: ShiftState) -> None:
        """The last day against days before: what moves too slowly for the baseline."""
        if len(own.blocks.points) < _BLOCKS:
            return
        values = [value for _, value in own.blocks.points]
        days = [sum(values[at : at + _A_DAY]) / _A_DAY for at in range(0, _BLOCKS, _A_DAY)]
        middle = median(days[:_BEFORE])
        own.slow_shift = days[-1] - middle
        own.slow_limit = max(self.least_step, self.limit * SIGMA_PER_MAD * mad(days[:_BEFORE], middle))

    def _wait(self, own: ShiftState, value: float) -> Answer:
        """Gather readings; at the last one the baseline starts at their median, level until more is known."""
        own.recent = (*own.recent, value)
        own.waiting -= 1
        if not own.waiting:
            own.level, own.slope_s, own.fitted = median(own.recent), 0.0, _TRUSTED
            if not own.scaled:
                own.scale = _MEDIAN_OF_MAD * mad(own.recent, own.level) / sqrt(self.width)
                own.scaled = len(own.recent)
            own.recent = own.recent[-self.width :]
        return Answer(None, f"warming up, {own.waiting} readings to go")

    def _count(self, own: ShiftState, ratio: float) -> None:
        """Count readings in a row beyond the limit on one side; a shift stands until it has come half-way back."""
        if abs(ratio) < 1:
            own.beyond = 0
        else:
            own.beyond = max(own.beyond, 0) + 1 if ratio > 0 else min(own.beyond, 0) - 1
        own.shifted = abs(ratio) >= _CALM_AT if own.shifted else abs(own.beyond) >= self.persist

    def _memory_s(self, own: ShiftState, moment: Moment) -> float:
        """The more of the signal temperature explains, the slower the baseline may be: it has less to follow."""
        slower = min(1 / (1 - min(own.thermal.explained, 0.999)), self.steady_s / self.memory_s)
        return max(self.memory_s * max(slower, 1.0), _LEAST_INTERVALS * moment.usual_s)

    def _learn(self, own: ShiftState, moment: Moment, deviation: float) -> None:
        """Least squares while young, fading memory later (the larger gain of the two); the scale follows, clipped."""
        fade = exp(-moment.dt_s / self._memory_s(own, moment))
        n = own.fitted
        size = min(abs(deviation), 3 * own.scale + 0.1 * self.least_step)
        own.level += max(1 - fade * fade, 2 * (2 * n - 1) / (n * (n + 1))) * deviation
        own.slope_s += max((1 - fade) ** 2, 6 / (n * (n + 1))) * deviation / moment.dt_s
        own.fitted = min(n + 1, 1_000_000)
        own.scaled = min(own.scaled + 1, _SCALE_MEMORY)
        own.scale += (_TYPICAL * size - own.scale) / own.scaled


def _found(
    own: ShiftState, middle: float, shift: float, limit: float, band: tuple[float, float, float], channel: str
) -> Answer:
    part = own.thermal.part
    reason = f"level {middle + part:.1f} um/m stays {shift:+.1f} beside its baseline, limit {limit:.1f}"
    evidence = (
        ("shift_um_m", shift),
        ("temperature_part_um_m", part),
        ("temperature_explains", own.thermal.explained),
    )
    return Answer(max(abs(shift / limit), 1.0), reason, "up" if shift > 0 else "down", *band, evidence, channel)
