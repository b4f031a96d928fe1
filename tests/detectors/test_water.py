"""Water: floods announced from rain, dirt told from water, drains that grow slow."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

import numpy as np
import pytest

from detectors.drain_fouling import DrainFouling
from detectors.drain_recession import DrainRecession
from detectors.flood_nowcast import FloodNowcast
from detectors.protocol import Finding, Verdict
from detectors.subject import Neighbour, Subject
from tests.detectors.playing import onsets, play
from tests.detectors.storms import Storm, street

MINUTE_US = 60_000_000
GAUGE = (Neighbour("r", "rainfall", 300.0),)
LIMIT_CM = 15.0


def announced(seed: int, years: float, *, gauge: bool) -> tuple[list[tuple[Storm, list[Finding]]], float]:
    """Each storm of some years with what `flood_nowcast` found in it."""
    made, random = street(seed, years), np.random.default_rng(seed)
    times, depth, rain = [], [], []
    for storm in made.storms:
        n = len(storm.depth_cm)
        times += [(storm.begin_min + i) * MINUTE_US for i in range(n)]
        depth += np.round(np.maximum(0, storm.depth_cm + random.normal(0, made.noise_cm, n)), 1).tolist()
        rain += storm.gauge_mm.tolist()
    subject = Subject("w", "water_depth", 60.0, GAUGE if gauge else ())
    found, told, at = play(FloodNowcast(), subject, {"w": (times, depth), "r": (times, rain)}), [], 0
    for storm in made.storms:
        told.append((storm, found[at : at + len(storm.depth_cm)]))
        at += len(storm.depth_cm)
    return told, made.years


def tally(seeds: Sequence[int], *, gauge: bool) -> tuple[list[float], float]:
    """Leads in minutes of all crossings (0 for those missed), and false announcements a year."""
    leads, false, years = [], 0, 0.0
    for seed in seeds:
        told, more = announced(seed, 1.5, gauge=gauge)
        years += more
        for storm, found in told:
            on = [i for i, f in enumerate(found) if f.verdict is Verdict.ABNORMAL]
            if storm.depth_cm.max() >= LIMIT_CM:
                reached = int(np.argmax(storm.depth_cm >= LIMIT_CM))
                leads.append(float(reached - on[0]) if on and on[0] < reached else 0.0)
            else:
                false += bool(on)
    return leads, false / years


def test_rain_announces_floods_with_few_false_ones_and_the_depth_alone_with_many() -> None:
    leads, false = tally((1, 2), gauge=True)
    _, blind_false = tally((1, 2), gauge=False)
    assert np.median(leads) >= 8
    assert np.mean(np.array(leads) > 0) >= 0.75
    assert false <= 1.0
    assert blind_false > 1.5 * false


def test_an_announcement_tells_when_as_a_range_and_from_what() -> None:
    told, _ = announced(1, 1.0, gauge=True)
    first = [on[0] for _, found in told if (on := [f for f in found if f.score >= 1])]
    assert first
    for finding in first:
        evidence = dict(finding.evidence)
        early, late = evidence["reaches_earliest_min"], evidence["reaches_latest_min"]
        assert isinstance(early, float)
        assert isinstance(late, str) or early <= late
        assert {"peak_cm", "rain_mm_h", "learned_steps"} <= set(evidence)
        assert "min" in finding.reason or "over" in finding.reason


def test_dry_months_announce_nothing() -> None:
    random = np.random.default_rng(5)
    n = 7 * 1440
    depth = np.round(np.maximum(0, 1 + 0.6 * np.cos(np.arange(n) / 229) + random.normal(0, 0.3, n)), 1)
    depth[::997] += 30  # cars
    times = [i * MINUTE_US for i in range(n)]
    series = {"w": (times, depth.tolist()), "r": (times, [0.0] * n)}
    assert onsets(play(FloodNowcast(), Subject("w", "water_depth", 60.0, GAUGE), series)) == []


def fouling(depth: Sequence[float], rain: Sequence[float] | None, beside: Sequence[float] | None) -> list[Finding]:
    times = [i * 5 * MINUTE_US for i in range(len(depth))]
    series = {"w": (times, depth)}
    context: tuple[Neighbour, ...] = ()
    if rain is not None:
        series["r"], context = (times, rain), (*context, Neighbour("r", "rainfall"))
    if beside is not None:
        series["w2"], context = (times, beside), (*context, Neighbour("w2", "water_depth"))
    return play(DrainFouling(), Subject("w", "water_depth", 300.0, context), series)


def lively(n: int, seed: int = 1) -> list[float]:
    return [float(v) for v in np.round(np.abs(np.random.default_rng(seed).normal(0.4, 0.2, n)), 1)]


def test_depth_in_dry_weather_is_dirt_until_it_is_cleaned() -> None:
    dirty = [*lively(200), *[v + 8.0 for v in lively(300)], *lively(100)]
    dry = [0.0] * len(dirty)
    found = fouling(dirty, dry, lively(600, 2))
    begun = onsets(found)
    assert [f.channel for f in begun] == ["dry_depth"]
    assert 5.5 <= begun[0].time_us / 3.6e9 - 200 / 12 <= 7.5
    assert "not a flood" in begun[0].reason
    assert any("it was dirt" in f.reason for f in found[500:504])
    assert found[-1].verdict is Verdict.NORMAL


def test_rain_a_wet_neighbour_or_nobody_to_ask_is_no_dirt() -> None:
    deep, dry = [*lively(200), *[v + 8.0 for v in lively(300)]], [0.0] * 500
    assert onsets(fouling(deep, [0.0] * 200 + [0.3] * 300, None)) == []
    assert onsets(fouling(deep, dry, deep)) == []
    assert onsets(fouling(deep, None, None)) == []


def test_water_that_runs_off_after_rain_is_no_dirt() -> None:
    depth = [*lively(100), *[40 * exp(-i / 150) + v for i, v in enumerate(lively(400))]]
    rain = [0.0] * 90 + [2.0] * 10 + [0.0] * 400
    assert onsets(fouling(depth, rain, None)) == []


def test_a_dead_sensor_is_found_by_one_value_and_a_covered_one_by_its_quiet() -> None:
    dead = fouling([*lively(600), *[0.4] * 300], None, None)
    assert [f.channel for f in onsets(dead)] == ["flat"]
    covered = fouling([*lively(12 * 288), *[0.4 + 0.01 * (i % 2) for i in range(288)]], None, None)
    assert [f.channel for f in onsets(covered)][:1] == ["quiet"]


@pytest.mark.parametrize(("last_h", "slower"), [(2.6, True), (1.1, False)])
def test_a_drain_that_takes_longer_at_each_flood_is_found(last_h: float, slower: bool) -> None:
    random, depth, rain = np.random.default_rng(3), [0.3] * 60, [0.0] * 60
    for constant_h in (1.0, 1.1, 0.9, 1.05, last_h, last_h):
        filling = [25 * i / 20 for i in range(20)]
        falling = [25 * exp(-i / 60 / constant_h) for i in range(480)]
        depth += [v + 0.3 for v in filling + falling]
        rain += [1.0] * 20 + [0.0] * 480
    values = np.round(np.array(depth) + random.normal(0, 0.15, len(depth)), 1).tolist()
    times = [i * MINUTE_US for i in range(len(values))]
    found = play(DrainRecession(), Subject("w", "water_depth", 60.0, GAUGE), {"w": (times, values), "r": (times, rain)})
    assert (found[-1].score >= 1) == slower
    assert all(f.score < 1 for f in found[: 60 + 5 * 500])
    if slower:
        evidence = dict(found[-1].evidence)
        assert evidence["drains_in_h"] == pytest.approx(2.6, rel=0.15)
        assert evidence["drained_in_h"] == pytest.approx(1.02, rel=0.15)
