"""How fast water leaves a low point after each flood: a drain that takes longer every time is silting up."""

from __future__ import annotations

from math import log
from typing import ClassVar

import msgspec

from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.rain import WET_MM_H, Rain, gauges, listen
from detectors.robust import mad, median
from detectors.water import Surface

_KEPT, _NEEDED = 12, 3
_FROM, _TO = 0.9, 0.25  # of the crest: the limb between them is looked at
_LEAST_POINTS = 6
_FIT = 0.9  # of the logarithm's variance that a straight line explains
_MAD = 1.4826
_LEAST_SPREAD = 0.15  # of log K between floods
_MEMORY_S = 240.0


class Limb(msgspec.Struct, array_like=True):
    """A falling limb as sums for a line through log depth over time."""

    begun_us: int = 0
    points: int = 0
    time: float = 0.0
    square: float = 0.0
    depth: float = 0.0
    cross: float = 0.0
    depth_square: float = 0.0

    def take(self, depth_cm: float, time_us: int) -> None:
        """Take in one point."""
        self.begun_us = self.begun_us or time_us
        hours, height = (time_us - self.begun_us) / 3.6e9, log(depth_cm)
        self.points += 1
        self.time += hours
        self.square += hours * hours
        self.depth += height
        self.cross += hours * height
        self.depth_square += height * height

    def constant_h(self) -> float | None:
        """K of h = h0 exp(-t / K) in hours; None when it is no such limb."""
        if self.points < _LEAST_POINTS:
            return None
        times = self.square - self.time * self.time / self.points
        heights = self.depth_square - self.depth * self.depth / self.points
        both = self.cross - self.time * self.depth / self.points
        if times <= 0 or heights <= 0 or both >= 0 or both * both < _FIT * times * heights:
            return None
        return -times / both


class RecessionState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: surface, rain, the flood under way, and K of those before (hours)."""

    surface: Surface = msgspec.field(default_factory=Surface)
    rain: Rain = msgspec.field(default_factory=Rain)
    crest_cm: float = 0.0
    limb: Limb = msgspec.field(default_factory=Limb)
    constants_h: tuple[float, ...] = ()
    score: float = 0.0
    base_cm: float = 0.0
    waiting: int = 0


class DrainRecession(PerSensor[RecessionState]):
    """Floods that drain slower than they used to at this site.

    Depth above the dry level falls as h = h0 exp(-t/K). K is fitted between 90 % and 25 % of each crest of at least
    `least_cm` while no rain falls; it counts when a straight line through the logarithm explains 90 % of it. Score =
    how far the median of the last two floods lies above the median of those before, over log(`factor`) or three of the
    spreads of those, whichever is more. It stands until the next flood says otherwise.

    Parameters
    ----------
    factor
        How many times longer K must have become, above 1.
    least_cm
        Crest of a flood that counts.
    gap_s
        Pause after which 5 readings are needed, and a flood under way is not counted (seconds).

    Notes
    -----
    Input
        cm. A rain gauge in the context keeps floods apart from rain that goes on; without one the fit must do. Any
        cadence that puts 6 readings on a falling limb.
    Warm-up
        5 readings; it has an opinion after 5 floods.
    Direction
        `up` (slower) only.
    Evidence
        `drains_in_h` (median of the last two), `drained_in_h` (of those before), `floods`.
    Blind spots
        Pumps (a straight line, not a curve: no fit); sites that flood once a year; snow.
    Source
        Recession of a linear reservoir: Maillet (1905). The combination is our own.

    Examples
    --------
    >>> from math import exp
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> flood = lambda k: [20.0 * exp(-i / k) for i in range(240)]
    >>> values = [0.0] * 20 + [v for k in (30, 32, 29, 31, 90, 95) for v in flood(k)]
    >>> found = DrainRecession().update([Sample("w", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(values)])
    >>> str(found[900].verdict), str(found[-1].verdict)
    ('normal', 'abnormal')
    """

    name: ClassVar[str] = "drain_recession"
    quantities: ClassVar[frozenset[str]] = frozenset({"water_depth"})
    channel: ClassVar[str] = "recession"
    state_type: ClassVar[type[RecessionState]] = RecessionState

    def __init__(self, *, factor: float = 1.8, least_cm: float = 4.0, gap_s: float = 1800.0) -> None:
        super().__init__(gap_s)
        positive(self.name, factor=factor - 1, least_cm=least_cm)
        self.factor, self.least_cm = factor, least_cm

    def _first(self) -> RecessionState:
        return RecessionState(waiting=5)

    def _resume(self, own: RecessionState) -> RecessionState:
        return RecessionState(
            constants_h=own.constants_h, score=own.score, base_cm=own.base_cm, waiting=max(own.waiting, 5)
        )

    def _step(self, own: RecessionState, moment: Moment) -> Answer:
        near = gauges(moment.subject)
        raining = bool(near) and listen(own.rain, near, self.subjects, moment.around, moment.time_us, moment.dt_s)
        raining = raining and own.rain.recent_mm_h > WET_MM_H
        own.surface.follow(moment.value, moment.dt_s, _MEMORY_S)
        if own.waiting:
            own.waiting -= 1
            own.base_cm = own.base_cm or moment.value
            return Answer(None, f"warming up, {own.waiting} readings to go")
        depth_cm = own.surface.depth_cm - own.base_cm
        if not own.crest_cm:
            own.base_cm += max(-1.0, min(1.0, depth_cm)) * min(1.0, moment.dt_s / 86400)
        self._flood(own, moment.time_us, depth_cm, raining=raining)
        return self._say(own)

    def _flood(self, own: RecessionState, time_us: int, depth_cm: float, *, raining: bool) -> None:
        if depth_cm >= max(own.crest_cm, self.least_cm):
            own.crest_cm, own.limb = depth_cm, Limb()
        elif own.crest_cm and depth_cm < max(_TO * own.crest_cm, 0.5):
            self._over(own)
        elif own.crest_cm and depth_cm <= _FROM * own.crest_cm:
            if raining or own.surface.rate_cm_s > 0:
                own.limb = Limb()  # it rises or is fed again: what falls after that is looked at
                own.crest_cm = max(depth_cm, self.least_cm)
            else:
                own.limb.take(depth_cm, time_us)

    def _over(self, own: RecessionState) -> None:
        constant_h = own.limb.constant_h()
        own.crest_cm, own.limb = 0.0, Limb()
        if constant_h is None:
            return
        own.constants_h = (*own.constants_h, constant_h)[-_KEPT:]
        before, last = [log(k) for k in own.constants_h[:-2]], [log(k) for k in own.constants_h[-2:]]
        if len(before) >= _NEEDED:
            centre = median(before)
            spread = max(_MAD * mad(before, centre), _LEAST_SPREAD)
            own.score = max(0.0, (min(last) + median(last)) / 2 - centre) / max(log(self.factor), 3 * spread)

    def _say(self, own: RecessionState) -> Answer:
        if own.score < 1:
            return Answer(own.score)
        now_h, then_h = median(own.constants_h[-2:]), median(own.constants_h[:-2])
        reason = (
            f"water falls to a third in {now_h:.1f} h, used to in {then_h:.1f} h, after {len(own.constants_h)} floods"
        )
        evidence: tuple[tuple[str, float | str], ...] = (
            ("drains_in_h", round(now_h, 2)),
            ("drained_in_h", round(then_h, 2)),
            ("floods", float(len(own.constants_h))),
        )
        return Answer(own.score, reason, "up", evidence=evidence)
