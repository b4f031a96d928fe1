"""A bridge under weather and traffic: what temperature explains, and the shift that stays when it is taken away."""

from __future__ import annotations

import numpy as np
import pytest

from city.errors import InputError
from detectors.baseline_shift import BaselineShift
from detectors.protocol import Detector, Verdict
from detectors.subject import Neighbour, Subject
from detectors.traffic_load import TrafficLoad
from tests.detectors.playing import onsets, play
from tests.detectors.structures import Signal, strain, watched

MINUTE_S = 60.0
DAY = 1440


def _beside_air(detector: Detector, values: Signal, warm: Signal) -> list[int]:
    """Minutes of the onsets, with the temperature beside."""
    found = onsets(watched(detector, values, MINUTE_S, "strain", {"t": ("temperature", warm, None)}))
    return [finding.time_us // 60_000_000 for finding in found]


def test_fronts_and_clouds_that_alarm_without_the_temperature_do_not_with_it() -> None:
    alone = beside = 0
    for seed in (1001, 1003, 1006):
        values, warm = strain(seed, 18)
        alone += len(onsets(watched(BaselineShift(), values, MINUTE_S, "strain")))
        beside += len([minute for minute in _beside_air(BaselineShift(), values, warm) if minute > 4.5 * DAY])
    assert alone >= 3
    assert beside == 0


@pytest.mark.parametrize(("size", "over_min", "within_min"), [(20, 1, 15), (-34, 1, 15), (30, 60, 75), (30, 360, 300)])
def test_a_shift_is_found_on_its_way_though_the_day_swings_wider(size: float, over_min: int, within_min: int) -> None:
    for seed in (1000, 1002):
        values, warm = strain(seed, 11)
        begin = 10 * DAY
        values[begin:] += size * np.minimum(np.arange(len(values) - begin) / over_min, 1)
        found = _beside_air(BaselineShift(), values, warm)
        assert found, seed
        assert begin < found[0] <= begin + within_min


def test_a_shift_too_slow_for_the_baseline_is_found_against_the_days_before() -> None:
    values, warm = strain(1101, 24)
    begin = 18 * DAY
    values[begin:] += 8 / DAY * np.arange(len(values) - begin)
    findings = watched(BaselineShift(), values, MINUTE_S, "strain", {"t": ("temperature", warm, None)})
    slow = [f for f in findings if f.channel == "slow" and f.verdict is Verdict.ABNORMAL]
    assert slow
    assert slow[0].direction == "up"
    assert begin < slow[0].time_us // 60_000_000 <= begin + 3 * DAY


def test_a_shift_says_how_much_temperature_explains() -> None:
    values, warm = strain(1000, 7)
    values[6 * DAY :] += 40
    findings = watched(BaselineShift(), values, MINUTE_S, "strain", {"t": ("temperature", warm, None)})
    shifted = next(finding for finding in findings if finding.verdict is Verdict.ABNORMAL)
    evidence = dict(shifted.evidence)
    assert 25 < float(evidence["shift_um_m"]) < 50
    assert 0.8 < float(evidence["temperature_explains"]) <= 1
    assert shifted.expected is not None
    assert abs(shifted.expected + 40 - values[shifted.time_us // 60_000_000]) < 40


def test_a_temperature_sensor_that_falls_silent_and_returns_elsewhere_is_no_shift() -> None:
    values, warm = strain(1002, 10)
    times = [i * 60_000_000 for i in range(len(values))]
    heard = [i for i in range(len(values)) if not 6 * DAY < i < 8 * DAY]
    kept = (warm + np.where(np.arange(len(warm)) > 7 * DAY, 4.0, 0.0))[heard]  # back with a new probe, 4 degrees off
    subject = Subject("s", "strain", MINUTE_S, (Neighbour("t", "temperature"),))
    series = {"s": (times, values.tolist()), "t": ([times[i] for i in heard], kept.tolist())}
    found = [f.time_us // 60_000_000 for f in onsets(play(BaselineShift(), subject, series))]
    assert [minute for minute in found if 8 * DAY - 10 < minute < 8 * DAY + 120] == []


def test_a_baseline_slower_than_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="steady_s"):
        BaselineShift(steady_s=0.0)


def test_a_load_beyond_the_heaviest_of_weeks_is_found_with_its_reading_and_said_how_rare() -> None:
    values, _ = strain(1000, 20)
    calm = watched(TrafficLoad(), values, MINUTE_S, "strain")
    assert onsets(calm) == []
    at = 18 * DAY + 9 * 60
    values[at] += 260
    findings = watched(TrafficLoad(), values, MINUTE_S, "strain")
    heavy = next(finding for finding in findings if finding.verdict is Verdict.ABNORMAL)
    assert heavy.time_us // 60_000_000 == at
    assert (heavy.channel, heavy.direction) == ("overload", "up")
    assert heavy.return_period_years is not None
    assert heavy.return_period_years > 1
    hour = [f for f in findings[at : at + 120] if f.verdict is Verdict.ABNORMAL]
    assert len(hour) == 60, "it stands to the end of its hour"


@pytest.mark.parametrize(("size", "direction"), [(1.6, "up"), (0.5, "down")])
def test_loads_that_change_for_good_are_found_within_a_week(size: float, direction: str) -> None:
    begin = 35 * DAY
    values, _ = strain(1001, 42)
    values[begin:] = strain(1001, 42, traffic=size)[0][begin:]
    findings = watched(TrafficLoad(), values, MINUTE_S, "strain")
    assert onsets(findings[:begin]) == []
    changed = [f for f in findings[begin:] if f.channel == "peak_level" and f.verdict is Verdict.ABNORMAL]
    assert changed
    assert changed[0].direction == direction
    assert changed[0].time_us / 60e6 - begin <= 7 * DAY


def test_a_slow_swing_is_no_load_and_one_wild_reading_of_a_fast_gauge_is_none() -> None:
    day = 2 * np.pi * np.arange(3 * DAY) / DAY
    swing = 150 * np.cos(day) + np.random.default_rng(1).normal(0, 2, len(day))
    findings = watched(TrafficLoad(first_limit=60.0), swing, MINUTE_S, "strain")
    assert onsets(findings) == []
    fast = np.random.default_rng(2).normal(0, 1, 3000)
    fast[2000] = 900.0
    assert onsets(watched(TrafficLoad(), fast, 0.1, "strain")) == []
    fast[2000:2005] = 900.0
    assert len(onsets(watched(TrafficLoad(), fast, 0.1, "strain"))) == 1
