"""`quality` in city.yaml changes the tests of quality by quantity; what cannot be is a fault with its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from city import quality
from city.folder import read_folder
from city.load import load_city, load_city_faults
from city.quality import BUILT_IN, Effect, FlatLine, Neighbour
from city.quantity import QUANTITIES

EXAMPLE = Path(__file__).parents[2] / "city" / "example"


def _files(words: str) -> Mapping[str, str]:
    files = dict(read_folder(EXAMPLE))
    return {**files, "city.yaml": f"{files['city.yaml']}\nquality: {words}\n"}


def test_every_quantity_has_tests_and_a_city_need_not_say_any() -> None:
    assert load_city(read_folder(EXAMPLE)).quality == {}
    assert set(BUILT_IN) == set(QUANTITIES)
    assert quality.of("humidity", {}).spike.change == math.inf


def test_what_is_said_counts_and_the_rest_is_as_built_in() -> None:
    words = (
        "{water_depth: {spike: {change: 100 mm, as: fail}, rate: {as: none},"
        " flat_line: {for: 3d, within: 1 mm, rest: 20 mm}, gap: {intervals: 3}},"
        " temperature: {neighbour: {differ: 9 °F, distance: 500 m, at_least: 3, as: note}}}"
    )
    own = load_city(_files(words)).quality
    depth = quality.of("water_depth", own)
    assert (depth.spike.change, depth.spike.effect, depth.rate.effect) == (10.0, Effect.FAIL, Effect.NONE)
    assert (depth.rate.change, depth.gap.intervals) == (BUILT_IN["water_depth"].rate.change, 3)
    assert depth.flat_line == FlatLine(Effect.SUSPECT, 3 * 86_400, 0.1, 2.0)
    assert quality.of("temperature", own).neighbour == Neighbour(Effect.NOTE, 5.0, 500.0, 3)
    assert quality.of("strain", own) == BUILT_IN["strain"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("{water_dept: {}}", "unknown quantity, got 'water_dept', try 'water_depth'"),
        ("{water_depth: {spik: {}}}", "unknown key 'spik', try 'spike'"),
        ("{water_depth: {spike: {chang: 3 cm}}}", "unknown key 'chang', try 'change'"),
        ("{water_depth: {spike: 3 cm}}", "expected a mapping, got '3 cm'"),
        ("{water_depth: {spike: {change: 3}}}", "a number without a unit, got 3"),
        ("{water_depth: {spike: {change: -3 cm}}}", "less than nothing, got '-3 cm'"),
        ("{water_depth: {spike: {change: 3 kPa}}}", "got '3 kPa'"),
        ("{water_depth: {spike: {as: bad}}}", "unknown word, got 'bad', try fail, none, note, suspect"),
        ("{water_depth: {rate: {within: soon}}}", "got 'soon'"),
        ("{water_depth: {gap: {intervals: 0}}}", "must be above 0, got 0"),
        ("{water_depth: {neighbour: {at_least: 1.5}}}", "not a number, got 1.5"),
        ("[1]", "expected quantities and their tests"),
    ],
)
def test_what_cannot_be_is_a_fault_at_its_place(words: str, told: str) -> None:
    files = _files(words)
    line = files["city.yaml"].rstrip().count("\n") + 1
    _, faults = load_city_faults(files)
    assert [fault.file for fault in faults] == ["city.yaml"], faults
    assert faults[0].line == line
    assert faults[0].column > len("quality: ")
    assert told in str(faults[0])


def test_a_clock_is_trusted_or_corrected() -> None:
    files = dict(read_folder(EXAMPLE))
    head, first, *rest = files["gateways.csv"].splitlines()
    files["gateways.csv"] = "\n".join([f"{head},clock", f"{first},correct", *(f"{row}," for row in rest)]) + "\n"
    clocks = {gateway.clock for gateway in load_city(files).gateways.values()}
    assert clocks == {"trust", "correct"}
    files["gateways.csv"] = files["gateways.csv"].replace(",correct", ",corect")
    assert "unknown clock, got 'corect', try 'correct'" in str(load_city_faults(files)[1][0])
