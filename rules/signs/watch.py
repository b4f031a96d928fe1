"""The watch: batches of readings go through the fleet engine as columns; changes of verdicts come out as findings.

Nothing is done sample by sample while all is calm. Something is told when a sign begins, when it ends, and when it goes
out of sight (a pause while it stood); single readings that cannot be judged change nothing.

Late data. Samples that come in order, however late, are taken as they come. For one behind newer samples of its sensor
the fleet would have to go back: states to go back to are kept only of sensors that were late before, at most
`MARKED_MOST`, one for five minutes of the reorder window. With one, the sensor is put back and all samples since are
judged again, in order; without one, the late sample is neither judged nor learned, and counted (`Signs.unlearned`). A
kilobyte for every sensor and five minutes would cost more memory than everything else together, for what most sensors
never do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detectors.columns import ABNORMAL, BLIND, CONTEXTS, NORMAL, Bytes, Columns, Floats, Found, Longs
from detectors.early.channels import PAUSED, WARMING
from detectors.protocol import Finding, Verdict
from detectors.subject import Subject
from rules.alarm.track import RARE as RARE_SAMPLE
from rules.alarm.track import UNSEEN, USUAL, Track
from rules.alarm.tracks import Tracks, ramp
from rules.signs.around import last_before, local_us
from rules.signs.memory import LOST, RARE, FleetLike, Marked, Signs
from rules.signs.memory import USUAL as AT_REST
from rules.signs.telling import finding

MARKED_MOST = 2000
MARK_EVERY_US = 300_000_000
PATIENCE_INTERVALS, PATIENCE_LEAST_US = 5, 900_000_000  # how old a neighbour's value may be
BAND_EVERY_US = 1_800_000_000
_NEVER = np.iinfo(np.int64).max
_CODES = np.zeros(3, np.uint8)
_CODES[[NORMAL, ABNORMAL, BLIND]] = USUAL, RARE_SAMPLE, UNSEEN
_AS_TOLD = {Verdict.NORMAL: AT_REST, Verdict.ABNORMAL: RARE, Verdict.BLIND: LOST}


class Fresh(NamedTuple):
    """Samples (n,) newer than all before of their sensors, sorted by row of the tracks and time."""

    rows: Longs
    times: Longs
    values: Floats
    flags: Bytes


class Band(NamedTuple):
    """What was expected at some samples: for drawing."""

    sensors: tuple[str, ...]
    times_us: tuple[int, ...]
    expected: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class SignWatch:
    """The watch over one city's sensors.

    Parameters
    ----------
    signs
        What is changed; its fleet is there.
    tracks
        Where samples lie; to stay.
    subjects
        By row of the fleet.
    units
        By sensor.
    asked
        Sensors whose samples' findings rules ask for.
    """

    def __init__(
        self, signs: Signs, tracks: Tracks, subjects: Sequence[Subject], units: Mapping[str, str],
        asked: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._signs, self._tracks, self._units = signs, tracks, units
        self._zone = next((s.zone for s in subjects if s.zone is not None), ZoneInfo("UTC"))
        size = len(tracks.start)
        self._names = [subject.sensor for subject in subjects]
        self._track_row = np.array([tracks[name].row for name in self._names], dtype=np.int64)
        self._row = np.full(size, -1, np.int64)
        self._row[self._track_row] = np.arange(len(subjects))
        self._around = np.full((len(subjects), CONTEXTS), -1, np.int64)
        self._patience_us = np.full((len(subjects), CONTEXTS), PATIENCE_LEAST_US)
        interval_us = {s.sensor: round(s.interval_s * 1e6) for s in subjects}
        for at, subject in enumerate(subjects):
            for place, other in enumerate(subject.context[:CONTEXTS]):
                if (track := tracks.get(other.sensor)) is not None:
                    self._around[at, place] = track.row
                    usual_us = PATIENCE_INTERVALS * interval_us.get(other.sensor, 0)
                    self._patience_us[at, place] = max(usual_us, PATIENCE_LEAST_US)
        self._asked = np.zeros(len(subjects), bool)
        self._asked[[self._row[tracks[name].row] for name in asked if name in tracks]] = True
        self._held_us = np.full(size, _NEVER, np.int64)  # by row of the tracks: oldest state to go back to
        self._marked = np.zeros(len(subjects), bool)
        for name, marked in signs.marked.items():
            self._hold(name, marked)
        self.band: Band | None = None

    @property
    def _fleet(self) -> FleetLike:
        fleet = self._signs.fleet
        if fleet is None:
            raise RuntimeError("the watch has no fleet")
        return fleet

    def needed_us(self, rows: Longs) -> Longs:
        """From which event time on samples of rows of the tracks are needed to judge late ones."""
        return self._held_us[rows]

    def take(self, fresh: Fresh, late: Mapping[int, tuple[int, int]]) -> list[Finding]:
        """Take samples in that are stored already; what is to be told.

        Parameters
        ----------
        late
            By row of the tracks: event time of the oldest late sample that was stored, and how many there were.
        """
        told: list[Finding] = []
        late = {row: one for row, one in late.items() if self._row[row] >= 0}
        back = {row for row, (since_us, _) in late.items() if self._mark_before(row, since_us)}
        own = self._row[fresh.rows]
        keep = own >= 0
        if back:
            keep &= ~np.isin(fresh.rows, list(back))
        if not keep.all():
            fresh, own = Fresh(fresh.rows[keep], fresh.times[keep], fresh.values[keep], fresh.flags[keep]), own[keep]
        if len(own):
            told += self._judge(fresh, own)
        for row, (since_us, many) in late.items():
            told += self._late(row, since_us, many, row in back)
        return told

    # -- in order ------------------------------------------------------------------------------------------------

    def _judge(self, fresh: Fresh, own: Longs) -> list[Finding]:
        first = np.flatnonzero(np.concatenate(([True], own[1:] != own[:-1])))
        many = np.diff(np.append(first, len(own)))
        rows = fresh.rows[first]
        at, _ = ramp(self._tracks.start[rows] + self._tracks.count[rows] - many, many)
        found = self._fleet.update(self._columns(fresh, own))
        self._tracks.signs[at] = _CODES[found.verdict]
        runs = own[first]
        stirred = np.logical_or.reduceat(found.verdict == ABNORMAL, first) | (self._signs.told[runs] != AT_REST)
        told: list[Finding] = []
        for run in np.flatnonzero(stirred).tolist():
            told += self._turns(fresh, found, int(runs[run]), slice(int(first[run]), int(first[run] + many[run])))
        self._draw(fresh, own, found, first)
        if self._marked[runs].any():
            for row in runs[self._marked[runs]].tolist():
                self._mark(row)
        return told

    def _columns(self, fresh: Fresh, own: Longs) -> Columns:
        around, patience_us = self._around[own].ravel(), self._patience_us[own].ravel()
        context = last_before(self._tracks, around, np.repeat(fresh.times, CONTEXTS), patience_us)
        local = local_us(fresh.times, self._zone)
        return Columns(own, fresh.times, local, fresh.values, fresh.flags, context.reshape(-1, CONTEXTS))

    def _turns(self, fresh: Fresh, found: Found, row: int, span: slice) -> list[Finding]:
        """The findings of a sensor's samples that change what was told of it last."""
        name, told = self._names[row], int(self._signs.told[row])
        marked = self._signs.marked.get(name) if self._marked[row] else None
        changes = []
        for at in range(span.start, span.stop):
            now = _turned(told, int(found.verdict[at]), int(found.reason[at]))
            if now != told or (self._asked[row] and found.verdict[at] == ABNORMAL):
                one = finding(name, int(fresh.times[at]), float(fresh.values[at]), self._units[name], found, at)
                if self._asked[row]:
                    self._track(row).note(one)
                if now != told:
                    changes.append(one)
                    if marked is not None:
                        marked.told.append((one.time_us, now))
            told = now
        self._signs.told[row] = told
        return changes

    def _track(self, row: int) -> Track:
        return self._tracks[self._names[row]]

    def _draw(self, fresh: Fresh, own: Longs, found: Found, first: NDArray[np.intp]) -> None:
        """Keep what was expected where a sensor's step of time begins; sensors take turns, lest all come at once."""
        shift = (own * BAND_EVERY_US) // max(len(self._names), 1)
        step = (fresh.times + shift) // BAND_EVERY_US
        before = np.concatenate(([0], step[:-1]))
        before[first] = self._signs.drawn[own[first]]
        due = (step != before) & np.isfinite(found.low) & np.isfinite(found.high)
        drawn = np.flatnonzero(due)
        if not len(drawn):
            return
        self._signs.drawn[own[drawn]] = step[drawn]
        self.band = _joined(
            self.band,
            Band(
                tuple(self._names[row] for row in own[drawn].tolist()), tuple(fresh.times[drawn].tolist()),
                *(tuple(column[drawn].tolist()) for column in (found.expected, found.low, found.high)),
            ),
        )  # fmt: skip

    # -- behind newer ones ---------------------------------------------------------------------------------------

    def _mark_before(self, track_row: int, since_us: int) -> bool:
        marked = self._signs.marked.get(self._names[int(self._row[track_row])])
        return marked is not None and bool(marked.states) and marked.states[0][0] < since_us

    def _late(self, track_row: int, since_us: int, many: int, back: bool) -> list[Finding]:
        row = int(self._row[track_row])
        name, signs = self._names[row], self._signs
        marked = signs.marked.pop(name, None) or Marked()
        signs.marked[name] = marked  # the newest comes last
        told: list[Finding] = []
        if back:
            told = self._again(row, marked, since_us)
        else:
            signs.unlearned += many
        while len(signs.marked) > MARKED_MOST:
            self._let_go(next(iter(signs.marked)))
        self._mark(row)
        return told

    def _again(self, row: int, marked: Marked, since_us: int) -> list[Finding]:
        """Put a sensor back to before an event time and judge all samples since then, in order."""
        while marked.states[-1][0] >= since_us:
            marked.states.pop()
        before_us, told_then, state = marked.states[-1]
        was = [one for one in marked.told if one[0] > before_us]
        marked.told = [one for one in marked.told if one[0] <= before_us]
        self._fleet.put_row_state(row, state)
        self._signs.told[row] = told_then
        times, values, flags = self._track(row).values_between(before_us + 1, _NEVER)
        rows = np.full(len(times), self._track_row[row])
        told = self._judge(Fresh(rows, times, values, flags), np.full(len(times), row))
        return [one for one in told if (one.time_us, _AS_TOLD[one.verdict]) not in was]

    def _mark(self, row: int) -> None:
        """Keep a sensor's state, if the last one kept is old enough; let go of those that nobody can go back to."""
        name = self._names[row]
        marked = self._signs.marked[name]
        newest_us = int(self._tracks.newest_us[self._track_row[row]])
        if not marked.states or newest_us - marked.states[-1][0] >= MARK_EVERY_US:
            marked.states.append((newest_us, int(self._signs.told[row]), self._fleet.row_state(row)))
        settled_us = newest_us - self._tracks.reorder_us
        while len(marked.states) > 1 and marked.states[1][0] < settled_us:
            marked.states.pop(0)
        marked.told = [one for one in marked.told if one[0] > marked.states[0][0]]
        self._hold(name, marked)

    def _hold(self, name: str, marked: Marked) -> None:
        row = int(self._row[self._tracks[name].row])
        self._marked[row] = True
        self._held_us[self._track_row[row]] = marked.states[0][0] if marked.states else _NEVER

    def _let_go(self, name: str) -> None:
        del self._signs.marked[name]
        row = int(self._row[self._tracks[name].row])
        self._marked[row] = False
        self._held_us[self._track_row[row]] = _NEVER


def _turned(told: int, verdict: int, reason: int) -> int:
    """What is to be told of a sensor after a verdict."""
    if verdict == ABNORMAL:
        return RARE
    if verdict == NORMAL:
        return AT_REST
    return LOST if told == RARE and reason in (WARMING, PAUSED) else told


def _joined(one: Band | None, other: Band) -> Band:
    if one is None:
        return other
    return Band(
        one.sensors + other.sensors, one.times_us + other.times_us, one.expected + other.expected,
        one.low + other.low, one.high + other.high,
    )  # fmt: skip


def late_by_row(rows: Iterable[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """(row, event time) of late samples as the oldest and the number for each row."""
    found: dict[int, tuple[int, int]] = {}
    for row, time_us in rows:
        oldest_us, many = found.get(row, (time_us, 0))
        found[row] = min(oldest_us, time_us), many + 1
    return found
