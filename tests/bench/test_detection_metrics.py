"""The judge's arithmetic on cases small enough to count by hand."""

from __future__ import annotations

from math import inf, isnan, log, sqrt

import numpy as np
import pytest

from bench.detection.anchor import anchor, information, needed, steady
from bench.detection.metrics import (
    Found,
    Heard,
    alarms_of,
    delay_quantile,
    onsets,
    paired_bootstrap,
    poisson,
    threshold_for,
    wilson,
)
from gateway.histories.faulty import Fault
from gateway.histories.history import simulate
from gateway.histories.trace import Noise

HOUR_US = 3_600_000_000


def test_an_alarm_is_an_onset_after_six_quiet_hours() -> None:
    hours = np.array([0, 1, 2, 9, 10, 15, 22, 40])
    score = np.array([2.0, 2.0, 0.5, 2.0, np.nan, 2.0, 2.0, 0.9])
    assert onsets(hours * HOUR_US, score, 1.0).tolist() == [0, 3, 6]
    assert onsets(hours * HOUR_US, score, 3.0).tolist() == []


def test_what_begins_while_something_real_goes_on_does_not_count() -> None:
    hours = np.arange(40) * HOUR_US
    score = np.where((hours == 0) | (hours == 20 * HOUR_US), 5.0, 0.0)
    assert alarms_of(Heard(hours, score, np.ones(40, np.bool_)), 1.0) == 2
    assert alarms_of(Heard(hours, score, hours > 0), 1.0) == 1


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390), (100, 81.36, 121.63)]
)
def test_poisson_intervals_are_garwoods(count: int, low: float, high: float) -> None:
    found = poisson(count, 1.0)
    assert found.low == pytest.approx(low, rel=1e-3, abs=1e-3)
    assert found.high == pytest.approx(high, rel=1e-3)
    assert poisson(count, 10.0).value == count / 10.0


def test_shares_have_wilsons_interval() -> None:
    assert wilson(8, 10).low == pytest.approx(0.490, abs=1e-3)
    assert wilson(10, 10).high == 1.0
    assert isnan(wilson(0, 0).value)


def test_a_threshold_lets_as_many_alarms_pass_as_the_budget_allows() -> None:
    hours = np.arange(2000) * 7 * HOUR_US  # each reading its own alarm
    run = Heard(hours, np.random.default_rng(1).permutation(2000).astype(np.float64), np.ones(2000, np.bool_))
    for budget, allowed in ((1.0, 2), (12.0, 24)):
        limit = threshold_for([run], 2.0, budget)
        assert alarms_of(run, limit) == allowed
    assert threshold_for([run], 2.0, 0.1) == inf


def found(detected: float, anchor_h: float = 2.0, static: float = 10.0) -> Found:
    return Found(detected, anchor_h, static, 12.0, 0)


def test_leads_are_counted_to_the_static_limit_and_misses_have_none() -> None:
    assert found(4.0).lead_h == 6.0
    assert found(4.0).efficiency == 0.75
    assert found(1.0).efficiency == 1.0  # earlier than the anchor is no more than ideal
    assert (found(inf).lead_h, found(inf).efficiency, found(inf).hit) == (0.0, 0.0, False)
    assert found(11.0).lead_h == 0.0
    assert isnan(found(4.0, anchor_h=inf).efficiency)


def test_delays_count_misses_as_endless() -> None:
    some = [found(1.0), found(2.0), found(3.0), found(inf)]
    assert delay_quantile(some, 0.5) == 2.0
    assert delay_quantile(some, 0.9) == inf


def test_differences_are_resampled_by_sensor() -> None:
    owner = np.repeat(np.arange(20), 5)
    gain = paired_bootstrap(np.ones(100), np.where(owner < 10, 1.0, 0.0), owner)
    assert gain.value == 0.5
    assert 0.2 < gain.low < 0.4
    assert 0.6 < gain.high < 0.8
    by_case = paired_bootstrap(np.ones(100), np.where(owner < 10, 1.0, 0.0), np.arange(100))
    assert by_case.high - by_case.low < gain.high - gain.low


def test_the_anchor_of_a_step_in_white_noise_is_the_textbooks() -> None:
    known = steady(Noise(white=2.0))
    assert known.variance == pytest.approx(4.0)
    told = information(np.full(100, 1.0), known)  # half a spread: each reading gives 1/8 nat
    np.testing.assert_allclose(told, np.arange(1, 101) / 8.0)
    assert needed(60.0) == pytest.approx(log(525_960), abs=1e-6)


def test_correlated_noise_hides_a_step_and_shows_its_edge() -> None:
    phi, spread = 0.95, 1.0
    known = steady(Noise(white=1e-6, correlated=spread, phi=phi))
    assert known.variance == pytest.approx(spread**2 * (1 - phi**2), rel=1e-3)
    told = information(np.full(50, 1.0), known)
    assert told[0] == pytest.approx(1.0 / (2 * known.variance), rel=1e-3)
    assert told[1] - told[0] == pytest.approx((1 - phi) ** 2 / (2 * known.variance), rel=1e-2)
    mixed = steady(Noise(white=1.0, correlated=1.0, phi=0.9))
    assert 1.0 + 1.0 * (1 - 0.9**2) < mixed.variance < 2.0


def test_anchors_of_stuck_and_noise_follow_their_odds() -> None:
    history = simulate("strain", 0, 50)
    trace = history.traces[0]
    known = steady(trace.noise, trace.resolution)
    noisy = Fault("noise", 0, 60_000, 720, "plain", sqrt(3.0 * known.variance))
    nats = 0.5 * (3.0 - log(4.0))
    assert anchor(history, noisy) == np.ceil(needed(60.0) / nats)
    assert 1 <= anchor(history, Fault("stuck", 0, 60_000, 720, "plain", 0.0)) < 20
    assert anchor(history, Fault("stuck", 0, 60_000, 2, "plain", 0.0)) == inf
    assert anchor(history, Fault("dropout", 0, 60_000, 720, "plain", 0.5)) == inf
