"""A depth sensor that shows water where there is none, or nothing any more: dirt, weeds, a spider, a dead probe."""

from __future__ import annotations

from math import exp
from typing import ClassVar

import msgspec

from detectors.mover import Mover, hear
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.rain import Rain, gauges, listen

_FALLING = 0.8  # of the deepest within `dry_s`: less is water that runs off
_DAY_S = 86400.0
_LIVELY_DAYS, _QUIET_HOURS = 10.0, 8.0
_QUIET = 0.15  # of the usual change from reading to reading
_FLAT_FACTOR = 4.0  # times the longest stretch of one value so far
_LEAST_LIVELY_CM = 0.02
_CLEANED = 0.7  # of the false depth gone within two readings
_FLOOR_CM = 0.3
_STOOD = 7  # looks at the depth within `dry_s`, all of which must show it
_CLEAR_AT = 0.7


class FoulingState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: rain, neighbours, how long dry and with what depth, its liveliness, one value."""

    rain: Rain = msgspec.field(default_factory=Rain)
    neighbours: dict[str, Mover] = msgspec.field(default_factory=dict)
    dry_us: int = 0
    depth_cm: float = 0.0
    past: tuple[tuple[int, float], ...] = ()
    last_cm: float = 0.0
    lively_cm: float = 0.0
    now_cm: float = 0.0
    seen_s: float = 0.0
    same_us: int = 0
    longest_s: float = 0.0
    standing_cm: float = 0.0
    waiting: int = 0


class DrainFouling(PerSensor[FoulingState]):
    """Depth without a flood: the sensor's business, not the duty officer's.

    `dry_depth`: more than `least_cm` all through `dry_s` without rain at the gauge and without a wet neighbour, and it
    does not run off. `flat`: one and the same value for longer than `flat_s` and four times longer than ever before.
    `quiet`: over a third of a day its readings change from one to the next by less than 15 % of what they used to.
    Score = depth over `least_cm`, or time over what is allowed, or how much quieter. When false depth goes within a
    moment, the answer says that somebody cleaned it.

    Parameters
    ----------
    least_cm
        Depth at score 1.
    dry_s, flat_s
        How long dry weather must have lasted; shortest flat stretch (seconds).
    gap_s
        Pause after which 3 readings are needed (seconds).

    Notes
    -----
    Input
        cm. A rain gauge or other depths in the context: without any of them there is no `dry_depth`. Any cadence.
    Warm-up
        5 readings; `dry_depth` then needs `dry_s` of known weather, `quiet` ten days.
    False alarms
        None in 1.5 simulated fault-free sensor-years with rain and two neighbours.
    Direction
        `up` for `dry_depth`, none for the others.
    Evidence
        `dry_h`, `depth_cm`, `dry_neighbours`, `rain_day_mm`; `flat_h`; `change_cm`, `usual_change_cm`; `was_cm`.
    Blind spots
        Dirt during rain; a spring or a burst main fills a road in dry weather too (a neighbour or `flood_onset` tells);
        sensors that never change cannot grow quiet.
    Source
        Flat line and attenuated signal: QARTOD, Manual for Real-Time Quality Control of Water Level Data (2021).

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> found = DrainFouling().update([Sample("w1", i * 60_000_000, 0.1 * (i % 2), Flag.PASS, 0) for i in range(60)])
    >>> str(found[-1].verdict)
    'normal'
    """

    name: ClassVar[str] = "drain_fouling"
    quantities: ClassVar[frozenset[str]] = frozenset({"water_depth"})
    channel: ClassVar[str] = "dry_depth"
    channels: ClassVar[tuple[str, ...]] = ("dry_depth", "flat", "quiet")
    state_type: ClassVar[type[FoulingState]] = FoulingState

    def __init__(
        self, *, least_cm: float = 3.0, dry_s: float = 6 * 3600.0, flat_s: float = 12 * 3600.0, gap_s: float = 3600.0
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, least_cm=least_cm, dry_s=dry_s, flat_s=flat_s)
        self.least_cm, self.dry_us, self.flat_s = least_cm, round(dry_s * 1e6), flat_s

    def _first(self) -> FoulingState:
        return FoulingState(waiting=5)

    def _resume(self, own: FoulingState) -> FoulingState:
        own.rain.clear()
        own.neighbours, own.dry_us, own.past, own.same_us, own.waiting = {}, 0, (), 0, max(own.waiting, 3)
        return own

    def _step(self, own: FoulingState, moment: Moment) -> Answer:
        wet = self._weather(own, moment)
        change_cm, own.last_cm = abs(moment.value - own.last_cm), moment.value
        own.depth_cm += (moment.value - own.depth_cm) * (1 - exp(-max(moment.dt_s, 1.0) / 1800))
        if own.waiting:
            own.waiting -= 1
            own.depth_cm, own.same_us = moment.value, moment.time_us
            return Answer(None, f"warming up, {own.waiting} readings to go")
        found = [
            self._dry_depth(own, moment, wet),
            self._flat(own, moment, change_cm),
            self._quiet(own, moment, change_cm),
        ]
        worst = max(found, key=lambda answer: answer.score or 0.0)
        if own.standing_cm and moment.value < (1 - _CLEANED) * own.standing_cm:
            return self._cleaned(own, moment)
        if worst.channel == "dry_depth" and (worst.score or 0.0) >= 1:
            own.standing_cm = own.depth_cm
        elif wet is not False:
            own.standing_cm = 0.0
        return worst

    def _weather(self, own: FoulingState, moment: Moment) -> bool | None:
        """Whether it is wet around; None when nobody can tell."""
        near = gauges(moment.subject)
        heard = bool(near) and listen(own.rain, near, self.subjects, moment.around, moment.time_us, moment.dt_s)
        wet: bool | None = own.rain.wet_us == moment.time_us if heard else None
        for other in () if moment.subject is None else moment.subject.context:
            if other.quantity != "water_depth":
                continue
            mover = hear(own.neighbours, other, moment.around, moment.time_us, _FLOOR_CM)
            if mover is not None:
                wet = bool(wet) or mover.fast > self.least_cm
        if wet is None or wet:
            own.dry_us, own.past = 0, ()
        else:
            own.dry_us = own.dry_us or moment.time_us
        return wet

    def _dry_depth(self, own: FoulingState, moment: Moment, wet: bool | None) -> Answer:
        if not own.past or moment.time_us - own.past[-1][0] >= self.dry_us // (_STOOD - 1):
            own.past = (*own.past, (moment.time_us, own.depth_cm))[-_STOOD:] if wet is False else ()
        dry_us = moment.time_us - own.dry_us if own.dry_us else 0
        score = own.depth_cm / self.least_cm
        stood = [depth_cm for _, depth_cm in own.past]
        if len(stood) < _STOOD or own.depth_cm < _FALLING * max(stood) or min(stood) < _CLEAR_AT * self.least_cm:
            return Answer(min(max(score, 0.0), 0.5), "", "", 0.0, None, self.least_cm)
        if own.standing_cm and score >= _CLEAR_AT:
            score = max(score, 1.0)
        if score < 1:
            return Answer(max(score, 0.0), "", "", 0.0, None, self.least_cm)
        dry_h, beside = dry_us / 3.6e9, float(len(own.neighbours))
        evidence: tuple[tuple[str, float | str], ...] = (
            ("dry_h", round(dry_h, 1)),
            ("depth_cm", round(own.depth_cm, 1)),
            ("dry_neighbours", beside),
        )
        if own.rain.since_us:
            evidence += (("rain_day_mm", round(own.rain.day_mm, 1)),)
        reason = f"stands at {own.depth_cm:.1f} cm after {dry_h:.0f} h of dry weather: a fouled sensor, not a flood"
        return Answer(score, reason, "up", 0.0, None, self.least_cm, evidence, "dry_depth")

    def _flat(self, own: FoulingState, moment: Moment, change_cm: float) -> Answer:
        if change_cm > 0 or not own.same_us:
            own.longest_s = max(
                own.longest_s, min((moment.time_us - own.same_us) * 1e-6, self.flat_s) if own.same_us else 0
            )
            own.same_us = moment.time_us
            return Answer(0.0, channel="flat")
        if own.lively_cm < _LEAST_LIVELY_CM or own.seen_s < _DAY_S:
            return Answer(0.0, channel="flat")
        flat_s = (moment.time_us - own.same_us) * 1e-6
        score = flat_s / max(self.flat_s, _FLAT_FACTOR * own.longest_s)
        if score < 1:
            return Answer(0.5 * score, channel="flat")
        now_h, before_h = flat_s / 3600, own.longest_s / 3600
        reason = f"reads {moment.value:.1f} cm unchanged for {now_h:.0f} h, longest before was {before_h:.1f} h"
        return Answer(score, reason, "", evidence=(("flat_h", round(flat_s / 3600, 1)),), channel="flat")

    def _quiet(self, own: FoulingState, moment: Moment, change_cm: float) -> Answer:
        own.seen_s = min(own.seen_s + moment.dt_s, _LIVELY_DAYS * _DAY_S)
        clipped_cm = min(change_cm, 5 * own.lively_cm + _LEAST_LIVELY_CM)
        own.now_cm += (clipped_cm - own.now_cm) * (1 - exp(-moment.dt_s / (_QUIET_HOURS * 3600)))
        quiet = own.now_cm < _QUIET * own.lively_cm
        if not quiet or own.seen_s < _DAY_S:
            own.lively_cm += (clipped_cm - own.lively_cm) * min(1.0, moment.dt_s / max(own.seen_s, moment.dt_s, 1.0))
        if own.seen_s < _LIVELY_DAYS * _DAY_S or own.lively_cm < _LEAST_LIVELY_CM or not quiet:
            return Answer(0.0, channel="quiet")
        score = _QUIET * own.lively_cm / max(own.now_cm, 0.1 * _QUIET * own.lively_cm)
        reason = f"changes by {own.now_cm:.2f} cm from reading to reading, used to change by {own.lively_cm:.2f} cm"
        evidence = (("change_cm", round(own.now_cm, 3)), ("usual_change_cm", round(own.lively_cm, 3)))
        return Answer(max(1.0, score), reason, "", evidence=evidence, channel="quiet")

    def _cleaned(self, own: FoulingState, moment: Moment) -> Answer:
        was_cm, own.standing_cm = own.standing_cm, 0.0
        own.depth_cm, own.past = moment.value, ()
        reason = f"jumped from {was_cm:.1f} to {moment.value:.1f} cm: it was dirt, and is gone"
        return Answer(0.0, reason, "", 0.0, None, self.least_cm, (("was_cm", round(was_cm, 1)),))
