"""Gas: demand beside its usual day, drops of pressure with their reason, methane with evidence about its origin."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from detectors.gas_demand import GasDemand
from detectors.gas_drop import GasDrop
from detectors.gas_profile import hour_of
from detectors.methane_onset import MethaneOnset
from detectors.protocol import Finding
from detectors.subject import Neighbour, Subject
from tests.detectors.gas import Station, slow, station
from tests.detectors.playing import onsets, play

MINUTE_US = 60_000_000
DAYS, LEAK_DAY, A_DAY = 60, 50, 288


def demand(made: Station, flow: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[Finding]:
    """What `gas_demand` finds in a flow, with the air beside it."""
    times = made.time_us.tolist()
    subject = Subject("f", "gas_flow", 300.0, (Neighbour("t", "temperature"),))
    return play(GasDemand(), subject, {"f": (times, flow.tolist()), "t": (times, made.air.tolist())})


def test_a_leak_of_a_third_is_more_gas_than_usual_and_two_winter_months_without_one_are_calm() -> None:
    made = station(3, DAYS)
    calm = demand(made, made.flow)
    assert len(onsets(calm[28 * A_DAY :])) <= 1
    leaking = made.flow.copy()
    leaking[LEAK_DAY * A_DAY :] += 0.33 * made.flow.mean()
    found = [f for f in demand(made, leaking) if f.score >= 1 and f.time_us >= LEAK_DAY * 86_400_000_000]
    assert found
    assert (found[0].time_us / 3.6e9 - LEAK_DAY * 24) <= 30
    assert {f.direction for f in found} == {"up"}
    evidence = dict(found[0].evidence)
    assert {"usual", "temperature_felt", "days_learned"} <= set(evidence)
    assert found[0].return_period_years is None or found[0].return_period_years >= 1


def test_what_the_cold_explains_is_expected_where_the_cold_is_known() -> None:
    made = station(4, DAYS)
    cold = made.air.copy()
    frost = slice(LEAK_DAY * A_DAY, DAYS * A_DAY)
    cold[frost] -= 5.0
    heat = (1 + 0.16 * np.maximum(0, 17 - cold)) / (1 + 0.16 * np.maximum(0, 17 - made.air))
    ramp = np.minimum(1, np.arange(heat[frost].size) / (1.0 * A_DAY))
    flow = made.flow.copy()
    flow[frost] *= 1 + (heat[frost] - 1) * ramp
    known = demand(Station(made.time_us, cold, flow, made.pressure, made.peers), flow)
    unknown = play(GasDemand(), Subject("f", "gas_flow", 300.0), {"f": (made.time_us.tolist(), flow.tolist())})
    misses = [
        np.mean(
            [
                abs(np.log(flow[i] / f.expected))
                for i, f in enumerate(found)
                if i > (LEAK_DAY + 1) * A_DAY and f.expected
            ]
        )
        for found in (known, unknown)
    ]
    assert misses[0] < 0.75 * misses[1]
    assert onsets(known[(LEAK_DAY + 1) * A_DAY :]) == []


def test_habits_follow_peoples_clock_through_daylight_saving() -> None:
    subject = Subject("f", "gas_flow", zone=ZoneInfo("Europe/Berlin"))
    before_s, after_s = 1_711_800_000, 1_711_886_400  # noon UTC, Saturday and Sunday of the change in 2024
    assert hour_of(subject.local_us(before_s * 1_000_000)) == (13.0, True)
    assert hour_of(subject.local_us(after_s * 1_000_000)) == (14.0, True)
    assert hour_of(subject.local_us((after_s + 86_400) * 1_000_000)) == (14.0, False)


def pressures(seed: int, days: float = 4) -> dict[str, list[float]]:
    """Three stations of one grid each minute, a flow and a methane sensor beside the first."""
    random, n = np.random.default_rng(seed), round(days * 1440)
    grid = 300 + 2 * np.cos(2 * np.pi * np.arange(n) / 1440) + 0.5 * slow(random, n, 240)
    made = {name: grid + random.normal(0, 0.2, n) for name in ("p1", "p2", "p3")}
    made["f1"] = 200 + 20 * np.sin(2 * np.pi * np.arange(n) / 1440) + random.normal(0, 1.5, n)
    made["m1"] = np.maximum(0.0, 1 + 0.1 * random.normal(0, 1, n))
    return {name: np.round(values, 1).tolist() for name, values in made.items()}


def drops(made: dict[str, list[float]]) -> list[Finding]:
    """What `gas_drop` finds in the first station."""
    times = [i * MINUTE_US for i in range(len(made["p1"]))]
    kinds = {"p2": "gas_pressure", "p3": "gas_pressure", "f1": "gas_flow", "m1": "methane"}
    subject = Subject("p1", "gas_pressure", 60.0, tuple(Neighbour(n, q, 40.0) for n, q in kinds.items()))
    return play(GasDrop(), subject, {name: (times, values) for name, values in made.items()})


def lowered(made: dict[str, list[float]], begin: int, **by: float) -> dict[str, list[float]]:
    """The same with some sensors changed within six minutes from `begin` on."""
    course = {name: [0.0] * begin + [min(1.0, i / 6) * amount for i in range(len(made[name]) - begin)]
              for name, amount in by.items()}  # fmt: skip
    return {n: [v + c for v, c in zip(values, course.get(n, [0.0] * len(values)), strict=True)]
            for n, values in made.items()}  # fmt: skip


@pytest.mark.parametrize(
    ("by", "kind"),
    [
        ({"p1": -15.0, "p2": -14.0, "p3": -15.0}, "supply_event"),
        ({"p1": -15.0, "f1": 60.0}, "leak"),
        ({"p1": -15.0, "m1": 6.0}, "leak"),
        ({"p1": -15.0, "p2": -15.0, "p3": -15.0, "m1": 6.0}, "leak"),
        ({"p1": -30.0}, "alone"),
    ],
)
def test_a_drop_says_whether_it_is_the_supply_a_leak_or_one_station(by: dict[str, float], kind: str) -> None:
    begin = 3 * 1440
    found = [f for f in drops(lowered(pressures(1), begin, **by)) if f.score >= 1 and f.time_us > begin * MINUTE_US]
    assert found
    assert found[0].time_us / MINUTE_US - begin <= 10
    settled = found[min(4, len(found) - 1)]
    assert settled.channel == kind
    assert dict(settled.evidence)["kind"] == kind
    assert settled.direction == "down"
    assert f"{settled.reason.count('; ')}" == "1"


def test_one_station_alone_is_weak_evidence_and_calm_days_are_calm() -> None:
    begin = 3 * 1440
    alone = max(f.score for f in drops(lowered(pressures(2), begin, p1=-4.0))[begin:])
    leak = max(f.score for f in drops(lowered(pressures(2), begin, p1=-4.0, f1=60.0))[begin:])
    assert alone < leak
    assert onsets(drops(pressures(3, 8))[2 * 1440 :]) == []


def methane(course: list[float], neighbour: list[float], air_c: float, subject: Subject) -> list[Finding]:
    times = [i * MINUTE_US for i in range(len(course))]
    series = {subject.sensor: (times, course), "ch4-2": (times, neighbour), "t": (times, [air_c] * len(times))}
    return play(MethaneOnset(), subject, series)


CALM = [1.0, 1.1, 0.9, 1.0] * 60
CONTEXT = (Neighbour("ch4-2", "methane", 30.0), Neighbour("t", "temperature"))


def test_a_step_near_a_main_in_the_cold_with_a_second_well_speaks_for_a_leak() -> None:
    near_main = Subject("ch4-1", "methane", 60.0, (*CONTEXT, Neighbour("p", "gas_pressure", 20.0)))
    found = methane([*CALM, *[15.0] * 20], [*CALM, *[8.0] * 20], 2.0, near_main)[-1]
    evidence = dict(found.evidence)
    assert float(evidence["leak_score"]) > 0.9
    assert {"near_gas_main", "cold", "came_at_once", "neighbouring_well_rises"} <= set(evidence)
    assert "rather a leak" in found.reason


def test_a_slow_rise_that_comes_every_warm_night_in_one_well_speaks_for_sewer_gas() -> None:
    subject = Subject("ch4-1", "methane", 60.0, CONTEXT, tags=frozenset({"sewer"}))
    night = [1 + 8 * np.sin(np.pi * i / 240) for i in range(240)]
    course = [float(v) for _ in range(5) for v in [*(CALM * 5), *night]]
    calm = [1.0, 1.1] * (len(course) // 2)
    found = [f for f in methane(course, calm, 26.0, subject) if f.score >= 1]
    evidence = dict(found[-1].evidence)
    assert float(evidence["leak_score"]) < 0.1
    assert {"warm", "same_hour_of_day", "comes_and_goes", "neighbouring_wells_calm", "no_gas_main_known"} <= set(
        evidence
    )
    assert "rather sewer gas" in found[-1].reason


def test_ethane_settles_it_where_a_city_has_such_sensors() -> None:
    plain = Subject("ch4-1", "methane", 60.0, CONTEXT)
    ethane = Subject("ch4-1", "methane", 60.0, (*CONTEXT, Neighbour("c2h6", "ethane")))
    course = [*CALM, *[15.0] * 20]
    times = [i * MINUTE_US for i in range(len(course))]
    series = {"ch4-1": (times, course), "ch4-2": (times, [1.0] * 260), "c2h6": (times, [0.4] * 260)}
    with_it = dict(play(MethaneOnset(), ethane, series)[-1].evidence)
    without = dict(play(MethaneOnset(), plain, series)[-1].evidence)
    assert float(with_it["leak_score"]) > float(without["leak_score"])
    assert with_it["ethane_present"] == 3.0
