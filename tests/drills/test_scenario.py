"""Storylines: every fault at once with its place, and those that ship raise what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.errors import FaultyInput
from city.example import example_files
from city.levels import Flag, Level
from detectors.registry import create
from gateway.cityfolder import city_files
from lifeline.cli import run_command
from rules.check import Checked, load_files
from rules.drillplan import DrillPlan
from rules.inputs import BundleIn
from rules.trials.rehearsal import Rehearsal, rehearse
from rules.trials.scenario import Scenario, drill_faults, is_drill, read_scenario
from tests.drills.drillcity import FLOOD, write
from tests.rules.small_city import FILES, T0_US

GOLDEN = Path(__file__).parent / "golden" / "faults.txt"
SHIPPED = {"example": example_files(), "demonstration": city_files(7, "http://127.0.0.1:1/crew")}
CHECKED = {name: load_files(files) for name, files in SHIPPED.items()}
WRONG = """\
version: 2
title: {en: Flood, fr: Inondation}
interval: 1 fortnight
history: 2d
series:
  - {sensor: wl-7, values: "0x10"}
  - {sensor: wl-1, values: "0x10 4y2"}
  - {sensor: wl-1, values: "0x10"}
  - {sensor: wl-2, values: "0x10", unit: kPa}
  - {sensor: wl-2, value: "0x10"}
  - {sensor: rain-1, values: "0x10", interval: 100ms}
for: 5h
people: [li, lu]
expct: {told: 1m}
"""
WISHES = """\
version: 1
title: ""
series: [{sensor: wl-1, interval: 10m, values: "0x100"}]
expect:
  alarms: {depth/wl-7: red, depth/wl-1: crimson}
  told: now
  acknowleged: 3m
"""


def scenario(text: str, files: dict[str, str] | None = None) -> Scenario:
    checked = load_files(files or FILES)
    return read_scenario(text, "drills/x.yaml", checked.book, checked.escalation)


def faults(text: str) -> list[str]:
    with pytest.raises(FaultyInput) as raised:
        scenario(text)
    return [str(fault) for fault in raised.value.faults]


def test_every_fault_is_told_at_once_with_its_place() -> None:
    found = "\n".join([*faults(WRONG), "", *faults(WISHES), ""])
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_a_sensor_stays_at_its_last_value_and_a_gap_stays_one() -> None:
    story = scenario(
        """
version: 1
title: x
interval: 1m
history: 2m
series:
  - {sensor: wl-1, unit: mm, values: "0 100 200 stale"}
  - {sensor: wl-2, values: "1 2 _"}
"""
    )
    found = [(one.sensor, one.time_us // 60_000_000, one.value, one.flag) for one in story.measured(3 * 60_000_000)]
    assert found == [
        ("wl-1", -2, 0.0, Flag.PASS), ("wl-2", -2, 1.0, Flag.PASS), ("wl-1", -1, 10.0, Flag.PASS),
        ("wl-2", -1, 2.0, Flag.PASS), ("wl-1", 0, 20.0, Flag.PASS), ("wl-1", 1, 20.0, Flag.MISSING),
        ("wl-1", 2, 20.0, Flag.MISSING), ("wl-1", 3, 20.0, Flag.MISSING),
    ]  # fmt: skip


def test_what_lies_before_the_drill_is_known_when_it_begins() -> None:
    level = "yellow: {above: 15 cm, for: 3m, deadband: 3 cm}"
    rule = FILES["rules/depth.yaml"].replace(level, "yellow: {above: 8 cm, for: 5m, deadband: 3 cm}")
    files = {**FILES, "rules/depth.yaml": rule}
    text = 'version: 1\ntitle: x\ninterval: 1m\nhistory: 12m\nseries: [{sensor: wl-1, values: "9x15"}]\n'
    without = text.replace("history: 12m\n", "")
    first = [_rehearsed(scenario(story, files), load_files(files)).raised[0] for story in (text, without)]
    assert first[0][:2] == (0, "depth/wl-1")
    assert first[1][:2] == (300_000_000, "depth/wl-1")


def _rehearsed(story: Scenario, checked: Checked, people: tuple[str, ...] = ()) -> Rehearsal:
    until_us = T0_US + story.for_us
    plan = DrillPlan(
        story.file, story.digest, story.title, story.sensors, people or story.people, until_us, story.wishes
    )
    return rehearse(create, BundleIn("b", checked.book, checked.escalation), story, T0_US, plan)


@pytest.mark.parametrize(
    ("city", "name"), [(city, name) for city, files in SHIPPED.items() for name in files if is_drill(name)]
)
def test_drills_that_ship_raise_what_they_expect_and_tell_somebody(city: str, name: str) -> None:
    checked = CHECKED[city]
    story = read_scenario(SHIPPED[city][name], name, checked.book, checked.escalation)
    told = _rehearsed(story, checked)
    wished = {str(wish["alarm"]): Level.of(str(wish["level"])) for wish in story.wishes if wish["what"] == "alarm"}
    assert wished
    assert {key: told.highest.get(key) for key in wished} == wished
    assert told.told
    assert set(story.title) == {"en", "zh"}


@pytest.mark.parametrize("city", SHIPPED)
def test_cities_that_ship_have_three_drills_without_a_fault(city: str) -> None:
    checked = CHECKED[city]
    assert sum(map(is_drill, SHIPPED[city])) == 3
    assert drill_faults(SHIPPED[city], checked.book, checked.escalation) == []


def test_a_rehearsal_tells_only_who_takes_part() -> None:
    told = _rehearsed(scenario(FLOOD), load_files(FILES), ("bo",))
    assert {person for person, _ in told.told} == {"bo"}


def test_check_reads_drills_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "city", {**FILES, "drills/flood.yaml": FLOOD})
    assert run_command(["check", str(folder)]) == 0
    write(folder, {"drills/flood.yaml": FLOOD.replace("sensor: wl-1", "sensor: wl-9")})
    assert run_command(["check", str(folder)]) == 1
    assert "drills/flood.yaml:6:" in capsys.readouterr().err
    assert run_command(["rules", "check", str(folder)]) == 1
