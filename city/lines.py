"""Lines on the earth: how far along one a place is, how far away from it, and whether a ring goes around it.

Distances are those of a plane laid at the place: good to a few parts in a thousand over the kilometres of a city.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import cos, hypot, inf, radians

from city.geo import EARTH_RADIUS_M, Place

Line = tuple[Place, ...]


def plane_m(place: Place, around: Place) -> tuple[float, float]:
    """Metres east and north of `around`."""
    east = (place.lon - around.lon + 180.0) % 360.0 - 180.0
    return (
        radians(east) * cos(radians(around.lat)) * EARTH_RADIUS_M,
        radians(place.lat - around.lat) * EARTH_RADIUS_M,
    )


def project_m(line: Line, place: Place) -> tuple[float, float]:
    """Of the line's point nearest to `place`: how far along the line it is, and how far away, in metres.

    `line` has at least one vertex.
    """
    points = [plane_m(vertex, place) for vertex in line]
    best, along_m = (0.0, hypot(*points[0])), 0.0
    for (x1, y1), (x2, y2) in pairwise(points):
        dx, dy = x2 - x1, y2 - y1
        length_m = hypot(dx, dy)
        share = 0.0 if length_m == 0 else min(max(-(x1 * dx + y1 * dy) / length_m**2, 0.0), 1.0)
        away_m = hypot(x1 + share * dx, y1 + share * dy)
        if away_m < best[1]:
            best = (along_m + share * length_m, away_m)
        along_m += length_m
    return best


def inside(ring: Line, place: Place) -> bool:
    """Whether a ring (its first vertex need not be repeated) goes around a place."""
    points = [plane_m(vertex, place) for vertex in ring]
    odd = False
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        if (y1 > 0) != (y2 > 0) and x1 - y1 * (x2 - x1) / (y2 - y1) > 0:
            odd = not odd
    return odd


def away_m(place: Place, lines: Sequence[Line], rings: Sequence[Line]) -> float:
    """How far a place is from the nearest of some lines and areas (0 inside a ring); infinite without any."""
    if any(inside(ring, place) for ring in rings):
        return 0.0
    closed = [(*ring, ring[0]) for ring in rings]
    return min((project_m(line, place)[1] for line in [*lines, *closed]), default=inf)
