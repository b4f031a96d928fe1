"""Floors: what any detector must beat, or it is not worth its cost. Each is a few lines, as an engineer would write it.

Scores of floors are not calibrated: their thresholds are set on fault-free seeds of their own (`nominal` is False).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, Final, Self

import numpy as np

from bench.detection.candidates import Answers, Candidate
from detectors.columns import Columns
from detectors.subject import Subject
from gateway.histories.trace import Trace
from gateway.noise import Floats, Ints, Keys, uniform

BINS: Final = 48  # half hours, on workdays and at weekends
_MEMORY: Final = 14 * 30.0  # readings that a half hour remembers: two weeks of minutes


@cache
def _compiled(function: Callable[..., Floats]) -> Callable[..., Floats]:
    import numba

    quick: Any = numba.njit(nogil=True)(function)
    return quick  # type: ignore[no-any-return]  # numba has no types


class Floor:
    """What all floors have: a table with a row of numbers for each sensor."""

    name = "null"
    nominal = False
    fixed: float | None = np.inf
    channels: tuple[str, ...] = ()
    width = 1

    def __init__(self) -> None:
        self.state: Floats = np.zeros((0, self.width))
        self.low: Floats = np.zeros(0)
        self.high: Floats = np.zeros(0)

    def start(self, subjects: Sequence[Subject], traces: Sequence[Trace]) -> None:
        """Forget everything."""
        self.state = np.full((len(subjects), self.width), np.nan)
        self.low = np.array([trace.low for trace in traces])
        self.high = np.array([trace.high for trace in traces])

    def update(self, columns: Columns) -> Answers:
        """Score samples."""
        return Answers(self.score(columns), np.zeros(len(columns.row), np.int64))

    def score(self, columns: Columns) -> Floats:
        """Nothing is ever unusual."""
        return np.zeros(len(columns.row))

    def fork(self, rows: Sequence[int]) -> Self:
        """Copy rows."""
        other = type(self)()
        chosen = np.array(rows, dtype=np.int64)
        other.state, other.low, other.high = self.state[chosen].copy(), self.low[chosen], self.high[chosen]
        return other


class Random(Floor):
    """Alarms at random moments."""

    name, fixed = "random", None

    def score(self, columns: Columns) -> Floats:
        """Luck."""
        keys: Keys = (columns.row.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
        return 1.0 / (uniform(keys, columns.time_us) + 1e-12)


class AlwaysOn(Floor):
    """Everything is unusual, always: one alarm that never ends, and no onset ever again."""

    name, fixed = "always-on", 1.0

    def score(self, columns: Columns) -> Floats:
        """All the same."""
        return np.full(len(columns.row), 2.0)


class StaticLimit(Floor):
    """The limits of an engineer who has seen the sensor's year, or the domain's own."""

    name, fixed = "static limit", 0.0

    def score(self, columns: Columns) -> Floats:
        """How far outside."""
        return np.maximum(columns.value - self.high[columns.row], self.low[columns.row] - columns.value)


class Difference(Floor):
    """The step from the last reading, over its own mean of a week."""

    name, fixed, width = "|diff|", None, 2

    def score(self, columns: Columns) -> Floats:
        """Step over usual step."""
        step_s = np.median(np.diff(columns.time_us[:100])) / 1e6 if len(columns.time_us) > 1 else 60.0
        fade = min(1.0, max(step_s, 1.0) / (7 * 86_400.0))
        return _compiled(_difference)(columns.row, columns.value, self.state, fade)


def _difference(row: Ints, value: Floats, state: Floats, fade: float) -> Floats:
    found = np.zeros(len(row))
    for at in range(len(row)):
        own = state[row[at]]
        if own[0] == own[0]:
            step = abs(value[at] - own[0])
            if own[1] != own[1]:
                own[1] = step
            found[at] = step / max(own[1], 1e-9)
            own[1] += fade * (step - own[1])
        own[0] = value[at]
    return found


class SeasonalZ(Floor):
    """Distance from the usual of the half hour (workdays and weekends apart), over the usual distance."""

    name, fixed, width = "seasonal z", None, 6 * BINS

    def score(self, columns: Columns) -> Floats:
        """Robust z; 0 until a half hour has been seen for some days."""
        minute = columns.local_us // 60_000_000
        weekend = ((minute // 1440 + 3) % 7) >= 5
        half_hour = (minute % 1440) // 30 + BINS * weekend
        return _compiled(_seasonal)(columns.row, half_hour, columns.value, self.state, _MEMORY, 2 * BINS)


def _seasonal(row: Ints, half_hour: Ints, value: Floats, state: Floats, memory: float, bins: int) -> Floats:
    found = np.zeros(len(row))
    for at in range(len(row)):
        own, here = state[row[at]], half_hour[at]
        if own[here] != own[here]:
            own[here], own[bins + here], own[2 * bins + here] = value[at], 0.0, 1.0
            continue
        seen, spread = own[2 * bins + here], own[bins + here]
        away = value[at] - own[here]
        if seen >= 12.0:
            found[at] = abs(away) / max(1.25 * spread, 1e-6)
            away = min(max(away, -4.0 * spread), 4.0 * spread)
        own[2 * bins + here] = min(seen + 1.0, memory)
        own[here] += away / own[2 * bins + here]
        own[bins + here] += (abs(away) - spread) / own[2 * bins + here]
    return found


class River(Floor):
    """A model of river 0.26, fed as its users would: one object a sensor, values scaled by the model's own advice."""

    fixed = None

    def __init__(self, name: str = "river GaussianScorer") -> None:
        super().__init__()
        self.name = name
        self._models: list[Any] = []

    def start(self, subjects: Sequence[Subject], traces: Sequence[Trace]) -> None:
        """New models."""
        super().start(subjects, traces)
        self._models = [self._make() for _ in subjects]

    def _make(self) -> Any:  # noqa: ANN401 - river has no types
        from river import anomaly, preprocessing

        if self.name.endswith("HalfSpaceTrees"):
            return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=10, height=6, window_size=250, seed=7)
        return anomaly.GaussianScorer(grace_period=100)  # type: ignore[no-untyped-call]  # river has few types

    def score(self, columns: Columns) -> Floats:
        """River's own score."""
        found = np.zeros(len(columns.row))
        trees = self.name.endswith("HalfSpaceTrees")
        for at, (row, value) in enumerate(zip(columns.row.tolist(), columns.value.tolist(), strict=True)):
            model = self._models[row]
            if trees:
                found[at] = model.score_one({"x": value})
                model.learn_one({"x": value})
            else:
                found[at] = -np.log(max(1.0 - model.score_one(None, value), 1e-300))  # it saturates at 1
                model.learn_one(None, value)
        return found

    def fork(self, rows: Sequence[int]) -> Self:
        """Copies of the models."""
        other = type(self)(self.name)
        other.state, other.low, other.high = self.state[list(rows)], self.low[list(rows)], self.high[list(rows)]
        other._models = [deepcopy(self._models[row]) for row in rows]
        return other


def quick_floors() -> list[Candidate]:
    """The floors that cost next to nothing."""
    return [Floor(), Random(), AlwaysOn(), StaticLimit(), Difference(), SeasonalZ()]


def river_floors() -> list[Candidate]:
    """River's two, which cost so much that they see few sensor-years."""
    return [River("river GaussianScorer"), River("river HalfSpaceTrees")]
