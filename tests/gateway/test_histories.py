"""Long histories: the same for a seed, of physical size, with faults that are where the truth says."""

from __future__ import annotations

import numpy as np
import pytest

from city.errors import InputError
from city.quantity import QUANTITIES
from gateway.faults import KINDS, SEVERITIES, Stretch, change, deliver, kinds_for
from gateway.histories.faulty import Fault, faulty, shift, steps_of
from gateway.histories.history import DEVELOPMENT, DOMAINS, VALIDATION, History, code_hash, simulate
from gateway.histories.water import LIMIT_CM, runoff

DAYS = 60


@pytest.fixture(scope="module")
def histories() -> dict[str, History]:
    return {domain: simulate(domain, 3, DAYS) for domain in DOMAINS}


@pytest.mark.parametrize("domain", DOMAINS)
def test_one_seed_is_one_history_and_a_longer_one_begins_with_it(domain: str, histories: dict[str, History]) -> None:
    once, longer = histories[domain], simulate(domain, 3, DAYS + 20)
    days_before_end = once.count - 86_400 // once.step_s  # a shower or plume of the last day may reach over the end
    for mine, theirs in zip(once.traces, longer.traces, strict=True):
        np.testing.assert_allclose(mine.clean[:days_before_end], theirs.clean[:days_before_end], atol=1e-9)
    again = simulate(domain, 3, DAYS).readings(0)
    assert np.array_equal(again.value, once.readings(0).value)
    assert np.array_equal(again.time_us, once.readings(0).time_us)


def test_seeds_and_salts_give_other_histories() -> None:
    values = [simulate("strain", seed, 2, salt=salt).traces[0].clean for seed, salt in ((0, ""), (1, ""), (0, "a"))]
    assert not np.allclose(values[0], values[1])
    assert not np.allclose(values[0], values[2])
    assert not set(DEVELOPMENT) & set(VALIDATION)


@pytest.mark.parametrize("domain", DOMAINS)
def test_sensors_send_in_order_lose_a_little_and_stay_within_physics(
    domain: str, histories: dict[str, History]
) -> None:
    history = histories[domain]
    for which, trace in enumerate(history.traces):
        sent, quantity = history.readings(which), QUANTITIES[trace.quantity]
        assert (np.diff(sent.time_us) > 0).all()
        assert 0.0005 < 1 - len(sent) / history.count < 0.06
        assert quantity.hard_min <= sent.value.min()
        assert sent.value.max() <= quantity.hard_max
        steps = sent.value / trace.resolution
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
        assert all(0 <= neighbour < len(history.traces) and neighbour != which for neighbour in trace.context)


def test_pressure_falls_where_flow_is_high_and_peers_agree(histories: dict[str, History]) -> None:
    one, other = (histories["gas_pressure"].traces[i].clean for i in (0, 1))
    hour = (histories["gas_pressure"].climate.hour).astype(int)
    assert one[hour == 18].mean() < one[hour == 3].mean()
    assert np.corrcoef(one, other)[0, 1] > 0.9


def test_strain_follows_the_steel_and_traffic(histories: dict[str, History]) -> None:
    history = histories["strain"]
    steel = history.traces[-1].clean
    assert np.corrcoef(history.traces[0].clean, steel)[0, 1] > 0.8
    wiggle = np.abs(np.diff(history.traces[0].clean, 1))
    hour = history.climate.hour[1:].astype(int)
    assert wiggle[hour == 8].mean() > 1.2 * wiggle[hour == 3].mean()


def test_water_rises_after_rain_only_and_drains() -> None:
    history = simulate("water_depth", 0, 365)
    water, rain = runoff(history.climate, 0), history.climate.rain_mm
    assert 600 < rain.sum() < 3500
    flooded = np.flatnonzero(water >= LIMIT_CM)
    assert len(flooded)
    assert all(rain[max(0, at - 360) : at].sum() > 5 for at in flooded[::50].tolist())
    dry = np.flatnonzero(np.convolve(rain, np.ones(1440))[: len(rain)] == 0)
    assert water[dry].max() < 2.0
    assert not history.traces[0].calm[flooded].any()  # type: ignore[index]  # water has it


def test_more_rain_never_lowers_the_water() -> None:
    history = simulate("water_depth", 5, 30)
    rain = history.climate.rain_mm
    cut = np.where(np.arange(len(rain)) < len(rain) // 2, rain, 0.0)
    assert (runoff(history.climate, 0, cut) <= runoff(history.climate, 0) + 1e-9).all()


def test_year_and_weather_are_in_the_flow() -> None:
    history = simulate("gas_flow", 0, 365)
    year, flow = history.climate.year, history.traces[0].clean
    winter, summer = flow[(year < 0.1) | (year > 0.95)].mean(), flow[(year > 0.5) & (year < 0.62)].mean()
    assert 1.5 < winter / summer < 12


def test_what_a_history_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="strain"):
        simulate("wind", 1, 10)
    with pytest.raises(InputError, match="days > 0"):
        simulate("strain", 1, 0)
    assert len(code_hash()) == 12


def at_day(history: History, kind: str, severity: str = "plain", amount: float = 5.0, day: int = 40) -> Fault:
    length = steps_of(KINDS[kind], history.step_s)
    return Fault(kind, 0, day * 86_400 // history.step_s, length, severity, amount)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_fault_changes_its_own_stretch_and_nothing_before_or_after(
    domain: str, histories: dict[str, History]
) -> None:
    history = histories[domain]
    day = 86_400 // history.step_s
    for kind in kinds_for(domain, "physical", "sensor", "held out"):
        fault = at_day(history, kind.name)
        first, last = fault.first - day, min(fault.last + day, history.count)
        calm, ill = history.readings(0, first, last), faulty(history, fault, first, last)[0]
        assert np.array_equal(calm.time_us, ill.time_us)
        changed = calm.value != ill.value
        inside = (calm.at >= fault.first) & (calm.at < fault.last)
        assert not changed[~inside].any(), kind.name
        assert changed[inside].any() or kind.hours == 0, kind.name


def test_a_stuck_sensor_repeats_and_a_leak_takes_pressure_from_all(histories: dict[str, History]) -> None:
    history = histories["gas_pressure"]
    stuck = at_day(history, "stuck")
    sent = faulty(history, stuck, stuck.first, stuck.last)[0].value
    assert len(set(sent.tolist())) == 1
    leak = at_day(history, "leak")
    lost = shift(history, leak)
    assert (lost < 0).all()
    assert lost[-1] < 3 * lost[len(lost) // 4]
    peers = faulty(history, leak, leak.first, leak.last)
    assert set(peers) == {0, 1, 2, 3}
    drop = [history.readings(i, leak.first, leak.last).value - peers[i].value for i in (0, 1)]
    assert drop[0][-1] > drop[1][-1] > 0


def test_creep_speeds_up_towards_failure_as_its_inverse_velocity_says(histories: dict[str, History]) -> None:
    creep = at_day(histories["settlement"], "creep", amount=10.0)
    speed = -np.diff(shift(histories["settlement"], creep))
    inverse = 1.0 / speed
    straight = np.polyfit(np.arange(len(inverse)), inverse, 1)
    assert straight[0] < 0
    np.testing.assert_allclose(np.polyval(straight, np.arange(len(inverse))), inverse, rtol=0.02)


def test_delivery_faults_lose_double_and_shift() -> None:
    time_us = np.arange(100, dtype=np.int64) * 60_000_000
    keys, counter = np.full(100, 7, np.uint64), np.arange(100)
    places, times = deliver(KINDS["dropout"], 0.6, time_us, keys, counter)
    assert 20 < len(places) < 60
    assert np.array_equal(times, time_us[places])
    places, times = deliver(KINDS["duplicate"], 5.0, time_us, keys, counter)
    assert len(places) == 200
    assert (np.diff(times) > 0).all()
    _, times = deliver(KINDS["clock_jump"], 600.0, time_us, keys, counter)
    assert (times - time_us == 600_000_000).all()
    history = simulate("strain", 4, 50)
    for kind in ("dropout", "duplicate", "clock_jump"):
        fault = at_day(history, kind, amount=0.5 if kind == "dropout" else 20.0)
        sent = faulty(history, fault, fault.first - 500, fault.last + 500)[0]
        assert (np.diff(sent.time_us) > 0).all(), kind
        calm = history.readings(0)
        np.testing.assert_array_equal(sent.value, calm.value[np.searchsorted(calm.at, sent.at)], kind)


def test_noise_grows_and_damping_takes_the_cycle() -> None:
    n = 3000
    keys, counter = np.full(n, 5, np.uint64), np.arange(n, dtype=np.int64)
    cycle = np.sin(counter / 100.0)
    minutes = counter.astype(np.float64)
    at = Stretch(minutes / n, minutes, np.zeros(n), cycle, keys, counter)
    assert change(KINDS["noise"], 2.0, at).std() == pytest.approx(2.0, rel=0.05)
    np.testing.assert_allclose((cycle + change(KINDS["damping"], 0.5, at))[720:], 0.5 * cycle[720:])
    assert set(change(KINDS["intermittent"], 3.0, at).tolist()) == {0.0, 3.0}
    assert SEVERITIES == ("subtle", "plain", "gross")


def test_a_growing_leak_has_the_shape_that_a_hydraulic_network_gives(histories: dict[str, History]) -> None:
    wntr = pytest.importorskip("wntr", reason="wntr is the oracle of the shape")
    network = wntr.network.WaterNetworkModel()
    network.add_reservoir("source", base_head=60.0)
    network.add_junction("tap", base_demand=0.05)
    network.add_pipe("main", "source", "tap", length=2000.0, diameter=0.25, roughness=100.0)
    network.options.time.duration = 0
    heads = []
    for leak in np.linspace(0.0, 0.1, 6):  # of the demand, as `LEAK_OF_FLOW`
        network.get_node("tap").demand_timeseries_list[0].base_value = 0.05 * (1.0 + leak)
        heads.append(float(wntr.sim.WNTRSimulator(network).run_sim().node["pressure"]["tap"].iloc[0]))
    theirs = (np.array(heads) - heads[0]) / (heads[-1] - heads[0])
    physical = histories["gas_pressure"].traces[0].physical
    fallen = np.array([physical(slice(1000, 1001), np.array([part]))[0] for part in np.linspace(0.0, 1.0, 6)])
    np.testing.assert_allclose(fallen / fallen[-1], theirs, atol=0.02)
