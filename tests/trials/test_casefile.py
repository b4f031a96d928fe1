"""Faults in rule tests: every one at once, with its place and what to try."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from city.errors import FaultyInput
from rules.trials.casefile import Folder, read_cases
from tests.rules.small_city import FILES

GOLDEN = Path(__file__).parent / "golden"
FILE = "rules/depth.test.yaml"
ALL_WRONG = """\
version: 2
start: 2026-07-01T10:00:00
interval: 1 fortnight
rules: [deph.yaml]
tests:
  - name: one
    series:
      - {sensor: wl-7, values: "0x10"}
      - {sensor: wl-1, values: 0}
      - {sensor: wl-1, values: "0x10 4y2"}
      - {sensor: wl-2, values: "0x10", unit: kPa}
      - {sensor: rain-1, value: "0x10"}
    expect:
      - {at: 10m, alarm: depth/wl-1, levle: red}
  - name: one
    sereis: []
    expect: []
"""
STARTED = """\
version: 1
start: 2026-07-01T10:00:00Z
series:
  - {sensor: wl-1, values: [{daily: {mean: a, swing: -1, peak: 25}, for: 1d}, "0x10"]}
events:
  - {at: soon, restart: engine}
  - {at: 5m, gap: wl-2, for: 5m}
  - {at: 5m, gap: wl-1}
  - {at: 5m, gap: wl-1, late: wl-1, for: 5m}
  - {at: 5m, gpa: wl-1, for: 5m}
  - {at: 5m, flag: wl-1, as: dubious, for: 5m}
  - {at: 5m, skew: g1}
  - {at: 5m, endpoint_down: fax, for: 5m}
  - {at: 5m, ack: depth/wl-2}
  - {at: 5m, duplicate: wl-1, for: 5m, value: 7 kPa}
  - {at: 5m, reload: {rules/depth.yaml: trials/next.yaml}}
  - at: 5m
    reload:
      rules/depth.yaml: |
        version: 1
        rulez: []
  - {at: 2026-06-30T10:00:00Z, restart: engine}
expect:
  - {at: 10m}
  - {at: 10m, alarm: depht/wl-1}
  - {at: 10m, alarm: depth/wl-1, level: purple, condition: calm, late: maybe, occurrences: 1.5}
  - {at: 10m, alarm: depth/wl-1, evidence: [wl-1, wl-9]}
  - {at: 10m, alarms: depth/wl-1}
  - {at: 10m, alarms: {depth/wl-9: red}}
  - {at: 10m, no_alarms: depht}
  - {at: 10m, incident: depth/wl-1, stage: open}
  - {at: 10m, notices: {whom: li}}
"""
SMALL_FAULTS = """\
version: 1
start: 2026-07-01T10:00:00Z
city:
  timezone: Asia/Nowhere
  sensors:
    a: {quantity: water_depth, site_kind: underpas}
    b: {quantity: water_depth, site_kind: underpass, unit: kPa}
series: [{sensor: a, values: "0"}]
expect: [{at: 0s, no_alarms: true}]
"""
CITY = """\
version: 1
start: 2026-07-01T10:00:00Z
city:
  timezone: Asia/Nowhere
  sensors:
    a: {quantity: water_depht, site_kind: underpass}
    b: {quantity: water_depth, site_kind: underpas}
    c: {quantity: water_depth, site_kind: underpass, at: here, colour: red}
series: [{sensor: a, values: "0"}]
expect: [{at: 0s, no_alarms: true}]
"""


def faults(text: str, **files: str) -> list[str]:
    with pytest.raises(FaultyInput) as error:
        read_cases(Folder({**FILES, **files, FILE: text}), FILE)
    return [str(fault).removeprefix(FILE + ":") for fault in error.value.faults]


@pytest.mark.parametrize(
    ("name", "text"), [("head", ALL_WRONG), ("body", STARTED), ("city", CITY), ("register", SMALL_FAULTS)]
)
def test_everything_wrong_with_a_file_is_said_at_once_with_its_place(name: str, text: str) -> None:
    assert faults(text) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def test_the_faults_of_the_folder_come_first() -> None:
    found = faults(CITY.replace("city:", "cty:"), **{"rules/depth.yaml": "version: 1\nrules: [{id: a}]\n"})
    assert len(found) == 2
    assert all(fault.startswith("rules/depth.yaml:2:9: missing key") for fault in found)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("tests: [{name: a, expect: []}]", "3:9: a test without series"),
        ("tests: []", "3:8: a file without tests"),
        ("series: [{sensor: wl-1, values: '0'}]\nexpect: []", "4:9: a test expects something"),
        ("series: [{sensor: [], values: '0'}]\nexpect: []", "3:19: sensor: expected at least one sensor"),
        ("series: {}\nexpect: []", "3:9: series: expected a list"),
    ],
)
def test_a_test_needs_series_and_expectations(body: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(f"version: 1\nstart: 2026-07-01T10:00:00Z\n{body}\n"))


def test_what_is_no_mapping_is_no_test_file() -> None:
    [fault] = faults("- 1\n")
    assert fault.startswith("1:1: expected a mapping, got a list")


def test_a_test_is_named_after_its_file_when_there_is_only_one() -> None:
    text = """
    version: 1
    start: 2026-07-01T10:00:00Z
    series: [{sensor: wl-1, values: "0x10"}]
    expect: [{at: 10m, no_alarms: true}]
    """
    [case] = read_cases(Folder({**FILES, FILE: textwrap.dedent(text)}), FILE)
    assert (case.name, case.line) == ("depth.test.yaml", 2)
    assert sorted(case.books[0].book.instances) == ["depth/wl-1"]  # only its own rule file, only its own sensors
    assert not case.books[0].book.watches


def test_rules_of_other_files_take_part_when_they_are_named() -> None:
    text = """
    version: 1
    rules: [depth.yaml, platform.yaml]
    start: 2026-07-01T10:00:00Z
    series: [{sensor: wl-1, values: "0x10"}]
    expect: [{at: 10m, no_alarms: true}]
    """
    [case] = read_cases(Folder({**FILES, FILE: textwrap.dedent(text)}), FILE)
    assert sorted(case.books[0].book.watches) == ["gateway-silent/g1", "sensor-silent/wl-1"]
