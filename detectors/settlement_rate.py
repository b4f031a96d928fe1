"""Ground or a building beginning to sink faster than it used to."""

from __future__ import annotations

from math import exp, sqrt
from typing import ClassVar

import msgspec

from city.errors import InputError
from detectors import season
from detectors.blocks import SIGMA_PER_MAD, resistant_line
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.robust import mad, median
from detectors.season import Season
from detectors.thermal import Thermal, follow, learn

_BLOCKS = 24  # the window in blocks; when full and still short, neighbours are merged
_CALM_AT = 0.5  # history learns below this part of the limit; an acceleration is over below it
_OVERLAP = 24  # rates of overlapping windows tell little new: their error counts this many times
_BEND_MARGIN = 2.0
_LEAST_BLOCKS = 6
_HOUR_S = 3600.0
_SEASON_MM_H = 0.004  # steepest slope of a season of some 6 mm, which may be there until a year is known


class SettlementState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: closed blocks (mean hour, mean mm), the open one, the history of its rates."""

    origin_us: int = -1
    blocks: tuple[tuple[float, float], ...] = ()
    block_h: float = 0.0
    open_n: int = 0
    open_h: float = 0.0
    open_mm: float = 0.0
    open_from_h: float = 0.0
    sigma_mm: float = 0.0
    usual_mm_h: float = 0.0
    doubt_mm_h: float = 0.0
    rates_mm_h: tuple[float, ...] = (0.0, 0.0)
    errors_mm_h: tuple[float, ...] = (0.0, 0.0)
    spreads_mm_h: tuple[float, ...] = (0.0, 0.0)
    learned: int = 0
    waiting: int = 0
    standing: int = 0
    frozen_us: int = 0
    thermal: Thermal = msgspec.field(default_factory=Thermal)
    season: Season = msgspec.field(default_factory=Season)


class SettlementRate(PerSensor[SettlementState]):
    """Robust rate over a window, against the point's own history of rates.

    Readings are averaged into up to 24 blocks spanning up to `window_s`; the rate is Tukey's resistant line (median of
    the last third against median of the first), its error comes from the scatter about that line. Score = change of
    the rate from its usual value / max(`least_mm_h`, `limit` x standard deviation), the latter from that error, the
    usual spread of rates and the doubt about the usual rate. These follow over `history_s`, frozen while the score is
    above one half, for at most `freeze_s`.

    Parameters
    ----------
    least_mm_h
        Smallest change of rate worth a finding (mm/h).
    prior_mm_h
        How fast ground usually moves before anything is known of a point (standard deviation about 0, mm/h). A point
        that sinks much faster from its first day on is a finding until `freeze_s` is over.
    limit
        The same in standard deviations.
    window_s, history_s, freeze_s, gap_s
        Span of the window; memory of the usual rate; longest freeze; pause after which the window starts anew (s).

    Notes
    -----
    Input
        mm, negative downwards. Any cadence from 10 s to hours: the window grows to 24 readings if that is longer.
    Warm-up, delay
        `warm_up` readings (18), also after a pause. Rate going from -0.02 to -0.6 mm/h with 0.1 mm of noise is found
        in 25 to 45 min at one reading a minute, 45 to 95 min at one in five with a thermal cycle of 0.2 mm. Less
        sensitive until the window has filled: after 30 readings of one a minute, 25 to 60 min.
    False alarms
        3 in 300 simulated calm sensor-days at one reading in five minutes.
    Direction
        `up`: settlement speeds up (the value falls faster). `down`: heave (the value rises). Settlement that slows down
        is never a finding.
    Blind spots
        Slow creep that the history follows; a single step is reported as a short burst of rate; a daily thermal cycle
        raises the spread and so the limit; daily GNSS with centimetres of scatter cannot show millimetres a day.
    Source
        Resistant line: Tukey (1977), Exploratory Data Analysis, chapter 10. The combination and its numbers are ours.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> noise = (0.1, -0.1, 0.0, -0.05, 0.05)
    >>> depth = [-0.02 * i / 60 for i in range(240)] + [-0.08 - 0.6 * i / 60 for i in range(90)]
    >>> samples = [Sample("s1", i * 60_000_000, d + noise[i % 5], Flag.PASS, 0) for i, d in enumerate(depth)]
    >>> found = [f for f in SettlementRate().update(samples) if f.score >= 1]
    >>> found[0].direction, 20 < found[0].time_us // 60_000_000 - 240 < 45
    ('up', True)
    """

    name: ClassVar[str] = "settlement_rate"
    quantities: ClassVar[frozenset[str]] = frozenset({"settlement"})
    channel: ClassVar[str] = "rate"
    state_type: ClassVar[type[SettlementState]] = SettlementState

    def __init__(
        self,
        *,
        least_mm_h: float = 0.1,
        prior_mm_h: float = 0.05,
        limit: float = 5.0,
        warm_up: int = 18,
        window_s: float = 7200.0,
        history_s: float = 3 * 86400.0,
        freeze_s: float = 86400.0,
        gap_s: float = 4 * 3600.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, least_mm_h=least_mm_h, limit=limit, window_s=window_s, history_s=history_s)
        positive(self.name, freeze_s=freeze_s, prior_mm_h=prior_mm_h)
        if not 9 <= warm_up <= _BLOCKS:
            raise InputError(f"{self.name}: warm_up must be 9 to {_BLOCKS} readings, got {warm_up}")
        self.least_mm_h, self.limit, self.warm_up = least_mm_h, limit, warm_up
        self.prior_mm_h = prior_mm_h
        self.block_h, self.history_h = window_s / _HOUR_S / _BLOCKS, history_s / _HOUR_S
        self.freeze_us = round(freeze_s * 1e6)

    def _first(self) -> SettlementState:
        return SettlementState(waiting=self.warm_up, doubt_mm_h=self.prior_mm_h)

    def _resume(self, own: SettlementState) -> SettlementState:
        return SettlementState(
            usual_mm_h=own.usual_mm_h,
            doubt_mm_h=own.doubt_mm_h,
            spreads_mm_h=own.spreads_mm_h,
            learned=own.learned,
            waiting=self.warm_up,
            thermal=own.thermal,
            season=own.season,
        )

    def _step(self, own: SettlementState, moment: Moment) -> Answer:
        if own.origin_us < 0:
            own.origin_us = moment.time_us
        hour = (moment.time_us - own.origin_us) / 3.6e9
        if follow(own.thermal, moment) and not own.frozen_us:
            learn(own.thermal, moment, moment.value)
        closes = own.open_n > 0 and hour - own.open_from_h >= own.block_h * 0.999
        if closes:
            self._close(own, moment)
        if own.open_n == 0:
            own.open_from_h = hour
        own.open_n += 1
        own.open_h += hour
        own.open_mm += moment.value - own.thermal.part
        if own.waiting:
            own.waiting -= 1
            return Answer(None, f"warming up, {own.waiting} readings to go")
        return self._judge(own, moment, fresh=closes)

    def _close(self, own: SettlementState, moment: Moment) -> None:
        blocks = (*own.blocks, (own.open_h / own.open_n, own.open_mm / own.open_n))
        if len(blocks) > _BLOCKS:
            wider_h = 2 * max(own.block_h, moment.usual_s / _HOUR_S)
            if wider_h <= self.block_h * 1.001:
                blocks, own.block_h, own.sigma_mm = _merged(blocks), wider_h, 0.0
            else:
                blocks = blocks[1:]
        own.blocks, own.open_n, own.open_h, own.open_mm = blocks, 0, 0.0, 0.0
        epoch_h = own.origin_us / 3.6e9
        if not own.frozen_us:
            season.learn(own.season, epoch_h + blocks[-1][0], blocks[-1][1])
        if own.season.coefficients:
            blocks = tuple((hour, mm - season.part(own.season, epoch_h + hour)) for hour, mm in blocks)
        if len(blocks) < _LEAST_BLOCKS:
            return
        scatter_mm = _scatter_mm(blocks)
        if own.sigma_mm == 0:
            own.sigma_mm = scatter_mm
        elif not own.frozen_us:
            own.sigma_mm += (scatter_mm - own.sigma_mm) / _BLOCKS
        lines = [resistant_line(part) for part in (blocks, blocks[-_BLOCKS // 2 :])]
        own.rates_mm_h = tuple(rate for rate, _ in lines)
        own.errors_mm_h = tuple(own.sigma_mm * unit for _, unit in lines)

    def _judge(self, own: SettlementState, moment: Moment, *, fresh: bool) -> Answer:
        ratio, limit, rate = max(self._ratios(own), key=lambda found: abs(found[0]))
        side = 1 if ratio > 0 else -1
        own.standing = side if abs(ratio) >= (_CALM_AT if own.standing == side else 1.0) else 0
        usual = own.usual_mm_h
        if fresh:
            self._learn(own, moment, limit, calm=abs(ratio) < _CALM_AT)
        if not own.standing:
            return Answer(min(abs(ratio), 0.99))
        evidence = (
            ("rate_mm_h", rate),
            ("usual_mm_h", usual),
            ("temperature_part_mm", own.thermal.part),
            ("season_part_mm", season.part(own.season, moment.time_us / 3.6e9)),
        )
        direction = "up" if own.standing > 0 else "down"
        return Answer(max(abs(ratio), 1.0), self._reason(rate, usual, limit), direction, evidence=evidence)

    def _reason(self, rate: float, usual: float, limit: float) -> str:
        return f"moving at {rate:+.2f} mm/h, usual is {usual:+.2f}, limit of the change {limit:.2f}"

    def _ratios(self, own: SettlementState) -> list[tuple[float, float, float]]:
        """For the whole window and its newer half: change over its limit (above 0: sinking faster), limit, rate."""
        found = []
        for rate, error, spread in zip(own.rates_mm_h, own.errors_mm_h, own.spreads_mm_h, strict=True):
            limit = max(self.least_mm_h, self.limit * sqrt(error**2 + spread**2 + own.doubt_mm_h**2))
            limit += 0.0 if own.season.coefficients else _SEASON_MM_H
            ratio = (own.usual_mm_h - rate) / limit
            if ratio < 0:
                ratio = -min(-ratio, max(0.0, rate / limit))  # upwards counts only as far as the point does rise
            found.append((ratio, limit, rate))
        return found

    def _learn(self, own: SettlementState, moment: Moment, limit: float, *, calm: bool) -> None:
        """Weigh the new rate by its error against the doubt about the usual one; clip what feeds the spreads."""
        own.frozen_us = 0 if calm else own.frozen_us or moment.time_us
        if own.frozen_us and moment.time_us - own.frozen_us < self.freeze_us:
            return
        fade = 1 - exp(-max(own.block_h, moment.dt_s / _HOUR_S) / self.history_h)
        full = len(own.blocks) == _BLOCKS and own.blocks[-1][0] - own.blocks[0][0] > _BLOCKS * self.block_h / 2
        young = max(fade, 1 / (own.learned + _BLOCKS)) if full else 0.0  # short windows have wild rates: not learned
        spreads = []
        for rate, error, spread in zip(own.rates_mm_h, own.errors_mm_h, own.spreads_mm_h, strict=True):
            change = max(-limit, min(limit, rate - own.usual_mm_h))
            spreads.append(sqrt(max(0.0, spread**2 + young * (change**2 - error**2 - spread**2))))
        doubt, error = own.doubt_mm_h**2, _OVERLAP * own.errors_mm_h[0] ** 2
        gain = max(fade, doubt / (doubt + error) if doubt + error > 0 else 1.0)
        own.usual_mm_h += gain * (own.rates_mm_h[0] - own.usual_mm_h)
        own.doubt_mm_h, own.spreads_mm_h = sqrt((1 - gain) * doubt), tuple(spreads)
        own.learned = min(own.learned + 1, 1_000_000)


def _merged(blocks: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Neighbours joined; the newest block stays alone."""
    pairs = zip(blocks[:_BLOCKS:2], blocks[1:_BLOCKS:2], strict=True)
    return (*(((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in pairs), blocks[-1])


def _scatter_mm(blocks: tuple[tuple[float, float], ...]) -> float:
    """Scatter of the blocks about their line, but not the part of it that is the line's own bend.

    Second differences do not see a bend, so they cap the scatter: otherwise the first hour of an acceleration would
    hide behind the residuals that it causes itself.
    """
    rate, _ = resistant_line(blocks)
    rests = [mm - rate * hour for hour, mm in blocks]
    steps = [a - 2 * b + c for a, b, c in zip(rests, rests[1:], rests[2:], strict=False)]
    bend_free = SIGMA_PER_MAD * mad(steps, 0.0) / sqrt(6)
    return min(SIGMA_PER_MAD * mad(rests, median(rests)), _BEND_MARGIN * bend_free)
