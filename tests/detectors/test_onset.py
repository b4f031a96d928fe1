"""What is news in a stream of return periods."""

from __future__ import annotations

import math

import pytest

from detectors.onset import Onsets


def told(*years: float) -> list[float]:
    news = Onsets()
    return [news.take(one) for one in years]


def test_a_bout_is_news_once_and_again_when_clearly_rarer() -> None:
    assert told(5.0, 5.0, 15.0, 25.0) == pytest.approx([5.0, 0.0, 0.0, 25.0])


def test_after_a_hundred_samples_it_is_news_again_but_less() -> None:
    found = told(5.0, *([0.0] * 100), 5.0, *([0.0] * 100), 5.0)
    assert 5 / 4 < found[101] < 1.3, "one earlier bout has hardly faded"
    assert found[202] < found[101]
    assert told(5.0, *([0.0] * 30_000), 5.0)[-1] == 5.0, "long ago"


def test_a_rare_sample_is_not_made_common_by_lesser_ones() -> None:
    assert told(*([0.01] * 400), 50.0)[-1] == 50.0


def test_blind_stays_blind_and_silence_silence() -> None:
    assert math.isnan(told(math.nan)[0])
    assert told(0.0, -1.0) == [0.0, 0.0]
