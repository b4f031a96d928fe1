"""docs/simulated-city.md and docs/detection-benchmark.md: kinds, files, options and numbers that they name are so."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main

from bench.detection.cases import ANCHOR_AT, BURST, DAMPED, NOISE, SPIKE, STUCK_H
from bench.detection.metrics import BUDGETS, QUIET_US
from bench.detection.runs import WARM_DAYS
from gateway.faults import KINDS
from gateway.histories.history import DEVELOPMENT, DOMAINS, VALIDATION, simulate
from gateway.mishaps import load
from gateway.town import plan
from lifeline.cli import app

DOCS = Path(__file__).resolve().parents[2] / "docs"
CITY = (DOCS / "simulated-city.md").read_text(encoding="utf-8")
JUDGE = (DOCS / "detection-benchmark.md").read_text(encoding="utf-8")
HOURS = {"h": 1.0, "d": 24.0}


def test_the_table_of_faults_is_the_code() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", CITY, re.MULTILINE))
    assert set(told) == set(KINDS)
    for name, takes in told.items():
        amount, _, unit = takes.partition(" ")
        expected = 0.0 if takes == "one reading" else float(amount) * HOURS[unit]
        assert KINDS[name].hours == expected, name


def test_the_example_of_a_file_is_one() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", CITY, re.DOTALL)
    drift, stuck = load(text, "faults.yaml", plan(7))
    assert (drift.kind, drift.hours, drift.amount, stuck.hours) == ("drift", 48.0, -6.0, 12.0)


def test_commands_and_options_exist() -> None:
    commands = getattr(typer.main.get_command(app), "commands", {})
    known = {option for parameter in commands["bench"].commands["detection"].params for option in parameter.opts}
    known |= {option for parameter in commands["simulate"].params for option in parameter.opts}
    named = set(re.findall(r"(--[a-z][a-z-]+)", CITY + JUDGE)) - {"--data"}
    assert named <= known
    for domain in DOMAINS:
        assert f"`{domain}`" in JUDGE


def test_numbers_of_the_judge_are_the_code() -> None:
    assert {severity: 1 / part for severity, part in ANCHOR_AT.items()} == {"subtle": 8, "plain": 16, "gross": 32}
    assert "1/8 (subtle), 1/16 (plain) or 1/32 (gross)" in JUDGE
    assert list(BURST.values()) == [1, 4, 16]
    assert list(SPIKE.values()) == [1.5, 3, 6]
    assert (list(NOISE.values()), list(STUCK_H.values()), list(DAMPED.values())) == (
        [2, 3, 4],
        [3, 6, 12],
        [0.3, 0.6, 0.9],
    )
    assert BUDGETS == (0.1, 1.0, 12.0)
    assert (QUIET_US, WARM_DAYS) == (6 * 3_600_000_000, 45)
    assert (DEVELOPMENT.stop, VALIDATION.start, VALIDATION.stop) == (1000, 1000, 2000)


def test_a_years_rain_is_as_told() -> None:
    for seed in range(6):
        assert 600 < simulate("water_depth", seed, 365).climate.rain_mm.sum() < 3000
