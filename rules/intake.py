"""Takes readings in: into the tracks, through the detectors, and to every rule that looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from city.reading import Sample
from detectors.protocol import Detector, Finding, Verdict
from rules.alarm.alarm import Moved
from rules.alarm.silence import heard_again
from rules.alarm.track import Track
from rules.book import LONGEST_US, REORDER_US, Book
from rules.conditions.condition import USABLE, Moment, holds
from rules.conditions.truth import Truth
from rules.state import State


@dataclass(frozen=True)
class Intake:
    """The way of readings into a state under a book. `detectors`: by sensor."""

    state: State
    book: Book
    detectors: Mapping[str, tuple[Detector, ...]]

    def take(self, samples: Iterable[Sample]) -> tuple[list[Moved], list[Finding]]:
        """Decide on readings, in event-time order; what happened to alarms, and what detectors found anew."""
        state, book = self.state, self.book
        dirty: dict[str, int] = {}  # instance key -> earliest event time to decide from
        findings: list[Finding] = []
        gateways: dict[str, int] = {}
        sensors: dict[str, int] = {}
        for sample in sorted(samples, key=lambda s: (s.time_us, s.sensor)):
            track = state.tracks.get(sample.sensor)
            if track is None:
                continue
            gateway = book.city.sensors[sample.sensor].gateway
            gateways[gateway] = max(gateways.get(gateway, 0), sample.received_us)
            sensors[sample.sensor] = sample.received_us
            if track.too_late(sample.time_us):
                findings += self._too_late(track, sample)
                continue
            found = track.insert(sample, self.detectors.get(sample.sensor, ()))
            if found is None:
                continue
            findings += self._changed(found)
            for instance in book.of_sensor.get(sample.sensor, ()):
                dirty.setdefault(instance.key, sample.time_us)
            for instance in book.near_sensor.get(sample.sensor, ()):
                if sample.time_us <= state.folds[instance.key].evaluated_us:
                    dirty[instance.key] = min(dirty.get(instance.key, sample.time_us), sample.time_us)
            state.evaluated += 1
        state.hearing.heard_us.update(gateways)
        moves = heard_again(state.hearing, book, gateways, sensors)
        for key, from_us in dirty.items():
            moves += state.folds[key].advance(book.instances[key], state.tracks, from_us, state.now_us)
        for sensor in sensors:
            self._forget(sensor)
        return moves, findings

    def _forget(self, sensor: str) -> None:
        """Drop of a track what neither its detectors nor any rule that looks at it can need again."""
        state, book = self.state, self.book
        track = state.tracks[sensor]
        if not track.long:
            return
        own = book.of_sensor.get(sensor, ())
        settled_us = track.newest_us - REORDER_US
        for instance in own:
            state.folds[instance.key].settle(settled_us)
        looking = [(state.folds[i.key], i) for i in (*own, *book.near_sensor.get(sensor, ()))]
        needed_us = min([settled_us, *(fold.needs_from_us(i) for fold, i in looking if fold.evaluated_us)])
        track.forget(max(needed_us, track.newest_us - LONGEST_US))

    def _changed(self, findings: list[Finding]) -> list[Finding]:
        """Only findings that change a detector's verdict on a sensor are recorded."""
        told = []
        for finding in findings:
            key = f"{finding.detector}/{finding.sensor}"
            was = self.state.verdicts.get(key, Verdict.BLIND)
            self.state.verdicts[key] = finding.verdict
            if finding.verdict is not was and not (was is Verdict.BLIND and finding.verdict is Verdict.NORMAL):
                told.append(finding)
        return told

    def _too_late(self, track: Track, sample: Sample) -> list[Finding]:
        """Too old to change a decision: record that it would have alarmed."""
        if sample.flag not in USABLE:
            return []
        moment = Moment(sample, track, self.state.tracks)
        found = []
        for instance in self.book.of_sensor.get(sample.sensor, ()):
            for rung in instance.ladder.rungs:
                if holds(rung.condition, moment, 0.0) is Truth.TRUE:
                    reason = (
                        f"{rung.level.word} of {instance.rule.id} would have held; it came too late to be decided on"
                    )
                    name, score = f"rule:{instance.rule.id}", float(rung.level)
                    found.append(
                        Finding(
                            sample.sensor, sample.time_us, name, "late_detected", Verdict.ABNORMAL, score, reason=reason
                        )
                    )
                    break
        return found
