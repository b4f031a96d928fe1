"""The scoring of the Numenta Anomaly Benchmark, written from its description (Lavin & Ahmad 2015).

An alarm inside a labelled window earns its place: almost 1 at the window's start, 0 at its end, by a sigmoid; only the
earliest alarm of a window counts. A window without an alarm costs. An alarm outside costs, less when it comes soon
after a window. Three profiles weigh the three. One threshold on the scores serves all files; it is swept over all
scores there are and the best one taken, which looks at the labels: so what a threshold chosen on *other* files makes
stands beside it (`left_out`, `halves`). The result is scaled so that silence is 0 and perfection 100.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.detection.nabcorpus import Floats, Longs, Series

BUDGET = 64  # false-positive points of the corpus at which hits are counted apart from any weighing


class Profile(NamedTuple):
    """What a hit earns, and a false alarm and a miss cost."""

    name: str
    hit: float
    false_alarm: float
    miss: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("low FP", 1.0, 0.22, 1.0),
    Profile("low FN", 1.0, 0.11, 2.0),
)


class Points(NamedTuple):
    """All scorable rows of a corpus, file after file.

    Attributes
    ----------
    file, row
        Which file, and which of its rows.
    window
        Number of the labelled window in the corpus, -1 outside of all.
    worth
        Inside a window what an alarm here earns, 0 … 1; outside what it costs, -1 … 0.
    windows_of
        (files,) how many windows each file has.
    file_of
        (windows,) the file of each.
    """

    file: Longs
    row: Longs
    window: Longs
    worth: Floats
    windows_of: Longs
    file_of: Longs


class Curve(NamedTuple):
    """How a profile's score moves as the threshold falls past each row, in falling order of score.

    `step` is by how much the score changes at each row, `last` whether the row is the last one of its score (a
    threshold cannot fall between equal scores).
    """

    file: Longs
    score: Floats
    step: Floats
    last: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A threshold and what it makes: the scaled score, windows hit, points that are false alarms."""

    threshold: float
    score: float
    hits: int
    false_points: int


def place(position: float | Floats) -> Floats:
    """The sigmoid of a place: -1 a window's first row, 0 its end, above 0 after it (in widths of that window)."""
    at = np.asarray(position, np.float64)
    return np.where(at > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(at, 3))) - 1)


def points_of(corpus: Sequence[Series]) -> Points:
    """The scorable rows: what each would earn or cost."""
    files, rows, windows, worths, owners = [], [], [], [], list[int]()
    top = float(place(-1.0))
    for number, series in enumerate(corpus):
        n = len(series.value)
        index = np.arange(n)
        window, worth = np.full(n, -1), np.full(n, -1.0)
        for first, last in series.windows:
            width = last - first + 1
            after = index > last
            worth[after] = place((index[after] - last) / max(width - 1, 1))
            inside = (index >= first) & (index <= last)
            worth[inside] = place(-(last - index[inside] + 1) / width) / top
            window[inside] = len(owners)
            owners.append(number)
        scorable = index[series.probation :]
        files.append(np.full(len(scorable), number))
        rows.append(scorable)
        windows.append(window[scorable])
        worths.append(worth[scorable])
    owner = np.array(owners, np.int64)
    return Points(
        np.concatenate(files).astype(np.int64),
        np.concatenate(rows).astype(np.int64),
        np.concatenate(windows).astype(np.int64),
        np.concatenate(worths),
        np.bincount(owner, minlength=len(corpus)).astype(np.int64),
        owner,
    )


class Scored:
    """A detector's scores over a corpus, ready to be judged.

    Parameters
    ----------
    points
        Of the corpus.
    scores
        One array per file, as long as the file; NaN never raises an alarm.
    """

    def __init__(self, points: Points, scores: Sequence[Floats]) -> None:
        every = np.concatenate(
            [np.asarray(one, np.float64)[points.row[points.file == i]] for i, one in enumerate(scores)]
        )
        seen = np.flatnonzero(~np.isnan(every))
        self._points = points
        self._order = seen[np.argsort(-every[seen], kind="stable")]
        self._score = every[self._order]
        self._file = points.file[self._order]
        self._window = points.window[self._order]
        self._best_yet = _best_yet(self._window, points.worth[self._order])
        self._curves: dict[str, Curve] = {}

    def curve(self, profile: Profile) -> Curve:
        """The steps of one profile."""
        if profile.name not in self._curves:
            self._curves[profile.name] = self._curve(profile)
        return self._curves[profile.name]

    def _curve(self, profile: Profile) -> Curve:
        worth = self._points.worth[self._order]
        first = np.isnan(self._best_yet)
        before = np.where(first, -profile.miss, self._best_yet * profile.hit)
        step = np.where(
            self._window >= 0,
            np.where(first, worth * profile.hit - before, np.maximum(worth * profile.hit - before, 0)),
            worth * profile.false_alarm,
        )
        last = np.append(self._score[1:] != self._score[:-1], True) if len(self._score) else np.zeros(0, bool)
        return Curve(self._file, self._score, step, last)

    def tuned(self, profile: Profile, files: NDArray[np.bool_] | None = None) -> Chosen:
        """The best threshold for some files (all when None), and what it makes on these same files."""
        keep = np.ones(len(self._points.windows_of), bool) if files is None else files
        threshold = best_threshold(self.curve(profile), keep)
        return self.at(profile, threshold, keep)

    def at(self, profile: Profile, threshold: float, files: NDArray[np.bool_] | None = None) -> Chosen:
        """What a threshold makes on some files."""
        keep = np.ones(len(self._points.windows_of), bool) if files is None else files
        above = (self._score >= threshold) & keep[self._file]
        gained = float(self.curve(profile).step[above].sum())
        hit = np.unique(self._window[above])
        windows = int(self._points.windows_of[keep].sum())
        score = _scaled(gained, windows, profile)
        return Chosen(threshold, score, int((hit >= 0).sum()), int((self._window[above] < 0).sum()))

    def left_out(self, profile: Profile, groups: Sequence[int]) -> float:
        """The score when every group of files is judged by the threshold that is best on all others."""
        curve, group = self.curve(profile), np.asarray(groups)
        gained = 0.0
        for one in np.unique(group):
            threshold = best_threshold(curve, group != one)
            gained += float(curve.step[(curve.score >= threshold) & (group == one)[curve.file]].sum())
        return _scaled(gained, int(self._points.windows_of.sum()), profile)

    def hits_within(self, false_points: int = BUDGET) -> tuple[int, int]:
        """Windows hit, and false points spent, at the lowest threshold with at most so many false points."""
        last = self.curve(PROFILES[0]).last
        spent = np.cumsum(self._window < 0)
        within = np.flatnonzero(last & (spent <= false_points))
        if not len(within):
            return 0, 0
        hit = np.unique(self._window[: within[-1] + 1])
        return int((hit >= 0).sum()), int(spent[within[-1]])

    def gained(self, profile: Profile, threshold: float) -> Floats:
        """(files,) what each file adds to the unscaled score over silence."""
        curve = self.curve(profile)
        above = curve.score >= threshold
        return np.bincount(curve.file[above], curve.step[above], len(self._points.windows_of)).astype(np.float64)


def best_threshold(curve: Curve, files: NDArray[np.bool_]) -> float:
    """The threshold that is best on `files`; infinite when silence is."""
    total = np.cumsum(np.where(files[curve.file], curve.step, 0.0))
    total[~curve.last] = -np.inf
    best = int(np.argmax(total)) if len(total) else 0
    return float(curve.score[best]) if len(total) and total[best] > 0 else float("inf")


def halves(candidates: Mapping[str, Scored], points: Points, profile: Profile, splits: int, seed: int) -> list[float]:
    """Nested results: candidate and threshold chosen on one half of the files, judged on the other, both ways.

    Parameters
    ----------
    candidates
        What would be chosen from; with one, only its threshold is chosen.
    splits
        How many random halvings.

    Returns
    -------
    list[float]
        One scaled score per halving.
    """
    rng = np.random.default_rng(seed)
    files = len(points.windows_of)
    found = []
    for _ in range(splits):
        mine = np.zeros(files, bool)
        mine[rng.permutation(files)[: files // 2]] = True
        gained = 0.0
        for half in (mine, ~mine):
            made = {name: scored.tuned(profile, half) for name, scored in candidates.items()}
            name = max(made, key=lambda one: made[one].score)
            gained += float(candidates[name].gained(profile, made[name].threshold)[~half].sum())
        found.append(_scaled(gained, int(points.windows_of.sum()), profile))
    return found


def _scaled(gained: float, windows: int, profile: Profile) -> float:
    """What was gained over silence, in percent of perfection."""
    return 100 * gained / (windows * (profile.hit + profile.miss)) if windows else 0.0


def _best_yet(window: Longs, worth: Floats) -> Floats:
    """The best worth of each row's window among the rows before it; NaN where none was."""
    best = np.full(len(window), np.nan)
    inside = np.flatnonzero(window >= 0)
    order = inside[np.argsort(window[inside], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(window[order])) + 1) if len(order) else []:
        best[rows[1:]] = np.maximum.accumulate(worth[rows])[:-1]
    return best
