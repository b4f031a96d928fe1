"""What every detector promises.

- `update` gives one `Finding` per sample, in order, except for samples not newer than the sensor's last one: those are
  ignored without a finding (putting late data in order is the engine's job, with `state_of` and `put_state`).
- A reading flagged FAIL or MISSING, or that is not finite, gives a BLIND finding and touches no state. SUSPECT readings
  are used like good ones: the statistics are robust to a few of them, and a suspect reading must not hide a sign.
- Time comes from the samples alone. After a pause longer than the detector's `gap_s` (and longer than five times the
  sensor's usual interval) it is BLIND until a short re-warm-up is over; what it learned before the pause is kept.
- ABNORMAL if and only if `score` >= 1. BLIND has score 0. A detector that cannot see never says NORMAL.
- A sensor is influenced by its own samples and by the neighbours that `watch` named, and by these only through what was
  measured strictly before: the order of sensors inside an instant changes nothing.
- One seed gives one story: replaying the same samples, in any batching, from the start or from any snapshot, gives
  bit-identical findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from city.reading import Sample
from detectors.subject import NOTHING, Subject, Surroundings

State: TypeAlias = "bytes | tuple[object, ...] | None"
"""One sensor's state, immutable; None before its first sample."""


class Verdict(StrEnum):
    """What a detector makes of a sample."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Finding:
    """A detector's answer to one sample.

    Attributes
    ----------
    sensor, time_us
        Of the sample answered (event time, microseconds since 1970).
    detector, channel
        Who says so, and by which of its statistics.
    verdict, score
        `score` >= 0, higher is more unusual; >= 1 exactly when ABNORMAL; 0 when BLIND.
    direction
        `up`, `down`, or empty when the detector has none; each detector says what it means by it.
    expected, low, high
        What it would have called normal, in the sensor's unit; None when unknown.
    return_period_years
        How rarely so unusual a sample comes by chance; None when not calibrated.
    reason
        One English sentence with numbers and units.
    evidence
        What it rests on, as (name, number or word), the most telling first; names are lower case with underscores and
        end with their unit (`drop_kpa`).
    """

    sensor: str
    time_us: int
    detector: str
    channel: str
    verdict: Verdict
    score: float
    direction: str = ""
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    return_period_years: float | None = None
    reason: str = ""
    evidence: tuple[tuple[str, float | str], ...] = ()


class Detector(Protocol):
    """See the module's docstring for the promises. Times in samples are event times."""

    @property
    def name(self) -> str:
        """As rule books write it."""
        ...

    @property
    def quantities(self) -> frozenset[str]:
        """Quantity ids it is made for (their canonical units are assumed); empty: any."""
        ...

    def watch(self, subjects: Mapping[str, Subject]) -> None:
        """Learn what the register says of sensors: before their first sample, and when it changed."""
        ...

    def update(self, batch: Sequence[Sample], around: Surroundings = NOTHING) -> list[Finding]:
        """Take samples in; one finding for each that is newer than its sensor's last, in order."""
        ...

    def state_of(self, sensor: str) -> State:
        """One sensor's state, to put back later."""
        ...

    def put_state(self, sensor: str, state: State) -> None:
        """Put back what `state_of` gave, for this or an equally built detector; None forgets the sensor."""
        ...

    def snapshot(self) -> bytes:
        """Everything learned, for `restore` by an equally built detector."""
        ...

    def restore(self, data: bytes) -> None:
        """Take over a snapshot, bit for bit; InputError when it is another detector's."""
        ...
