"""What lorries do to a bridge: peaks apart from the slow trend, one too heavy, a member that takes more of them."""

from __future__ import annotations

from math import exp, expm1, log, sqrt
from statistics import fmean, pstdev
from typing import ClassVar

import msgspec

from city.errors import InputError
from detectors.confirmed import confirmed
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.robust import mad, median

_DAY_US = 86_400_000_000
_FIRST = 15  # readings whose median the slow part starts at
_BOUND, _LEAST_SCALE = 2.0, 0.1  # a reading moves the slow part by no more than twice the usual deviation (um/m)
_BUSIEST = 6  # hours of a day that its level is the mean of
_DAYS, _LEAST_DAYS, _WEEK = 56, 14, 7
_LEAST_HOURS = 12  # with readings, for a day to count
_HELD_S = 1.0  # from this cadence on, a peak must hold for two readings
_QUARTILES = 1.5725  # spread between the quartiles of a Gumbel distribution, in its scale
_MEDIAN_AT = 0.3665  # its median above its mode, in its scale
_LEAST_GUMBEL = 0.08  # its scale is at least this part of its mode
_YEAR_D = 365.25
_SURE = 4.0


class TrafficState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: the slow part, peaks of this hour and day, (highest, level) of past days."""

    recent: tuple[float, ...] = ()
    slow: float = 0.0
    scale: float = 0.0
    before: float = 0.0
    hour: int = -1
    hour_peak: float = 0.0
    hours: tuple[float, ...] = ()
    days: tuple[tuple[float, float], ...] = ()
    mode: float = 0.0
    spread: float = 0.0
    ratio: float = 1.0
    doubt: float = 0.0
    waiting: int = _FIRST


class TrafficLoad(PerSensor[TrafficState]):
    """Peaks of strain beside its slow part: each against past days' highest, a week's level against the weeks before.

    The slow part is a running median in effect: an exponential average over `slow_s` that no reading moves by more than
    twice the usual deviation. A peak is the distance from it, either way. `overload`: the score is the peak over the
    one that comes once in `return_years`, by a Gumbel distribution of the daily highest (median and quartiles, up to
    8 weeks); over `first_limit` while fewer than 14 days are known. `peak_level`: the peak-load ratio, a week's mean of
    daily levels (mean of the six busiest hours) against the weeks before; its score is log ratio / the larger of log
    `least_ratio` and four of its own standard deviations.

    Parameters
    ----------
    return_years
        How rarely a peak must come to be an overload (years).
    first_limit
        Peak that is an overload before the daily highest are known (um/m). Confirm it for the member; a tag of the
        gauge (`first_limit=180`) goes before it.
    least_ratio
        Smallest peak-load ratio worth a finding, > 1 (and 1 over it downwards).
    slow_s, gap_s
        Memory of the slow part; pause after which 15 readings are awaited (s).

    Notes
    -----
    Input
        um/m; 10 readings a second see every lorry, minute values only some of them: then the figures are of those. From
        one reading a second on, a peak must hold for two readings.
    Warm-up, delay
        15 readings. An overload is found with its reading and stands to the end of its hour; the ratio is new at each
        local midnight after four weeks, and a change of it is seen within a week.
    Direction
        `up`: more load, or a member that takes more of it; `down`: less (a lane closed, or load that goes elsewhere).
    Evidence
        `peak_um_m`, `limit_um_m`, `peak_load_ratio`, `days_known`.
    Blind spots
        It cannot tell heavier traffic from a weaker member: compare the gauges of one span. A jam of minutes becomes
        part of the slow part. Holidays lower the level.
    Source
        Gumbel (1958), Statistics of Extremes; daily highest as a block. The combination and its numbers are ours.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> lorries = [0.0, 1.0, -1.0, 40.0, 0.5, -0.5] * 40 + [450.0, 0.0]
    >>> samples = [Sample("b1", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(lorries)]
    >>> found = [finding for finding in TrafficLoad().update(samples) if finding.score >= 1]
    >>> found[0].channel, found[0].time_us // 60_000_000
    ('overload', 240)
    """

    name: ClassVar[str] = "traffic_load"
    quantities: ClassVar[frozenset[str]] = frozenset({"strain"})
    channel: ClassVar[str] = "overload"
    channels: ClassVar[tuple[str, ...]] = ("overload", "peak_level")
    state_type: ClassVar[type[TrafficState]] = TrafficState

    def __init__(
        self,
        *,
        return_years: float = 1.0,
        first_limit: float = 300.0,
        least_ratio: float = 1.25,
        slow_s: float = 900.0,
        gap_s: float = 1800.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, return_years=return_years, first_limit=first_limit, slow_s=slow_s, least_ratio=least_ratio)
        if least_ratio <= 1:
            raise InputError(f"{self.name}: least_ratio must be above 1, got {least_ratio}")
        self.return_years, self.first_limit, self.slow_s = return_years, first_limit, slow_s
        self.least_log = log(least_ratio)

    def _first(self) -> TrafficState:
        return TrafficState()

    def _resume(self, own: TrafficState) -> TrafficState:
        own.recent, own.waiting = (), _FIRST
        return own

    def _step(self, own: TrafficState, moment: Moment) -> Answer:
        local_us = moment.subject.local_us(moment.time_us) if moment.subject else moment.time_us
        hour = local_us // (_DAY_US // 24)
        if hour != own.hour:
            self._turn(own, hour)
        try:
            first_limit = confirmed(moment.subject, "first_limit", self.first_limit)
        except InputError as error:
            return Answer(None, str(error))
        if own.waiting:
            return self._wait(own, moment.value)
        beside = moment.value - own.slow
        self._follow(own, moment, beside)
        peak = min(abs(beside), own.before) if moment.usual_s <= _HELD_S else abs(beside)
        own.before = abs(beside)
        own.hour_peak = max(own.hour_peak, peak)
        return self._judge(own, first_limit)

    def _wait(self, own: TrafficState, value: float) -> Answer:
        own.recent = (*own.recent, value)
        own.waiting -= 1
        if not own.waiting:
            own.slow = median(own.recent)
            own.scale = own.scale or mad(own.recent, own.slow)
            own.recent, own.before = (), 0.0
        return Answer(None, f"warming up, {own.waiting} readings to go")

    def _follow(self, own: TrafficState, moment: Moment, beside: float) -> None:
        gain, bound = 1 - exp(-moment.dt_s / max(self.slow_s, 10 * moment.usual_s)), _BOUND * own.scale + _LEAST_SCALE
        own.slow += gain * max(-bound, min(bound, beside))
        own.scale += gain * (min(abs(beside), bound) - own.scale)

    def _turn(self, own: TrafficState, hour: int) -> None:
        """An hour is over, and perhaps a day."""
        if own.hour >= 0 and own.hour_peak > 0:
            own.hours = (*own.hours, own.hour_peak)[-24:]
        if own.hour >= 0 and hour // 24 != own.hour // 24:
            if len(own.hours) >= _LEAST_HOURS:
                busiest = sorted(own.hours)[-_BUSIEST:]
                own.days = (*own.days, (busiest[-1], fmean(busiest)))[-_DAYS:]
                self._know(own)
            own.hours = ()
        own.hour, own.hour_peak = hour, 0.0

    def _know(self, own: TrafficState) -> None:
        """What past days say: how their highest spread, and the newest week's level against the weeks before."""
        known = len(own.days)
        if known >= _LEAST_DAYS:
            highest = sorted(peak for peak, _ in own.days)
            quartiles = highest[(3 * known) // 4] - highest[known // 4]
            own.spread = max(quartiles / _QUARTILES, _LEAST_GUMBEL * median(highest))
            own.mode = median(highest) - _MEDIAN_AT * own.spread
        logs = [log(level) for _, level in own.days]
        weeks = [fmean(logs[end - _WEEK : end]) for end in range(known, _WEEK - 1, -_WEEK)]
        if len(weeks) >= _LEAST_DAYS // _WEEK + 2:
            older = weeks[1:]
            own.ratio = exp(weeks[0] - median(older))
            daily = pstdev(logs[:-_WEEK]) / sqrt(_WEEK) / 2
            own.doubt = max(pstdev(older) * sqrt(1 + 1 / len(older)), daily)

    def _judge(self, own: TrafficState, first_limit: float) -> Answer:
        limit = first_limit
        years = None
        if own.spread:
            limit = own.mode + own.spread * log(_YEAR_D * self.return_years)
            daily = exp(-max(-50.0, (own.hour_peak - own.mode) / own.spread))
            years = 1 / (_YEAR_D * -expm1(-daily))
        heavy = own.hour_peak / limit
        change = log(own.ratio) / max(self.least_log, _SURE * own.doubt)
        evidence = (
            ("peak_um_m", own.hour_peak),
            ("limit_um_m", limit),
            ("peak_load_ratio", own.ratio),
            ("days_known", float(len(own.days))),
        )
        band = (own.slow, own.slow - limit, own.slow + limit)
        if heavy < 1 and abs(change) < 1:
            return Answer(max(heavy, abs(change)), "", "", *band, evidence)
        if heavy >= 1:
            reason = f"a load of {own.hour_peak:.1f} um/m beside the slow trend, limit {limit:.1f}"
            return Answer(max(heavy, abs(change)), reason, "up", *band, evidence, "overload", years)
        reason = f"loads of this week at {own.ratio:.2f} of those of the weeks before"
        return Answer(abs(change), reason, "up" if change > 0 else "down", *band, evidence, "peak_level")
