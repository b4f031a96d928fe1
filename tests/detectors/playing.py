"""Plays several sensors to a detector as a city would: everything before an instant can be asked for, nothing after."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Detector, Finding, Verdict
from detectors.subject import Subject


class Played:
    """Surroundings of recorded columns: times (us, rising) and values by sensor."""

    def __init__(self, series: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> None:
        self.series = series

    def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
        times, values = self.series.get(sensor, ((), ()))
        at = bisect_left(times, time_us) - 1
        return (times[at], values[at]) if at >= 0 else None


def play(
    detector: Detector, subject: Subject, series: Mapping[str, tuple[Sequence[int], Sequence[float]]]
) -> list[Finding]:
    """What a detector finds in one sensor among others."""
    detector.watch({subject.sensor: subject})
    times, values = series[subject.sensor]
    samples = [Sample(subject.sensor, t, v, Flag.PASS, t) for t, v in zip(times, values, strict=True)]
    return detector.update(samples, Played(series))


def onsets(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with which something abnormal begins; a blind spell in between does not end it."""
    begun, found = False, []
    for finding in findings:
        if finding.verdict is Verdict.ABNORMAL and not begun:
            found.append(finding)
        if finding.verdict is not Verdict.BLIND:
            begun = finding.verdict is Verdict.ABNORMAL
    return found
