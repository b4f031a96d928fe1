"""What each native detector does on simulated signals: calm months, onsets, and the numbers its docstring claims."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Detector, Finding, Verdict
from detectors.registry import create

Signal = NDArray[np.float64]
MINUTES_A_DAY = 1440


def _ar1(random: np.random.Generator, n: int, sigma: float, memory: float) -> Signal:
    """Slow noise: standard deviation `sigma`, correlation time `memory` samples."""
    keep = math.exp(-1 / memory)
    shocks = random.normal(0, sigma * math.sqrt(1 - keep * keep), n)
    out = np.empty(n)
    value = random.normal(0, sigma)
    for i, shock in enumerate(shocks.tolist()):
        value = keep * value + shock
        out[i] = value
    return out


def _bumps(
    random: np.random.Generator, n: int, every: float, length: tuple[int, int], height: tuple[float, float]
) -> Signal:
    """Passing things: bumps of random length and height, on average one in `every` samples."""
    out = np.zeros(n)
    for start in np.flatnonzero(random.random(n) < 1 / every).tolist():
        out[start : start + int(random.integers(*length))] += random.uniform(*height)
    return out


def _phase(n: int, step_min: float) -> Signal:
    return 2 * np.pi * np.arange(n) * step_min / MINUTES_A_DAY


def calm_methane(seed: int, days: float) -> Signal:
    """%LEL each minute: a well at 0.3 to 2 with a daily swing, weather, plumes of 1 to 3 min, 0.1 resolution."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY)
    swing = 0.25 * np.cos(_phase(n, 1) - random.uniform(0, 6)) + _ar1(random, n, 0.25, 600)
    level = random.uniform(0.3, 1.5) * np.exp(swing) + _bumps(random, n, 500, (1, 4), (0.5, 5))
    level = level * (1 + random.normal(0, 0.03, n)) + random.normal(0, 0.05, n)
    return np.asarray(np.round(np.maximum(level, 0), 1), dtype=np.float64)


def calm_depth(seed: int, days: float) -> Signal:
    """Depth in cm each minute, dry: sensor noise, a slow offset of the ultrasonic kind, passing cars."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY)
    slow = 0.6 * np.cos(_phase(n, 1)) + _ar1(random, n, 0.4, 120)
    cars = _bumps(random, n, 1500, (1, 2), (5, 40))
    return np.round(np.maximum(1 + slow + random.normal(0, 0.3, n), 0) + cars, 1)


def calm_strain(seed: int, days: float) -> Signal:
    """um/m each minute: thermal +-20 a day with weather, noise 2 to 5, traffic peaks and jams of 2 to 4 min."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY)
    thermal = 20 * np.cos(_phase(n, 1)) * random.uniform(0.5, 1) + _ar1(random, n, 8, 1200)
    traffic = _bumps(random, n, 15, (1, 2), (10, 60)) + _bumps(random, n, 700, (2, 5), (10, 30))
    return thermal + random.normal(0, random.uniform(2, 5), n) + traffic


def calm_settlement(seed: int, days: float) -> Signal:
    """Settlement in mm each five minutes: -0.02 mm/h, noise 0.1, a thermal cycle of 0.2, slow wander."""
    random, n = np.random.default_rng(seed), round(days * MINUTES_A_DAY / 5)
    trend = -0.02 * np.arange(n) / 12 + 0.2 * np.cos(_phase(n, 5)) + _ar1(random, n, 0.1, 150)
    return trend + random.normal(0, 0.1, n)


CALM: dict[str, tuple[Callable[[int, float], Signal], float]] = {
    "methane_onset": (calm_methane, 60),
    "flood_onset": (calm_depth, 60),
    "baseline_shift": (calm_strain, 60),
    "settlement_rate": (calm_settlement, 300),
}


def run(detector: Detector, values: Signal, step_s: float, sensor: str = "s") -> list[Finding]:
    return detector.update(
        [Sample(sensor, round(i * step_s * 1e6), value, Flag.PASS, 0) for i, value in enumerate(values.tolist())]
    )


def onsets(findings: Sequence[Finding]) -> list[int]:
    """Where ABNORMAL begins."""
    abnormal = [finding.verdict is Verdict.ABNORMAL for finding in findings]
    return [i for i, now in enumerate(abnormal) if now and not (i and abnormal[i - 1])]


def delays(
    name: str, make: Callable[[int, float], Signal], begin: int, sign: Callable[[Signal], Signal]
) -> list[float]:
    """Samples from the beginning of a sign to its finding, for ten seeds, sorted; infinite when it is missed."""
    step_s, found = CALM[name][1], []
    for seed in range(2000, 2010):
        values = make(seed, max(1.0, 2 * begin * step_s / 86400))
        values[begin:] += sign(np.arange(len(values) - begin) * step_s / 60)
        findings = run(create(name), values, step_s)
        hits = (i - begin for i in range(begin, len(values)) if findings[i].verdict is Verdict.ABNORMAL)
        found.append(float(next(hits, math.inf)))
    return sorted(found)


@pytest.mark.parametrize(
    ("name", "most"), [("methane_onset", 8), ("flood_onset", 1), ("baseline_shift", 4), ("settlement_rate", 4)]
)
def test_false_alarms_of_ninety_calm_sensor_days_stay_where_the_docstring_puts_them(name: str, most: int) -> None:
    make, step_s = CALM[name]
    counts = [len(onsets(run(create(name), make(seed, 30), step_s))) for seed in range(1000, 1003)]
    assert sum(counts) <= most, counts


@pytest.mark.parametrize("begin", [35, 700])
def test_methane_from_1_to_25_lel_in_25_min_is_found_within_8_min(begin: int) -> None:
    found = delays("methane_onset", calm_methane, begin, lambda minute: np.minimum(minute * 24 / 25, 24))
    assert found[-1] <= 8, found


@pytest.mark.parametrize("begin", [30, 700])
def test_an_underpass_filling_45_cm_in_20_min_is_found_within_6_min(begin: int) -> None:
    straight = delays("flood_onset", calm_depth, begin, lambda minute: np.minimum(minute * 45 / 20, 45))
    assert straight[-1] <= 4, straight
    curved = delays("flood_onset", calm_depth, begin, lambda m: 22.5 * (1 - np.cos(np.pi * np.minimum(m / 20, 1))))
    assert curved[-1] <= 6, curved


@pytest.mark.parametrize("begin", [60, 700])
@pytest.mark.parametrize("step", [34.0, -34.0])
def test_a_strain_step_of_34_is_found_within_15_min(begin: int, step: float) -> None:
    found = delays("baseline_shift", calm_strain, begin, lambda minute: step + 0 * minute)
    assert found[-1] <= 15, found


def test_settlement_speeding_up_to_06_mm_h_is_found_within_100_min() -> None:
    found = delays("settlement_rate", calm_settlement, 800, lambda minute: -0.58 * minute / 60)
    assert found[-1] * 5 <= 100, found


def test_settlement_in_a_two_hour_story_at_a_reading_a_minute_is_found_within_70_min() -> None:
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(0, 0.1, 120)
        minute = np.arange(120)
        values = -0.02 * minute / 60 - 0.58 * np.maximum(minute - 45, 0) / 60 + noise
        findings = run(create("settlement_rate"), values, 60)
        hits = [i for i, f in enumerate(findings) if f.verdict is Verdict.ABNORMAL]
        assert hits, seed
        assert 45 < hits[0] <= 115
        assert findings[hits[0]].direction == "up"


def test_heave_is_down_and_slowing_settlement_is_nothing() -> None:
    minute = np.arange(600)
    noise = np.random.default_rng(1).normal(0, 0.1, 600)
    heave = run(create("settlement_rate"), 0.6 * np.maximum(minute - 300, 0) / 60 + noise, 60)
    assert {f.direction for f in heave if f.score >= 1} == {"down"}
    slowing = run(create("settlement_rate"), -0.08 * np.minimum(minute, 300) / 60 + noise, 60)
    assert onsets(slowing) == []


def test_lorries_in_one_reading_of_eight_rarely_move_a_bridge() -> None:
    random = np.random.default_rng(7)
    lorries = _bumps(random, 20 * MINUTES_A_DAY, 12, (1, 3), (10, 80))
    assert len(onsets(run(create("baseline_shift"), lorries + random.normal(0, 2, len(lorries)), 60))) <= 4


def test_a_strain_shift_that_comes_back_clears() -> None:
    values = np.random.default_rng(3).normal(0, 3, 400)
    values[200:240] += 34
    findings = run(create("baseline_shift"), values, 60)
    assert any(f.score >= 1 for f in findings[200:240])
    assert not any(f.score >= 1 for f in findings[260:])


def test_a_level_that_stays_is_learned_blind_after_the_bound_and_then_normal() -> None:
    random = np.random.default_rng(5)
    gas = np.concatenate([random.normal(1, 0.05, 200), random.normal(20, 0.2, 500)])
    strain = np.concatenate([random.normal(0, 3, 200), random.normal(40, 3, 400)])
    for name, values in (("methane_onset", gas), ("baseline_shift", strain)):
        verdicts = [f.verdict for f in run(create(name), values, 60)]
        begin = verdicts.index(Verdict.ABNORMAL)
        after = verdicts[begin:]
        relearn = after.index(Verdict.BLIND)
        assert set(after[:relearn]) == {Verdict.ABNORMAL}, "it stood until the bound"
        assert 180 <= relearn <= 400
        assert after[-1] is Verdict.NORMAL


def test_single_wild_readings_and_parked_methane_plumes_are_no_onset() -> None:
    random = np.random.default_rng(11)
    for name, base, spike in (("methane_onset", 1.0, 40.0), ("flood_onset", 0.0, 60.0), ("baseline_shift", 0.0, 300.0)):
        values = base + np.abs(random.normal(0, 0.1, 600))
        values[100::50] += spike
        assert onsets(run(create(name), values, 60)) == [], name


def test_the_cadence_may_be_irregular() -> None:
    random = np.random.default_rng(2)
    time_s = np.cumsum(random.choice([20, 60, 90, 180], 300))
    depth = np.maximum(0, time_s - time_s[200]) * 2.25 / 60
    samples = [
        Sample("s", int(t) * 1_000_000, float(d), Flag.PASS, 0) for t, d in zip(time_s, depth, strict=True)
    ]  # fmt: skip
    first = next(f for f in create("flood_onset").update(samples) if f.verdict is Verdict.ABNORMAL)
    assert 0 < first.time_us / 1e6 - time_s[200] <= 600
