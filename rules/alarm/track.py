"""A sensor's recent past, in event-time order, with what the detectors found in each sample.

Late data is why this exists: a sample that arrives out of order is put in its place, the detectors are rolled back to
just before it and run again over what follows, and whoever decided on the old order is told from when to decide anew.
A sample more than `reorder_us` behind the newest comes too late to change a decision.

How conditions read: `values_between` (columns; cheap, also over long windows) where numbers are enough, `between` and
`after` (a `Sample` made for each) where not, `finding` for what a detector said of one sample. Both ends of a span count.
Nobody else may look at how samples are kept: they are columns that move when a track forgets.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Detector, Finding

States = dict[str, Any]  # detector name -> the detector's own opaque state of this sensor


class Track:
    """The kept samples of one sensor.

    Parameters
    ----------
    sensor, quantity, unit
        Whose track it is.
    reorder_us
        How far behind the newest sample a late one still changes decisions.
    keep_us
        How much event time is usually kept behind the newest sample: `reorder_us` and what conditions look back.
    received_us
        Arrival time from which silence is counted before the first sample.
    """

    __slots__ = (
        "_findings",
        "_states",
        "_times",
        "keep_us",
        "quantity",
        "received_us",
        "reorder_us",
        "samples",
        "sensor",
        "unit",
    )

    def __init__(self, sensor: str, quantity: str, unit: str, reorder_us: int, keep_us: int, received_us: int) -> None:
        self.sensor, self.quantity, self.unit = sensor, quantity, unit
        self.reorder_us, self.keep_us = reorder_us, keep_us
        self.received_us = received_us
        self.samples: list[Sample] = []
        self._times: list[int] = []
        self._findings: list[Mapping[str, Finding] | None] = []  # None: no detector
        self._states: list[States | None] = []  # after the sample of the same place

    @property
    def newest_us(self) -> int:
        """Event time of the newest sample (0 before the first)."""
        return self._times[-1] if self._times else 0

    def too_late(self, time_us: int) -> bool:
        """Whether a sample of that event time is too old to change a decision."""
        return time_us < self.newest_us - self.reorder_us

    def insert(self, sample: Sample, detectors: Sequence[Detector]) -> list[Finding] | None:
        """Put a sample in its place and run the detectors from there on; returns what they found anew.

        None: that instant is known already, and nothing changes (the store keeps the first value).
        """
        self.received_us = max(self.received_us, sample.received_us)
        place = bisect_left(self._times, sample.time_us)
        if place < len(self._times) and self._times[place] == sample.time_us:
            return None
        self._times.insert(place, sample.time_us)
        self.samples.insert(place, sample)
        self._findings.insert(place, None)
        self._states.insert(place, None)
        if not detectors:
            return []
        if place < len(self._times) - 1:
            self._roll_back(place, detectors)
        return [finding for at in range(place, len(self._times)) for finding in self._detect(at, detectors)]

    def _roll_back(self, place: int, detectors: Sequence[Detector]) -> None:
        before = (self._states[place - 1] if place else None) or {}
        for detector in detectors:
            detector.put_state(self.sensor, before.get(detector.name))

    def _detect(self, place: int, detectors: Sequence[Detector]) -> list[Finding]:
        found = {d.name: finding for d in detectors for finding in d.update([self.samples[place]])}
        self._findings[place] = found
        self._states[place] = {d.name: d.state_of(self.sensor) for d in detectors}
        return list(found.values())

    def between(self, from_us: int, to_us: int) -> list[Sample]:
        """Samples with event time in [from_us, to_us], oldest first."""
        return self.samples[bisect_left(self._times, from_us) : bisect_right(self._times, to_us)]

    def values_between(
        self, from_us: int, to_us: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
        """Times, values and flags of the samples with event time in [from_us, to_us], oldest first; only to be read,
        and only until the next sample comes in."""
        span = slice(bisect_left(self._times, from_us), bisect_right(self._times, to_us))
        kept = self.samples[span]
        return (
            np.array(self._times[span], dtype=np.int64),
            np.array([sample.value for sample in kept], dtype=np.float64),
            np.array([sample.flag for sample in kept], dtype=np.uint8),
        )

    def after(self, time_us: int) -> list[Sample]:
        """Samples with event time above `time_us`, oldest first."""
        return self.samples[bisect_right(self._times, time_us) :]

    def finding(self, time_us: int, detector: str) -> Finding | None:
        """What a detector found in the sample of that instant."""
        place = bisect_left(self._times, time_us)
        if place == len(self._times) or self._times[place] != time_us:
            return None
        return (self._findings[place] or {}).get(detector)

    def rejoin(self, detectors: Sequence[Detector]) -> None:
        """Give detectors just made what this track remembers of their state (after a restart or a reload).

        A state that another version of the detector left cannot be used: the sensor warms up again.
        """
        last = (self._states[-1] if self._states else None) or {}
        for detector in detectors:
            if detector.name in last:
                with suppress(InputError):
                    detector.put_state(self.sensor, last[detector.name])

    @property
    def long(self) -> bool:
        """Whether it is time to look what can be forgotten: rarely, a quarter of the usual span at a time."""
        return bool(self._times) and self._times[0] < self.newest_us - self.keep_us * 5 // 4

    def forget(self, before_us: int) -> None:
        """Drop the samples before an event time, but for one: the detectors roll back to its state."""
        cut = bisect_left(self._times, before_us) - 1
        if cut > 0:
            for column in (self._times, self.samples, self._findings, self._states):
                del column[:cut]

    def __getstate__(self) -> tuple[Any, ...]:
        """For snapshots: samples as bytes, column by column; whole objects would cost twenty times the time."""
        samples = (
            array("q", self._times).tobytes(),
            array("q", [s.received_us for s in self.samples]).tobytes(),
            array("d", [s.value for s in self.samples]).tobytes(),
            bytes(s.flag for s in self.samples),
        )
        notes = (self._findings, self._states) if any(self._states) or any(self._findings) else None
        head = (self.sensor, self.quantity, self.unit, self.reorder_us, self.keep_us, self.received_us)
        return head, samples, notes

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        head, (times, received, values, flags), notes = state
        self.__init__(*head)  # type: ignore[misc]  # unpickling is the one place that makes a track twice
        self._times = list(array("q", times))
        columns = zip(self._times, array("d", values), flags, array("q", received), strict=True)
        self.samples = [Sample(self.sensor, at, value, Flag(flag), heard) for at, value, flag, heard in columns]
        self._findings = notes[0] if notes else [None] * len(self._times)
        self._states = notes[1] if notes else [None] * len(self._times)
