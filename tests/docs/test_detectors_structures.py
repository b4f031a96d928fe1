"""The sections on bridges and settlement of docs/detectors.md: their rules load, their tags and defaults are true."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from detectors.differential_settlement import DifferentialSettlement
from detectors.fatigue_damage import FatigueDamage
from detectors.registry import create
from detectors.traffic_load import TrafficLoad
from rules.check import check_files
from tests.rules.small_city import FILES, city_files

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (Bridges|Settlement)\n(.*?)(?=^## )", TEXT, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize(
    ("section", "quantity", "unit"), [("Bridges", "strain", "um/m"), ("Settlement", "settlement", "mm")]
)
def test_the_rules_of_the_section_load(section: str, quantity: str, unit: str) -> None:
    [book] = re.findall(r"```yaml rules/\w+\.yaml\n(.*?)```", SECTIONS[section], re.DOTALL)
    sensors = FILES["sensors.csv"] + f"x-1,g1,up-1,{quantity},{unit},60\nx-2,g1,up-1,{quantity},{unit},60\n"
    assert [str(fault) for fault in check_files(city_files(sensors=sensors, rules__shown=book))] == []
    named = set(re.findall(r"detector: (\w+)", book))
    assert named == set(re.findall(r"^\| `(\w+)` \|", SECTIONS[section], re.MULTILINE)), "each is in table and rules"
    assert all(quantity in create(name).quantities for name in named)


def test_tags_and_defaults_are_the_detectors_own() -> None:
    rows = re.findall(r"^\| `(\w+)=[\d.]+` \|[^|]*\| ([\d.]+)", SECTIONS["Bridges"], re.MULTILINE)
    known = {**_defaults(FatigueDamage), **_defaults(TrafficLoad)}
    assert {name: float(value) for name, value in rows} == {
        name: known[name] for name in ("category_mpa", "e_gpa", "safety", "first_limit")
    }
    assert f"({_defaults(DifferentialSettlement)['distortion']})" in SECTIONS["Settlement"]


def _defaults(kind: type[object]) -> dict[str, float]:
    return {name: one.default for name, one in inspect.signature(kind).parameters.items()}
