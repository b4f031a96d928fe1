"""Reads `sites.geojson` (RFC 7946, WGS 84): the places that are watched."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from city.errors import Fault
from city.geo import Place
from city.geojson import read_features
from city.identity import PLAIN_ID, id_problem, read_name
from city.keys import optional, required
from city.lines import Line
from city.model import Site
from city.positions import Path, Positions, check_keys, nearest_or_all, show
from city.tablekeys import SITES

SITE_KINDS = frozenset(
    {
        "gas_main", "gas_station", "regulator", "valve", "manhole", "underpass", "road", "drain", "culvert", "river",
        "reservoir", "pump_station", "water_main", "heat_main", "bridge", "tunnel", "ground", "slope", "pit",
        "building", "rain_gauge", "weather_station",
    }
)  # fmt: skip

# How many brackets stand around a position, by geometry type.
_DEPTHS = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


def read_sites(
    text: str, file: str, districts: Collection[str] | None, kinds: Collection[str], faults: list[Fault]
) -> tuple[dict[str, Site], set[str]]:
    """Sites by id, and every id that was at least named (so that one fault is not told twice).

    Parameters
    ----------
    districts
        The known ids; None when they are not known because their own file is faulty.
    kinds
        The kinds a site may have.
    faults
        Takes what is wrong.
    """
    found = read_features(text, file, faults)
    if found is None:
        return {}, set()
    data, features, positions = found
    crs = data.get("crs")
    if crs is not None and not any(mark in str(crs) for mark in ("CRS84", "4326")):
        faults.append(positions.key_fault(("crs",), "coordinates must be WGS 84", hint="exporting as EPSG:4326"))
    reader = _Sites(positions, districts, kinds, faults)
    for index, feature in enumerate(features):
        reader.read(feature, ("features", index))
    return reader.sites, set(reader.named)


class _Sites:
    """Reads features one by one."""

    def __init__(
        self, positions: Positions, districts: Collection[str] | None, kinds: Collection[str], faults: list[Fault]
    ) -> None:
        self.positions, self.districts, self.kinds, self.faults = positions, districts, kinds, faults
        self.sites: dict[str, Site] = {}
        self.named: dict[str, Path] = {}

    def complain(self, path: Path, what: str, got: object = "", hint: str = "") -> None:
        self.faults.append(self.positions.fault(path, what, show(got) if got != "" else "", hint))

    def read(self, feature: object, path: Path) -> None:
        properties = feature.get("properties") if isinstance(feature, Mapping) else None
        if not isinstance(feature, Mapping) or not isinstance(properties, Mapping):
            self.complain(path, "expected a Feature with properties", feature, "properties id, kind, name, district")
            return
        inside = (*path, "properties")
        before = len(self.faults)
        self.faults += check_keys(
            properties, inside, self.positions, required=required(SITES), optional=optional(SITES)
        )
        id_ = self._id(properties, inside)
        kind = self._known(properties, inside, "kind", self.kinds)
        district = self._known(properties, inside, "district", self.districts)
        # A missing key has been told already; a null one has not.
        name = (
            read_name(properties["name"], (*inside, "name"), self.positions, self.faults)
            if "name" in properties
            else None
        )
        extra = {key: self._text(properties, inside, key) for key in ("along", "owner") if key in properties}
        address = None
        if properties.get("address") is not None:
            address = read_name(properties["address"], (*inside, "address"), self.positions, self.faults)
        place = self._place(feature.get("geometry"), (*path, "geometry"))
        if len(self.faults) == before and id_ and name and place:
            lines, rings = _shape(feature["geometry"])
            self.sites[id_] = Site(id_, kind, name, district, place, **extra, address=address, lines=lines, rings=rings)

    def _id(self, properties: Mapping[str, object], inside: Path) -> str:
        if "id" not in properties:
            return ""
        id_ = self._text(properties, inside, "id")
        at = (*inside, "id")
        if not id_:
            return ""
        if problem := id_problem(id_, PLAIN_ID):
            self.complain(at, problem[0], id_, problem[1])
        elif id_ in self.named:
            line, column = self.positions.at(self.named[id_])
            self.complain(at, f"duplicate site, first at {line}:{column}", id_, "another id")
        self.named.setdefault(id_, at)
        return id_

    def _text(self, properties: Mapping[str, object], inside: Path, key: str) -> str:
        value = properties.get(key)
        if isinstance(value, str):
            return value.strip()
        if value is not None or key not in ("along", "owner"):
            self.complain((*inside, key), f"{key} must be text", value, "quotes around it")
        return ""

    def _known(self, properties: Mapping[str, object], inside: Path, key: str, known: Collection[str] | None) -> str:
        if key not in properties:
            return ""
        value = self._text(properties, inside, key)
        if isinstance(properties[key], str) and known is not None and value not in known:
            hint = nearest_or_all(value, known)
            if key == "kind" and not hint.startswith("'"):
                hint = f"{hint}, or listing it in city.yaml under site_kinds"
            self.complain((*inside, key), f"unknown {key}", value or None, hint)
        return value

    def _place(self, geometry: object, path: Path) -> Place | None:
        kind = geometry.get("type") if isinstance(geometry, Mapping) else None
        depth = _DEPTHS.get(kind) if isinstance(kind, str) else None
        if not isinstance(geometry, Mapping) or depth is None:
            self.complain(path, "expected a geometry", kind, "Point, LineString or Polygon")
            return None
        points = []
        for point, at in _points(geometry.get("coordinates"), (*path, "coordinates"), depth):
            place = self._point(point, at)
            if place is None:
                return None
            points.append(place)
        if kind in ("Polygon", "MultiPolygon") and len(points) > 1 and points[0] == points[-1]:
            points.pop()  # a ring repeats its first vertex
        if not points:
            self.complain((*path, "coordinates"), "no coordinates", geometry.get("coordinates"), "[lon, lat]")
            return None
        return Place(
            *(math.fsum(values) / len(points) for values in zip(*((p.lon, p.lat) for p in points), strict=True))
        )

    def _point(self, point: object, path: Path) -> Place | None:
        numbers = point if isinstance(point, list) else []
        if len(numbers) < 2 or not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers[:2]):
            self.complain(path, "expected a position", point, "[lon, lat]")
            return None
        lon, lat = float(numbers[0]), float(numbers[1])
        if problem := place_problem(lon, lat):
            self.faults.append(self.positions.fault(path, problem[0], f"[{lon:g}, {lat:g}]", problem[1]))
            return None
        return Place(lon, lat)


def place_problem(lon: float, lat: float) -> tuple[str, str] | None:
    """What is wrong with a WGS 84 longitude and latitude (degrees) and what to try; None when nothing is."""
    if -180 <= lon <= 180 and -90 <= lat <= 90:
        return None
    if -90 <= lon <= 90 and -180 <= lat <= 180:
        return "latitude must be within -90..90", "longitude first, then latitude"
    return "longitude must be within -180..180, latitude within -90..90", "degrees in WGS 84, not metres"


def _shape(geometry: Mapping[str, Any]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The lines, and the outer rings, of a geometry whose positions are right."""
    coordinates = geometry["coordinates"]
    match geometry["type"]:
        case "LineString":
            return (_line(coordinates),), ()
        case "MultiLineString":
            return tuple(_line(piece) for piece in coordinates if piece), ()
        case "Polygon":
            return (), (_ring(coordinates),)
        case "MultiPolygon":
            return (), tuple(_ring(polygon) for polygon in coordinates if polygon)
        case _:
            return (), ()


def _line(positions: list[list[float]]) -> Line:
    return tuple(Place(float(lon), float(lat)) for lon, lat, *_ in positions)


def _ring(polygon: list[list[list[float]]]) -> Line:
    """The outer ring, its first vertex not repeated."""
    line = _line(polygon[0])
    return line[:-1] if len(line) > 1 and line[0] == line[-1] else line


def _points(value: object, path: Path, depth: int) -> Iterator[tuple[object, Path]]:
    """The positions within `depth` brackets, and where each stands."""
    if depth == 0:
        yield value, path
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _points(inner, (*path, index), depth - 1)
    else:
        yield value, path
