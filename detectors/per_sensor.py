"""The part all native detectors share: the guard at the door, the pace of each sensor, state and snapshots.

A detector adds three things: what it knows of a sensor (a `msgspec.Struct`), one step that changes it in place, and
what a pause leaves of it. `state_of` is that struct as MessagePack: small, immutable, exact to the bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Finding, State, Verdict
from detectors.subject import NOTHING, Subject, Surroundings

S = TypeVar("S", bound=msgspec.Struct)

LARGEST = 1e12  # no quantity of a city comes near; beyond it squares would overflow
_WORST_USABLE = int(Flag.SUSPECT)  # FAIL and MISSING stand above it
_PAUSE_INTERVALS = 5  # a pause is also longer than this many usual intervals, so hourly sensors are not always blind
_encode = msgspec.msgpack.Encoder().encode
_PACE_GAIN, _PACE_GROWTH = 0.1, 2.0  # how fast the usual interval follows, and how much one interval may stretch it


class Answer(NamedTuple):
    """One step's result; `score` None means BLIND. `channel` when the detector has several."""

    score: float | None
    reason: str = ""
    direction: str = ""
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    evidence: tuple[tuple[str, float | str], ...] = ()
    channel: str = ""
    return_period_years: float | None = None


class Moment(NamedTuple):
    """One usable sample as a step sees it: `dt_s` since the sensor's last usable one (0 for the first)."""

    time_us: int
    value: float
    dt_s: float
    usual_s: float
    subject: Subject | None = None
    around: Surroundings = NOTHING


class Known(msgspec.Struct, Generic[S], array_like=True):
    """What is kept of one sensor: time of its last usable sample, its usual interval, the detector's own struct."""

    time_us: int
    usual_s: float
    own: S


def unusable(sample: Sample) -> str:
    """Why a reading cannot be used, or an empty text."""
    if sample.flag > _WORST_USABLE:
        return f"reading is flagged {sample.flag.name.lower()}"
    if not isfinite(sample.value) or abs(sample.value) > LARGEST:
        return f"reading {sample.value} is not a measurement"
    return ""


def next_pace(usual_s: float, dt_s: float) -> float:
    """The usual interval after one more; a single long pause stretches it little."""
    if usual_s <= 0:
        return dt_s
    return usual_s + _PACE_GAIN * (min(dt_s, _PACE_GROWTH * usual_s) - usual_s)


def is_pause(dt_s: float, usual_s: float, gap_s: float) -> bool:
    """Whether `dt_s` since the last sample is a pause to warm up again after."""
    return usual_s > 0 and dt_s > gap_s and dt_s > _PAUSE_INTERVALS * usual_s


def blind(detector: str, channel: str, sample: Sample, reason: str) -> Finding:
    """The finding that says: cannot see."""
    return Finding(sample.sensor, sample.time_us, detector, channel, Verdict.BLIND, 0.0, reason=reason)


class PerSensor(ABC, Generic[S]):
    """A detector with one small struct per sensor.

    Parameters
    ----------
    gap_s
        A pause longer than this (and than five usual intervals) makes a sensor warm up again, > 0.
    """

    name: ClassVar[str]
    quantities: ClassVar[frozenset[str]]
    channel: ClassVar[str]
    channels: ClassVar[tuple[str, ...]] = ()  # of a detector that has several, `channel` among them
    state_type: ClassVar[type[msgspec.Struct]]

    def __init__(self, gap_s: float) -> None:
        positive(self.name, gap_s=gap_s)
        self.gap_s = gap_s
        self._sensors: dict[str, Known[S]] = {}
        known = Known[self.state_type]  # type: ignore[name-defined]  # each detector has its own kind
        self._decoder: msgspec.msgpack.Decoder[Known[S]] = msgspec.msgpack.Decoder(known)
        self.subjects: Mapping[str, Subject] = {}

    @abstractmethod
    def _first(self) -> S:
        """What is known before the first sample."""

    @abstractmethod
    def _resume(self, own: S) -> S:
        """What a pause leaves of it."""

    @abstractmethod
    def _step(self, own: S, moment: Moment) -> Answer:
        """Take one usable sample in, changing `own`."""

    def watch(self, subjects: Mapping[str, Subject]) -> None:
        """Learn what the register says of sensors."""
        self.subjects = subjects

    def update(self, batch: Sequence[Sample], around: Surroundings = NOTHING) -> list[Finding]:
        """Take samples in; one finding for each that is newer than its sensor's last, in order."""
        findings = []
        for sample in batch:
            known = self._sensors.get(sample.sensor)
            if known is not None and sample.time_us <= known.time_us:
                continue
            if why := unusable(sample):
                findings.append(blind(self.name, self.channel, sample, why))
            else:
                findings.append(self._take(sample, known, around))
        return findings

    def _take(self, sample: Sample, known: Known[S] | None, around: Surroundings) -> Finding:
        if known is None:
            dt_s = 0.0
            known = self._sensors[sample.sensor] = Known(sample.time_us, 0.0, self._first())
        else:
            dt_s = (sample.time_us - known.time_us) * 1e-6
            if is_pause(dt_s, known.usual_s, self.gap_s):
                known.own = self._resume(known.own)
            known.time_us, known.usual_s = sample.time_us, next_pace(known.usual_s, dt_s)
        subject = self.subjects.get(sample.sensor)
        moment = Moment(sample.time_us, float(sample.value), dt_s, known.usual_s, subject, around)
        answer = self._step(known.own, moment)
        score = answer.score
        if score is None:
            return blind(self.name, self.channel, sample, answer.reason)
        return Finding(
            sample.sensor,
            sample.time_us,
            self.name,
            answer.channel or self.channel,
            Verdict.ABNORMAL if score >= 1 else Verdict.NORMAL,
            score,
            answer.direction,
            answer.expected,
            answer.low,
            answer.high,
            answer.return_period_years,
            answer.reason,
            answer.evidence,
        )

    def state_of(self, sensor: str) -> State:
        """One sensor's state as MessagePack, about 100 to 1,700 bytes."""
        known = self._sensors.get(sensor)
        return None if known is None else _encode(known)

    def put_state(self, sensor: str, state: State) -> None:
        """Put a sensor back; None forgets it; InputError when it was written by another version."""
        if state is None:
            self._sensors.pop(sensor, None)
        elif isinstance(state, bytes):
            self._sensors[sensor] = self._read(state)
        else:
            raise TypeError(f"{self.name}: not a state of mine: {type(state).__name__}")

    def snapshot(self) -> bytes:
        """Everything learned, as MessagePack."""
        return _encode((self.name, {sensor: _encode(known) for sensor, known in sorted(self._sensors.items())}))

    def restore(self, data: bytes) -> None:
        """Take over a snapshot, bit for bit; InputError when it is another detector's."""
        self._sensors = {s: self._read(state) for s, state in read_snapshot(self.name, data).items()}

    def _read(self, state: bytes) -> Known[S]:
        try:
            return self._decoder.decode(state)
        except msgspec.DecodeError as error:
            raise InputError(f"{self.name}: state cannot be read ({error}), try replaying the journal") from error


def read_snapshot(detector: str, data: bytes) -> dict[str, bytes]:
    """The states by sensor in a snapshot of `detector`; InputError when it is none."""
    try:
        name, states = msgspec.msgpack.decode(data, type=tuple[str, dict[str, bytes]])
    except msgspec.DecodeError as error:
        raise InputError(f"{detector}: snapshot cannot be read ({error}), try replaying the journal") from error
    if name != detector:
        raise InputError(f"{detector}: snapshot belongs to another detector, got {name}")
    return states


def positive(detector: str, **settings: object) -> None:
    """InputError for the first setting that is not a number above 0."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not (isfinite(value) and value > 0):
            raise InputError(f"{detector}: {name} must be a number above 0, got {value!r}")
