"""Rain around a sensor, as the gauges in its context tell it: how hard, what is still on its way, since when dry."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp

import msgspec

from detectors.subject import Neighbour, Subject, Surroundings

RESERVOIRS_S = (180.0, 900.0, 3600.0)  # gutters, streets, gardens: rain comes through these, as a site mixes them
SEWER_MM_H = 20.0  # about what sewers take: what falls beyond it goes through reservoirs of its own
WET_MM_H = 0.3  # less is a gauge's drip, or dew
_DAY_S, _RECENT_S = 86400.0, 300.0
_NOTHING_MM_H = 1e-6
_LONGEST_S = 1800.0  # one reading of a gauge speaks for at most so long
_SILENT_INTERVALS, _SILENT_S = 3, 900.0  # a gauge without a reading for so long is not asked


Stored = tuple[float, float, float, float, float, float]
"""What is on its way (mm/h): all rain through each reservoir, then what falls beyond the sewers through each."""
NOTHING_STORED: Stored = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Rain(msgspec.Struct, array_like=True):
    """What is kept of the rain.

    Newest reading used (us); mm/h now, of late (minutes) and through each reservoir; mm of a day (fading); when rain
    was last seen, and since when a gauge has been heard (us).
    """

    gauge_us: int = 0
    now_mm_h: float = 0.0
    recent_mm_h: float = 0.0
    stored_mm_h: Stored = NOTHING_STORED
    day_mm: float = 0.0
    wet_us: int = 0
    since_us: int = 0

    def clear(self) -> None:
        """Forget everything, as after a pause."""
        self.gauge_us = self.wet_us = self.since_us = 0
        self.now_mm_h = self.recent_mm_h = self.day_mm = 0.0
        self.stored_mm_h = NOTHING_STORED

    def dry_s(self, time_us: int) -> float:
        """For how long it is known that no rain fell."""
        return (time_us - max(self.wet_us, self.since_us)) * 1e-6 if self.since_us else 0.0


def gauges(subject: Subject | None) -> tuple[Neighbour, ...]:
    """The rain gauges in a sensor's context, the most telling first."""
    return () if subject is None else tuple(other for other in subject.context if other.quantity == "rainfall")


def listen(
    rain: Rain, near: tuple[Neighbour, ...], subjects: Mapping[str, Subject], around: Surroundings, time_us: int,
    dt_s: float,
) -> bool:  # fmt: skip
    """Take in what the nearest gauge that speaks has measured; False when none does.

    A gauge may be slower or faster than the sensor: a reading is an intensity over its interval, and holds until the
    next.
    """
    for gauge in near:
        last = around.before(gauge.sensor, time_us)
        known = subjects.get(gauge.sensor)
        interval_s = known.interval_s if known is not None else 60.0
        if last is None or (time_us - last[0]) * 1e-6 > max(_SILENT_INTERVALS * interval_s, _SILENT_S):
            continue
        if last[0] > rain.gauge_us:
            rain.gauge_us, rain.now_mm_h = last[0], max(0.0, last[1]) * 3600.0 / interval_s
        _pour(rain, min(dt_s, _LONGEST_S), time_us)
        return True
    rain.since_us = 0
    return False


def _pour(rain: Rain, dt_s: float, time_us: int) -> None:
    rain.since_us = rain.since_us or time_us
    rain.recent_mm_h += (rain.now_mm_h - rain.recent_mm_h) * (1 - exp(-dt_s / _RECENT_S))
    rain.stored_mm_h = flow(rain.stored_mm_h, rain.now_mm_h, rain.recent_mm_h - SEWER_MM_H, dt_s)
    rain.day_mm = rain.day_mm * exp(-dt_s / _DAY_S) + rain.now_mm_h * dt_s / 3600.0
    if rain.stored_mm_h[0] > WET_MM_H:
        rain.wet_us = time_us


def flow(stored: Stored, rain_mm_h: float, beyond_mm_h: float, dt_s: float) -> Stored:
    """The reservoirs after `dt_s` of an even rain, of which so much is beyond the sewers (below 0: nothing is)."""
    if rain_mm_h <= 0 and max(stored) < _NOTHING_MM_H:
        return NOTHING_STORED
    fast, slow, slowest = (exp(-dt_s / reservoir_s) for reservoir_s in RESERVOIRS_S)
    a, b, c, d, e, f = stored
    beyond_mm_h = max(beyond_mm_h, 0.0)
    return (
        rain_mm_h + (a - rain_mm_h) * fast,
        rain_mm_h + (b - rain_mm_h) * slow,
        rain_mm_h + (c - rain_mm_h) * slowest,
        beyond_mm_h + (d - beyond_mm_h) * fast,
        beyond_mm_h + (e - beyond_mm_h) * slow,
        beyond_mm_h + (f - beyond_mm_h) * slowest,
    )
