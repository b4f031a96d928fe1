"""What is near what: sensors within a distance, along a pipe, on the same site; sites beside a sensor.

Answers come from grids whose cells are as wide as the distance asked for, so that asking for every sensor of a large
city takes seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, cos, degrees, floor, inf, pi, radians
from typing import Generic, TypeVar

import numpy as np

from city.geo import EARTH_RADIUS_M, Place
from city.lines import Line, away_m, project_m
from city.model import City, Sensor, Site

_LEAST_CELL_M = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which neighbours: of which quantities and how far away (None: any), of which kind of site, with which tags.

    `on`: what they share with the sensor that asks: `pipe`, `site`, `gateway`, `district`, or nothing.
    """

    quantities: frozenset[str] | None
    within_m: float | None
    on: str = ""
    site_kind: str = ""
    tags: frozenset[str] = frozenset()


Item = TypeVar("Item", str, int)


class Grid(Generic[Item]):
    """Things by place, in cells at least `cell_m` wide on every side."""

    def __init__(self, cell_m: float, furthest_lat: float) -> None:
        high = degrees(max(cell_m, _LEAST_CELL_M) / EARTH_RADIUS_M) * (1 + 1e-9)
        narrowest = cos(radians(min(abs(furthest_lat) + high, 90.0)))
        self._high, self._around = high, max(floor(360.0 * narrowest / high), 1) if narrowest > 0 else 1
        self._cells: dict[tuple[int, int], list[Item]] = {}

    def _cell(self, place: Place) -> tuple[int, int]:
        return floor(place.lat / self._high), floor((place.lon + 180.0) / 360.0 * self._around) % self._around

    def put(self, item: Item, place: Place) -> None:
        """Remember a thing at a place; once for each cell."""
        items = self._cells.setdefault(self._cell(place), [])
        if not items or items[-1] != item:
            items.append(item)

    def around(self, place: Place, rings: int = 1) -> list[Item]:
        """What is in the cells around a place, `rings` cells far: all that is within that many cells' width."""
        row, column = self._cell(place)
        steps = range(-rings, rings + 1) if self._around > 2 * rings else range(self._around)
        found: list[Item] = []
        for up in range(-rings, rings + 1):
            for east in steps:
                found += self._cells.get((row + up, (column + east) % self._around), ())
        return found


class _Pool:
    """The sensors that a question may be answered with, in a grid of their own."""

    def __init__(self, names: list[str], places: Mapping[str, Place], within_m: float, furthest_lat: float) -> None:
        self.names, self.within_m = np.array(names, dtype=object), within_m
        self._lon, self._lat = np.radians([(places[n].lon, places[n].lat) for n in names] or np.zeros((0, 2))).T
        self._grid: Grid[int] = Grid(within_m, furthest_lat)
        for at, name in enumerate(names):
            self._grid.put(at, places[name])

    def near(self, place: Place) -> list[str]:
        """Those within the distance of a place, nearest first (by name where that is the same)."""
        at = np.array(self._grid.around(place), dtype=np.intp)
        lat = radians(place.lat)
        half_lat, half_lon = (self._lat[at] - lat) / 2, (self._lon[at] - radians(place.lon)) / 2
        chord = np.sin(half_lat) ** 2 + cos(lat) * np.cos(self._lat[at]) * np.sin(half_lon) ** 2
        away_m = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, np.sqrt(chord)))
        close = away_m <= self.within_m
        names: list[str] = self.names[at[close]].tolist()
        return [name for _, name in sorted(zip(away_m[close].tolist(), names, strict=True))]


class Nearby:
    """The neighbourhoods of one city."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._places = {sensor.id: city.place_of(sensor) for sensor in city.sensors.values()}
        self._furthest_lat = max(
            (abs(p.lat) for p in [*self._places.values(), *(s.place for s in city.sites.values())]), default=0.0
        )
        self._pools: dict[Wanted, _Pool] = {}
        self._answers: dict[tuple[Wanted, str], tuple[str, ...]] = {}
        self._kinds: dict[tuple[str, float], Grid[str]] = {}
        self._sharing: dict[str, dict[str, list[str]]] = {}
        self._along: dict[str, tuple[int, float]] = {}

    # -- sensors -------------------------------------------------------------------------------------------------

    def sensors(self, sensor: Sensor, wanted: Wanted) -> tuple[str, ...]:
        """The sensors wanted near a sensor, nearest first; never the sensor itself."""
        found = self._answers.get((wanted, sensor.id))
        if found is None:
            near = self._around(sensor, wanted) if not wanted.on else self._sharing_with(sensor, wanted)
            found = self._answers[wanted, sensor.id] = tuple(name for name in near if name != sensor.id)
        return found

    def _around(self, sensor: Sensor, wanted: Wanted) -> list[str]:
        pool = self._pools.get(wanted)
        if pool is None:
            names = [other.id for other in self._city.sensors.values() if self._fits(other, wanted)]
            within_m = pi * EARTH_RADIUS_M if wanted.within_m is None else wanted.within_m
            pool = self._pools[wanted] = _Pool(names, self._places, within_m, self._furthest_lat)
        return pool.near(self._places[sensor.id])

    def _sharing_with(self, sensor: Sensor, wanted: Wanted) -> list[str]:
        """The same among those that share something with it."""
        found = []
        for name in self._by(wanted.on).get(self._shared(sensor, wanted.on), ()):
            if self._fits(self._city.sensors[name], wanted):
                distance_m = self._distance_m(sensor, name, wanted.on)
                if wanted.within_m is None or distance_m <= wanted.within_m:
                    found.append((distance_m, name))
        return [name for _, name in sorted(found)]

    def _fits(self, other: Sensor, wanted: Wanted) -> bool:
        return (
            (wanted.quantities is None or other.quantity.id in wanted.quantities)
            and (not wanted.site_kind or self._city.sites[other.site].kind == wanted.site_kind)
            and other.tags.issuperset(wanted.tags)
        )

    def _by(self, on: str) -> dict[str, list[str]]:
        if on not in self._sharing:
            groups = self._sharing[on] = {}
            for sensor in self._city.sensors.values():
                groups.setdefault(self._shared(sensor, on), []).append(sensor.id)
        return self._sharing[on]

    def _shared(self, sensor: Sensor, on: str) -> str:
        """The site, gateway, district or pipe of a sensor; a site that lies along nothing is a pipe of its own."""
        site = self._city.sites[sensor.site]
        return {"site": site.id, "gateway": sensor.gateway, "district": site.district}.get(on) or site.along or site.id

    def _distance_m(self, sensor: Sensor, name: str, on: str) -> float:
        """The straight distance; on a pipe whose line the register knows, the distance along it."""
        here, there = self._places[sensor.id], self._places[name]
        if on == "pipe":
            line = self._city.sites.get(self._shared(sensor, on))
            if line is not None and line.lines:
                (piece, at_m), (other, far_m) = self._chainage(sensor.id, line), self._chainage(name, line)
                if piece == other:
                    return abs(at_m - far_m)
        return here.distance_m(there)

    def _chainage(self, name: str, site: Site) -> tuple[int, float]:
        """On which piece of a pipe's line a sensor is, and how far along it."""
        found = self._along.get(name)
        if found is None:
            projected = [(project_m(piece, self._places[name]), at) for at, piece in enumerate(site.lines)]
            (at_m, _), piece = min(projected, key=lambda p: (p[0][1], p[1]))
            found = self._along[name] = (piece, at_m)
        return found

    # -- sites ---------------------------------------------------------------------------------------------------

    def site(self, sensor: Sensor, kind: str, within_m: float) -> tuple[str, float] | None:
        """The nearest site of a kind within a distance of a sensor, and how far it is; its lines and areas count."""
        place = self._places[sensor.id]
        found = min(
            ((_site_away_m(self._city.sites[name], place), name) for name in set(self._sites(kind, within_m, place))),
            default=(inf, ""),
        )
        return (found[1], found[0]) if found[0] <= within_m else None

    def _sites(self, kind: str, within_m: float, place: Place) -> list[str]:
        grid = self._kinds.get((kind, within_m))
        if grid is None:
            sites = [site for site in self._city.sites.values() if site.kind == kind]
            widest_m = max((_width_m(ring) for site in sites for ring in site.rings), default=0.0)
            cell_m = max(within_m, widest_m / 50, _LEAST_CELL_M)
            grid = self._kinds[kind, within_m] = Grid(cell_m, self._furthest_lat)
            for site in sites:
                for point in _spread(site, cell_m / 2):
                    grid.put(site.id, point)
        return grid.around(place, rings=2)


def _site_away_m(site: Site, place: Place) -> float:
    if site.lines or site.rings:
        return away_m(place, site.lines, site.rings)
    return site.place.distance_m(place)


def _width_m(ring: Line) -> float:
    west, south, east, north = _box(ring)
    return Place(west, south).distance_m(Place(east, north))


def _box(ring: Collection[Place]) -> tuple[float, float, float, float]:
    lons, lats = [p.lon for p in ring], [p.lat for p in ring]
    return min(lons), min(lats), max(lons), max(lats)


def _spread(site: Site, step_m: float) -> Iterator[Place]:
    """Points so close together that every place of the site is within `step_m` of one of them."""
    if not site.lines and not site.rings:
        yield site.place
    for line in site.lines:
        yield line[0]
        for start, end in pairwise(line):
            yield from _between(start, end, step_m)
    for ring in site.rings:
        west, south, east, north = _box(ring)
        yield Place(west, south)
        yield Place(west, north)
        edge = [*_between(Place(west, south), Place(west, north), step_m), Place(west, south)]
        for left in edge:
            yield left
            yield from _between(left, Place(east, left.lat), step_m)


def _between(start: Place, end: Place, step_m: float) -> Iterator[Place]:
    parts = max(ceil(start.distance_m(end) / step_m), 1)
    for part in range(1, parts + 1):
        share = part / parts
        yield Place(start.lon + share * (end.lon - start.lon), start.lat + share * (end.lat - start.lat))
