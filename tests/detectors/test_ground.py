"""Ground that settles: faster from hour to hour or month to month, apart from its neighbours, or towards failure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors.creep_to_failure import CreepToFailure
from detectors.differential_settlement import DifferentialSettlement
from detectors.protocol import Finding, Verdict
from detectors.settlement_rate import SettlementRate
from detectors.settlement_trend import SettlementTrend
from tests.detectors.playing import onsets
from tests.detectors.structures import Signal, creep, ground, wander, watched

STEP_S = 300.0
DAY, HOUR = 288, 12  # readings


def _hours(findings: list[Finding], begin: int) -> float:
    """From a reading to the first ABNORMAL one after it; infinite without any."""
    hits = (i - begin for i in range(begin, len(findings)) if findings[i].verdict is Verdict.ABNORMAL)
    return next(hits, float("inf")) / HOUR


def test_with_the_temperature_a_small_acceleration_is_found_sooner() -> None:
    alone, beside = [], []
    for seed in (1000, 1001, 1002, 1003):
        values, warm = ground(seed, 14)
        begin = 12 * DAY
        values[begin:] -= 0.2 * np.arange(len(values) - begin) / HOUR
        alone.append(_hours(watched(SettlementRate(), values, STEP_S, "settlement"), begin))
        around = {"t": ("temperature", warm, None)}
        beside.append(_hours(watched(SettlementRate(), values, STEP_S, "settlement", around), begin))
    assert max(beside) < 24
    assert sorted(beside)[2] < sorted(alone)[2]


def _daily(seed: int, years: float, season_mm: float) -> Signal:
    """Daily heights (mm) as satellites give them: scatter of 5, slow noise of 3, a season, -5 mm a year."""
    random, n = np.random.default_rng(seed), round(years * 365.25)
    day = np.arange(n)
    season = season_mm * np.cos(2 * np.pi * (day / 365.25 + random.uniform(0, 1)))
    return season - 5 * day / 365.25 + wander(random, n, 3, 10) + random.normal(0, 5, n)


def test_the_season_is_known_after_a_year_and_then_cries_no_wolf() -> None:
    late = 0
    for seed in range(6):
        findings = watched(SettlementTrend(), _daily(seed, 6, season_mm=12), 86400.0, "settlement")
        late += len([finding for finding in onsets(findings) if finding.time_us > 1.5 * 365 * 86_400_000_000])
    assert late <= 2  # in 27 years


def test_a_trend_of_150_mm_a_year_is_found_behind_scatter_and_season() -> None:
    for seed in range(4):
        values, begin = _daily(seed, 4, season_mm=8), 3 * 365
        values[begin:] -= 150 / 365.25 * np.arange(len(values) - begin)
        findings = watched(SettlementTrend(), values, 86400.0, "settlement")
        first = next(i for i in range(begin, len(values)) if findings[i].verdict is Verdict.ABNORMAL)
        assert first - begin <= 130, seed
        assert findings[first].direction == "up"
        assert "mm a year" in findings[first].reason


def test_a_pause_leaves_a_trend_what_it_knows() -> None:
    values = _daily(1, 3, season_mm=5).tolist()
    day_us = 86_400_000_000
    samples = [Sample("s", i * day_us, v, Flag.PASS, 0) for i, v in enumerate(values) if not 700 < i < 760]
    findings = SettlementTrend().update(samples)
    after = [finding.verdict for finding in findings if finding.time_us >= 760 * day_us]
    assert after[:4] == [Verdict.BLIND] * 3 + [Verdict.NORMAL]
    assert Verdict.ABNORMAL not in after


def _pair(seed: int, days: float) -> tuple[Signal, Signal]:
    """Two points of one house: they share weather, season and creep, and differ by 0.1 mm of slow wander and noise."""
    values, _ = ground(seed, days)
    random = np.random.default_rng(seed + 1)
    return values, values + random.normal(0, 0.14, len(values)) + wander(random, len(values), 0.1, DAY / 2)


@pytest.mark.parametrize(("away_m", "rate_mm_h", "within_h"), [(8.0, 0.5, 24), (8.0, 0.1, 60), (20.0, 0.1, 260)])
def test_a_corner_that_sinks_alone_is_found_before_the_limit(away_m: float, rate_mm_h: float, within_h: float) -> None:
    values, other = _pair(1000, 20)
    begin = 5 * DAY
    calm = watched(DifferentialSettlement(), values, STEP_S, "settlement", {"p": ("settlement", other, away_m)})
    assert onsets(calm) == []
    values[begin:] -= rate_mm_h * np.arange(len(values) - begin) / HOUR
    findings = watched(DifferentialSettlement(), values, STEP_S, "settlement", {"p": ("settlement", other, away_m)})
    assert _hours(findings, begin) <= within_h < 2 * away_m / rate_mm_h, "1/500 is 2 mm to the metre"
    evidence = dict(findings[-1].evidence)
    assert (evidence["neighbour"], evidence["away_m"]) == ("p", away_m)
    assert findings[-1].direction == "up"
    seen_from_it = watched(
        DifferentialSettlement(), other, STEP_S, "settlement", {"s2": ("settlement", values, away_m)}
    )
    assert seen_from_it[-1].direction == "down"


def test_points_that_sink_together_are_level_and_a_lonely_point_is_blind() -> None:
    values, other = _pair(1001, 10)
    sinking = -0.5 * np.arange(len(values)) / HOUR
    around = {"p": ("settlement", other + sinking, 10.0)}
    assert onsets(watched(DifferentialSettlement(), values + sinking, STEP_S, "settlement", around)) == []
    for lonely in ({}, {"p": ("settlement", other, None)}, {"t": ("temperature", other, 10.0)}):
        findings = watched(DifferentialSettlement(), values[:DAY], STEP_S, "settlement", lonely)
        assert {finding.verdict for finding in findings} == {Verdict.BLIND}
        assert "no neighbour" in findings[-1].reason


@pytest.mark.parametrize(("days", "still_mm_h", "least_lead_h"), [(1, 0.3, 4), (10, 0.05, 6), (30, 0.02, 60)])
def test_creep_that_speeds_up_is_told_as_a_range_that_holds_the_failure(
    days: int, still_mm_h: float, least_lead_h: float
) -> None:
    held = told = 0
    for seed in (2000, 2002, 2003, 2005):
        values, warm = ground(seed, 2 * days + 2)
        end = len(values) - 1
        values = (values + creep(len(values), STEP_S, end - days * DAY, end, still_mm_h))[:end]
        findings = watched(CreepToFailure(), values, STEP_S, "settlement", {"t": ("temperature", warm[:end], None)})
        standing = [i for i, finding in enumerate(findings) if finding.verdict is Verdict.ABNORMAL]
        assert (end - standing[0]) / HOUR >= least_lead_h, seed
        for i in standing:
            evidence = dict(findings[i].evidence)
            assert 0 <= float(evidence["earliest_h"]) < float(evidence["latest_h"])
            assert float(evidence["r2"]) > 0.8
            told += 1
            held += float(evidence["earliest_h"]) <= (end - i) / HOUR <= float(evidence["latest_h"])
    assert held >= 0.85 * told


@pytest.mark.parametrize(
    "curve",
    [
        lambda hour: -20 * (1 - np.exp(-hour / 50)),
        lambda hour: -5 * np.log(1 + hour / 5),
        lambda hour: -0.5 * hour,
        lambda hour: np.where(hour > 60, -20.0, 0.0),
        lambda hour: 0.5 * hour,
    ],
    ids=["consolidation", "decelerating", "steady", "step", "heave"],
)
def test_what_does_not_accelerate_has_no_forecast(curve: Callable[[Signal], Signal]) -> None:
    for seed in range(3):
        hour = np.arange(120 * HOUR) / HOUR
        noise = np.random.default_rng(seed).normal(0, 0.1, len(hour))
        findings = watched(CreepToFailure(), curve(hour) + noise, STEP_S, "settlement")
        assert onsets(findings) == []
        assert all(finding.evidence == () for finding in findings)


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="below 1"):
        CreepToFailure(least_r2=1.0)
    with pytest.raises(InputError, match="distortion"):
        DifferentialSettlement(distortion=0.0)
    with pytest.raises(InputError, match="least_mm_year"):
        SettlementTrend(least_mm_year=-1.0)
