"""The benchmark's scoring: hand-made cases with known answers, its bounds, and the published baselines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.detection import nabfloors
from bench.detection.nab import PUBLISHED, Corpus
from bench.detection.nabcorpus import Series, read_corpus, unread
from bench.detection.nabscore import PROFILES, Profile, Scored, halves, place, points_of
from bench.detection.report import Options
from city.errors import InputError

STANDARD = PROFILES[0]


def series(*windows: tuple[int, int], rows: int = 200, name: str = "a/one.csv") -> Series:
    return Series(name, name.split("/")[0], np.arange(rows) * 300_000_000, np.zeros(rows), windows)


def alarms(rows: int, *at: int) -> np.ndarray:
    scores = np.zeros(rows)
    scores[list(at)] = 1.0
    return scores


def judged(one: Series, *at: int) -> float:
    return Scored(points_of([one]), [alarms(len(one.value), *at)]).at(STANDARD, 0.5).score


def test_places_are_worth_what_the_sigmoid_says() -> None:
    assert place(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert place(0.0) == 0.0
    assert place(3.01) == -1.0


def test_perfect_is_100_and_silence_0() -> None:
    one = series((100, 119), (150, 159))
    assert judged(one, 100, 150) == pytest.approx(100.0)
    assert judged(one) == 0.0


def test_a_window_pays_once_and_best_for_the_earliest_alarm() -> None:
    one = series((100, 119))
    middle = 50 * (1 + place(-0.5) / place(-1.0))
    assert judged(one, 110) == pytest.approx(float(middle))
    assert judged(one, 110, 111, 119) == judged(one, 110)
    assert judged(one, 105) > judged(one, 110) > judged(one, 119) > 50


def test_a_false_alarm_costs_its_share_and_less_soon_after_a_window() -> None:
    one = series((100, 119))
    far, near = judged(one, 100, 60), judged(one, 100, 122)
    assert far == pytest.approx(100 - 100 * 0.11 / 2)
    assert far < near < 100
    low_fp = Scored(points_of([one]), [alarms(200, 100, 60)]).at(PROFILES[1], 0.5).score
    assert low_fp == pytest.approx(100 - 100 * 0.22 / 2)


def test_a_missed_window_costs_more_where_misses_matter() -> None:
    scored = Scored(points_of([series((100, 119), (150, 159))]), [alarms(200, 100)])
    assert [scored.at(profile, 0.5).score for profile in PROFILES] == pytest.approx([50.0, 50.0, 50.0])
    assert scored.at(STANDARD, 0.5).hits == 1


def test_the_start_of_a_file_is_never_scored() -> None:
    assert judged(series((100, 119)), 100, *range(30)) == pytest.approx(100.0)
    assert series(rows=10_000).probation == 750


def test_the_threshold_of_other_files_is_not_the_best_of_ones_own() -> None:
    loud, shy = series((100, 119)), series((100, 119), name="a/two.csv")
    scored = Scored(points_of([loud, shy]), [alarms(200, 100) * 9, alarms(200, 100) + 2 * alarms(200, 60)])
    assert scored.tuned(STANDARD).score > scored.left_out(STANDARD, [0, 1])
    assert scored.left_out(STANDARD, [0, 0]) == 0.0, "nothing to learn a threshold from: silence"


def test_not_a_number_is_never_an_alarm() -> None:
    one = series((100, 119))
    assert Scored(points_of([one]), [np.full(200, np.nan)]).tuned(STANDARD).score == 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(PROFILES))
def test_a_tuned_threshold_is_never_worse_than_silence_nor_better_than_perfect(seed: int, profile: Profile) -> None:
    rng = np.random.default_rng(seed)
    corpus = [series((100, 119), (150, 159)), series((80, 99), name="b/two.csv"), series(name="b/none.csv")]
    points = points_of(corpus)
    scored = Scored(points, [rng.integers(0, 6, 200).astype(float) for _ in corpus])
    best = scored.tuned(profile)
    assert 0 <= best.score <= 100
    assert scored.left_out(profile, range(3)) <= best.score + 1e-9
    assert all(one <= best.score + 1e-9 for one in halves({"it": scored}, points, profile, 3, seed))
    whole = 3 * (profile.hit + profile.miss)
    assert sum(scored.gained(profile, best.threshold)) * 100 / whole == pytest.approx(best.score)


def test_a_corpus_is_read_and_what_does_not_fit_is_told(tmp_path: Path) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    rows = [f"2026-01-01 00:{minute:02}:00,{minute}" for minute in range(60)]
    (tmp_path / "data" / "a" / "one.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    (tmp_path / "data" / "a" / "more.csv").write_text("timestamp,value\n")
    labels = tmp_path / "labels" / "combined_windows.json"
    window = ["2026-01-01 00:30:00.000000", "2026-01-01 00:34:00.000000"]
    labels.write_text(json.dumps({"a/one.csv": [window], "a/gone.csv": []}))
    [one] = read_corpus(tmp_path)
    assert (one.category, one.windows, one.probation) == ("a", ((30, 34),), 9)
    assert unread(tmp_path) == ["a/gone.csv: no such file", "a/more.csv: no labels"]
    labels.write_text(json.dumps({"a/one.csv": [["2026-01-01 00:30:07", "2026-01-01 00:34:00"]]}))
    with pytest.raises(InputError, match="no row's"):
        read_corpus(tmp_path)


def test_without_the_corpus_the_section_says_so(tmp_path: Path) -> None:
    from bench.detection import nab

    assert "SKIPPED" in nab.section(Options(data=tmp_path)).words[0]


def test_the_published_baselines_come_out_to_the_last_digit(recorded_data: Path) -> None:
    corpus = Corpus(read_corpus(recorded_data / "nab"))
    if len(corpus.series) != 58:
        pytest.skip(f"published figures are of 58 files, got {len(corpus.series)}")
    for name, scorer in (("null", nabfloors.silent), ("windowed Gaussian", nabfloors.windowed_gaussian)):
        scores = [scorer(one.time_us, one.value) for one in corpus.series]
        scored = Scored(corpus.points, scores)
        assert [scored.tuned(profile).score for profile in PROFILES] == pytest.approx(PUBLISHED[name], abs=0.005)
    assert scored.left_out(STANDARD, range(58)) == pytest.approx(39.65, abs=0.005)
