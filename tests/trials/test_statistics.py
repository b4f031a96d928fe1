"""Figures of operators' load, on raises small enough to count by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.levels import Level
from rules.statistics import (
    BIN_US,
    DAY_US,
    HOUR_US,
    MINUTE_US,
    Raise,
    binned,
    chattering,
    fleeting,
    floods,
    load,
    stood,
)

S_US = 1_000_000


def raises(times_s: list[float], key: str = "r/a", level: Level = Level.BLUE, stood_s: float = 100.0) -> list[Raise]:
    return [Raise(key, level, round(t * S_US), round((t + stood_s) * S_US)) for t in times_s]


def test_a_quiet_hour_is_good_and_no_flood() -> None:
    found = load(raises([0, 900, 1800, 2700]), 0, HOUR_US)
    assert (found.raises, found.per_hour, found.rating, found.peak, found.floods) == (4, 4.0, "good", 1, ())
    assert found.shares == {Level.BLUE: 1.0, Level.YELLOW: 0.0, Level.ORANGE: 0.0, Level.RED: 0.0}
    assert found.off_target == (Level.BLUE,)


@pytest.mark.parametrize(("count", "rating"), [(6, "good"), (7, "fair"), (12, "fair"), (13, "poor")])
def test_ratings_change_above_six_and_twelve_an_hour(count: int, rating: str) -> None:
    assert load(raises([float(n) for n in range(count)]), 0, HOUR_US).rating == rating


def test_a_flood_begins_with_the_eleventh_within_ten_minutes_and_ends_below_five() -> None:
    times = [n * 30 * S_US for n in range(12)]  # 0 to 330 s
    (flood,) = floods(times, HOUR_US)
    assert (flood.from_us, flood.count, flood.peak) == (300 * S_US, 12, 12)
    # Fewer than five are left when the fifth from the end (210 s) is ten minutes old.
    assert flood.to_us == 210 * S_US + BIN_US


def test_ten_within_ten_minutes_are_no_flood_and_one_may_last_to_the_end() -> None:
    assert floods([n * S_US for n in range(10)], HOUR_US) == ()
    (flood,) = floods([n * S_US for n in range(11)], 5 * MINUTE_US)
    assert flood.to_us == 5 * MINUTE_US


def test_chattering_is_three_raises_in_a_minute_of_one_alarm() -> None:
    assert chattering([*raises([0, 30, 60]), *raises([0, 30, 61], "r/b"), *raises([1], "r/c")]) == ("r/a",)


def test_fleeting_clears_at_once_and_stays_away() -> None:
    assert [r.at_us for r in fleeting(raises([0, 200], stood_s=9.9))] == [0, 200 * S_US]
    assert [r.at_us for r in fleeting(raises([0, 60], stood_s=9.9))] == [60 * S_US]
    assert fleeting(raises([0], stood_s=10)) == []


def test_standing_counts_what_stood_longer_than_a_day_and_the_most_at_once() -> None:
    long = [
        Raise("r/a", Level.RED, 0, None),
        Raise("r/b", Level.RED, 0, 2 * DAY_US),
        Raise("r/c", Level.RED, 0, DAY_US),
    ]
    late = Raise("r/d", Level.RED, 3 * DAY_US // 2, 4 * DAY_US)
    assert stood([*long, late], 5 * DAY_US) == (3, 2)


@given(st.lists(st.integers(0, 3 * HOUR_US), max_size=80), st.integers(1, 3 * HOUR_US))
def test_bins_hold_every_raise_of_the_span_once_and_floods_stay_inside(times: list[int], end_us: int) -> None:
    times = sorted(t for t in times if t < end_us)
    assert sum(binned(times, 0, end_us)) == len(times)
    last = 0
    for flood in floods(times, end_us):
        assert last <= flood.from_us <= flood.to_us <= end_us
        assert flood.peak > 10
        inside = [t for t in times if flood.from_us - BIN_US < t <= flood.from_us]
        assert len(inside) >= 11
        last = flood.to_us


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(ValueError, match="end after"):
        load([], 5, 5)
