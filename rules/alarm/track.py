"""A sensor's recent past, in event-time order, with what the detectors found in each sample.

Late data is why this exists: a sample that arrives out of order is put in its place, the detectors are rolled back to
just before it and run again over what follows, and whoever decided on the old order is told from when to decide anew.
A sample more than the reorder window behind the newest comes too late to change a decision.

How conditions read: `values_between` (columns; cheap, also over long windows) where numbers are enough, `between` and
`after` (a `Sample` is made for each) where not, `finding` for what a detector said of one sample. Both ends of a span
count. Nobody else may look at how samples are kept: they lie in columns that move when a track forgets
(`rules.alarm.tracks`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Detector, Finding, Verdict

if TYPE_CHECKING:
    from rules.alarm.tracks import Tracks

States = dict[str, Any]  # detector name -> the detector's own opaque state of this sensor
DELAY_MS = (-(2**31), 2**31 - 1)  # what a kept delay can be: 24 days each way
STATES_EVERY_US = 300_000_000  # the detectors' states are kept this often, and after the newest sample
EARLY_SIGN = "early_sign"  # what watches every sensor, by its name in rule books; its answers lie in the columns
UNSEEN, USUAL, RARE = 0, 1, 2  # them, by number: not judged, normal, abnormal
_WORST_USABLE = int(Flag.SUSPECT)
_FLAGS = {flag.value: flag for flag in Flag}


@dataclass(slots=True)
class Notes:
    """What detectors found in each sample, by event time, and their states after some of the samples, oldest first."""

    found: dict[int, Mapping[str, Finding]] = field(default_factory=dict)
    marks: list[tuple[int, States]] = field(default_factory=list)


class Track:
    """The kept samples of one sensor: a window into the columns of all.

    Parameters
    ----------
    tracks, row
        Where its samples are.
    sensor, quantity, unit
        Whose track it is.

    Attributes
    ----------
    notes
        What detectors found in them.
    """

    __slots__ = ("_tracks", "notes", "quantity", "row", "sensor", "unit")

    def __init__(self, tracks: Tracks, row: int, sensor: str, quantity: str, unit: str) -> None:
        self._tracks, self.row = tracks, row
        self.sensor, self.quantity, self.unit = sensor, quantity, unit
        self.notes = Notes()

    @property
    def newest_us(self) -> int:
        """Event time of the newest sample (0 before the first)."""
        return int(self._tracks.newest_us[self.row])

    @property
    def received_us(self) -> int:
        """Newest arrival time; before the first sample, that from which silence is counted."""
        return int(self._tracks.received_us[self.row])

    def too_late(self, time_us: int) -> bool:
        """Whether a sample of that event time is too old to change a decision."""
        return time_us < self.newest_us - self._tracks.reorder_us

    # -- reading -------------------------------------------------------------------------------------------------

    @property
    def samples(self) -> list[Sample]:
        """All kept samples, oldest first."""
        return self._made(self._all())

    def between(self, from_us: int, to_us: int) -> list[Sample]:
        """Samples with event time in [from_us, to_us], oldest first."""
        return self._made(self._span(from_us, to_us))

    def after(self, time_us: int) -> list[Sample]:
        """Samples with event time above `time_us`, oldest first."""
        return self._made(self._span(time_us + 1, None)) if time_us < self.newest_us else []

    def values_between(
        self, from_us: int, to_us: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
        """Times, values and flags of the samples with event time in [from_us, to_us], oldest first.

        Only to be read, and only until the next sample comes in.
        """
        span, tracks = self._span(from_us, to_us), self._tracks
        return tracks.times[span], tracks.measured[span], tracks.flags[span]

    def finding(self, time_us: int, detector: str) -> Finding | None:
        """What a detector found in the sample of that instant."""
        found = self.notes.found.get(time_us, {}).get(detector)
        if (
            found is None
            and detector == EARLY_SIGN
            and (self._tracks.signs[self._span(time_us, time_us)] == USUAL).any()
        ):
            return Finding(self.sensor, time_us, detector, "", Verdict.NORMAL, 0.0)
        return found

    def last_before(self, time_us: int) -> tuple[int, float] | None:
        """Time and value of the last usable sample strictly before an instant."""
        span, tracks = self._span(0, time_us - 1), self._tracks
        for at in range(span.stop - 1, span.start - 1, -1):
            if tracks.flags[at] <= _WORST_USABLE:
                return int(tracks.times[at]), float(tracks.measured[at])
        return None

    def note(self, finding: Finding) -> None:
        """Remember what the watch for early signs found in a sample, for rules that ask."""
        own = self.notes.found.get(finding.time_us, {})
        self.notes.found[finding.time_us] = {**own, finding.detector: finding}
        self._tracks.noted[self.row] = self

    def _all(self) -> slice:
        start = int(self._tracks.start[self.row])
        return slice(start, start + int(self._tracks.count[self.row]))

    def _span(self, from_us: int, to_us: int | None) -> slice:
        own = self._all()
        times = self._tracks.times[own]
        end = len(times) if to_us is None else int(times.searchsorted(to_us, "right"))
        return slice(own.start + int(times.searchsorted(from_us)), own.start + end)

    def _made(self, span: slice) -> list[Sample]:
        columns = (getattr(self._tracks, name)[span].tolist() for name in ("times", "measured", "flags", "delays"))
        return [
            Sample(self.sensor, at, value, _FLAGS[flag], at + delay * 1000)
            for at, value, flag, delay in zip(*columns, strict=True)
        ]

    # -- taking in -----------------------------------------------------------------------------------------------

    def insert(self, sample: Sample, detectors: Sequence[Detector]) -> list[Finding] | None:
        """Put a sample in its place and run the detectors from there on; returns what they found anew.

        None: that instant is known already, and nothing changes (the store keeps the first value).
        """
        tracks, row, time_us = self._tracks, self.row, sample.time_us
        tracks.received_us[row] = max(int(tracks.received_us[row]), sample.received_us)
        known = self._span(time_us, time_us)
        if known.stop > known.start:
            return None
        newest = time_us > self.newest_us
        at = tracks.open_place(row, lambda: self._span(time_us, None).start - self._all().start)
        tracks.times[at], tracks.measured[at], tracks.flags[at] = time_us, sample.value, sample.flag
        tracks.delays[at] = min(max((sample.received_us - time_us) // 1000, DELAY_MS[0]), DELAY_MS[1])
        tracks.signs[at] = UNSEEN
        if newest:
            tracks.newest_us[row] = time_us
        if not detectors:
            return []
        tracks.noted[row] = self
        if not newest:
            self._roll_back(time_us, detectors)
        again = self.between(time_us, self.newest_us)
        return [finding for other in again for finding in self._detect(other, detectors)]

    def _roll_back(self, time_us: int, detectors: Sequence[Detector]) -> None:
        """Bring the detectors to just before an event time: to the last states kept before it, and on from there."""
        marks = self.notes.marks
        del marks[bisect_left(marks, time_us, key=_time_of) :]
        before_us, states = marks[-1] if marks else (0, {})
        for detector in detectors:
            detector.put_state(self.sensor, states.get(detector.name))
        for sample in self.between(before_us + 1, time_us - 1):
            for detector in detectors:
                detector.update([sample], self._tracks)

    def _detect(self, sample: Sample, detectors: Sequence[Detector]) -> list[Finding]:
        found = {d.name: finding for d in detectors for finding in d.update([sample], self._tracks)}
        self.notes.found[sample.time_us] = {**self.notes.found.get(sample.time_us, {}), **found}
        marks = self.notes.marks
        if len(marks) > 1 and marks[-1][0] - marks[-2][0] < STATES_EVERY_US:
            marks.pop()
        marks.append((sample.time_us, {d.name: d.state_of(self.sensor) for d in detectors}))
        return list(found.values())

    def rejoin(self, detectors: Sequence[Detector]) -> None:
        """Give detectors just made what this track remembers of their state (after a restart or a reload).

        A state that another version of the detector left cannot be used: the sensor warms up again. Without detectors
        nothing is remembered any more.
        """
        if not detectors:
            kept = {at: {EARLY_SIGN: own[EARLY_SIGN]} for at, own in self.notes.found.items() if EARLY_SIGN in own}
            self.notes = Notes(dict(kept))
            if not kept:
                self._tracks.noted.pop(self.row, None)
            return
        last = self.notes.marks[-1][1] if self.notes.marks else {}
        for detector in detectors:
            if detector.name in last:
                with suppress(InputError):
                    detector.put_state(self.sensor, last[detector.name])

    def forget_notes(self, cut: int) -> int:
        """The oldest `cut` samples may go; forget their notes, and return how many can go for the detectors' sake.

        They roll back to states kept after some sample, so the newest such sample among those up to `cut` stays.
        """
        marks, times = self.notes.marks, self._tracks.times[self._all()]
        if marks:
            stays = bisect_right(marks, int(times[cut]), key=_time_of) - 1
            if stays < 0:
                return 0
            cut = int(times.searchsorted(marks[stays][0]))
            del marks[:stays]
        found = self.notes.found
        for at_us in times[:cut].tolist() if found else ():
            found.pop(at_us, None)
        if not found and not marks:
            self._tracks.noted.pop(self.row, None)
        return cut


def _time_of(mark: tuple[int, States]) -> int:
    return mark[0]
