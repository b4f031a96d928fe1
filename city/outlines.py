"""Reads `districts.geojson` (RFC 7946, WGS 84), which a city may have: the outlines of its districts, for maps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from city.errors import Fault
from city.geojson import read_features
from city.jsonfile import parse
from city.positions import Path, Positions, nearest_or_all, show

FILE = "districts.geojson"
_DEPTHS = {"Polygon": 2, "MultiPolygon": 3}  # how many brackets stand around a position
_LEAST = 4  # positions of a ring, the last being the first


def check_outlines(text: str, file: str, districts: Collection[str] | None, faults: list[Fault]) -> None:
    """Find what is wrong: each feature is a polygon (or several) whose property `id` is a district's.

    Parameters
    ----------
    districts
        The known ids; None when they are not known because their own file is faulty.
    faults
        Takes what is wrong.
    """
    found = read_features(text, file, faults)
    if found is None:
        return
    _, features, positions = found
    for index, feature in enumerate(features):
        faults += _of_feature(feature, ("features", index), positions, districts)


def _of_feature(feature: object, path: Path, positions: Positions, districts: Collection[str] | None) -> list[Fault]:
    properties = feature.get("properties") if isinstance(feature, Mapping) else None
    if not isinstance(feature, Mapping) or not isinstance(properties, Mapping) or "id" not in properties:
        return [positions.fault(path, "expected a Feature with a property id", "", "the id of a district of city.yaml")]
    found = []
    id_ = properties["id"]
    if districts is not None and id_ not in districts:
        hint = nearest_or_all(str(id_), districts)
        found.append(positions.fault((*path, "properties", "id"), "unknown district", show(id_), hint))
    geometry = feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if not isinstance(geometry, Mapping) or kind not in _DEPTHS:
        what = "expected a Polygon or MultiPolygon"
        return [*found, positions.fault((*path, "geometry"), what, show(kind), "the district's area")]
    wrong = _ring_fault(geometry.get("coordinates"), _DEPTHS[kind])
    if wrong:
        place = (*path, "geometry", "coordinates")
        found.append(positions.fault(place, wrong, "", "closed rings of [longitude, latitude]"))
    return found


def _ring_fault(part: object, depth: int) -> str:
    if not isinstance(part, list) or not part:
        return "expected a list of positions"
    if depth > 1:
        return next((wrong for inner in part if (wrong := _ring_fault(inner, depth - 1))), "")
    if not all(_is_position(at) for at in part):
        return "not a position in WGS 84"
    return "" if len(part) >= _LEAST and part[0] == part[-1] else "a ring is not closed"


def _is_position(at: object) -> bool:
    if (
        not isinstance(at, list)
        or len(at) < 2
        or any(isinstance(n, bool) or not isinstance(n, int | float) for n in at)
    ):
        return False
    return bool(-180 <= at[0] <= 180 and -90 <= at[1] <= 90)


def outlines(text: str) -> dict[str, Any]:
    """What maps draw of a file that was found right: its shapes and the districts' ids, nothing else it may hold."""
    data, _ = parse(text, FILE)
    features = [
        {"type": "Feature", "properties": {"id": each["properties"]["id"]}, "geometry": each["geometry"]}
        for each in data["features"]  # type: ignore[index]  # checked before it came into force
    ]
    return {"type": "FeatureCollection", "features": features}
