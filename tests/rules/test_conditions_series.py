"""Counts, windows, changes and forecasts, held against plain and slow reckonings."""

from __future__ import annotations

from itertools import product
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.conditions.condition import Compare, CountOf, Reaches, Trend, Window
from rules.conditions.linefit import MOST_POINTS, change, line, thinned
from rules.conditions.truth import Truth
from tests.rules.series_world import answer, at_us, seen

MINUTE_US = 60_000_000
ABOVE_10 = Compare(None, 10.0, "above 10 cm")

gaps = st.integers(1, 300)
values = st.integers(-30, 30).map(float)
rows = st.lists(st.tuples(gaps, values), min_size=1, max_size=25).map(
    lambda steps: [(float(sum(gap for gap, _ in steps[: at + 1])), value) for at, (_, value) in enumerate(steps)]
)


def within(rows: list[tuple[float, float]], span_s: float) -> list[float]:
    return [value for at, value in rows if at >= rows[-1][0] - span_s]


@given(rows, st.integers(1, 5), st.integers(0, 4), st.integers(1, 1200))
def test_n_of_the_last_m_is_decided_once_no_missing_sample_can_change_it(
    rows: list[tuple[float, float]], need: int, more: int, span_s: int
) -> None:
    of = need + more
    condition = CountOf(ABOVE_10, need, of, span_s * 1_000_000, "x")
    last = [value >= 10.0 for value in within(rows, span_s)][-of:]
    answers = {sum(last) + sum(rest) >= need for rest in product([False, True], repeat=of - len(last))}
    expected = Truth.UNKNOWN if len(last) < need or len(answers) > 1 else Truth.of(answers.pop())
    assert answer(condition, rows) is expected


@given(rows, st.sampled_from(["sum", "mean", "min", "max", "last", "range", "count"]), st.integers(1, 1200))
def test_a_window_is_the_plain_aggregate_of_its_samples(
    rows: list[tuple[float, float]], aggregate: str, span_s: int
) -> None:
    inside = within(rows, span_s)
    value = {
        "sum": sum(inside), "mean": sum(inside) / len(inside), "min": min(inside), "max": max(inside),
        "last": inside[-1], "range": max(inside) - min(inside), "count": len(inside),
    }[aggregate]  # fmt: skip
    (evidence,) = seen(Window(aggregate, span_s * 1_000_000, ABOVE_10, "x"), rows)
    assert evidence.value == pytest.approx(value)
    assert evidence.time_us == at_us(rows[-1][0])
    assert evidence.truth == Truth.of(float(evidence.value or 0.0) >= 10.0).name.lower()


@given(rows, st.integers(1, 40), st.integers(1, 1500))
@settings(max_examples=200)
def test_a_change_is_the_median_of_all_slopes_over_the_time_covered(
    rows: list[tuple[float, float]], by: int, span_s: int
) -> None:
    inside = [(at, value) for at, value in rows if at >= rows[-1][0] - span_s]
    trend = Trend(float(by), span_s * 1_000_000, "x")
    if len(inside) < 3:
        assert answer(trend, rows) is Truth.UNKNOWN
        return
    steep = median((v2 - v1) / (t2 - t1) for i, (t1, v1) in enumerate(inside) for t2, v2 in inside[i + 1 :])
    spread = max(v for _, v in inside) - min(v for _, v in inside)
    expected = max(-spread, min(spread, steep * (inside[-1][0] - inside[0][0])))
    (evidence,) = seen(trend, rows)
    assert evidence.value == pytest.approx(expected, abs=1e-9)
    assert evidence.truth == ("true" if float(evidence.value or 0.0) >= by else "false")


def test_one_spike_is_no_rise_and_a_rise_with_a_spike_is_one() -> None:
    rise = Trend(2.0, 10 * MINUTE_US, "rising 2 cm within 10m")
    flat = [(60.0 * at, 5.0) for at in range(11)]
    assert answer(rise, [*flat[:-1], (600.0, 50.0)]) is Truth.FALSE
    steady = [(60.0 * at, 0.5 * at) for at in range(11)]
    assert answer(rise, [*steady[:5], (300.0, -40.0), *steady[6:]]) is Truth.TRUE
    assert answer(Trend(-2.0, 10 * MINUTE_US, "x"), [(at, -value) for at, value in steady]) is Truth.TRUE


def test_many_samples_are_thinned_to_medians_of_equal_times() -> None:
    at_s = np.arange(0.0, 3600.0, 5.0)
    rough = 0.01 * at_s + np.where(np.arange(len(at_s)) % 7 == 0, 100.0, 0.0)
    times, smooth = thinned(at_s, rough)
    assert len(times) == len(smooth) == MOST_POINTS
    assert (np.diff(times) > 0).all()
    assert change(at_s, rough) == pytest.approx(36.0, rel=0.02)


@given(st.floats(-100, 100), st.floats(-2, 2), st.integers(5, 70))
def test_a_line_through_points_on_a_line_is_that_line(level: float, slope: float, n: int) -> None:
    at_s = -np.arange(n, dtype=float)[::-1] * 7.0
    found = line(at_s, level + slope * at_s)
    assert found.level == pytest.approx(level, abs=1e-6)
    assert found.slope == pytest.approx(slope, abs=1e-9)
    assert found.slope_low - 1e-9 <= found.slope <= found.slope_high + 1e-9


def test_the_interval_of_the_slope_holds_the_true_one_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(7)
    at_s = np.arange(-15.0, 1.0) * 60
    held = [
        found.slope_low <= 0.01 <= found.slope_high
        for found in (line(at_s, 0.01 * at_s + chance.normal(0, 0.5, len(at_s))) for _ in range(400))
    ]
    assert 0.84 <= np.mean(held) <= 0.97


REACHES = Reaches(27.0, True, 30 * MINUTE_US, 15 * MINUTE_US, "reaches 27 cm from below within 30m")


def test_a_forecast_says_when_and_between_what() -> None:
    wavering = [0.0, 0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.3, -0.3, 0.0, 0.2]
    rows = [(60.0 * at, 5.0 + at + wavering[at]) for at in range(11)]
    assert answer(REACHES, rows) is Truth.TRUE
    (evidence,) = seen(REACHES, rows)
    assert evidence.test == "reaches 27 cm from below within 30m: in 12 min (11..13)"


@pytest.mark.parametrize(
    ("rows", "truth", "said"),
    [
        ([(0.0, 30.0)], Truth.TRUE, "it is there"),
        ([(60.0 * at, 5.0 + at) for at in range(4)], Truth.UNKNOWN, "too few samples for a forecast"),
        ([(60.0 * at, 5.0 + 0.1 * at) for at in range(11)], Truth.FALSE, "in 210 min (210..210)"),
        ([(60.0 * at, 15.0 - at) for at in range(11)], Truth.FALSE, "it is not rising"),
        ([(60.0 * at, 5.0) for at in range(11)], Truth.FALSE, "it is not rising"),
        # Its middle would be in time, but the slope may as well be none.
        ([(60.0 * at, 20.0 + v) for at, v in enumerate([0, 5, -4, 3, -5, 6, -3, 2, -4, 6])], Truth.FALSE, "min ("),
    ],
)  # fmt: skip
def test_a_forecast_needs_enough_samples_and_a_slope_that_is_certain(
    rows: list[tuple[float, float]], truth: Truth, said: str
) -> None:
    assert answer(REACHES, rows) is truth
    assert said in seen(REACHES, rows)[0].test


def test_a_forecast_from_above_looks_down_and_a_deadband_keeps_it_there() -> None:
    falls = Reaches(5.0, False, 30 * MINUTE_US, 15 * MINUTE_US, "x")
    assert answer(falls, [(60.0 * at, 20.0 - at) for at in range(11)]) is Truth.TRUE
    assert answer(falls, [(60.0 * at, 10.0) for at in range(11)]) is Truth.FALSE
    assert answer(falls, [(60.0 * at, 6.5) for at in range(11)], deadband=2.0) is Truth.TRUE
