"""Any anomaly or drift model of the river library, by name, behind the same promises as the native detectors."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pickle  # nosec - only snapshots that this program wrote into its own database are read
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import msgspec

from city.errors import InputError
from city.reading import Sample
from detectors.per_sensor import blind, is_pause, next_pace, positive, read_snapshot, unusable
from detectors.protocol import Finding, State, Verdict
from detectors.robust import mad, median
from detectors.subject import NOTHING, Subject, Surroundings

PREFIX: Final = "river:"
RIVER_EXAMPLES: Final = (
    "river:drift.PageHinkley",
    "river:drift.ADWIN",
    "river:anomaly.HalfSpaceTrees",
    "river:anomaly.GaussianScorer",
)
_MODULES: Final = ("anomaly", "drift")
_THRESHOLDS: Final[Mapping[str, float]] = {
    "HalfSpaceTrees": 0.98,
    "GaussianScorer": 0.9999,
    "StandardAbsoluteDeviation": 6.0,
}
_CLIP = 8.0  # scaled values are cut here, so that no reading overflows a model
_SETTLING: Final = ("grace_period", "window_size", "min_instances")  # models answer 0 until they have seen so many
_FLAT = 0.5  # spreads; while a sensor has moved less than this in all its life, nothing can be unusual
_AFTER_PAUSE = 3
_ENCODE = msgspec.msgpack.Encoder().encode
_ROW = tuple[int, float, int, int, tuple[float, ...], float, float, float, float, bytes]
_DECODE = msgspec.msgpack.Decoder(_ROW).decode


@dataclass(slots=True)
class _Seen:
    """One sensor: pace, scaling, and the live model."""

    time_us: int = 0
    usual_s: float = 0.0
    fed: int = 0
    waiting: int = 0
    first: tuple[float, ...] = ()
    centre: float = 0.0
    spread: float = 0.0
    lowest: float = _CLIP
    highest: float = -_CLIP
    model: Any = None

    def frozen(self) -> tuple[object, ...]:
        values = tuple(getattr(self, name) for name in _Seen.__slots__[:-1])
        return (*values, pickle.dumps(self.model, protocol=5))

    @classmethod
    def thawed(cls, state: Sequence[Any]) -> _Seen:
        model = pickle.loads(state[-1])  # noqa: S301 - written by `frozen`, kept in our own database
        return cls(*(*state[:-1], model))


class RiverDetector:
    """`river:drift.X` or `river:anomaly.X`, one model per sensor.

    The first `warm_up` readings give each sensor's scaling, once: z = (x - median) / max(1.4826 MAD, `resolution`), cut
    at ±8. Drift models and models of a target value get z; models of features get 0.5 + z / 16, which lies in 0..1.

    Parameters
    ----------
    name
        `river:anomaly.HalfSpaceTrees` and the like; see river's own documentation for the model.
    warm_up
        Readings for the scaling, >= 10. They are then given to the model.
    resolution
        Least spread, in the sensor's unit.
    threshold
        The model's score that counts as 1 here. Known for HalfSpaceTrees (0.98), GaussianScorer (0.9999) and
        StandardAbsoluteDeviation (6); other anomaly models need it said. Drift models have none: score 1 at the reading
        where drift is found, else 0.
    gap_s
        Pause after which 3 readings are needed again (seconds).
    **model
        Handed to the river class; `seed` is 1 unless given, where the class has one.

    Notes
    -----
    Warm-up
        `warm_up`, and as many readings as the model itself asks for (HalfSpaceTrees: a whole window, 250): BLIND.
    Direction
        On which side of the warm-up's median the reading lies.
    Blind spots
        No idea of time, season or context; the scaling is never learned anew; whatever the model learned during an
        anomaly it keeps. For comparison and for drift checks; the native detectors are the ones to alarm on.
    Source
        Montiel et al. (2021), River: machine learning for streaming data in Python, JMLR 22(110); the models' own
        sources stand in river's documentation.
    Cost
        `state_of` pickles the model (HalfSpaceTrees: hundreds of KiB per sensor); an update takes 1 to 100 us.

    Examples
    --------
    >>> from city.levels import Flag
    >>> values = [20.0, 21.0, 19.0, float("nan")] * 40 + [29.0] * 40
    >>> samples = [Sample("x", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(values)]
    >>> findings = RiverDetector("river:drift.PageHinkley", threshold=20.0, min_instances=20).update(samples)
    >>> found = [f for f in findings if f.score >= 1]
    >>> found[0].direction, 0 < found[0].time_us // 60_000_000 - 160 < 30
    ('up', True)
    """

    def __init__(
        self,
        name: str,
        *,
        warm_up: float = 30,
        resolution: float = 0.01,
        gap_s: float = 3600.0,
        **model: object,
    ) -> None:
        self.name = name
        self.quantities: frozenset[str] = frozenset()
        positive(name, warm_up=warm_up, resolution=resolution, gap_s=gap_s)
        if warm_up < 10:
            raise InputError(f"{name}: warm_up must be at least 10, got {warm_up}")
        self.warm_up, self.resolution, self.gap_s = int(warm_up), resolution, gap_s
        self.channel, kind = _find(name)
        self._is_drift, self._wants_target = _nature(name, kind)
        self.threshold = 1.0 if self._is_drift else float(_threshold(name, kind, model))
        positive(name, threshold=self.threshold)
        if "seed" in inspect.signature(kind).parameters:
            model.setdefault("seed", 1)
        self._make: Callable[[], Any] = lambda: kind(**model)
        try:
            trial = self._make()
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{name}: {error}") from error
        self._settle = max([self.warm_up, *(int(getattr(trial, key, 0) or 0) for key in _SETTLING)])
        self._sensors: dict[str, _Seen] = {}

    def watch(self, subjects: Mapping[str, Subject]) -> None:
        """A model of river knows its own readings alone."""

    def update(self, batch: Sequence[Sample], around: Surroundings = NOTHING) -> list[Finding]:
        """Take samples in; one finding for each that is newer than its sensor's last, in order."""
        findings = []
        for sample in batch:
            seen = self._sensors.get(sample.sensor)
            if seen is not None and sample.time_us <= seen.time_us:
                continue
            if why := unusable(sample):
                findings.append(blind(self.name, self.channel, sample, why))
                continue
            if seen is None:
                seen = self._sensors[sample.sensor] = _Seen(time_us=sample.time_us, model=self._make())
            else:
                self._keep_pace(seen, sample)
            findings.append(self._take(seen, sample))
        return findings

    def _keep_pace(self, seen: _Seen, sample: Sample) -> None:
        dt_s = (sample.time_us - seen.time_us) * 1e-6
        if is_pause(dt_s, seen.usual_s, self.gap_s):
            seen.waiting = _AFTER_PAUSE
        seen.usual_s, seen.time_us = next_pace(seen.usual_s, dt_s), sample.time_us

    def _take(self, seen: _Seen, sample: Sample) -> Finding:
        if seen.fed == 0:
            seen.first = (*seen.first, float(sample.value))
            if len(seen.first) == self.warm_up:
                seen.centre = median(seen.first)
                seen.spread = max(1.4826 * mad(seen.first, seen.centre), self.resolution)
                for value in seen.first:
                    self._feed(seen, value)
                seen.first = ()
            return blind(self.name, self.channel, sample, f"warming up, {seen.fed or len(seen.first)} readings seen")
        score, z = self._feed(seen, float(sample.value))
        if seen.fed <= self._settle:
            return blind(self.name, self.channel, sample, f"warming up, {seen.fed} of {self._settle} readings")
        if seen.waiting:
            seen.waiting -= 1
            return blind(self.name, self.channel, sample, "warming up after a pause")
        if score < 1:
            return Finding(
                sample.sensor, sample.time_us, self.name, self.channel, Verdict.NORMAL, score, expected=seen.centre
            )
        return Finding(
            sample.sensor,
            sample.time_us,
            self.name,
            self.channel,
            Verdict.ABNORMAL,
            score,
            "up" if z > 0 else "down",
            seen.centre,
            reason=f"{self.channel} at {z:+.1f} spreads from the usual {seen.centre:.4g}",
        )

    def _feed(self, seen: _Seen, value: float) -> tuple[float, float]:
        """Score the value, then learn it; the score in units of the threshold, and the scaled value."""
        z = max(-_CLIP, min(_CLIP, (value - seen.centre) / seen.spread))
        seen.fed = min(seen.fed + 1, 1_000_000)
        seen.lowest, seen.highest = min(seen.lowest, z), max(seen.highest, z)
        flat = seen.highest - seen.lowest < _FLAT
        if self._is_drift:
            seen.model.update(z)
            return (1.0 if seen.model.drift_detected and not flat else 0.0), z
        if self._wants_target:
            score = seen.model.score_one({}, z)
            seen.model.learn_one({}, z)
        else:
            features = {"value": 0.5 + z / (2 * _CLIP)}
            score = seen.model.score_one(features)
            seen.model.learn_one(features)
        return 0.0 if flat or not isfinite(score) else max(0.0, float(score) / self.threshold), z

    def state_of(self, sensor: str) -> State:
        """One sensor's state with its model pickled."""
        seen = self._sensors.get(sensor)
        return None if seen is None else seen.frozen()

    def put_state(self, sensor: str, state: State) -> None:
        """Put a sensor back; None forgets it."""
        if state is None:
            self._sensors.pop(sensor, None)
        elif isinstance(state, tuple):
            self._sensors[sensor] = _Seen.thawed(state)
        else:
            raise TypeError(f"{self.name}: not a state of mine: {type(state).__name__}")

    def snapshot(self) -> bytes:
        """Everything learned, as MessagePack around pickled models."""
        rows = {sensor: _ENCODE(seen.frozen()) for sensor, seen in sorted(self._sensors.items())}
        return _ENCODE((self.name, rows))

    def restore(self, data: bytes) -> None:
        """Take over a snapshot; InputError when it is another detector's."""
        self._sensors = {s: _Seen.thawed(_DECODE(state)) for s, state in read_snapshot(self.name, data).items()}


def _find(name: str) -> tuple[str, type[Any]]:
    """The model's short name and class; river is imported only here, because that takes a second."""
    module_name, _, kind_name = name.removeprefix(PREFIX).partition(".")
    if module_name not in _MODULES:
        raise InputError(f"unknown river model, got {name!r}, try {RIVER_EXAMPLES[0]}")
    module = importlib.import_module(f"river.{module_name}")
    kind = getattr(module, kind_name, None)
    if not inspect.isclass(kind) or kind_name.startswith("_"):
        near = difflib.get_close_matches(kind_name, module.__all__, 1) or [RIVER_EXAMPLES[0].partition(".")[2]]
        raise InputError(f"unknown river model, got {name!r}, try {PREFIX}{module_name}.{near[0]}")
    return kind_name, kind


def _nature(name: str, kind: type[Any]) -> tuple[bool, bool]:
    """Whether it is a drift model, and whether it scores a target value rather than features."""
    base = importlib.import_module("river.base")
    if issubclass(kind, base.DriftDetector):
        return True, False
    if issubclass(kind, base.SupervisedAnomalyDetector):
        return False, True
    if issubclass(kind, base.AnomalyDetector):
        return False, False
    raise InputError(f"{name}: neither an anomaly nor a drift model of numbers, try {RIVER_EXAMPLES[0]}")


def _threshold(name: str, kind: type[Any], model: dict[str, object]) -> float:
    threshold = model.pop("threshold", _THRESHOLDS.get(kind.__name__))
    if not isinstance(threshold, int | float):
        raise InputError(f"{name}: needs a threshold, the model's score from which a reading is abnormal")
    return threshold
