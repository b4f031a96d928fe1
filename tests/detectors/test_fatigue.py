"""Fatigue: cycles equal to those of an independent counter, and damage that is Miner's sum over the fatigue curve."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
import rainflow
from hypothesis import given, settings
from hypothesis import strategies as st

from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors.cycles import MOST_WAITING, rest, take
from detectors.fatigue_damage import FatigueDamage
from detectors.protocol import Finding, Verdict
from detectors.subject import Subject

rough = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
histories = st.lists(st.one_of(st.integers(-4, 4).map(float), rough), min_size=2, max_size=200)


def _counted(parts: Sequence[Sequence[float]]) -> dict[float, float]:
    """Cycles by range of a history that comes in parts."""
    waiting: list[float] = []
    counts: Counter[float] = Counter()
    for part in parts:
        for value in part:
            for size, halves in take(waiting, value):
                counts[size] += halves
        waiting = list(waiting)  # as from a snapshot
    for size, halves in rest(waiting):
        counts[size] += halves
    return {size: halves / 2 for size, halves in counts.items() if size}


def _of_the_other_counter(values: Sequence[float]) -> dict[float, float]:
    ended = [*values, values[-1]]  # with two values alone it counts nothing
    return {size: count for size, count in rainflow.count_cycles(ended) if size and count}


@settings(max_examples=300, deadline=None)
@given(values=histories, cuts=st.lists(st.integers(0, 200), max_size=6))
def test_cycles_equal_those_of_an_independent_counter_however_the_history_is_cut(
    values: list[float], cuts: list[int]
) -> None:
    edges = [0, *sorted(cuts), len(values)]
    parts = [values[begin:end] for begin, end in pairwise(edges)]
    assert _counted(parts) == _of_the_other_counter(values)


def test_a_month_of_random_loads_is_counted_alike_and_few_points_wait() -> None:
    dice = random.Random(4)
    values = [dice.gauss(0, 30) + 40 * math.sin(i / 700) for i in range(60_000)]
    waiting: list[float] = []
    most = 0
    for value in values:
        list(take(waiting, value))
        most = max(most, len(waiting))
    assert most <= 40
    assert _counted([values]) == _of_the_other_counter(values)


def test_a_history_that_never_closes_a_loop_waits_no_longer_than_it_may() -> None:
    waiting: list[float] = []
    closed = sum(halves for i in range(2000) for _, halves in take(waiting, (-1) ** i * (3000.0 - i)))
    assert len(waiting) <= MOST_WAITING
    assert closed + len(waiting) == 2000


def _cycles(size: float, count: int, step_us: int = 100_000) -> list[Sample]:
    values = [0.0, size] * count + [0.0, 0.0]
    return [Sample("b", i * step_us, value, Flag.PASS, 0) for i, value in enumerate(values)]


def _damage(size: float, count: int, **parameters: float) -> float:
    found = FatigueDamage(**parameters).update(_cycles(size, count))
    return float(dict(found[-1].evidence)["damage"])


def test_damage_follows_the_three_parts_of_the_curve() -> None:
    steel = {"category_mpa": 100.0, "e_gpa": 200.0, "safety": 1.0}  # 1 um/m is 0.2 MPa
    assert _damage(500.0, 1000, **steel) == pytest.approx(1000 / 2e6)  # 100 MPa: two million times
    assert _damage(1000.0, 1000, **steel) == pytest.approx(8000 / 2e6)
    assert _damage(0.7371 * 500, 1000, **steel) == pytest.approx(1000 / 5e6, rel=2e-3)  # at the knee: five million
    assert _damage(0.4041 * 500, 1000, **steel) == pytest.approx(1000 / 1e8, rel=1e-2)  # at the cut-off
    assert _damage(0.4039 * 500, 1000, **steel) == 0.0
    assert _damage(500.0, 1000, **(steel | {"safety": 1.25})) == pytest.approx(1.25**3 * 1000 / 2e6)


def test_noise_does_no_damage_and_no_finding() -> None:
    dice = random.Random(9)
    samples = [Sample("b", i * 20_000, dice.gauss(0, 12), Flag.PASS, 0) for i in range(20_000)]
    found = FatigueDamage().update(samples)
    assert {finding.verdict for finding in found[3:]} == {Verdict.NORMAL}
    assert dict(found[-1].evidence)["damage"] == 0.0


def test_a_cycle_that_a_pause_and_a_restart_cut_in_two_counts_once() -> None:
    hours = 3600 * 1_000_000
    first = [Sample("b", i * 100_000, v, Flag.PASS, 0) for i, v in enumerate([0.0, 300.0, 100.0, 100.0, 100.0])]
    later = [
        Sample("b", 2 * hours + i * 100_000, v, Flag.PASS, 0) for i, v in enumerate([150.0, 20.0, 400.0, 0.0, 1.0])
    ]
    before = FatigueDamage()
    before.update(first)
    after = FatigueDamage()
    after.restore(before.snapshot())
    found = after.update(later)
    assert [finding.verdict for finding in found[:3]] == [Verdict.BLIND] * 3, "a pause is not calm"
    # 100 to 150 um/m; then 300 down to 20, closed by 400; and half a cycle from the start to 400.
    assert after.spectrum("b") == {10.0: 1.0, 50.0: 1.0, 80.0: 0.5}
    assert after.spectrum("unknown") == {}


def test_a_pace_beyond_the_life_is_found_within_the_months_memory() -> None:
    day_us = 86_400_000_000
    detector = FatigueDamage(memory_s=5 * 86400.0)
    found = []
    for hour in range(24 * 10):  # 3 loads an hour of 350 um/m: 3.6 times what a hundred years bear
        start = hour * day_us // 24
        loads = [v for _ in range(3) for v in (0.0, 350.0, 1.0)]
        found += detector.update([Sample("b", start + i * 400_000_000, v, Flag.PASS, 0) for i, v in enumerate(loads)])
    first = next(finding for finding in found if finding.verdict is Verdict.ABNORMAL)
    assert 1 < first.time_us / day_us < 3
    assert first.direction == "up"
    assert found[-1].verdict is Verdict.ABNORMAL


def test_a_gauge_is_judged_by_the_detail_that_its_tags_confirm() -> None:
    def found(*tags: str) -> Finding:
        detector = FatigueDamage()
        detector.watch({"b": Subject("b", "strain", tags=frozenset({"girder", *tags}))})
        return detector.update(_cycles(500.0, 100))[-1]

    usual, weak = float(found().evidence[0][1]), float(found("category_mpa=35.5").evidence[0][1])
    assert weak == pytest.approx(8 * usual)
    assert found("category_mpa=71", "e_gpa=210", "safety=1.35") == found()
    for tags in (["e_gpa=steel"], ["e_gpa=-1"], ["e_gpa=200", "e_gpa=210"]):
        blind = found(*tags)
        assert blind.verdict is Verdict.BLIND
        assert "is not one number above 0" in blind.reason


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        FatigueDamage(safety=0.8)
    with pytest.raises(InputError, match="category_mpa"):
        FatigueDamage(category_mpa=0.0)
