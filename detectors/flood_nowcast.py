"""Water that is going to reach a depth: when, as a range, from the rain upstream of it and from its own rise."""

from __future__ import annotations

from math import inf
from typing import ClassVar

import msgspec

from detectors.flood_response import STEP_S, Course, Now, Response, causes, forecast
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.rain import Rain, gauges, listen
from detectors.robust import median
from detectors.water import Surface

_WET_CM = 0.8  # above the dry level: less is noise, dew, an insect
_COMING_CM = 0.3  # rise in five minutes that the response expects before water is seen
_HALF = 0.5  # of an expected rise that has not begun yet is believed
_RAIN_LEFT = 0.6  # of the rain goes on in the next five minutes, as storms go
_CLEAR_AT = 0.7  # of the limit: below this it is over
_BASE_GAIN = 0.002  # a reading, in dry weather
_DRY_S = 3 * 3600.0


class NowcastState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: the surface, rain, the site's response, five minutes ago, whether it is announced."""

    recent: tuple[float, ...] = ()
    surface: Surface = msgspec.field(default_factory=Surface)
    rain: Rain = msgspec.field(default_factory=Rain)
    response: Response = msgspec.field(default_factory=Response)
    base_cm: float = 0.0
    waiting: int = 0
    then_us: int = 0
    then_cm: float = 0.0
    step: tuple[float, ...] = ()
    then_rest_cm: float = 0.0
    announced: bool = False


def _added(sums: tuple[float, ...], more: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(one + other for one, other in zip(sums, more, strict=True)) if sums else more


def _mean(sums: tuple[float, ...]) -> tuple[float, ...]:
    """The last but one of the causes is 1 in each."""
    return tuple(one / sums[-2] for one in sums)


class FloodNowcast(PerSensor[NowcastState]):
    """Water on its way to `limit_cm`, announced before it is there.

    The depth (median of three, alpha-beta filter) is run forward in steps of five minutes for `horizon_s`. With a rain
    gauge in the sensor's context the steps follow the site's own answer to rain, learned from its floods: what has
    fallen and is still on its way counts at once, before the water shows it; rain is taken to fade by 40 % each step.
    What the answer does not explain of the present rise fades as such rests have faded at this site, which is also all
    there is without a gauge. Score = highest depth to come / (`margin` x `limit_cm`), both above the same zero. Once
    announced it stays so until what is to come falls below 70 % of the limit.

    Parameters
    ----------
    limit_cm
        The depth to announce.
    horizon_s
        How far it looks ahead (seconds, at least 300).
    margin
        How far beyond the limit the forecast must go; more means fewer and later.
    memory_s, gap_s
        Time constant of the filter; pause after which 5 readings are needed (seconds).

    Notes
    -----
    Input
        cm; rainfall in mm per interval of the gauge. Any cadence up to 5 min; made for a minute.
    Warm-up
        10 readings, after a pause 5; a site's answer to rain takes its first three or four wet hours.
    False alarms, lead
        With a gauge, on simulated streets (16 sensor-years, 69 crossings of 15 cm): 60 announced before, median lead 13
        to 16 min, 0.4 to 0.5 false a sensor-year. The rain that has fallen does not allow much more: who knows a site's
        true answer to rain, and no more, has 13 min there in the median; a straight line has 17 at 5.5 false a year.
        Recorded street floods, depth alone, by site in order: of rain, 16 of 31 before 15 cm (median 4 min; 28 of 131
        that never came to it announced); of tides, 286 of 476 (9 min; 74 of 779). The range held in 280 of these 302.
    Direction
        `up` only.
    Evidence
        `reaches_earliest_min`, `reaches_latest_min` (a word when it may not reach it), `peak_cm`, `rain_mm_h` (mean of
        ten minutes), `rain_day_mm`, `learned_steps` (five minutes of flood each that the answer rests on).
    Blind spots
        A cloudburst that begins after the forecast; water already above the limit when the sensor starts; a site's
        first floods go by a typical site's answer.
    Source
        Recursive least squares: Ljung (1999), System Identification, section 11.2. The combination is our own.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> values = [0.0] * 20 + [0.8 * minute for minute in range(1, 16)]
    >>> samples = [Sample("w1", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(values)]
    >>> found = FloodNowcast().update(samples)
    >>> first = next(f for f in found if f.score >= 1)
    >>> values[found.index(first)] < 10
    True
    """

    name: ClassVar[str] = "flood_nowcast"
    quantities: ClassVar[frozenset[str]] = frozenset({"water_depth"})
    channel: ClassVar[str] = "forecast"
    state_type: ClassVar[type[NowcastState]] = NowcastState

    def __init__(
        self,
        *,
        limit_cm: float = 15.0,
        horizon_s: float = 3600.0,
        margin: float = 1.15,
        memory_s: float = 60.0,
        gap_s: float = 900.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, limit_cm=limit_cm, margin=margin, memory_s=memory_s, horizon_s=horizon_s)
        self.limit_cm, self.margin, self.memory_s = limit_cm, margin, memory_s
        self.horizon_s = max(horizon_s, STEP_S)

    def _first(self) -> NowcastState:
        return NowcastState(waiting=10)

    def _resume(self, own: NowcastState) -> NowcastState:
        own.rain.clear()
        return NowcastState(
            rain=own.rain, response=own.response, base_cm=own.base_cm, waiting=max(own.waiting, 5),
            announced=own.announced,
        )  # fmt: skip

    def _step(self, own: NowcastState, moment: Moment) -> Answer:
        own.recent = (*own.recent, moment.value)[-3:]
        near = gauges(moment.subject)
        heard = bool(near) and listen(own.rain, near, self.subjects, moment.around, moment.time_us, moment.dt_s)
        own.surface.follow(median(own.recent), moment.dt_s, self.memory_s)
        if own.waiting:
            own.waiting -= 1
            return Answer(None, f"warming up, {own.waiting} readings to go")
        if heard and own.rain.dry_s(moment.time_us) > _DRY_S:
            own.base_cm += _BASE_GAIN * max(-1.0, min(1.0, own.surface.depth_cm - own.base_cm))
        depth_cm = max(0.0, own.surface.depth_cm - own.base_cm)
        rest_cm = self._rest(own, depth_cm, heard=heard)
        self._learn(own, moment.time_us, depth_cm, rest_cm, heard=heard)
        if depth_cm < _WET_CM and rest_cm < _COMING_CM and not self._coming(own, depth_cm, heard=heard):
            own.announced = False
            return Answer(min(0.99, depth_cm / self.limit_cm), "", "", own.surface.depth_cm)
        return self._look_ahead(own, Now(depth_cm, own.rain.stored_mm_h, own.rain.recent_mm_h, rest_cm), heard=heard)

    def _coming(self, own: NowcastState, depth_cm: float, *, heard: bool) -> bool:
        return heard and own.response.rise(own.rain.stored_mm_h, depth_cm) > 0

    def _rest(self, own: NowcastState, depth_cm: float, *, heard: bool) -> float:
        """Rise in five minutes (cm) beyond what the response explains."""
        rise_cm = own.surface.rate_cm_s * STEP_S
        if not heard:
            return rise_cm
        said_cm = own.response.rise(own.rain.stored_mm_h, depth_cm)
        if depth_cm > _WET_CM:
            return rise_cm - said_cm
        return _HALF * (max(0.0, rise_cm) - max(0.0, said_cm))

    def _learn(self, own: NowcastState, time_us: int, depth_cm: float, rest_cm: float, *, heard: bool) -> None:
        """Every five minutes, of the step that has just ended."""
        over_s = (time_us - own.then_us) * 1e-6
        if heard:
            own.step = _added(own.step, causes(own.rain.stored_mm_h, depth_cm))
        if own.then_us and over_s < STEP_S * 0.95:
            return
        if own.then_us and over_s < 2 * STEP_S:
            mean_cm = (depth_cm + own.then_cm) / 2
            change_cm = (depth_cm - own.then_cm) * STEP_S / over_s
            if own.step and (mean_cm > _WET_CM or own.response.said(_mean(own.step)) > _COMING_CM):
                own.response.learn(_mean(own.step), change_cm)
            if mean_cm > _WET_CM:
                own.response.learn_rest(own.then_rest_cm, rest_cm)
        own.then_us, own.then_cm, own.step, own.then_rest_cm = time_us, depth_cm, (), rest_cm

    def _look_ahead(self, own: NowcastState, now: Now, *, heard: bool) -> Answer:
        likely = self._course(own, now, heard=heard, rain_left=_RAIN_LEFT, rest_left=own.response.fades)
        peak_cm, here_cm = likely.peak_cm + own.base_cm, now.depth_cm + own.base_cm
        ratio = peak_cm / (self.margin * self.limit_cm)
        if own.announced:
            own.announced = ratio >= _CLEAR_AT
        else:
            own.announced = ratio >= 1 and here_cm < self.limit_cm
        if not own.announced:
            return Answer(min(max(ratio, 0.0), 0.99), "", "", here_cm)
        return self._announce(own, now, peak_cm, max(1.0, ratio), heard=heard)

    def _course(self, own: NowcastState, now: Now, *, heard: bool, rain_left: float, rest_left: float) -> Course:
        response = own.response if heard else None
        to_cm = max(0.0, self.limit_cm - own.base_cm)
        return forecast(response, now, to_cm, self.horizon_s, rain_left=rain_left, rest_left=rest_left)

    def _announce(self, own: NowcastState, now: Now, peak_cm: float, score: float, *, heard: bool) -> Answer:
        early_s, late_s = self._range(own, now, heard=heard)
        here_cm = now.depth_cm + own.base_cm
        evidence: tuple[tuple[str, float | str], ...] = (
            ("reaches_earliest_min", round(early_s / 60, 1)),
            ("reaches_latest_min", round(late_s / 60, 1) if late_s < inf else "not sure to"),
            ("peak_cm", round(peak_cm, 1)),
        )
        if heard:
            evidence += (
                ("rain_mm_h", round(now.rain_mm_h, 1)),
                ("rain_day_mm", round(own.rain.day_mm, 1)),
                ("learned_steps", float(own.response.steps)),
            )
        if here_cm >= self.limit_cm:
            reason = f"water {here_cm:.1f} cm, over {self.limit_cm:g} cm, up to {peak_cm:.1f} cm to come"
        elif late_s < inf:
            reason = f"water {here_cm:.1f} cm, {self.limit_cm:g} cm in {early_s / 60:.0f} to {late_s / 60:.0f} min"
        else:
            reason = f"water {here_cm:.1f} cm, {self.limit_cm:g} cm in {early_s / 60:.0f} min at the earliest"
        if heard:
            reason += f"; rain {now.rain_mm_h:.1f} mm/h"
        return Answer(score, reason, "up", here_cm, None, peak_cm, evidence)

    def _range(self, own: NowcastState, now: Now, *, heard: bool) -> tuple[float, float]:
        """Earliest: rain and rise go on undiminished, half as hard again; latest: the rain stops and half goes on."""
        hard = now._replace(rain_mm_h=1.5 * now.rain_mm_h, rest_cm=now.rest_cm + 0.5 * abs(now.rest_cm))
        soft = now._replace(rain_mm_h=0.5 * now.rain_mm_h, rest_cm=now.rest_cm - 0.5 * abs(now.rest_cm))
        early = self._course(own, hard, heard=heard, rain_left=1.0, rest_left=1.0).reaches_s
        late = self._course(own, soft, heard=heard, rain_left=0.5, rest_left=own.response.fades).reaches_s
        return early or 0.0, inf if late is None else late
