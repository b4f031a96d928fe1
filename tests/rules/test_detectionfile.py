"""detection.yaml: sane without it, every fault at once with its place, and what it says is what the engine goes by."""

from __future__ import annotations

import pytest

from rules.check import check_files, load_files
from tests.rules.small_city import city_files

SENSORS = """sensor,gateway,site,quantity,unit,interval_s,tags
gp-1,g1,up-1,gas_pressure,kPa,60,critical
gp-2,g1,up-2,gas_pressure,kPa,60,
t-1,g2,rg-1,temperature,Cel,60,
"""
GOOD = """
budget: 2
channels_off: [daily_cycle]
quantities:
  gas_pressure: {budget: 0.5, context: [temperature], channels_off: [flat]}
  temperature: {watch: false}
tags: {critical: {budget: 0.1}}
"""


def files(detection: str | None) -> dict[str, str]:
    own = city_files(sensors=SENSORS, rules__depth=None, rules__platform=None)
    return {**own, "rules/none.yaml": "version: 1\nrules: []\n"} | ({"detection.yaml": detection} if detection else {})


def test_nothing_needs_to_be_said() -> None:
    for text in (None, "# nothing yet\n"):
        book = load_files(files(text)).book
        assert book.detection.settings.budget("gas_pressure") == 1
        assert [one.sensor for one in book.subjects["gp-1"].context] == ["t-1"]
        assert all(book.detection.watches(subject) for subject in book.subjects.values())
    far = load_files(files(None)).book.subjects["gp-1"].context[0].away_m
    assert far is not None
    assert 40 < far < 55


def test_what_it_says_counts() -> None:
    book = load_files(files(GOOD)).book
    settings = book.detection.settings
    budgets = [settings.budget(s.quantity, s.tags) for s in book.subjects.values()]
    assert budgets == [0.1, 0.5, 2]
    assert settings.silent("gas_pressure") == {"daily_cycle", "flat"}
    assert settings.silent("temperature") == {"daily_cycle"}
    assert [s.sensor for s in book.subjects.values() if book.detection.watches(s)] == ["gp-1", "gp-2"]
    assert load_files(files("quantities: {gas_pressure: {context: []}}")).book.subjects["gp-1"].context == ()


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("budget: 0", ["1:9: budget: expected false alarms per sensor and year, above 0 and at most 1000, got 0"]),
        ("bugdet: 1", ["1:1: unknown key 'bugdet', try 'budget'"]),
        ("channels_off: [spyke]", ["1:16: no such channel, got 'spyke', try 'spike'"]),
        (
            "quantities:\n  gas_presure: {budget: 1}\n  temperature: {watch: maybe, context: [rain]}\n",
            [
                "2:3: unknown quantity, got 'gas_presure', try 'gas_pressure'",
                "3:24: watch: expected true or false, got 'maybe'",
                "3:41: unknown quantity, got 'rain', try '",
            ],
        ),
        ("tags: {criticl: {budget: 1}}", ["1:8: no sensor has this tag, got 'criticl', try 'critical'"]),
        ("- 1", ["1:1: expected a mapping, got a list"]),
        ("quantities: [1]", ["1:13: quantities: expected a mapping"]),
    ],
)
def test_every_fault_is_told_at_once_with_its_place(text: str, faults: list[str]) -> None:
    found = [str(fault) for fault in check_files(files(text))]
    assert len(found) == len(faults)
    for said, expected in zip(found, faults, strict=True):
        assert said.startswith(f"detection.yaml:{expected}")


RULE = """version: 1
rules:
  - id: r
    watch: {quantity: gas_pressure}
    ladder: {blue: {%s}}
"""


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ("detector: early_sign, once_in: soon", "once_in: not a length of time, got 'soon', try 10y or 90d"),
        ("detector: early_sign, once_in: 0y", "once_in: expected more than nothing"),
        ("detector: early_sign, channel: levle_16", "no such channel, got 'levle_16', try 'level_16'"),
        ("detector: early_sign, channel: [flat, flatt]", "no such channel, got 'flatt', try 'flat'"),
        ("detector: 'river:drift.PageHinkley', channel: flat", "channel: goes with early_sign"),
    ],
)
def test_faults_of_rules_that_ask_for_signs(condition: str, fault: str) -> None:
    [found] = check_files({**files(None), "rules/none.yaml": RULE % condition})
    assert fault in str(found)
    assert found.line == 5
