"""What the detectors of standing water share: where the surface is, and how fast it moves."""

from __future__ import annotations

from math import exp

import msgspec


def gains(dt_s: float, memory_s: float) -> tuple[float, float]:
    """Gains of a critically damped alpha-beta filter for a step of `dt_s`: the same memory whatever the cadence."""
    fade = exp(-dt_s / memory_s)
    return 1 - fade * fade, (1 - fade) ** 2


class Surface(msgspec.Struct, array_like=True):
    """Depth (cm) and rate (cm/s) of one water surface, filtered."""

    depth_cm: float = 0.0
    rate_cm_s: float = 0.0
    begun: bool = False

    def follow(self, value_cm: float, dt_s: float, memory_s: float) -> float:
        """Take in a depth `dt_s` after the last; returns how far it was from what was expected."""
        if not self.begun or dt_s <= 0:
            self.depth_cm, self.rate_cm_s, self.begun = value_cm, 0.0, True
            return 0.0
        alpha, beta = gains(dt_s, memory_s)
        expected_cm = self.depth_cm + self.rate_cm_s * dt_s
        away_cm = value_cm - expected_cm
        self.depth_cm = expected_cm + alpha * away_cm
        self.rate_cm_s += beta * away_cm / dt_s
        return away_cm
