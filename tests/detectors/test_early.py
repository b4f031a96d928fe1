"""The fleet engine: the same answers compiled and not, in any order and any batch, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest

from city.errors import InputError
from detectors.columns import ABNORMAL, BLIND, Columns, Floats, Found, Longs
from detectors.early import layout, natures
from detectors.early.channels import BLIND_REASONS, CHANNELS, RARITY, RATE, SPIKE
from detectors.early.fleet import Fleet
from detectors.early.kernel import relearn
from detectors.early.settings import Settings, Wish
from detectors.early.statistics import gain_of
from detectors.subject import Neighbour, Subject

MINUTE_US = 60_000_000


def _columns(values: Floats, row: int = 0, start: int = 0) -> Columns:
    n = len(values)
    time_us = (start + np.arange(n, dtype=np.int64)) * MINUTE_US
    flag = np.ones(n, np.uint8)
    return Columns(np.full(n, row, np.int64), time_us, time_us, values.astype(float), flag, np.full((n, 4), np.nan))


def _together(*parts: Columns) -> Columns:
    return Columns(*(np.concatenate(c) for c in zip(*parts, strict=True)))


def _take(columns: Columns, which: Longs) -> Columns:
    return Columns(*(column[which] for column in columns))  # type: ignore[arg-type]  # each column's own kind


def _answers(found: Found, order: Longs) -> Found:
    return Found(*(column[order] for column in found))  # type: ignore[arg-type]  # each column's own kind


def _life(days: int, seed: int = 1) -> Floats:
    """A pressure with habits of the day and coloured noise."""
    dice = np.random.default_rng(seed)
    n = 1440 * days
    slow = np.zeros(n)
    for i, kick in enumerate(dice.normal(0, 0.6, n)):
        slow[i] = 0.8 * slow[i - 1] + kick
    return 100 + 5 * np.sin(np.arange(n) / 1440 * 2 * np.pi) + slow + dice.normal(0, 0.2, n)


def _same(a: Found, b: Found) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def test_compiled_and_plain_tell_the_same_to_the_bit() -> None:
    values = _life(2)[:2400]
    values[500:520], values[1500], values[1700:1760] = 180.0, np.nan, 97.0
    subjects = [Subject(name, quantity) for name, quantity in (("a", "gas_pressure"), ("b", "methane"), ("c", ""))]
    fast, plain = Fleet(subjects), Fleet(subjects, plain=True)
    batch = _together(_columns(values), _columns(values - 80, row=1, start=7), _columns(values, row=2))
    _same(fast.update(batch), plain.update(batch))
    assert fast.snapshot() == plain.snapshot()


def test_the_order_of_sensors_and_the_size_of_batches_change_nothing() -> None:
    subjects = [Subject(name, "gas_pressure") for name in "abc"]
    parts = [_columns(_life(1, seed), row, start=seed) for row, seed in enumerate((3, 4, 5))]
    whole = _together(*parts)
    order = np.argsort(np.random.default_rng(1).permutation(len(whole.row)) % 999 * 0 + whole.time_us, kind="stable")
    one, other = Fleet(subjects), Fleet(subjects)
    first, mixed = one.update(whole), other.update(_take(whole, order))
    _same(_answers(first, order), mixed)
    assert one.snapshot() == other.snapshot()


@pytest.mark.parametrize(
    ("fault", "channels"),
    [
        (lambda x: x.__setitem__(slice(100, 101), x[100] + 30), {"spike", "rate", "rarity"}),
        (lambda x: x.__setitem__(slice(100, 700), x[100]), {"flat"}),
        (lambda x: x.__iadd__(np.minimum(np.arange(len(x)) / 240, 12)), {"level_16", "level_64", "level_256", "drift"}),
    ],
    ids=["spike", "stuck", "ramp"],
)
def test_it_finds_what_is_wrong_after_weeks_of_calm(fault: object, channels: set[str]) -> None:
    values = _life(45)
    after = values[-2880:].copy()
    fault(after)  # type: ignore[operator]  # a function that changes it in place
    fleet = Fleet([Subject("a", "gas_pressure")])
    calm = fleet.update(_columns(values[:-2880]))
    assert (calm.verdict == ABNORMAL).sum() == 0
    found = fleet.update(_columns(after, start=len(values) - 2880))
    at = int(np.argmax(found.verdict == ABNORMAL))
    assert found.verdict[at] == ABNORMAL
    assert CHANNELS[found.channel[at]] in channels


def test_rows_go_back_and_snapshots_carry_over_to_a_fleet_in_another_order() -> None:
    fleet = Fleet([Subject("a", ""), Subject("b", "")])
    fleet.update(_together(_columns(_life(1)), _columns(_life(1, 2), row=1)))
    turned = Fleet([Subject("b", ""), Subject("new", ""), Subject("a", "")])
    turned.restore(fleet.snapshot())
    assert turned.row_state(2) == fleet.row_state(0)
    assert turned.row_state(0) == fleet.row_state(1)
    assert not turned.has_begun(1)
    turned.watch([Subject("later", "")])
    assert turned.row_state(2) == fleet.row_state(0)
    with pytest.raises(InputError, match="other settings"):
        Fleet([Subject("a", "")], Settings(0.1)).restore(fleet.snapshot())


def test_a_tighter_budget_is_less_often_passed_and_a_channel_that_is_off_says_nothing() -> None:
    values = _life(20)
    values[-200:] += 8
    loud, strict = Fleet([Subject("a", "")], Settings(12.0)), Fleet([Subject("a", "")], Settings(0.01))
    counts = [int((fleet.update(_columns(values)).verdict == ABNORMAL).sum()) for fleet in (loud, strict)]
    assert counts[0] > counts[1]
    deaf = Fleet([Subject("a", "")], Settings(quantities={"": Wish(off=frozenset({"rarity"}))}))
    assert RARITY not in set(deaf.update(_columns(values)).channel.tolist())


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        Settings(false_alarms_per_year=0)
    with pytest.raises(InputError, match="unknown channel"):
        Settings(off=frozenset({"spikes"}))
    assert Settings().hash != Settings(2.0).hash


def test_a_row_outside_the_fleet_is_refused_and_old_samples_change_nothing() -> None:
    fleet = Fleet([Subject("a", "")])
    with pytest.raises(InputError, match="not in the fleet"):
        fleet.update(_columns(_life(1), row=1))
    fleet.update(_columns(_life(1)))
    state = fleet.row_state(0)
    assert set(fleet.update(_columns(_life(1))).verdict.tolist()) == {BLIND}
    assert fleet.row_state(0) == state


def test_a_sample_is_explained_by_every_channel_and_nothing_changes() -> None:
    fleet = Fleet([Subject("a", "gas_pressure")])
    values = _life(20)
    fleet.update(_columns(values))
    state = fleet.row_state(0)
    odd = _columns(values[-1:] + 40.0, start=len(values))
    told = fleet.explain(0, odd)
    assert fleet.row_state(0) == state
    found = fleet.update(odd)
    assert told.channel == CHANNELS[found.channel[0]]
    assert told.return_period_years == found.return_period_years[0]
    assert (told.expected, told.low, told.high) == (found.expected[0], found.low[0], found.high[0])
    loud = {heard.channel for heard in told.channels if heard.statistic > heard.threshold}
    assert {"spike", "rate"} <= loud
    assert [heard.channel for heard in told.channels] == list(CHANNELS)
    assert np.isnan(fleet.explain(0).expected)


def test_a_drift_that_only_neighbours_betray_is_found_and_their_own_moves_are_not() -> None:
    days, dice = 40, np.random.default_rng(3)
    n = 1440 * days
    weather = np.zeros(n)
    for i, kick in enumerate(dice.normal(0, 0.05, n)):
        weather[i] = 0.999 * weather[i - 1] + kick
    town = [100 + weather * k + dice.normal(0, 0.2, n) for k in (1.0, 0.9, 1.2)]
    drift = np.zeros(n)
    drift[-4320:] = np.linspace(0, 3, 4320)
    around = np.full((n, 4), np.nan)
    around[1:, 0], around[1:, 1] = town[1][:-1], town[2][:-1]
    near = (Neighbour("b", "gas_pressure"), Neighbour("c", "gas_pressure"))
    found = {}
    for name, values, neighbours in (
        ("calm", town[0], near),
        ("drifting", town[0] + drift, near),
        ("alone", town[0] + drift, ()),
    ):
        fleet = Fleet([Subject("a", "gas_pressure", 60.0, neighbours)])
        found[name] = fleet.update(_columns(values)._replace(context=around))
    assert (found["calm"].verdict == ABNORMAL).sum() == 0
    first = {name: int(np.argmax(one.verdict == ABNORMAL)) for name, one in found.items()}
    assert n - 4320 < first["drifting"] < n - 1440
    assert CHANNELS[found["drifting"].channel[first["drifting"]]].startswith("context")
    assert first["alone"] == 0 or first["alone"] > first["drifting"]


def test_rain_makes_standing_water_blind_not_abnormal() -> None:
    values = 1.0 + np.random.default_rng(1).normal(0, 0.05, 14_400)
    rain = np.zeros(len(values))
    rain[-300:-200], values[-290:] = 0.5, values[-290:] + 20.0
    around = np.full((len(values), 4), np.nan)
    around[:, 0] = rain
    fleet = Fleet([Subject("w", "water_depth", 60.0, (Neighbour("r", "rainfall"),))])
    found = fleet.update(_columns(values)._replace(context=around))
    assert set(found.verdict[-300:].tolist()) == {BLIND}
    assert {BLIND_REASONS[reason] for reason in found.reason[-300:].tolist()} == {"rain explains it"}
    dry = Fleet([Subject("w", "water_depth")]).update(_columns(values))
    assert (dry.verdict[-290:] == ABNORMAL).any()


def test_columns_of_another_kind_are_taken_for_what_they_say_and_wrong_ones_refused() -> None:
    subjects = [Subject("a", "gas_pressure"), Subject("b", "gas_pressure")]
    fleet, other = Fleet(subjects), Fleet(subjects)
    whole = _together(_columns(_life(1)), _columns(_life(1, 2), row=1))
    spaced, kept = np.repeat(whole.time_us, 2)[::2], np.frombuffer(whole.value.tobytes())
    held = whole._replace(time_us=spaced, value=kept, flag=whole.flag.astype(np.int64))
    _same(fleet.update(whole), other.update(held))
    state = fleet.snapshot()
    for broken in (whole._replace(value=whole.value[:-1]), whole._replace(row=np.where(whole.row == 1, -1, 0))):
        with pytest.raises(InputError, match=r"unequal length|not in the fleet of 2, got -1"):
            fleet.update(broken)
    assert fleet.snapshot() == state


def test_compiled_and_plain_tell_the_same_beside_neighbours_and_of_sensors_that_come_later() -> None:
    near = tuple(Neighbour(f"n{i}", q) for i, q in enumerate(("gas_flow", "temperature", "gas_flow", "wind")))
    dry = Neighbour("r", "rainfall"), Neighbour("d", "water_depth")
    subjects = [Subject("a", "gas_flow", 600.0, near), Subject("b", "water_depth", 600.0, dry)]
    fast, plain = Fleet(subjects[:1]), Fleet(subjects[:1], plain=True)
    dice, n = np.random.default_rng(8), 900
    around = 50 + dice.normal(0, 2, (n, 4)).cumsum(axis=0) * 0.1
    around[dice.random((n, 4)) < 0.1], around[400:420, 0] = np.nan, 1e300
    values = around[:, 1] + dice.normal(0, 0.3, n)
    values[600:640] += 30.0
    one = _columns(values)._replace(context=around)
    one = one._replace(time_us=one.time_us * 10, local_us=one.local_us * 10)
    kept = Columns(*(column.copy() for column in one))  # type: ignore[arg-type]  # each column's own kind
    _same(fast.update(_take(one, np.arange(500))), plain.update(_take(one, np.arange(500))))
    for fleet in (fast, plain):
        fleet.watch(subjects[1:])
    rest = _take(one, np.arange(500, n))
    both = _together(rest, rest._replace(row=np.ones(n - 500, np.int64)))
    _same(fast.update(both), plain.update(both))
    assert fast.snapshot() == plain.snapshot()
    for column, before in zip(one, kept, strict=True):
        np.testing.assert_array_equal(column, before)
    alone = Fleet(subjects)
    alone.restore(fast.snapshot())
    assert alone.row_state(1) == fast.row_state(1)


def test_a_snapshot_of_the_first_hours_is_taken_back_whatever_the_sign_of_the_values() -> None:
    fleet, other = Fleet([Subject("a", "settlement")]), Fleet([Subject("a", "settlement")])
    fleet.update(_columns(-5.0 + 0.1 * np.sin(np.arange(40.0))))
    other.restore(fleet.snapshot())
    assert other.snapshot() == fleet.snapshot()


@pytest.mark.parametrize("quantity", ["", "methane"])
def test_a_row_is_taken_back_whatever_it_has_counted(quantity: str) -> None:
    fleet = Fleet([Subject("a", quantity)])
    fleet.update(_columns(_life(2)))
    row = np.frombuffer(fleet.row_state(0)[8:], np.float32).copy()
    row.view(np.uint16)[layout.SCALES + 1] = 0x7F90  # as a number of single precision it would be none
    fleet.put_row_state(0, fleet.row_state(0)[:8] + row.tobytes())
    assert fleet.row_state(0)[8:] == row.tobytes()


@pytest.mark.parametrize("place", [layout.TOGETHER_THRESHOLD, layout.TAIL + layout.THRESHOLD])
def test_a_row_with_a_threshold_of_nothing_is_refused(place: int) -> None:
    fleet = Fleet([Subject("a", "")])
    fleet.update(_columns(_life(1)))
    row = np.frombuffer(fleet.row_state(0)[8:], np.float32).copy()
    row[place] = 0.0
    with pytest.raises(InputError, match="damaged"):
        fleet.put_row_state(0, fleet.row_state(0)[:8] + row.tobytes())


def test_a_plain_spike_of_a_quantity_nobody_knows_is_abnormal_even_by_its_rarity_alone() -> None:
    dice = np.random.default_rng(2)
    value = dice.normal(20, 0.3, 90 * 288)
    value[-1] += 20 * 0.3
    five = _columns(value)
    five = five._replace(time_us=5 * five.time_us, local_us=5 * five.local_us)
    for off in (frozenset(), frozenset({"spike", "rate"})):
        found = Fleet([Subject("a", "vibration")], Settings(off=off)).update(five)
        assert found.verdict[-1] == ABNORMAL
        assert not (found.verdict[:-1] == ABNORMAL).any()
    assert found.channel[-1] == RARITY


def test_an_alarm_of_a_quantity_nobody_knows_comes_no_more_often_than_it_says_and_a_shift_is_one_in_a_year() -> None:
    """Twenty sensors' first twelve weeks: four and a half sensor-years."""
    dice, minute_5, n, shifted = np.random.default_rng(4), 5 * MINUTE_US, 288 * 84, 288 * 35
    found = 0
    for _ in range(20):
        day = np.sin(np.arange(n) / 288 * 2 * np.pi)
        calm = 20 + 3 * day + dice.normal(0, 0.5, n)
        time_us = np.arange(n, dtype=np.int64) * minute_5
        columns = _columns(calm)._replace(time_us=time_us, local_us=time_us)
        years = np.nan_to_num(Fleet([Subject("a", "vibration")]).update(columns).return_period_years)
        rare = np.flatnonzero(years >= 1 / 12)
        found += int((np.diff(rare, prepend=-100) > 72).sum())
        columns.value[shifted:] += 4.0
        answers = Fleet([Subject("a", "vibration")]).update(columns)
        assert np.nanmax(answers.return_period_years[shifted : shifted + 288]) >= 1
    assert found < 70, "54 are what it says"


@pytest.mark.parametrize(("interval_s", "weeks"), [(300, 6), (60, 4)])
def test_counts_nobody_knows_keep_their_word_from_the_first_weeks_on(interval_s: int, weeks: int) -> None:
    """One or two sensor-years of busy and quiet hours: every record is a value never had."""
    sensors, a_day = 18, 86_400 // interval_s
    n, dice = a_day * 7 * weeks, np.random.default_rng(6)
    day = np.sin(np.arange(n) / a_day * 2 * np.pi)
    found = 0
    for _ in range(sensors):
        busy = np.convolve(dice.normal(0, 1, n + a_day // 3 - 1), np.full(a_day // 3, (a_day // 3) ** -0.5), "valid")
        counts = dice.poisson(np.exp(dice.uniform(0, 3) + 0.3 * day + 0.3 * busy)).astype(float)
        time_us = np.arange(n, dtype=np.int64) * interval_s * 1_000_000
        columns = _columns(counts)._replace(time_us=time_us, local_us=time_us)
        rare = np.flatnonzero(np.nan_to_num(Fleet([Subject("a", "passers")]).update(columns).return_period_years) >= 1)
        found += int((np.diff(rare, prepend=-n) > a_day // 4).sum())
    assert found <= 10, f"in {sensors * weeks / 52:.1f} sensor-years, at one a year"


def test_a_sensor_nobody_knows_is_not_judged_by_its_jumps_before_it_has_shown_how_it_jumps() -> None:
    values = _life(12)
    values[-1] += 300.0
    jumps = {SPIKE, RATE}
    unknown = Fleet([Subject("a", "vibration")]).update(_columns(values))
    known = Fleet([Subject("a", "strain")]).update(_columns(values))
    assert not jumps & set(unknown.channel[unknown.return_period_years > 0.1].tolist())
    assert known.channel[-1] in jumps
    assert known.verdict[-1] == ABNORMAL


@pytest.mark.parametrize("quantity", natures.NATURES)
def test_what_never_changed_is_normal_and_its_first_change_is_seen(quantity: str) -> None:
    values = np.zeros(900)
    values[-3:] = 40.0
    fast, plain = (Fleet([Subject("a", quantity)], plain=slow) for slow in (False, True))
    found = plain.update(_columns(values))
    _same(found, fast.update(_columns(values)))
    assert fast.snapshot() == plain.snapshot()
    assert not (found.verdict[:-3] == ABNORMAL).any()
    assert np.nanmax(found.score[-3:]) > np.nanmax(found.score[:-3])


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_a_shift_that_has_lasted_is_learned_without_a_jump(shift: float) -> None:
    row = np.zeros(layout.WIDTH, np.float32)
    wide = row.view(np.float64)
    wide[layout.LEVEL] = wide[layout.SLOW] = 10.0
    row[layout.NEAR] = row[layout.AVERAGE + 2] = shift
    before = wide[layout.LEVEL] + row[layout.NEAR]
    relearn(row, wide)
    assert wide[layout.LEVEL] == 10.0 + shift
    assert wide[layout.LEVEL] + row[layout.NEAR] == before


def test_a_level_that_climbs_for_hours_is_followed() -> None:
    """A twentieth of the noise a sample: behind it no sample may look like a jump of several times the noise."""
    row = np.zeros(layout.WIDTH, np.float32)
    row[layout.POWER], row[layout.POWER + 1] = 2.0, -1.0  # changes of white noise alone
    stands = 0.0
    for at in range(600):
        stands += gain_of(row, layout.POWER, 1.0) * (0.05 * at - stands)
    assert 0.05 * 599 - stands < 1.5
