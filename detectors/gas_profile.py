"""What a gas sensor usually shows: by hour and kind of day, by the cold, and by the flow that explains a pressure.

Flow is looked at in logarithms (a winter's day takes seven times a summer's, with the same shape), pressure as it is.
"""

from __future__ import annotations

from math import exp, log, log1p

import msgspec

HOURS = 24
_DAY_S, _HOUR_US = 86400.0, 3_600_000_000
_LEVEL_S = 4 * _DAY_S
_COLD_S, _CLIMATE_S = 18 * 3600.0, 15 * _DAY_S  # buildings feel the last day, beside the last weeks
_HEATED_BELOW, _PER_DEGREE = 18.0, 0.15
_PROFILE_DAYS, _WEEKEND_DAYS = 14.0, 6.0
_SPREAD_DAYS = 14.0
_SATURDAY = 5
_ENOUGH = 50.0  # doubts' worth of causes seen


class Slope(msgspec.Struct, array_like=True):
    """One number that says how much of a cause is felt: least squares on its deviation, forgetting by what is seen."""

    mean: float = 0.0
    seen_s: float = 0.0
    weight: float = 0.0
    square: float = 0.0
    product: float = 0.0

    def part(self, cause: float) -> float:
        """What a cause adds; its share shrinks while little is known."""
        return self.product / (self.square + self.weight) * (cause - self.mean) if self.square > 0 else 0.0

    def learn(self, cause: float, rest: float, dt_s: float, memory_s: float, doubt: float) -> None:
        """Take in what was left to explain; `doubt` is the square of the causes it takes before it is believed."""
        self.seen_s = min(self.seen_s + dt_s, memory_s)
        self.mean += (cause - self.mean) * min(1.0, dt_s / max(self.seen_s, dt_s, 1.0))
        away, days = cause - self.mean, dt_s / _DAY_S
        self.weight = doubt
        self.square += away * away * days
        self.product += away * rest * days
        if self.square > _ENOUGH * doubt:  # new winters count, and a summer without any cold forgets nothing
            self.product *= _ENOUGH * doubt / self.square
            self.square = _ENOUGH * doubt


class Profile(msgspec.Struct, array_like=True):
    """What is kept: level, profile by hour, weekend's difference, spread by hour, temperature felt, two slopes."""

    level: float = 0.0
    level_s: float = 0.0
    hourly: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    hourly_days: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    weekend: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    weekend_days: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    spread: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    felt: float = 0.0
    felt_s: float = 0.0
    cold: Slope = msgspec.field(default_factory=Slope)
    flow: Slope = msgspec.field(default_factory=Slope)


def hour_of(local_us: int) -> tuple[float, bool]:
    """Hour of the day (0 to 24) and whether it is a weekend, by the wall clock (1970 began on a Thursday)."""
    hour, day = local_us % (HOURS * _HOUR_US) / _HOUR_US, local_us // (HOURS * _HOUR_US)
    return hour, (day + 3) % 7 >= _SATURDAY


def _between(bins: list[float], hour: float) -> float:
    place = hour - 0.5
    left = int(place // 1)
    part = place - left
    return bins[left % HOURS] * (1 - part) + bins[(left + 1) % HOURS] * part


def expected(profile: Profile, hour: float, *, weekend: bool, cold: float | None, flow: float | None) -> float:
    """What is usual now; None where temperature or flow are not known."""
    usual = profile.level + _between(profile.hourly, hour)
    if weekend:
        usual += _between(profile.weekend, hour)
    if cold is not None:
        usual += profile.cold.part(cold)
    if flow is not None:
        usual += profile.flow.part(flow)
    return usual


def feel(profile: Profile, temperature: float, dt_s: float) -> float:
    """How cold buildings feel: the mean of most of a day below what needs heating, as demand's logarithm takes it.

    A demand of 1 + b x degrees is close to straight in the logarithm of 1 + 0.15 x degrees for every usual b.
    """
    profile.felt_s = min(profile.felt_s + dt_s, _COLD_S)
    profile.felt += (temperature - profile.felt) * min(1.0, dt_s / max(profile.felt_s, dt_s, 1.0))
    return log1p(_PER_DEGREE * max(0.0, _HEATED_BELOW - profile.felt))


def learn(
    profile: Profile, rest: float, hour: float, dt_s: float, *, weekend: bool, cold: float | None, flow: float | None
) -> None:
    """Take in what was left: the level first, then the hour it belongs to, then its causes."""
    at, days = int(hour) % HOURS, dt_s / 3600.0  # an hour of readings is one day of that hour
    profile.level_s = min(profile.level_s + dt_s, _LEVEL_S)
    profile.level += rest * min(1.0, dt_s / max(profile.level_s, dt_s, 1.0))
    _blend(profile.hourly, profile.hourly_days, at, rest, days, _PROFILE_DAYS)
    if weekend:
        _blend(profile.weekend, profile.weekend_days, at, rest, days, _WEEKEND_DAYS)
    if cold is not None:
        profile.cold.learn(cold, rest + profile.cold.part(cold), dt_s, _CLIMATE_S, 0.1)
    if flow is not None:
        profile.flow.learn(flow, rest + profile.flow.part(flow), dt_s, _CLIMATE_S, 0.05)


def _blend(bins: list[float], days: list[float], at: int, rest: float, part: float, memory_days: float) -> None:
    days[at] = min(days[at] + part, memory_days)
    bins[at] += rest * min(1.0, part / max(days[at], 1.0))


def learn_spread(profile: Profile, size: float, hour: float, dt_s: float) -> None:
    """The usual size of what is left, by hour."""
    at = int(hour) % HOURS
    seen = max(min(profile.hourly_days[at], _SPREAD_DAYS), 1.0)
    profile.spread[at] += (size - profile.spread[at]) * min(1.0, dt_s / 3600.0 / seen)


def doubt(profile: Profile, hour: float, unknown: float) -> float:
    """How far the profile itself may be wrong: `unknown` before the hour was ever seen."""
    at = int(hour) % HOURS
    return unknown / (1.0 + 3.0 * profile.hourly_days[at]) if profile.hourly_days[at] < 3 * _PROFILE_DAYS else 0.0


def to_log(flow_m3_h: float) -> float:
    """Flow as it is compared: logarithm, with a cubic metre an hour for the bottom; gas flowing back counts as none."""
    return log(max(flow_m3_h, 0.0) + 1.0)


def from_log(value: float) -> float:
    """The flow again (m3/h)."""
    return exp(min(value, 30.0)) - 1.0
