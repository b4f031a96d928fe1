"""Every sensor is watched for early signs, without any rule; batches, restarts, late data, reloads change nothing."""

from __future__ import annotations

from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Flag, Level
from city.reading import Sample
from detectors.protocol import Finding, Verdict
from detectors.registry import create
from rules import snapshot
from rules.alarm.tracks import Tracks
from rules.check import load_files
from rules.conditions.truth import Evidence
from rules.effects import AlarmEvent, BandDrawn, Effect, FindingMade
from rules.engine import Engine
from rules.inputs import BundleIn
from rules.language.saying import say_reason
from rules.signs.around import last_before, local_us
from tests.rules.small_city import T0_US, Desk, city_files

CALM, EVERY_S = 4400, 600  # readings: a month, for signs are told once a sensor is known
ONSET_US = T0_US + CALM * EVERY_S * 1_000_000
SENSORS = """sensor,gateway,site,quantity,unit,interval_s
gp-1,g1,up-1,gas_pressure,kPa,600
gp-2,g1,up-2,gas_pressure,kPa,600
"""
RULE = """
version: 1
rules:
  - id: sign
    watch: {quantity: gas_pressure}
    ladder: {blue: {%s}}
    clear_after: 1m
"""
ASKS = "detector: early_sign, once_in: 1y, direction: up"


def town(rule: str = ASKS, detection: str | None = None) -> Desk:
    files = city_files(sensors=SENSORS, rules__depth=RULE % rule, rules__platform=None)
    return Desk(load_files({**files, **({"detection.yaml": detection} if detection is not None else {})}))


def values(many: int, seed: int = 7) -> list[float]:
    dice, before, found = Random(seed), 0.0, []
    for _ in range(many):
        before = 0.5 * before + dice.gauss(0, 0.2)
        found.append(36 + before)
    return found


Row = tuple[str, float, float]


def story(jump: float = 12.0, every_s: int = EVERY_S) -> list[Row]:
    """Two mains for a month; then the pressure in the first is far too high for ten readings."""
    rows = []
    for sensor, seed in (("gp-1", 1), ("gp-2", 2)):
        for at, value in enumerate(values(CALM + 120, seed)):
            high = jump if sensor == "gp-1" and CALM <= at < CALM + 10 else 0.0
            rows.append((sensor, float(at * every_s), value + high))
    return sorted(rows, key=lambda row: (row[1], row[0]))


def told(effects: list[Effect], sensor: str = "gp-1") -> list[Finding]:
    return [e.finding for e in effects if isinstance(e, FindingMade) and e.finding.sensor == sensor]


def feed(desk: Desk, rows: list[Row], each: int) -> None:
    for at in range(0, len(rows), each):
        desk.feed(rows[at : at + each])


def key(found: list[Finding]) -> list[tuple[int, Verdict]]:
    return [(one.time_us, one.verdict) for one in found]


@pytest.fixture(scope="module")
def plain() -> list[Finding]:
    """What is told of the story when it comes in batches of ten readings."""
    desk = town()
    feed(desk, story(), 10)
    return told(desk.effects)


def test_a_sign_is_told_when_it_begins_and_when_it_ends_with_what_was_expected(plain: list[Finding]) -> None:
    onset = next(one for one in plain if one.verdict is Verdict.ABNORMAL and one.time_us >= ONSET_US)
    assert onset.time_us == ONSET_US, "the first reading of it"
    assert (onset.detector, onset.direction) == ("early_sign", "up")
    assert onset.return_period_years is not None
    assert onset.return_period_years >= 1
    assert onset.score >= 1
    assert onset.low is not None
    assert onset.expected is not None
    assert onset.high is not None
    assert onset.low < onset.expected < onset.high < 48
    assert "for this sensor: 4" in onset.reason
    assert " kPa, expected 3" in onset.reason
    assert onset.reason.endswith(", up")
    after = [one for one in plain if one.time_us > onset.time_us]
    assert after[0].verdict is Verdict.NORMAL
    assert after[0].reason.startswith("no longer unusual for this sensor: ")
    for one in plain:
        said = say_reason(one.reason, "zh")
        assert "该测点" in said
        assert not set("abcdefghij") & set(said.replace("kPa", "")), said


@pytest.mark.parametrize("each", [6, 321, 10_000])
def test_batches_change_nothing(plain: list[Finding], each: int) -> None:
    desk = town()
    feed(desk, story(), each)
    assert told(desk.effects) == plain


@pytest.mark.parametrize("at", [CALM * 2 - 700, CALM * 2 + 6])
def test_a_restart_changes_nothing(plain: list[Finding], at: int) -> None:
    desk, rows = town(), story()
    feed(desk, rows[:at], 100)
    desk.restart()
    feed(desk, rows[at:], 100)
    assert told(desk.effects) == plain


def test_a_reload_keeps_what_was_learned_of_sensors_that_stay(plain: list[Finding]) -> None:
    desk, rows = town(), story()
    feed(desk, rows[: CALM * 2], 100)
    more = SENSORS + "t-1,g1,up-2,temperature,Cel,600\n"
    files = city_files(sensors=more.replace("gp-2,g1,up-2,gas", "gp-2,g1,up-2,pore"), rules__depth=None)
    desk.reload({**files, "rules/platform.yaml": "version: 1\nrules: []\n"}, CALM * EVERY_S)
    feed(desk, rows[CALM * 2 :], 100)
    onset = next(one for one in plain if one.time_us >= ONSET_US)
    assert (onset.time_us, onset.verdict) in key(told(desk.effects))
    assert desk.engine.state.signs.names == ("gp-1", "gp-2", "t-1")
    assert [one for one in told(desk.effects, "gp-2") if one.time_us >= ONSET_US] == []


def test_a_late_reading_is_put_in_its_place_once_the_sensor_is_known_to_send_such(plain: list[Finding]) -> None:
    desk, rows = town(), [row for row in story() if row[0] == "gp-1"]
    alone = town()
    feed(alone, rows, 100)
    feed(desk, rows[: CALM - 300], 100)
    feed(desk, [rows[at] for at in (CALM - 299, CALM - 300)], 1)
    signs = desk.engine.state.signs
    assert signs.unlearned == 1, "nothing to go back to: neither judged nor learned"
    feed(desk, rows[CALM - 298 : CALM], 1)
    feed(desk, [rows[CALM + at] for at in (1, 0, 3, 2)], 1)
    assert signs.unlearned == 1
    assert len(signs.marked["gp-1"].states) <= 5
    feed(desk, rows[CALM + 4 :], 1)
    found = [one for one in key(told(desk.effects)) if one[0] >= ONSET_US]
    first, *_, last = [one for one in key(told(alone.effects)) if one[0] >= ONSET_US]
    assert first in found
    assert last == found[-1]
    (small, blocks), (again, kept) = signs.freeze(), snapshot.load(snapshot.dump(desk.engine.state)).signs.freeze()
    assert (again, b"".join(kept)) == (small, b"".join(blocks))


def test_a_late_reading_leads_to_the_state_of_the_right_order() -> None:
    """From the mark on, whatever was late: bit for bit as if nothing had been."""
    desks = town(), town()
    rows = [row for row in story(every_s=60) if row[0] == "gp-1"]
    for desk in desks:
        feed(desk, rows[:400], 50)
        desk.feed([("gp-1", rows[399][1] - 30, 36.0)], rows[399][1])  # makes it known
        feed(desk, rows[400:420], 5)
    feed(desks[0], rows[420:440], 5)
    feed(desks[1], [*rows[420:424], *rows[426:430]], 8)
    feed(desks[1], [rows[425], *rows[430:433]], 4)
    feed(desks[1], [rows[424]], 1)
    feed(desks[1], rows[433:440], 7)
    first, second = (desk.engine.state.signs.fleet for desk in desks)
    assert first is not None
    assert second is not None
    assert first.row_state(0) == second.row_state(0)


def test_readings_that_cannot_be_used_are_no_end_of_a_sign() -> None:
    desk, rows = town(), [row for row in story() if row[0] == "gp-1"]
    feed(desk, rows[: CALM + 1], 50)
    before = len(told(desk.effects))
    assert told(desk.effects)[-1].verdict is Verdict.ABNORMAL
    sensor, at_s, value = rows[CALM + 1]
    desk.feed([(sensor, at_s, value)], flag=Flag.FAIL)
    assert len(told(desk.effects)) == before
    desk.feed([(sensor, at_s + 8 * 3600, value)])
    assert told(desk.effects)[-1].verdict is Verdict.BLIND, "out of sight for hours while it stood"
    assert told(desk.effects)[-1].reason == "not to be judged: warming up after a pause"
    assert say_reason(told(desk.effects)[-1].reason, "zh") == "无法判断：中断后重新学习中"


def test_a_rule_may_ask_for_a_sign_and_its_alarm_says_how_rare() -> None:
    desk = town()
    feed(desk, story(), 7)
    alarms = [alarm for alarm in desk.alarms("sign") if alarm.raised_us >= ONSET_US]
    assert [alarm.scope for alarm in alarms] == ["gp-1"]
    raised = next(e for e in desk.effects if isinstance(e, AlarmEvent) and e.alarm == alarms[0].id)
    seen = Evidence(**{key: value for key, value in raised.evidence[0].items() if key != "rule_version"})
    assert seen.test.startswith("early_sign up, once in 1y or rarer: ")
    assert alarms[0].peak_level is Level.BLUE
    assert "for this sensor" in seen.test


def test_rules_that_ask_are_no_slower_and_no_different_without_the_glance() -> None:
    checked = town().checked
    desks = [Desk(checked, Engine(create, glance=glance)) for glance in (True, False)]
    for desk in desks:
        feed(desk, story(), 40)
    assert desks[0].effects == desks[1].effects


def test_a_rarity_or_a_channel_that_no_sign_has_raises_nothing() -> None:
    for rule in ("detector: early_sign, channel: flat, direction: up", "detector: early_sign, direction: down"):
        desk = town(rule)
        feed(desk, story(), 200)
        after = [alarm for alarm in desk.alarms("sign") if alarm.raised_us >= ONSET_US]
        assert [a for a in after if a.raised_us < ONSET_US + 10 * EVERY_S * 1_000_000 and a.scope == "gp-1"] == []


def test_drills_do_not_touch_it() -> None:
    checked = town().checked
    engine = Engine(create, drill="x")
    engine.step(1, BundleIn("b", checked.book, checked.escalation), T0_US)
    assert engine.state.signs.fleet is None


def test_the_band_is_drawn_every_half_hour_where_somebody_keeps_it() -> None:
    checked = town().checked
    desk = Desk(checked, Engine(create, draws=True))
    feed(desk, story(), 30)
    bands = [e.band for e in desk.effects if isinstance(e, BandDrawn)]
    drawn = [at for band in bands for at, name in zip(band.times_us, band.sensors, strict=True) if name == "gp-1"]
    assert drawn == sorted(drawn)
    gaps = np.diff(drawn)
    assert set(gaps.tolist()) == {1_800_000_000}
    assert len(drawn) > 1400
    assert all(low < high for band in bands for low, high in zip(band.low, band.high, strict=True))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60), st.sampled_from([1, 3, 4])), max_size=60),
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 62), st.integers(1, 40)), min_size=1, max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_what_neighbours_measured_before_is_their_last_usable_value(
    samples: list[tuple[int, int, int]], asked: list[tuple[int, int, int]]
) -> None:
    tracks = Tracks(10**9)
    for name in "abc":
        tracks.add(name, "methane", "%LEL", 0)
    kept: dict[tuple[int, int], tuple[float, int]] = {}
    for at, (which, time_us, flag) in enumerate(samples):
        if (which, time_us) not in kept:
            tracks["abc"[which]].insert(Sample("abc"[which], time_us, float(at), Flag(flag), time_us), ())
            kept[which, time_us] = float(at), flag
    rows = np.array([tracks["abc"[which]].row if which >= 0 else -1 for which, _, _ in asked])
    times, patience_us = (np.array([one[place] for one in asked]) for place in (1, 2))
    got = last_before(tracks, rows, times, patience_us)
    for (which, time_us, patient_us), value in zip(asked, got.tolist(), strict=True):
        before = [
            (at, kept[w, at][0]) for w, at in kept if w == which and at < time_us and kept[w, at][1] <= Flag.SUSPECT
        ]
        newest = max(before, default=None)
        if newest is None or time_us - newest[0] > patient_us:
            assert np.isnan(value)
        else:
            assert value == newest[1]
        if which >= 0:
            assert tracks.before("abc"[which], time_us) == newest


def test_the_wall_clock_is_the_citys_through_the_change_of_clocks() -> None:
    before_us, after_us = 1_774_744_200_000_000, 1_774_747_800_000_000  # 2026-03-29T00:30Z and 01:30Z
    times = np.array([after_us, before_us, after_us])
    shift_h = (local_us(times, ZoneInfo("Europe/Berlin")) - times) // 3_600_000_000
    assert shift_h.tolist() == [2, 1, 2]
