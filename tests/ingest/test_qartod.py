"""The tests of quality: each against its own words, and all against a reading-by-reading telling of the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Flag
from city.load import load_city
from city.model import City
from city.quality import of
from ingest.qartod import Check, Limits, Qartod, Remembered
from tests.ingest.conftest import FILES

T0_US = 1_782_864_000_000_000
QUALITY = """quality:
  water_depth: {spike: {change: 5 cm}, rate: {change: 8 cm, within: 20s}, flat_line: {for: 40s, within: 1 mm}}
  temperature: {neighbour: {differ: 3 Cel}, spike: {change: 6 Cel, as: fail}, rate: {as: none}, gap: {as: none}}
"""


def city_of(quality: str = QUALITY) -> City:
    sensors = ["sensor,gateway,site,quantity,unit,interval_s"]
    sensors += [f"w{n},gw-1,s1,water_depth,cm,10" for n in range(2)]
    sensors += [f"t{n},gw-1,s1,temperature,Cel,10" for n in range(4)]
    files = {**FILES, "sensors.csv": "\n".join(sensors) + "\n", "calibrations.csv": "sensor,from,scale,offset\n"}
    return load_city({**files, "city.yaml": files["city.yaml"] + quality})


@pytest.fixture
def city() -> City:
    return city_of()


Row = tuple[str, float, float, int]  # sensor, second, value, flag


class Feed:
    """Readings by name into the tests, batch by batch."""

    def __init__(self, city: City) -> None:
        self.sensors = list(city.sensors.values())
        self.place = {sensor.id: at for at, sensor in enumerate(self.sensors)}
        self.tests = Qartod(Limits(city, self.sensors))

    def hear(self, rows: Sequence[Row], *, commit: bool = True) -> list[tuple[int, Check]]:
        names, seconds, values, flags = zip(*rows, strict=True)
        flag, tests, kept = self.tests.judge(
            np.array([self.place[name] for name in names], dtype=np.intp),
            np.array([T0_US + round(at_s * 1e6) for at_s in seconds], dtype=np.int64),
            np.array(values, dtype=np.float64),
            np.array(flags, dtype=np.uint8),
        )
        if commit:
            self.tests.keep(kept)
        return list(zip(flag.tolist(), map(Check, tests.tolist()), strict=True))


def told(city: City, values: Sequence[float], *, step_s: float = 10, sensor: str = "w0") -> list[str]:
    """What the tests say of evenly spaced values, a word each."""
    found = Feed(city).hear([(sensor, at * step_s, value, 1) for at, value in enumerate(values)])
    return [str(check.name or "").lower() for _, check in found]


def test_a_spike_stands_apart_from_both_before_and_a_step_only_once(city: City) -> None:
    assert told(city, [1, 1.2, 7, 1.1, 1.3]) == ["", "", "spike", "", ""]
    assert told(city, [1, 1.2, 7, 7.1, 7.3]) == ["", "", "spike", "", ""]
    assert told(city, [1, 7]) == ["", ""]  # of two readings nobody knows which is odd


def test_a_change_is_too_quick_by_the_time_it_had(city: City) -> None:
    assert told(city, [1, 10]) == ["", "rate"]
    assert told(city, [1, 10], step_s=1) == ["", "rate"]
    assert told(city, [1, 10], step_s=30) == ["", ""]


def test_a_flat_line_is_told_when_it_is_long_and_not_at_rest(city: City) -> None:
    flat = [3.0, 2.0, *[2.05] * 6, 3.0]
    assert told(city, flat) == [""] * 5 + ["flat_line"] * 3 + [""]
    assert told(city, [0.05] * 9) == [""] * 9, "a dry gauge"


def test_a_gap_is_noted_and_begins_everything_anew(city: City) -> None:
    found = Feed(city).hear([("w0", 0, 1, 1), ("w0", 10, 1, 1), ("w0", 70, 20, 1), ("w0", 80, 30, 1)])
    assert [check for _, check in found] == [Check(0), Check(0), Check.GAP, Check.RATE]
    assert [flag for flag, _ in found] == [Flag.PASS, Flag.PASS, Flag.PASS, Flag.SUSPECT]


def test_a_value_unlike_its_neighbours_is_suspect(city: City) -> None:
    rows: list[Row] = [("t0", 0, 20, 1), ("t1", 1, 21, 1), ("t2", 2, 30, 1), ("t3", 3, 20.5, 1)]
    feed = Feed(city)
    assert [check for _, check in feed.hear(rows)] == [Check(0), Check(0), Check.NEIGHBOUR, Check(0)]
    assert feed.hear([("t2", 12, 31, 1)]) == [(Flag.SUSPECT, Check.NEIGHBOUR)]
    assert feed.hear([("t2", 60, 31, 1)]) == [(Flag.PASS, Check(0))], "neighbours that are silent are not asked"


def test_no_flag_gets_better_and_what_failed_is_no_measure(city: City) -> None:
    rows: list[Row] = [("w0", 0, 1, 1), ("w0", 10, 1, 3), ("w0", 20, 99, 4), ("w0", 30, 1.5, 9), ("w0", 40, 2, 1)]
    found = Feed(city).hear(rows)
    assert [flag for flag, _ in found] == [1, 3, 4, 9, 1]
    assert {check for _, check in found} == {Check(0)}


def test_a_city_says_what_becomes_of_a_reading(city: City) -> None:
    found = Feed(city).hear([("t0", 0, 1, 1), ("t0", 10, 1, 1), ("t0", 20, 9, 1), ("t0", 99, 9, 1)])
    assert found[2:] == [(Flag.FAIL, Check.SPIKE), (Flag.PASS, Check(0))]


def test_what_was_not_committed_is_not_remembered(city: City) -> None:
    feed = Feed(city)
    feed.hear([("w0", 0, 1, 1), ("w0", 10, 1, 1)])
    feed.hear([("w0", 20, 50, 1)], commit=False)
    assert feed.hear([("w0", 20, 1.5, 1)]) == [(1, Check(0))]


def test_a_backlog_is_judged_along_its_own_line(city: City) -> None:
    feed = Feed(city)
    feed.hear([("w0", 0, 1, 1), ("w0", 10, 1.5, 1)])
    live: Row = ("w0", 600, 1.2, 1)
    assert feed.hear([live]) == [(1, Check.GAP)]
    found = feed.hear(
        [("w0", 20, 2.5, 1), ("w0", 610, 2.0, 1), ("w0", 30, 9.0, 1), ("w0", 620, 2.2, 1), ("w0", 25, 70, 1)]
    )
    assert [check for _, check in found] == [Check(0), Check(0), Check.SPIKE, Check(0), Check(0)]
    assert feed.hear([("w0", 40, 2.4, 1), ("w0", 630, 9.9, 1)]) == [(1, Check(0)), (3, Check.SPIKE)]


def test_what_the_store_remembers_is_as_good_as_having_heard_it(city: City) -> None:
    rows: list[Row] = [("w0", at * 10, value, 1) for at, value in enumerate([4, 2, 2, 2, 2, 2, 2, 9, 2.5])]
    for cut in range(1, len(rows)):
        whole, again = Feed(city), Feed(city)
        whole.hear(rows[:cut])
        time_us = [T0_US + cut_ * 10_000_000 for cut_ in range(cut)]
        run = next(at for at in range(cut) if all(row[2] == rows[cut - 1][2] for row in rows[at:cut]))
        time_2_us, value_2 = (time_us[-2], rows[cut - 2][2]) if cut > 1 else (None, None)
        last = Remembered(again.place["w0"], time_us[-1], rows[cut - 1][2], time_2_us, value_2, time_us[run])
        again.tests.learn(np.array([last.place], dtype=np.intp), [last])
        assert whole.hear(rows[cut:]) == again.hear(rows[cut:])


@dataclass
class Plain:
    """The same tests of readings that come in order, told one by one."""

    city: City
    said: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # since the last gap
    run: dict[str, tuple[float, float]] = field(default_factory=dict)

    def hear(self, name: str, at_s: float, value: float, flag: int) -> tuple[int, Check]:
        if flag >= Flag.FAIL:
            return flag, Check(0)
        tests = of(self.city.sensors[name].quantity.id, self.city.quality)
        said, found = self.said.setdefault(name, []), Check(0)
        if said and at_s - said[-1][0] > tests.gap.intervals * 10:
            found |= Check.GAP if tests.gap.effect else Check(0)
            said.clear()
        spike = tests.spike.change
        if len(said) > 1 and abs(value - said[-1][1]) > spike and abs(value - said[-2][1]) > spike:
            found |= Check.SPIKE
        if said and tests.rate.effect:
            most = tests.rate.change * max(1, (at_s - said[-1][0]) / tests.rate.within_s)
            found |= Check.RATE if abs(value - said[-1][1]) > most else Check(0)
        if not said or value != said[-1][1]:
            self.run[name] = at_s, value
        elif (
            at_s - self.run[name][0] >= tests.flat_line.for_s and value > tests.flat_line.rest + tests.flat_line.within
        ):
            found |= Check.FLAT_LINE
        said.append((at_s, value))
        effects = {
            Check.GAP: tests.gap.effect, Check.SPIKE: tests.spike.effect, Check.RATE: tests.rate.effect,
            Check.FLAT_LINE: tests.flat_line.effect,
        }  # fmt: skip
        for check in found:
            flag = max(flag, effects[check])
        return flag, found


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_columns_say_what_reading_by_reading_says_whatever_the_batches(data: st.DataObject) -> None:
    city = _CITY
    moments = dict.fromkeys(("w0", "w1", "t0"), 0.0)
    rows: list[Row] = []
    for _ in range(data.draw(st.integers(1, 40))):
        name = data.draw(st.sampled_from(list(moments)))
        moments[name] += data.draw(st.sampled_from([1, 10, 10, 10, 20, 49, 51, 300]))
        value = data.draw(st.sampled_from([0.0, 1.0, 1.0, 1.0, 4.0, 7.0, 12.0]))
        rows.append((name, moments[name], value, data.draw(st.sampled_from([1, 1, 1, 3, 4]))))
    plain, feed = Plain(city), Feed(city)
    expected = [plain.hear(*row) for row in rows]
    found: list[tuple[int, Check]] = []
    while rows:
        size = data.draw(st.integers(1, 12))
        found += feed.hear(rows[:size])
        rows = rows[size:]
    assert found == expected


_CITY = city_of(
    "quality:\n  water_depth: {spike: {change: 5 cm}, rate: {change: 8 cm, within: 20s}, flat_line: {for: 40s}}\n"
    "  temperature: {spike: {change: 6 Cel, as: fail}, rate: {as: none}, gap: {as: none},"
    " flat_line: {for: 20s, rest: 1 Cel, as: note}, neighbour: {as: none}}\n"
)
