"""How one low point answers to rain: learned from its own floods, step by step, and run forward to see what comes.

Depth above the dry level changes in five minutes by what arrives through reservoirs of rain and of rain beyond what
sewers take (`detectors.rain`), less what the drain takes and what seeps away: eight numbers, found by recursive least
squares with a wide prior, so the first floods count at once. What they do not explain of the present rise fades as such
rests have faded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from detectors.rain import SEWER_MM_H, Stored, flow

STEP_S = 300.0
_N = 8
# cm in 5 min: per mm/h of each reservoir of rain, and of rain beyond the sewers; what the drain takes; per cm of depth.
_PRIOR = (0.03, 0.03, 0.01, 0.03, 0.03, 0.01, -0.6, -0.1)
_PRIOR_SPREAD = (0.08, 0.08, 0.05, 0.15, 0.15, 0.1, 1.0, 0.1)
_FORGET = 0.9995  # a step; a few hundred steps of rain are a wet year
_NOISE_CM, _RELATIVE = 0.3, 0.15  # of one step's change
_CLIP = 3.0  # standard deviations one step may teach
_FADES, _FADES_WEIGHT = 0.6, 12.0  # part of the unexplained rise left after a step, and what the prior weighs (cm2)
_FADES_MOST = 0.97


class Response(msgspec.Struct, array_like=True):
    """What was learned of a site: the numbers, their covariance by rows, sums for the fading of rests, steps."""

    weights: list[float] = msgspec.field(default_factory=lambda: list(_PRIOR))
    covariance: list[float] = msgspec.field(
        default_factory=lambda: [_PRIOR_SPREAD[i] ** 2 * (i == j) for i in range(_N) for j in range(_N)]
    )
    rest_product: float = _FADES * _FADES_WEIGHT
    rest_square: float = _FADES_WEIGHT
    steps: int = 0

    def rise(self, stored: Stored, depth_cm: float) -> float:
        """Change in five minutes (cm) by the numbers, before the bottom of the hollow is reached."""
        *rain, drain, seep = self.weights
        arrives = sum(weight * one for weight, one in zip(rain, stored, strict=True))
        return arrives + drain + min(seep, 0.0) * depth_cm

    def said(self, inputs: Sequence[float]) -> float:
        """Change in five minutes (cm) for the means of `causes` over a step."""
        return sum(weight * one for weight, one in zip(self.weights, inputs, strict=True))

    def learn(self, inputs: Sequence[float], change_cm: float) -> None:
        """Take in one step: the means of `causes` over it, and how much the depth changed."""
        said = self.said(inputs)
        noise = _NOISE_CM**2 + (_RELATIVE * change_cm) ** 2 + (_RELATIVE * said) ** 2
        gain = [sum(self.covariance[row * _N + column] * inputs[column] for column in range(_N)) for row in range(_N)]
        total = noise + sum(one * other for one, other in zip(gain, inputs, strict=True))
        most = _CLIP * total**0.5
        miss = max(-most, min(most, change_cm - said))
        for row in range(_N):
            self.weights[row] += gain[row] / total * miss
            for column in range(_N):
                at = row * _N + column
                self.covariance[at] = (self.covariance[at] - gain[row] * gain[column] / total) / _FORGET
        limit = max(self.covariance[i * _N + i] / _PRIOR_SPREAD[i] ** 2 for i in range(_N))
        if limit > 1:  # long without new information: forgetting must not go beyond knowing nothing
            self.covariance = [one / limit for one in self.covariance]
        self.steps += 1

    def learn_rest(self, before_cm: float, after_cm: float) -> None:
        """Take in how an unexplained rise went on a step later."""
        if before_cm > 0:
            self.rest_product = _FADES * _FADES_WEIGHT * (1 - _FORGET) + _FORGET * self.rest_product
            self.rest_square = _FADES_WEIGHT * (1 - _FORGET) + _FORGET * self.rest_square
            self.rest_product += before_cm * max(-before_cm, min(1.5 * before_cm, after_cm))
            self.rest_square += before_cm * before_cm

    @property
    def fades(self) -> float:
        """Part of an unexplained rise that is left after a step."""
        return max(0.0, min(self.rest_product / self.rest_square, _FADES_MOST))


def causes(stored: Stored, depth_cm: float) -> tuple[float, ...]:
    """What a rise is explained by, in the order of the weights."""
    return (*stored, 1.0, depth_cm)


class Now(NamedTuple):
    """Where a forecast begins: depth above the dry level (cm), reservoirs, rain now (mm/h), rest of the rise (cm)."""

    depth_cm: float
    stored: Stored
    rain_mm_h: float
    rest_cm: float


class Course(NamedTuple):
    """How a forecast goes: the depth at its highest (cm), and when it reaches a depth (s; None: not within it)."""

    peak_cm: float
    reaches_s: float | None


def forecast(
    response: Response | None, now: Now, to_cm: float, horizon_s: float, *, rain_left: float, rest_left: float
) -> Course:
    """Run the site forward.

    Parameters
    ----------
    response
        None: nothing is known of rain, only the present rise counts.
    rain_left, rest_left
        Parts of the rain and of the unexplained rise that are left after each step.
    """
    depth, rain, rest, stored = now.depth_cm, now.rain_mm_h, now.rest_cm, now.stored
    peak, reaches_s, rest = depth, None, rest * rest_left**0.5
    for step in range(1, round(horizon_s / STEP_S) + 1):
        stored = flow(stored, rain, rain - SEWER_MM_H, STEP_S)
        change = rest + (response.rise(stored, depth) if response is not None else 0.0)
        if reaches_s is None and depth + change >= to_cm:
            reaches_s = STEP_S * (step - 1 + max(0.0, to_cm - depth) / max(change, 1e-9))
        depth = max(0.0, depth + change)
        peak, rain, rest = max(peak, depth), rain * rain_left, rest * rest_left
    return Course(peak, reaches_s)
