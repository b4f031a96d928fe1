"""The sections on gas and waterlogging of docs/detectors.md: conditions load, channels and weights are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detectors import methane_origin
from detectors.registry import channels, create
from rules.check import check_files
from tests.rules.small_city import FILES, city_files

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`:[^\n]*\n(.*?)(?=^##)", TEXT, re.DOTALL | re.MULTILINE))
OURS = {
    "gas_demand": "gas_flow", "gas_drop": "gas_pressure", "methane_onset": "methane", "flood_onset": "water_depth",
    "flood_nowcast": "water_depth", "drain_fouling": "water_depth", "drain_recession": "water_depth",
}  # fmt: skip
UNITS = {"gas_flow": "m3/h", "gas_pressure": "kPa", "methane": "%LEL", "water_depth": "cm"}


@pytest.mark.parametrize("name", OURS)
def test_the_condition_of_each_section_loads_in_a_rule(name: str) -> None:
    quantity = OURS[name]
    assert quantity in create(name).quantities
    sensors = FILES["sensors.csv"] + f"x-1,g1,up-1,{quantity},{UNITS[quantity]},60\n"
    for condition in re.findall(r"```yaml condition\n(.*?)\n```", SECTIONS[name], re.DOTALL):
        assert name in condition
        book = f"version: 1\nrules:\n  - id: shown\n    title: {{en: shown}}\n    watch: {{quantity: {quantity}}}\n"
        book += f"    ladder: {{blue: {condition}}}\n"
        assert [str(fault) for fault in check_files(city_files(sensors=sensors, rules__shown=book))] == []


@pytest.mark.parametrize("name", ["gas_demand", "gas_drop", "drain_fouling"])
def test_every_channel_is_told(name: str) -> None:
    assert channels(name)
    assert [channel for channel in channels(name) if f"`{channel}`" not in SECTIONS[name]] == []


def test_a_channel_that_a_detector_has_not_is_a_fault_with_what_it_has() -> None:
    sensors = FILES["sensors.csv"] + "x-1,g1,up-1,gas_pressure,kPa,60\n"
    book = "version: 1\nrules:\n  - id: shown\n    title: {en: shown}\n    watch: {quantity: gas_pressure}\n"
    book += "    ladder: {blue: {detector: gas_drop, channel: leek}}\n"
    [fault] = check_files(city_files(sensors=sensors, rules__shown=book))
    assert "no such channel" in str(fault)
    assert "leak" in str(fault)


def test_the_weights_of_the_leak_score_are_those_in_use() -> None:
    told = {float(one.replace("−", "-").lstrip("+")) for one in re.findall(r"[+−][\d.]+", SECTIONS["methane_onset"])}
    source = Path(methane_origin.__file__ or "").read_text(encoding="utf-8")
    used = {float(one) for one in re.findall(r'"\w+", (-?\d\.\d)\)', source)}
    used |= set(methane_origin._TRACE_GASES.values())
    assert told == used
