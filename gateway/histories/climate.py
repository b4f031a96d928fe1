"""Weather and calendar that neighbours share, on a regular grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gateway.histories.streams import Range, Source
from gateway.noise import Floats, Ints

LOCAL_S = 8 * 3600  # China Standard Time, without summer time
_DAY_MIN, _WEEK_MIN, _YEAR_DAYS = 1440, 10_080, 365.2425
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0

_MEAN_C = Range(14.0, 18.0, 8.0, 22.0)  # of the year
_YEARLY_C = Range(10.0, 13.0, 5.0, 15.0)  # half of summer minus winter
_DAILY_C = Range(3.0, 5.0, 2.0, 7.0)  # half of day minus night, under a clear sky
_SYNOPTIC_C = Range(2.5, 3.8, 2.0, 5.0)  # spread over days of the same season
_STORMS_A_DAY = Range(0.28, 0.45, 0.15, 0.6)


@dataclass(frozen=True)
class Climate:
    """The grid and its weather.

    Attributes
    ----------
    source
        Of the history.
    start_s, step_min, count
        First instant (seconds since 1970, local midnight), minutes between instants, how many.
    """

    source: Source
    start_s: int
    step_min: int
    count: int

    def steps(self, minutes: float) -> float:
        """How many steps a time is."""
        return minutes / self.step_min

    @cached_property
    def minute(self) -> Ints:
        """Local minutes since 1970 (count,)."""
        return (self.start_s + LOCAL_S) // 60 + np.arange(self.count, dtype=np.int64) * self.step_min

    @cached_property
    def hour(self) -> Floats:
        """Local hour of the day (count,)."""
        return (self.minute % _DAY_MIN) / 60.0

    def weekly(self, workday: Floats, weekend: Floats) -> Floats:
        """A habit from its 24 hourly amounts on workdays and at weekends (count,): one goes over into the other."""
        hourly = np.concatenate([workday] * 5 + [weekend] * 2)
        week = np.interp(np.arange(_WEEK_MIN) / 60.0, np.arange(len(hourly) + 1.0), np.append(hourly, hourly[0]))
        monday = (self.minute + _EPOCH_WEEKDAY * _DAY_MIN) % _WEEK_MIN
        found: Floats = week[monday]
        return found

    @cached_property
    def year(self) -> Floats:
        """Part of the year that has passed, 0 to 1 (count,)."""
        return (self.minute / _DAY_MIN / _YEAR_DAYS) % 1.0

    def coarse(self, every_min: float, memory_min: float, *purpose: object) -> Floats:
        """Slow AR(1) drawn on a coarse grid and joined by straight lines (count,)."""
        knots = int(self.count * self.step_min / every_min) + 2
        values = self.source.wander(knots, memory_min / every_min, *purpose)
        return np.interp(np.arange(self.count) * self.step_min, np.arange(knots) * every_min, values)

    @cached_property
    def sunshine(self) -> Floats:
        """How clear each day is, 0.2 to 1.3, joined smoothly (count,)."""
        return 0.75 + 0.55 * np.tanh(0.8 * self.coarse(_DAY_MIN, 1.2 * _DAY_MIN, "sunshine"))

    @cached_property
    def air_c(self) -> Floats:
        """Air temperature (Cel) (count,)."""
        source = self.source
        yearly = source.draw(_YEARLY_C, "yearly") * np.cos(2 * np.pi * (self.year - 0.56))  # warmest in late July
        daily = source.draw(_DAILY_C, "daily") * self.sunshine * np.cos(2 * np.pi * (self.hour - 15.0) / 24.0)
        days = source.draw(_SYNOPTIC_C, "synoptic") * self.coarse(60.0, 60 * 60.0, "synoptic")
        gusts = 0.15 * source.wander(self.count, self.steps(20.0), "gusts")
        return source.draw(_MEAN_C, "mean") + yearly + daily + days + gusts

    @cached_property
    def rain_mm(self) -> Floats:
        """Rain within each step (mm) (count,): long rain all year, cloudbursts in summer."""
        found = np.zeros(self.count)
        stream, rate = self.source.stream("rain"), self.source.draw(_STORMS_A_DAY, "storms")
        for day in range(self.count * self.step_min // _DAY_MIN):
            draws = stream.random(8)  # the same number each day: a longer history begins with the shorter one
            summer = 0.5 - 0.5 * np.cos(2 * np.pi * (self.year[day * _DAY_MIN // self.step_min] - 0.04))
            if draws[0] >= rate * (0.6 + 0.8 * summer):
                continue
            if draws[1] < 0.15 + 0.45 * summer:
                minutes, total_mm = 20.0 + 110.0 * draws[2], 4.0 * np.exp(2.4 * draws[3] ** 1.5)
            else:
                minutes, total_mm = 180.0 + 540.0 * draws[2], 2.0 + 28.0 * draws[3] ** 2
            self._shower(found, day * _DAY_MIN + draws[4] * _DAY_MIN, minutes, total_mm, (draws[5], day))
        return found

    def _shower(
        self, rain_mm: Floats, begin_min: float, minutes: float, total_mm: float, form: tuple[float, int]
    ) -> None:
        """Add one shower: a rise, a longer fall, and gusts of a few minutes."""
        first, length = int(begin_min / self.step_min), max(1, int(minutes / self.step_min))
        part = (np.arange(length) + 0.5) / length
        crest = 0.15 + 0.35 * form[0]
        shape = np.where(part < crest, part / crest, ((1.0 - part) / (1.0 - crest)) ** 1.5)
        fall = shape * np.exp(0.5 * self.source.wander(length, max(self.steps(5.0), 0.5), "shower", form[1]))
        fall *= total_mm / fall.sum()
        rain_mm[first : first + length] += fall[: self.count - first]
