"""Outlines of districts: right as a whole or refused with every fault, and nothing else of the file is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from city.errors import Fault
from city.outlines import FILE, check_outlines, outlines

RING = [[118.0, 32.0], [118.1, 32.0], [118.1, 32.1], [118.0, 32.0]]
GOOD = {"type": "Polygon", "coordinates": [RING]}


def text(geometry: Mapping[str, Any], **properties: object) -> str:
    feature = {"type": "Feature", "properties": properties or {"id": "north"}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


def faults(written: str) -> list[str]:
    found: list[Fault] = []
    check_outlines(written, FILE, {"north", "south"}, found)
    return [str(fault) for fault in found]


@pytest.mark.parametrize(
    "geometry", [GOOD, {"type": "MultiPolygon", "coordinates": [[RING], [RING]]}, GOOD | {"bbox": [1, 2, 3, 4]}]
)
def test_polygons_of_known_districts_are_right(geometry: Mapping[str, Any]) -> None:
    assert faults(text(geometry)) == []


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[]", "expected a FeatureCollection"),
        ('{"type": "FeatureCollection", "features": [7]}', "expected a Feature with a property id"),
        (text(GOOD, name="north"), "expected a Feature with a property id"),
        (text(GOOD, id="nort"), "unknown district, got 'nort', try 'north'"),
        (text({"type": "Point", "coordinates": [118, 32]}), "expected a Polygon or MultiPolygon, got 'Point'"),
        (text({"type": "Polygon", "coordinates": [RING[:3]]}), "a ring is not closed"),
        (text({"type": "Polygon", "coordinates": [[[500000, 3500000]] * 4]}), "not a position in WGS 84"),
        (text({"type": "Polygon", "coordinates": RING}), "not a position in WGS 84"),
        (text({"type": "Polygon", "coordinates": []}), "expected a list of positions"),
        ("{", "districts.geojson:1:"),
    ],
)
def test_a_fault_is_told_with_its_place(written: str, message: str) -> None:
    found = faults(written)
    assert any(message in fault for fault in found), found
    assert all(fault.startswith(f"{FILE}:") for fault in found)


def test_only_shapes_and_ids_are_shown() -> None:
    shown = outlines(text(GOOD, id="north", phone="119"))
    assert shown["features"] == [{"type": "Feature", "properties": {"id": "north"}, "geometry": GOOD}]


def test_the_example_has_outlines_around_its_sites() -> None:
    example = files("city") / "example"
    shown = outlines((example / FILE).read_text(encoding="utf-8"))
    ring = {f["properties"]["id"]: f["geometry"]["coordinates"][0] for f in shown["features"]}
    sites = json.loads((example / "sites.geojson").read_text(encoding="utf-8"))["features"]
    for site in sites:
        lon, lat = _any_position(site["geometry"]["coordinates"])
        around = ring[site["properties"]["district"]]
        assert min(p[0] for p in around) < lon < max(p[0] for p in around)
        assert min(p[1] for p in around) < lat < max(p[1] for p in around)


def _any_position(part: Any) -> tuple[float, float]:  # noqa: ANN401 - nested as deep as the shape has it
    return (part[0], part[1]) if isinstance(part[0], float) else _any_position(part[0])
