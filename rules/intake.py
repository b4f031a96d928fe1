"""Takes readings in: into the tracks, through the detectors, and to every rule that looks at them.

A batch is stored as a whole where it is in order. What `rules.glance` proves to change nothing is done with then; all
the rest goes the one road that decides: `Fold.advance` of every rule that looks at the sensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Detector, Finding, Verdict
from rules.alarm.alarm import Moved
from rules.alarm.fold import Fold
from rules.alarm.ladder import NearMiss
from rules.alarm.silence import heard_again
from rules.alarm.track import RARE, Track
from rules.alarm.tracks import Longs, ramp
from rules.book import REORDER_US, Book, Instance
from rules.conditions.condition import Moment, holds
from rules.conditions.truth import Truth
from rules.glance import Glance
from rules.inputs import ReadingsIn
from rules.reasons import because
from rules.signs.watch import Fresh, SignWatch, late_by_row
from rules.state import State


@dataclass
class _Batch:
    """Readings of known sensors, sorted by row and time; each run (one sensor) begins at `first`.

    `own`, `before_us`: by run, its row and the newest sample before the batch. `since_us`: its earliest new sample, or
    the greatest number when nothing was new. `whole`: it is in order, with nothing to be detected. `fresh`: by reading,
    whether it is newer than all before of its sensor. `late`: rows and times of those that were put in between.
    """

    rows: Longs
    times: Longs
    received: Longs
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]
    first: NDArray[np.intp]
    own: Longs
    before_us: Longs
    since_us: Longs = field(default_factory=lambda: np.zeros(0, np.int64))
    whole: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    fresh: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    late: list[tuple[int, int]] = field(default_factory=list)


_NEVER = np.iinfo(np.int64).max


class Intake:
    """The way of readings into a state under a book.

    Parameters
    ----------
    state, book
        What is changed, and by which rules.
    detectors
        By sensor.
    watch
        Looks for early signs; None: nobody does.
    glance
        Whether to pass over what provably changes nothing. It changes no answer.
    """

    def __init__(
        self, state: State, book: Book, detectors: Mapping[str, tuple[Detector, ...]], watch: SignWatch | None = None,
        *, glance: bool = True,
    ) -> None:  # fmt: skip
        self._state, self._book, self._detectors, self._watch = state, book, detectors, watch
        self._glance = Glance(state.tracks, book, state.folds, detectors, off=not glance)
        if watch is not None:
            state.tracks.needed_us = lambda rows: np.minimum(self._glance.needed_us(rows), watch.needed_us(rows))
        self._names = {track.row: name for name, track in state.tracks.items()}
        self._gateways = tuple(book.city.gateways)
        numbers = {name: number for number, name in enumerate(self._gateways)}
        self._gateway_of = np.zeros(len(state.tracks.start), np.int64)
        for sensor in book.city.sensors.values():
            self._gateway_of[state.tracks[sensor.id].row] = numbers[sensor.gateway]
        self._known: tuple[tuple[str, ...], Longs] = ((), np.array([-1]))  # names last seen, their rows, -1
        self._place = np.full(len(state.tracks.start), -1, np.int64)  # of a row: its run in the batch at hand

    def take(self, entry: ReadingsIn) -> tuple[list[Moved], list[Finding]]:
        """Decide on readings, in event-time order; what happened to alarms, and what detectors found anew."""
        batch = self._arranged(entry)
        if not len(batch.rows):
            return [], []
        glance = self._glance
        self._place[batch.own] = np.arange(len(batch.own))
        seen = glance.seen(batch.own)
        harmless = glance.harmless(batch.own, batch.times[batch.first])
        findings = self._store(batch)
        findings += self._look(batch)
        moves = self._hear(batch)
        calm = glance.calm(batch.rows, batch.values, batch.first, self._signs(batch))
        glance.stirred(batch.own[~(calm & batch.whole)])
        passed = calm & batch.whole & glance.idle(batch.own)
        dirty = self._dirty(batch, np.flatnonzero(~passed), np.flatnonzero(seen & ~(harmless & batch.whole)))
        moves += self._decide(batch, dirty, findings)
        glance.look_again(batch.own[~passed])
        self._place[batch.own] = -1
        return moves, findings

    def remember(self, entry: ReadingsIn) -> None:
        """Take in readings that were decided on before, for what comes: nothing is decided, and nothing is told."""
        batch = self._arranged(entry)
        if len(batch.rows):
            self._place[batch.own] = np.arange(len(batch.own))
            self._store(batch)
            self._look(batch)
            self._hear(batch)
            self._place[batch.own] = -1

    def unheard(self, until_us: int) -> list[str]:
        """Sensors with folds that silence, proven up to `until_us`, may change, in the order of their names."""
        rows = self._glance.unheard(self._state.hearing.listening_us, until_us)
        return sorted(self._names[row] for row in rows.tolist())

    def _arranged(self, entry: ReadingsIn) -> _Batch:
        if entry.sensors is not self._known[0]:
            tracks = self._state.tracks
            known = [tracks[name].row if name in tracks else -1 for name in entry.sensors]
            self._known = (entry.sensors, np.array([*known, -1], dtype=np.int64))
        rows = self._known[1][entry.which]
        order = np.lexsort((entry.time_us, rows))
        order = order[np.searchsorted(rows[order], 0) :]  # unknown sensors come first, and are passed over
        rows = rows[order]
        first = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1]))) if len(rows) else order
        own = rows[first]
        return _Batch(
            rows, entry.time_us[order], entry.received_us[order], entry.value[order], entry.flag[order], first, own,
            self._state.tracks.newest_us[own],
        )  # fmt: skip

    # -- storing -------------------------------------------------------------------------------------------------

    def _store(self, batch: _Batch) -> list[Finding]:
        """Put all samples into their tracks: those in order at once, the others one by one."""
        rising = np.ones(len(batch.rows), bool)
        rising[1:] = batch.times[1:] > batch.times[:-1]
        rising[batch.first] = batch.times[batch.first] > batch.before_us
        many = np.diff(np.append(batch.first, len(batch.rows)))
        batch.fresh = rising & (batch.times > np.repeat(batch.before_us, many))
        batch.whole = np.logical_and.reduceat(rising, batch.first) & ~self._glance.detected[batch.own]
        batch.since_us = np.where(batch.whole, batch.times[batch.first], _NEVER)
        each = np.repeat(batch.whole, many)
        self._state.evaluated += int(each.sum())
        if each.any():
            at = slice(None) if each.all() else np.flatnonzero(each)
            self._state.tracks.append(
                batch.rows[at], batch.times[at], batch.values[at], batch.flags[at], batch.received[at]
            )
        left = np.flatnonzero(~each)
        names = [self._names[row] for row in batch.rows[left].tolist()]
        rest = (column[left].tolist() for column in (batch.values, batch.flags, batch.received))
        samples = zip(batch.times[left].tolist(), names, *rest, strict=True)
        return self._store_singly(batch, sorted(samples, key=itemgetter(0, 1)))

    def _store_singly(self, batch: _Batch, rows: list[tuple[int, str, float, int, int]]) -> list[Finding]:
        findings: list[Finding] = []
        state = self._state
        if rows:
            state.tracks.reserve(*np.unique([state.tracks[row[1]].row for row in rows], return_counts=True))
        for time_us, name, value, flag, received_us in rows:
            track, sample = state.tracks[name], Sample(name, time_us, value, Flag(flag), received_us)
            if track.too_late(time_us):
                findings += self._too_late(track, sample)
                continue
            found = track.insert(sample, self._detectors.get(name, ()))
            if found is not None:
                findings += self._changed(found)
                place = self._place[track.row]
                batch.since_us[place] = min(int(batch.since_us[place]), time_us)
                if time_us < batch.before_us[place]:
                    batch.late.append((track.row, time_us))
                state.evaluated += 1
        return findings

    def _look(self, batch: _Batch) -> list[Finding]:
        """Look for early signs in what is stored now."""
        if self._watch is None:
            return []
        at = slice(None) if batch.fresh.all() else np.flatnonzero(batch.fresh)
        fresh = Fresh(batch.rows[at], batch.times[at], batch.values[at], batch.flags[at])
        return self._watch.take(fresh, late_by_row(batch.late))

    def _signs(self, batch: _Batch) -> NDArray[np.bool_]:
        """By reading, whether it is an early sign; so far as it is newer than all before of its sensor."""
        signs = np.zeros(len(batch.rows), bool)
        if self._watch is not None and self._book.asked_for_signs:
            many = np.add.reduceat(batch.fresh, batch.first, dtype=np.int64)
            tracks = self._state.tracks
            at, _ = ramp(tracks.start[batch.own] + tracks.count[batch.own] - many, many)
            signs[batch.fresh] = tracks.signs[at] == RARE
        return signs

    def _hear(self, batch: _Batch) -> list[Moved]:
        """Note which gateways were heard, and end the alarms of what was silent."""
        newest = np.zeros(len(self._gateways), np.int64)
        np.maximum.at(newest, self._gateway_of[batch.own], np.maximum.reduceat(batch.received, batch.first))
        gateways = {self._gateways[number]: int(newest[number]) for number in np.flatnonzero(newest).tolist()}
        hearing, tracks = self._state.hearing, self._state.tracks
        last = batch.received[np.append(batch.first[1:], len(batch.rows)) - 1]
        sensors = {
            alarm.scope: int(last[place])
            for alarm in hearing.alarms.values()
            if alarm.scope in tracks and (place := self._place[tracks[alarm.scope].row]) >= 0
        }
        hearing.hear(self._book, gateways)
        return heard_again(hearing, self._book, gateways, sensors)

    # -- deciding ------------------------------------------------------------------------------------------------

    def _dirty(self, batch: _Batch, own: NDArray[np.intp], near: NDArray[np.intp]) -> dict[str, int]:
        """Instances to decide on, and from which event time: of runs `own`, and those that look at runs `near`."""
        dirty: dict[str, int] = {}
        book = self._book
        for place in own.tolist():
            since_us = int(batch.since_us[place])
            if since_us != _NEVER:
                for instance in book.of_sensor.get(self._names[int(batch.own[place])], ()):
                    dirty[instance.key] = since_us
        for place in near.tolist():
            since_us = int(batch.since_us[place])
            for instance in book.near_sensor.get(self._names[int(batch.own[place])], ()):
                if since_us <= self._evaluated_us(batch, instance):
                    dirty[instance.key] = min(dirty.get(instance.key, since_us), since_us)
        return dirty

    def _evaluated_us(self, batch: _Batch, instance: Instance) -> int:
        """Up to which event time an instance was decided on before the batch."""
        row = self._state.tracks[instance.sensor.id].row
        place = int(self._place[row])
        return int(batch.before_us[place] if place >= 0 else self._state.tracks.newest_us[row])

    def _decide(self, batch: _Batch, dirty: Mapping[str, int], findings: list[Finding]) -> list[Moved]:
        """Move the instances on; what happened to their alarms, in the order in which it happened.

        `findings` is given the near misses.
        """
        state, book = self._state, self._book
        told: list[tuple[int, str, list[Moved]]] = []
        touched: dict[str, None] = {}
        for key, from_us in dirty.items():
            instance = book.instances[key]
            fold = state.folds.get(key)
            if fold is None:
                evaluated_us = self._evaluated_us(batch, instance)
                fold = Fold.resting(evaluated_us - REORDER_US - 1, evaluated_us)
            near: list[NearMiss] = []
            moves = fold.advance(instance, state.tracks, from_us, state.now_us, near)
            findings += [_near_miss(instance, missed) for missed in near]
            if moves:
                told.append((moves[0].at_us, key, moves))
            if self._kept(fold, key, instance):
                touched[instance.sensor.id] = None
        for sensor in touched:
            self._remember(sensor)
        return [moved for *_, moves in sorted(told, key=itemgetter(0, 1)) for moved in moves]

    def _kept(self, fold: Fold, key: str, instance: Instance) -> bool:
        """Keep a fold while it has something to remember; whether it was or is kept."""
        folds, settled_us = self._state.folds, self._state.tracks[instance.sensor.id].newest_us - REORDER_US
        if fold.over(settled_us):
            return folds.pop(key, None) is not None
        if len(fold.checks) > 1 and fold.checks[1].at_us < settled_us:
            fold.settle(settled_us)
        folds[key] = fold
        return True

    def _remember(self, sensor: str) -> None:
        state = self._state
        own = [fold for i in self._book.of_sensor.get(sensor, ()) if (fold := state.folds.get(i.key)) is not None]
        hold_us = min((fold.checks[0].at_us for fold in own), default=0)
        self._glance.remember(state.tracks[sensor].row, len(own), hold_us)

    def _changed(self, findings: list[Finding]) -> list[Finding]:
        """Only findings that change a detector's verdict on a sensor are recorded."""
        told = []
        for finding in findings:
            key = f"{finding.detector}/{finding.sensor}"
            was = self._state.verdicts.get(key, Verdict.BLIND)
            self._state.verdicts[key] = finding.verdict
            if finding.verdict is not was and not (was is Verdict.BLIND and finding.verdict is Verdict.NORMAL):
                told.append(finding)
        return told

    def _too_late(self, track: Track, sample: Sample) -> list[Finding]:
        """Too old to change a decision: record that it would have alarmed."""
        found = []
        for instance in self._book.of_sensor.get(sample.sensor, ()):
            flags = instance.ladder.flags
            moment = Moment(sample, track, self._state.tracks, flags.usable)
            for rung in instance.ladder.rungs if sample.flag in flags.raising else ():
                if holds(rung.condition, moment, 0.0) is Truth.TRUE:
                    reason = because("too_late", level=rung.level.word, rule=instance.rule.id)
                    name, score = f"rule:{instance.rule.id}", float(rung.level)
                    found.append(
                        Finding(
                            sample.sensor, sample.time_us, name, "late_detected", Verdict.ABNORMAL, score, reason=reason
                        )
                    )
                    break
        return found


def _near_miss(instance: Instance, missed: NearMiss) -> Finding:
    """What a rule nearly raised; told again after late data it has the same key, and the first word stays."""
    seconds = f"{(missed.until_us - missed.since_us) / 1e6:g}"
    reason = because("near_miss", level=missed.level.word, rule=instance.rule.id, seconds=seconds)
    name = f"rule:{instance.rule.id}"
    return Finding(instance.sensor.id, missed.since_us, name, "near_miss", Verdict.NORMAL, 0.0, reason=reason)
