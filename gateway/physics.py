"""What calm looks like: the value of each kind of sensor as a function of time, in canonical units.

Plausible rather than physical: daily cycles, weather shared by the whole city, noise of each sensor's own, in amounts
that the field shows (minute means; strain follows temperature, flow follows demand, the ground creeps). All functions
are element-wise: (keys, moments) columns in, values out, nothing remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gateway.noise import Floats, Ints, Keys, normal, smooth, uniform, wander

_DAY_S = 86_400.0
_LOCAL_S = 8 * 3600.0  # China Standard Time, for people's habits and the sun


@dataclass(frozen=True, slots=True)
class Moments:
    """Columns (n,): whose value, when.

    Attributes
    ----------
    keys
        Each sensor's own key.
    city
        The key all share: weather.
    second
        Seconds since 1970, whole.
    since_s
        Seconds since the storyline's start (negative before it).
    interval_s
        Each sensor's interval, which a rain gauge sums over.
    """

    keys: Keys
    city: Keys
    second: Ints
    since_s: Floats
    interval_s: Floats

    @property
    def time_s(self) -> Floats:
        """Seconds since 1970 as floats."""
        return self.second.astype(np.float64)

    @property
    def hour(self) -> Floats:
        """Local hour of the day, 0 to 24."""
        hours: Floats = ((self.time_s + _LOCAL_S) % _DAY_S) / 3600.0
        return hours

    def own(self, which: int) -> Floats:
        """A fixed number in [0, 1) of each sensor's own."""
        return uniform(self.keys, np.full(len(self.keys), -which, dtype=np.int64))

    def hiss(self) -> Floats:
        """White noise, spread 1, within ±4."""
        return normal(self.keys, self.second)

    def drift(self, hours: float) -> Floats:
        """Slow irregular change of each sensor's own, spread about 1, within ±7."""
        return wander(self.keys, self.time_s, hours * 3600.0)


def _bump(hour: Floats, centre: float, width: float) -> Floats:
    away = (hour - centre + 12.0) % 24.0 - 12.0
    bump: Floats = np.exp(-((away / width) ** 2))
    return bump


def _bustle(at: Moments) -> Floats:
    """Traffic and cooking, 0 to about 1: morning, noon and evening."""
    hour = at.hour
    return 0.15 + 0.6 * _bump(hour, 7.5, 1.8) + 0.45 * _bump(hour, 12.0, 1.8) + 0.75 * _bump(hour, 18.5, 2.4)


def _warmth(at: Moments, lag_h: float = 0.0, swing: float = 4.5) -> Floats:
    """Air temperature of the city (Cel), `lag_h` hours late."""
    daily = np.cos(2 * np.pi * (at.hour - 15.0 - lag_h) / 24.0)
    warmth: Floats = 24.0 + swing * daily + 0.8 * smooth(at.city, at.time_s, 30 * 3600.0)
    return warmth


def _rain(at: Moments) -> Floats:
    drizzle_mm_h = 0.3 * np.clip(wander(at.city, at.time_s, 5 * 3600.0) - 1.2, 0.0, None)
    fallen: Floats = drizzle_mm_h * at.interval_s / 3600.0
    return fallen


def _strain(at: Moments) -> Floats:
    thermal = 5.0 * (0.7 + 0.6 * at.own(2)) * (_warmth(at, 1.5) - 24.0)
    traffic = 4.0 * _bustle(at) * (0.6 + 0.8 * uniform(at.keys, at.second // 60 + (1 << 40)))
    return 120.0 * (at.own(1) - 0.5) + thermal + traffic + 0.8 * at.hiss()


def _settlement(at: Moments) -> Floats:
    days = at.since_s / _DAY_S
    warmth = 0.08 * (_warmth(at, 3.0) - 24.0) / 4.5
    return -4.0 - 8.0 * at.own(1) - (0.01 + 0.03 * at.own(2)) * days + warmth + 0.01 * at.drift(24.0) + 0.02 * at.hiss()


def _flow(at: Moments) -> Floats:
    return (120.0 + 80.0 * at.own(1)) * (0.4 + _bustle(at)) * (1.0 + 0.02 * at.drift(3.0)) + 0.8 * at.hiss()


def _methane(at: Moments) -> Floats:
    floor: Floats = np.maximum(0.2, 1.4 + 0.4 * at.own(1) + 0.12 * at.drift(9.0) + 0.06 * at.hiss())
    return floor


# By the prefix of a sensor's id: its value, and the resolution it is rounded to (canonical unit).
CALM: Mapping[str, tuple[Callable[[Moments], Floats], float]] = {
    "ch4": (_methane, 0.05),
    "gp": (lambda at: 370.0 + 20.0 * at.own(1) - 16.0 * _bustle(at) + 0.8 * at.drift(4.0) + 0.3 * at.hiss(), 0.1),
    "gf": (_flow, 0.1),
    "wt": (lambda at: 17.0 + 2.0 * at.own(1) + 0.3 * (_warmth(at, 4.0) - 24.0) + 0.05 * at.hiss(), 0.1),
    "gt": (lambda at: 16.0 + at.own(1) + 0.2 * (_warmth(at, 6.0) - 24.0) + 0.05 * at.hiss(), 0.1),
    "at": (lambda at: _warmth(at) + at.own(1) + 0.1 * at.hiss(), 0.1),
    "bt": (lambda at: _warmth(at, 1.5, 5.5) + 0.5 * at.own(1) + 0.05 * at.hiss(), 0.05),
    "wl": (lambda at: np.maximum(0.0, 0.2 + 0.2 * at.own(1) + 0.08 * at.hiss()), 0.1),
    "dl": (lambda at: 0.5 + 0.3 * at.own(1) + 0.12 * _bustle(at) + 0.01 * at.hiss(), 0.005),
    "rg": (_rain, 0.01),
    "st": (_strain, 0.1),
    "ti": (lambda at: 0.1 * (at.own(1) - 0.5) + 0.006 * (_warmth(at, 1.5) - 24.0) + 0.005 * at.hiss(), 0.001),
    "df": (lambda at: -6.0 + 2.0 * at.own(1) + 0.6 * (_warmth(at, 1.5) - 24.0) + 0.3 * at.hiss(), 0.05),
    "cr": (lambda at: 0.12 + 0.1 * at.own(1) + 0.0015 * (_warmth(at, 1.5) - 24.0) + 0.0005 * at.hiss(), 0.0005),
    "se": (_settlement, 0.01),
    "pp": (lambda at: 22.0 + 12.0 * at.own(1) + 0.15 * at.drift(12.0) + 0.04 * at.hiss(), 0.01),
    "bv": (lambda at: 3.6 + 0.05 * at.own(1) - 0.0004 * at.since_s / _DAY_S + 0.003 * at.hiss(), 0.001),
}
