"""The Numenta Anomaly Benchmark as a section of the report, and as a tool: `python -m bench.detection.nab FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, pstdev

import numpy as np

from bench.detection import nabfloors
from bench.detection.nabcorpus import Floats, Series, read_corpus, unread
from bench.detection.nabfloors import Scorer
from bench.detection.nabscore import BUDGET, PROFILES, Chosen, Points, Scored, halves, points_of
from bench.detection.report import Options, Section, Table
from city.clock import stopwatch_s

_SEEDS = 20  # of the detector that scores by lot
_SPLITS = 20  # random halvings of the files
_SEED = 7

# As published with the benchmark (standard, low FP, low FN), to check this scorer by.
PUBLISHED: Mapping[str, tuple[float, float, float]] = {
    "null": (0.0, 0.0, 0.0),
    "windowed Gaussian": (39.65, 20.87, 47.41),
}


@dataclass(frozen=True, slots=True)
class NabResult:
    """What one detector makes of the corpus.

    Attributes
    ----------
    tuned
        By profile: with the threshold that is best on the very labels it is judged by.
    file_out, category_out
        By profile: each file (category) judged by the threshold that is best on all others.
    nested
        By profile: scores of random halvings, threshold from one half, judged on the other.
    within
        Windows hit, and false points, with at most `BUDGET` false points in the whole corpus.
    by_category, by_file
        Standard profile, tuned: scaled score within the category (its windows alone); raw gain of the file.
    """

    name: str
    tuned: Mapping[str, Chosen]
    file_out: Mapping[str, float]
    category_out: Mapping[str, float]
    nested: Mapping[str, Sequence[float]]
    within: tuple[int, int]
    by_category: Mapping[str, Chosen]
    by_file: Mapping[str, float]
    us_per_row: float

    def figures(self) -> dict[str, object]:
        """As plain data."""
        return {
            "tuned": {name: one.score for name, one in self.tuned.items()},
            "file_out": dict(self.file_out),
            "category_out": dict(self.category_out),
            "nested": {name: fmean(scores) for name, scores in self.nested.items()},
            "hits": self.tuned["standard"].hits,
            "false_points": self.tuned["standard"].false_points,
            "hits_within_64": self.within[0],
            "by_category": {name: one.score for name, one in self.by_category.items()},
            "by_file": dict(self.by_file),
            "us_per_row": self.us_per_row,
        }


class Corpus:
    """The corpus, read once and scored often (a twentieth of a second each)."""

    def __init__(self, series: Sequence[Series]) -> None:
        self.series = list(series)
        self.points: Points = points_of(self.series)
        self.categories = sorted({one.category for one in self.series})

    def score_all(self, name: str, detector: Scorer) -> NabResult:
        """Run a detector over every file, each from new, and judge it."""
        started_s = stopwatch_s()
        scores = [detector(one.time_us, one.value) for one in self.series]
        took_s = stopwatch_s() - started_s
        return self.judge(name, scores, took_s * 1e6 / sum(len(one.value) for one in self.series))

    def judge(self, name: str, scores: Sequence[Floats], us_per_row: float = float("nan")) -> NabResult:
        """Judge scores that are there already: one array per file."""
        scored = Scored(self.points, scores)
        category = [self.categories.index(one.category) for one in self.series]
        tuned = {profile.name: scored.tuned(profile) for profile in PROFILES}
        best = tuned["standard"].threshold
        gained = scored.gained(PROFILES[0], best)
        return NabResult(
            name,
            tuned,
            {profile.name: scored.left_out(profile, range(len(self.series))) for profile in PROFILES},
            {profile.name: scored.left_out(profile, category) for profile in PROFILES},
            {profile.name: halves({name: scored}, self.points, profile, _SPLITS, _SEED) for profile in PROFILES},
            scored.hits_within(),
            {
                each: scored.at(PROFILES[0], best, np.array([one == at for one in category]))
                for at, each in enumerate(self.categories)
            },
            {one.name: float(gain) for one, gain in zip(self.series, gained, strict=True)},
            us_per_row,
        )

    def nested(self, candidates: Mapping[str, Sequence[Floats]], profile: int = 0) -> list[float]:
        """Candidate *and* threshold chosen on one half of the files, judged on the other."""
        scored = {name: Scored(self.points, scores) for name, scores in candidates.items()}
        return halves(scored, self.points, PROFILES[profile], _SPLITS, _SEED)


def floors(quick: bool) -> dict[str, Scorer]:
    """What every result stands beside."""
    found: dict[str, Scorer] = {
        "null": nabfloors.silent,
        "always on": nabfloors.always,
        "random": nabfloors.chance(_SEED),
        "static limit": nabfloors.static_limit,
        "|diff| / its mean": nabfloors.jump,
        "seasonal z": nabfloors.seasonal_z,
        "windowed Gaussian": nabfloors.windowed_gaussian,
        "histogram rarity": nabfloors.rarity(),
        "river GaussianScorer": nabfloors.river_gaussian,
    }
    return found if quick else {**found, "river HalfSpaceTrees": partial(nabfloors.river_trees, seed=_SEED)}


def section(options: Options) -> Section:
    """The corpus under `data/nab`: the engine, and the floors."""
    folder = None if options.data is None else options.data / "nab"
    if folder is None or not folder.is_dir():
        return Section(
            "NAB (labelled series of all kinds)",
            ("SKIPPED: no folder `nab` in the data folder; set LIFELINE_DATA_DIR to one that has the corpus.",),
        )
    from bench.detection.engines import early_sign, early_sign_onsets

    corpus = Corpus(read_corpus(folder))
    results = []
    ours = {"Lifeline early_sign, every row": early_sign, "Lifeline early_sign, onsets": early_sign_onsets}
    for name, detector in {**floors(options.quick), **ours}.items():
        options.progress(f"nab: {name}")
        results.append(corpus.score_all(name, detector))
    return _section(corpus, results, unread(folder), _by_lot(corpus))


def _by_lot(corpus: Corpus) -> list[float]:
    """Standard scores of scores by lot, one a seed."""
    found = []
    for seed in range(_SEEDS):
        lot = nabfloors.chance(seed)
        found.append(Scored(corpus.points, [lot(s.time_us, s.value) for s in corpus.series]).tuned(PROFILES[0]).score)
    return found


def _section(corpus: Corpus, results: Sequence[NabResult], left: Sequence[str], lots: Sequence[float]) -> Section:
    rows = sum(len(one.value) for one in corpus.series)
    checks = "; ".join(
        f"{name} {' / '.join(f'{one.tuned[p.name].score:.2f}' for p in PROFILES)}"
        f" (published {' / '.join(f'{score:.2f}' for score in PUBLISHED[name])})"
        for one in results
        if (name := one.name) in PUBLISHED
    )
    words = (
        f"{len(corpus.series)} files, {rows:,} rows, {len(corpus.points.file_of)} labelled windows; the first 15 % of "
        "a file, at most 750 rows, are not scored. One configuration for all files; every file from new, each row "
        "scored from the past alone.",
        "“Tuned” sweeps one threshold over all scores and takes the best on the very labels it is judged by, as the "
        "benchmark does. “File out” and “category out” judge each file by the threshold that is best on all other "
        f"files (categories); “halves” by the threshold of a random half of the files ({_SPLITS} halvings, mean).",
        "The benchmark counts every row over the threshold as an alarm. “Onsets” are the return periods as news: "
        "0 while something as rare was told within 100 rows, divided by one more than the earlier bouts as rare.",
        f"The scorer against published figures (standard / low FP / low FN): {checks}. Scores by lot over {_SEEDS} "
        f"seeds: mean {fmean(lots):.1f}, spread {pstdev(lots):.1f} (published mean 11.0).",
        *(f"NOT SCORED: {one}." for one in left),
    )
    figures = {one.name: one.figures() for one in results} | {"random_mean": fmean(lots), "random_spread": pstdev(lots)}
    return Section(
        "NAB (labelled series of all kinds)",
        words,
        (_main_table(results), _category_table(corpus, results), _file_table(corpus, results[-1])),
        (),
        figures,
    )


def _main_table(results: Sequence[NabResult]) -> Table:
    head = (
        "detector", "standard", "low FP", "low FN", "file out", "category out", "halves", "windows hit", "false points",
        f"hits at ≤ {BUDGET} false", "µs/row",
    )  # fmt: skip
    rows = []
    for one in results:
        best = one.tuned["standard"]
        rows.append(
            (
                one.name,
                *(f"{one.tuned[profile.name].score:.2f}" for profile in PROFILES),
                f"{one.file_out['standard']:.2f}",
                f"{one.category_out['standard']:.2f}",
                f"{fmean(one.nested['standard']):.2f}",
                str(best.hits),
                str(best.false_points),
                str(one.within[0]),
                f"{one.us_per_row:.2f}",
            )
        )
    return Table(
        "All files", head, tuple(rows), "The four columns after the three tuned ones are of the standard profile."
    )


def _category_table(corpus: Corpus, results: Sequence[NabResult]) -> Table:
    """Per category, at the threshold that is best for the whole corpus."""
    rows = tuple(
        (
            one.name,
            *(
                f"{found.hits}/{sum(len(s.windows) for s in corpus.series if s.category == name)}, {found.false_points}"
                for name, found in one.by_category.items()
            ),
        )
        for one in results
    )
    return Table("Windows hit of all, and false points, by category", ("detector", *corpus.categories), rows)


def _file_table(corpus: Corpus, result: NabResult) -> Table:
    worst = sorted(
        (result.by_file[one.name] - len(one.windows) * 2, one.name, len(one.windows)) for one in corpus.series
    )
    rows = tuple((name, str(windows), f"{-lost:.2f}") for lost, name, windows in worst[:15])
    return Table(
        f"Where {result.name} loses most", ("file", "windows", "lost"), rows,
        "Standard profile, tuned; 2 is a whole window.",
    )  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Print the section for a folder that holds the corpus."""
    from rich.console import Console

    from bench.detection.report import DetectionReport
    from bench.machine import local

    folder = Path(arguments[0])
    found = section(Options(data=folder.parent if folder.name == "nab" else folder))
    Console().print(DetectionReport(local(), {}, {"nab": found}).render())


if __name__ == "__main__":
    main(sys.argv[1:])
