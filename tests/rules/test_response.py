"""Spreads, shares and ratings, against figures counted by hand."""

from __future__ import annotations

import pytest

from rules.response import rating, share, spread


def test_percentiles_are_values_that_occurred() -> None:
    found = spread([60.0, None, 10.0, 30.0, 20.0, 50.0, 40.0, 70.0, 80.0, 90.0, 100.0])
    assert found is not None
    assert (found.n, found.p50_s, found.p90_s, found.p95_s, found.mean_s) == (10, 50.0, 90.0, 100.0, 55.0)
    one = spread([7.0])
    assert one is not None
    assert (one.p50_s, one.p90_s, one.p95_s, one.mean_s) == (7.0, 7.0, 7.0, 7.0)
    assert spread([None, None]) is None


def test_a_share_of_nothing_is_not_nought() -> None:
    assert share(1, 4) == 0.25
    assert share(0, 0) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "good"), (6.0, "good"), (6.01, "fair"), (12.0, "fair"), (12.01, "poor"), (None, "")],
)
def test_ratings_have_their_limits_inside(value: float | None, said: str) -> None:
    assert rating(value, 6, 12) == said


def test_less_than_a_target_is_not_the_target_itself() -> None:
    assert rating(0.01, 0.01, 0.05, below=True) == "fair"
    assert rating(0.0099, 0.01, 0.05, below=True) == "good"
    assert rating(1, 0) == "poor"
