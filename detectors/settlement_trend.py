"""Ground that has begun to sink faster from month to month, behind its season and the scatter of its readings."""

from __future__ import annotations

from typing import ClassVar

from detectors.per_sensor import positive
from detectors.settlement_rate import SettlementRate, SettlementState

YEAR_H = 365.25 * 24
_AFTER_PAUSE = 3
_DAY_H = 24.0


class SettlementTrend(SettlementRate):
    """`settlement_rate` over months: the same robust rate, window and history, set for millimetres a year.

    Parameters
    ----------
    least_mm_year
        Smallest change of rate worth a finding (mm a year).
    prior_mm_year
        How fast ground usually moves before anything is known of a point (standard deviation about 0, mm a year).
    limit
        The same in standard deviations.
    warm_up
        Readings before the first judgement, 9 to 24.
    window_s, history_s, freeze_s, gap_s
        Span of the window; memory of the usual rate; longest freeze; pause after which three readings are awaited (s).

    Notes
    -----
    Input
        mm, negative downwards, at any cadence: readings are averaged into blocks of `window_s` / 24, eight days. Made
        for daily positions from satellites and for liquid levels over years.
    Warm-up, delay
        18 readings; nothing is said in the first six days, and little is seen before the window has filled. See
        the figures in `docs/detectors.md`.
    Season
        A yearly and a half-yearly wave are taken away once a whole year is known; before that every limit is 35 mm a
        year wider, which is the slope of a season of 6 mm. Temperature, when the register names a sensor of it, is
        taken away from the first weeks on.
    Direction
        `up`: settlement speeds up (the value falls faster). `down`: heave (the value rises).
    Blind spots
        A change slower than the history follows; a single step shows as a burst of rate. Signs of a few days are for
        `settlement_rate`.
    Source
        As `settlement_rate`; a season from harmonics beside a trend is common practice with satellite positions.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> noise = (4.0, -4.0, 0.0, -2.0, 2.0)
    >>> height = [-0.02 * day - 0.4 * max(0, day - 500) + noise[day % 5] for day in range(640)]
    >>> day_us = 86_400_000_000
    >>> samples = [Sample("s1", day * day_us, value, Flag.PASS, 0) for day, value in enumerate(height)]
    >>> found = [finding for finding in SettlementTrend().update(samples) if finding.score >= 1]
    >>> found[0].direction, 20 < found[0].time_us // day_us - 500 < 100
    ('up', True)
    """

    name: ClassVar[str] = "settlement_trend"
    channel: ClassVar[str] = "trend"

    def __init__(
        self,
        *,
        least_mm_year: float = 20.0,
        prior_mm_year: float = 30.0,
        limit: float = 5.0,
        warm_up: int = 18,
        window_s: float = 200 * 86400.0,
        history_s: float = 3 * 365.25 * 86400.0,
        freeze_s: float = 180 * 86400.0,
        gap_s: float = 4 * 3600.0,
    ) -> None:
        positive(self.name, least_mm_year=least_mm_year, prior_mm_year=prior_mm_year)
        super().__init__(
            least_mm_h=least_mm_year / YEAR_H,
            prior_mm_h=prior_mm_year / YEAR_H,
            limit=limit,
            warm_up=warm_up,
            window_s=window_s,
            history_s=history_s,
            freeze_s=freeze_s,
            gap_s=gap_s,
        )

    def _first(self) -> SettlementState:
        own = super()._first()
        own.block_h = _DAY_H  # weather is over within a day: what moves for hours is not a trend
        return own

    def _resume(self, own: SettlementState) -> SettlementState:
        own.waiting = max(own.waiting, _AFTER_PAUSE)  # blocks know their times: a pause only leaves a gap between them
        return own

    def _reason(self, rate: float, usual: float, limit: float) -> str:
        yearly = [YEAR_H * value for value in (rate, usual, limit)]
        return "moving at {:+.1f} mm a year, usual is {:+.1f}, limit of the change {:.1f}".format(*yearly)
