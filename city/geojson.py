"""A GeoJSON file's features (RFC 7946), before anybody looks at what each of them says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from city.errors import Fault, FaultyInput
from city.jsonfile import parse
from city.positions import Positions, show


def read_features(text: str, file: str, faults: list[Fault]) -> tuple[Mapping[str, Any], list[Any], Positions] | None:
    """The file's object, its features, and where everything stands; None when it is none (`faults` takes why)."""
    try:
        data, positions = parse(text, file)
    except FaultyInput as error:
        faults += error.faults
        return None
    features = data.get("features") if isinstance(data, Mapping) and data.get("type") == "FeatureCollection" else None
    if not isinstance(data, Mapping) or not isinstance(features, list):
        what = "expected a FeatureCollection"
        faults.append(positions.fault((), what, show(data), "an export as GeoJSON (RFC 7946)"))
        return None
    return data, features, positions
