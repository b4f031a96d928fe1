"""Candidates through histories: the undisturbed year, and from points of it onward every fault.

A year is played once, in chunks; where a fault is due the candidate's rows are forked and play the fault's stretch
only. So what a candidate knows before a fault is what it learned from that very sensor, and memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import numpy as np

from bench.detection.anchor import anchor
from bench.detection.candidates import Candidate
from bench.detection.cases import cases
from bench.detection.metrics import BUDGETS, Flags, Found, Heard, onsets
from city.clock import stopwatch_s
from detectors.columns import CONTEXTS, Columns
from detectors.subject import Neighbour, Subject
from gateway.histories.climate import LOCAL_S
from gateway.histories.faulty import Fault, faulty
from gateway.histories.history import History, Readings
from gateway.noise import Floats, Ints

WARM_DAYS = 45  # before anything is counted
_CHUNK_DAYS = 30
_GRACE = 5  # readings in which a fault of one reading may still be found
_KEEP = 0.01  # the part of a calibration's scores that is kept: the highest
_STALE_US = 900_000_000  # a neighbour's value older than this, and than three intervals, is none


@dataclass(frozen=True, slots=True)
class Limits:
    """A candidate's thresholds by budget."""

    by_budget: Mapping[float, float]


def nominal_limits(candidate: Candidate) -> Limits | None:
    """The thresholds of one that needs no calibration: the budget itself, or its only one."""
    if candidate.nominal:
        return Limits({budget: 1.0 / budget for budget in BUDGETS})
    return None if candidate.fixed is None else Limits(dict.fromkeys(BUDGETS, candidate.fixed))


@dataclass(frozen=True, slots=True)
class Quiet:
    """One undisturbed sensor: years counted, and alarms by budget."""

    owner: int
    years: float
    alarms: Mapping[float, int]
    by_channel: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One fault and how a candidate fared, by budget; `alarms` by budget while it lasted."""

    domain: str
    owner: int
    fault: Fault
    found: Mapping[float, Found]
    alarms: Mapping[float, int]


@dataclass
class Played:
    """Everything of one candidate in one history; of the readings `counted`, for how many it was `blind`."""

    quiet: list[Quiet] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    updates: int = 0
    took_s: float = 0.0
    counted: int = 0
    blind: int = 0


class Neighbourhood:
    """A history as detectors see it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.rows = [i for i, trace in enumerate(history.traces) if trace.judged]
        self.sent = [history.readings(i) for i in range(len(history.traces))]
        self.traces = [history.traces[i] for i in self.rows]
        names = [Neighbour(trace.sensor, trace.quantity, 50.0) for trace in history.traces]
        self.subjects = [
            Subject(t.sensor, t.quantity, float(history.step_s), tuple(names[i] for i in t.context[:CONTEXTS]))
            for t in self.traces
        ]
        self._around = [self._context(i, self.sent[i].time_us, {}) for i in self.rows]

    @property
    def day(self) -> int:
        """Steps of the grid in a day."""
        return 86_400 // self.history.step_s

    def columns(self, first: int, last: int) -> tuple[Columns, Ints]:
        """What every judged sensor sent in [first, last), and where on the grid."""
        parts, places = [], []
        for row, which in enumerate(self.rows):
            sent = self.sent[which]
            a, b = np.searchsorted(sent.at, [first, last])
            piece = Readings(sent.time_us[a:b], sent.value[a:b], sent.at[a:b])
            parts.append(_columns(row, piece, self._around[row][a:b]))
            places.append(piece.at)
        return _joined(parts), np.concatenate(places)

    def faulty_columns(self, row: int, fault: Fault, first: int) -> tuple[Columns, Readings]:
        """What the fault's sensor sends from `first` until the fault's end (its going is no finding), as row `row`."""
        last = min(max(fault.last, fault.first + _GRACE), self.history.count)
        sent = faulty(self.history, fault, first, last)
        mine = sent.pop(fault.which)
        return _columns(row, mine, self._context(fault.which, mine.time_us, sent)), mine

    def _context(self, which: int, time_us: Ints, changed: Mapping[int, Readings]) -> Floats:
        around = np.full((len(time_us), CONTEXTS), np.nan)
        stale_us = max(_STALE_US, 3 * self.history.step_s * 1_000_000)
        for column, neighbour in enumerate(self.history.traces[which].context[:CONTEXTS]):
            sent = changed.get(neighbour, self.sent[neighbour])
            before = np.searchsorted(sent.time_us, time_us, side="left") - 1
            known = before >= 0
            known &= time_us - sent.time_us[np.maximum(before, 0)] <= stale_us
            around[known, column] = sent.value[before[known]]
        return around

    def counted_years(self) -> list[float]:
        """Calm years of each judged sensor after the warm-up, by its readings."""
        found = []
        for which in self.rows:
            at = self.sent[which].at[np.searchsorted(self.sent[which].at, WARM_DAYS * self.day) :]
            calm = self.history.traces[which].calm
            counted = len(at) if calm is None else int(calm[at].sum())
            found.append(counted * self.history.step_s / (365.25 * 86_400))
        return found

    def calm(self, which: int, at: Ints) -> Flags:
        """Whether nothing real is going on at places of the grid."""
        calm = self.history.traces[which].calm
        return np.ones(len(at), np.bool_) if calm is None else calm[at]


def _columns(row: int, sent: Readings, around: Floats) -> Columns:
    n = len(sent)
    local_us = sent.time_us + LOCAL_S * 1_000_000
    return Columns(np.full(n, row, np.int64), sent.time_us, local_us, sent.value, np.ones(n, np.uint8), around)


def _joined(parts: Sequence[Columns]) -> Columns:
    return Columns(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Player:
    """One candidate under its limits, and what became of it."""

    def __init__(self, candidate: Candidate, limits: Limits, place: Neighbourhood) -> None:
        self.candidate, self.limits, self.played = candidate, limits, Played()
        self._place = place
        self._heard: list[list[tuple[Heard, Ints]]] = [[] for _ in place.rows]
        candidate.start(place.subjects, place.traces)

    def hear(self, columns: Columns, at: Ints, *, counts: bool) -> None:
        """Play a chunk of undisturbed time."""
        began_s = stopwatch_s()
        answers = self.candidate.update(columns)
        self.played.took_s += stopwatch_s() - began_s
        self.played.updates += len(at)
        if not counts:
            return
        self.played.counted += len(at)
        self.played.blind += int(np.isnan(answers.score).sum())
        loosest = min(self.limits.by_budget.values())
        high = np.flatnonzero(answers.score >= loosest)
        for row, which in enumerate(self._place.rows):
            mine = high[columns.row[high] == row]
            heard = Heard(columns.time_us[mine], answers.score[mine], self._place.calm(which, at[mine]))
            self._heard[row].append((heard, answers.channel[mine]))

    def suffer(
        self, faults: Sequence[Fault], told: Sequence[tuple[Columns, Readings]], anchors_h: Sequence[float]
    ) -> None:
        """Play every fault of a point, from the state of now."""
        place, history = self._place, self._place.history
        fork = self.candidate.fork([place.rows.index(fault.which) for fault in faults])
        answers, begin = fork.update(_joined([each for each, _ in told])), 0
        for fault, (columns, sent), reached_h in zip(faults, told, anchors_h, strict=True):
            end = begin + len(sent)
            score, counts = answers.score[begin:end], place.calm(fault.which, sent.at) & (sent.at >= fault.first)
            found, alarms = {}, {}
            for budget, threshold in self.limits.by_budget.items():
                begun = onsets(columns.time_us, score, threshold)
                inside = begun[counts[begun]]
                found[budget] = _found(history, fault, sent, inside, answers.channel[begin:end], reached_h)
                alarms[budget] = len(inside)
            self.played.cases.append(Case(history.domain, _owner(history, fault.which), fault, found, alarms))
            begin = end

    def finish(self, years: Sequence[float]) -> Played:
        """Count the false alarms."""
        for row, which in enumerate(self._place.rows):
            heard = _concatenated([each for each, _ in self._heard[row]])
            channels = np.concatenate([spoke for _, spoke in self._heard[row]])
            begun = {b: onsets(heard.time_us, heard.score, limit) for b, limit in self.limits.by_budget.items()}
            counts = {b: places[heard.counts[places]] for b, places in begun.items()}
            spoke = channels[counts[1.0]].tolist() if self.candidate.channels else []
            by_channel = {name: spoke.count(at) for at, name in enumerate(self.candidate.channels) if at in spoke}
            alarms = {budget: len(places) for budget, places in counts.items()}
            self.played.quiet.append(Quiet(_owner(self._place.history, which), years[row], alarms, by_channel))
        return self.played


def _owner(history: History, which: int) -> int:
    return history.seed * 10 + which


def _chunks(place: Neighbourhood, points: Sequence[int] = ()) -> Iterator[tuple[int, Columns, Ints]]:
    """Where each chunk begins, its samples and their places; chunks begin at the points and after the warm-up."""
    count = place.history.count
    edges = sorted({0, WARM_DAYS * place.day, *points, *range(0, count, _CHUNK_DAYS * place.day), count})
    for first, last in pairwise(edges):
        yield first, *place.columns(first, last)


def calibrate(place: Neighbourhood, candidates: Sequence[Candidate]) -> list[tuple[list[Heard], float]]:
    """For each candidate: every undisturbed sensor's highest scores, and the years they stand for."""
    kept: list[list[list[Heard]]] = [[[] for _ in place.rows] for _ in candidates]
    for candidate in candidates:
        candidate.start(place.subjects, place.traces)
    for first, columns, at in _chunks(place):
        for which_one, candidate in enumerate(candidates):
            score = candidate.update(columns).score
            for row, which in enumerate(place.rows if first >= WARM_DAYS * place.day else ()):
                mine = np.flatnonzero((columns.row == row) & np.isfinite(score))
                if len(mine):
                    mine = mine[score[mine] >= np.quantile(score[mine], 1.0 - _KEEP)]
                kept[which_one][row].append(Heard(columns.time_us[mine], score[mine], place.calm(which, at[mine])))
    years = sum(place.counted_years())
    return [([_concatenated(row) for row in rows], years) for rows in kept]


def _concatenated(parts: Sequence[Heard]) -> Heard:
    return Heard(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def judge(
    place: Neighbourhood, candidates: Sequence[tuple[Candidate, Limits]], *, forks: int, families: tuple[str, ...]
) -> list[Played]:
    """The undisturbed time, and every fault from `forks` points of it, for each candidate."""
    history = place.history
    last_day = max(WARM_DAYS, history.count // place.day - 22)
    points = [int(day) * place.day for day in np.linspace(WARM_DAYS, last_day, forks + 1)[:forks]]
    players = [Player(candidate, limits, place) for candidate, limits in candidates]
    for first, columns, at in _chunks(place, points):
        if first in points:
            faults = cases(history, first, families=families, turn=points.index(first) + history.seed)
            told = [place.faulty_columns(row, fault, first) for row, fault in enumerate(faults)]
            anchors_h = [anchor(history, fault) * history.step_s / 3600.0 for fault in faults]
            for player in players:
                player.suffer(faults, told, anchors_h)
        for player in players:
            player.hear(columns, at, counts=first >= WARM_DAYS * place.day)
    return [player.finish(place.counted_years()) for player in players]


def _found(history: History, fault: Fault, sent: Readings, alarms: Ints, channel: Ints, reached_h: float) -> Found:
    step_h, trace = history.step_s / 3600.0, history.traces[fault.which]
    lasts_h = fault.length * step_h
    after = (sent.at >= fault.first) & (sent.at < fault.last)
    outside = np.flatnonzero(after & ((sent.value > trace.high) | (sent.value < trace.low)))
    static_h = (sent.at[outside[0]] - fault.first + 1) * step_h if len(outside) else lasts_h
    detected_h = (sent.at[alarms[0]] - fault.first + 1) * step_h if len(alarms) else inf
    spoke = int(channel[alarms[0]]) if len(alarms) else -1
    return Found(float(detected_h), reached_h, float(static_h), lasts_h, spoke)
