"""A small map as SVG, from the register's coordinates: sites and sensors around a place, a scale bar and north.

No tiles and nothing from elsewhere. Close enough to draw by a local projection: degrees of longitude shrink with the
cosine of the latitude. Shapes, not only colours, tell what is what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import cos, radians

from markupsafe import Markup

from city.geo import Place
from city.words import say

WIDTH, HEIGHT = 560, 380
MARGIN = 34
METRES_PER_DEGREE = 111_195.0  # of latitude, on the mean sphere
NEAREST, FARTHEST_M = 250.0, 5000.0
_LABEL = 12  # height of a label
_REACH = {"own": 11, "site": 5, "sensor": 0}  # labels keep off these
_SCALES = (10, 20, 50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True, slots=True)
class Spot:
    """Something on the map.

    Attributes
    ----------
    kind
        `own` (the site it is about), `site` or `sensor`.
    level
        The highest standing level there; `none` otherwise.
    href
        Where it leads; empty: nowhere.
    """

    kind: str
    name: str
    place: Place
    level: str = "none"
    stale: bool = False
    href: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown: half of its height (m) around its middle."""

    middle: Place
    half_m: float

    @classmethod
    def around(cls, middle: Place, places: Iterable[Place]) -> Window:
        """The window that shows `places` near `middle`, within bounds."""
        far_m = max((middle.distance_m(place) for place in places), default=0.0)
        return cls(middle, min(max(far_m * 1.25, NEAREST), FARTHEST_M))

    @property
    def edges(self) -> dict[str, float]:
        """`west`, `south`, `east`, `north` in degrees."""
        lat = self.half_m / METRES_PER_DEGREE
        lon = lat * WIDTH / HEIGHT / max(0.01, cos(radians(self.middle.lat)))
        return {
            "west": self.middle.lon - lon,
            "east": self.middle.lon + lon,
            "south": self.middle.lat - lat,
            "north": self.middle.lat + lat,
        }

    @property
    def pixels_per_m(self) -> float:
        """The scale of the drawing."""
        return (HEIGHT / 2 - MARGIN / 2) / self.half_m

    def xy(self, place: Place) -> tuple[float, float]:
        """Where a place is drawn."""
        east_m = (place.lon - self.middle.lon) * METRES_PER_DEGREE * cos(radians(self.middle.lat))
        north_m = (place.lat - self.middle.lat) * METRES_PER_DEGREE
        return WIDTH / 2 + east_m * self.pixels_per_m, HEIGHT / 2 - north_m * self.pixels_per_m


def draw(window: Window, spots: Sequence[Spot], label: str, language: str) -> Markup:
    """The map of `spots`; where labels would cover each other the gravest win; the others are told when pointed at."""
    inside = [(spot, *window.xy(spot.place)) for spot in spots]
    inside = [(spot, x, y) for spot, x, y in inside if 8 <= x <= WIDTH - 8 and 8 <= y <= HEIGHT - 8]
    order = {"sensor": 0, "site": 1, "own": 2}
    drawn = sorted(inside, key=lambda item: (order[item[0].kind], item[0].level != "none"))
    taken: list[tuple[float, float, float, float]] = [(0, HEIGHT - 40, 200, HEIGHT), (WIDTH - 40, 0, WIDTH, 50)]
    taken += [(x - r, y - r, x + r, y + r) for spot, x, y in inside if (r := _REACH[spot.kind])]
    parts = [
        f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">',
        f"<title>{escape(label)}</title>",
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}"/>',
        *(_shape(spot, x, y, language) for spot, x, y in drawn),
        *(_name(spot, x, y, taken) for spot, x, y in reversed(drawn)),
        _scale_bar(window),
        _north(language),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every text in it went through escape()


def _shape(spot: Spot, x: float, y: float, language: str) -> str:
    says = [spot.name]
    if spot.level != "none":
        says.append(say(f"levels.{spot.level}", language))
    if spot.stale:
        says.append(say("console.map_stale", language))
    match spot.kind:
        case "own":
            shape = f'<path d="M{x:.1f} {y - 11:.1f}l11 11l-11 11l-11 -11z"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        case "site":
            shape = f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
        case _ if spot.level != "none":
            shape = f'<path d="M{x:.1f} {y - 7:.1f}l7 12h-14z"/>'
        case _:
            shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    stale = f'<text class="query" x="{x:.1f}" y="{y - 7:.1f}" text-anchor="middle">?</text>' if spot.stale else ""
    inner = f"<title>{escape(' · '.join(says))}</title>{shape}{stale}"
    if spot.href:
        inner = f'<a href="{escape(spot.href)}" aria-label="{escape(" · ".join(says))}">{inner}</a>'
    return f'<g class="spot {spot.kind} {escape(spot.level)}{" unheard" if spot.stale else ""}">{inner}</g>'


def _name(spot: Spot, x: float, y: float, taken: list[tuple[float, float, float, float]]) -> str:
    text = spot.name if len(spot.name) <= 28 else f"{spot.name[:27]}…"
    width = sum(12.5 if ord(letter) > 0x2E80 else 6.8 for letter in text)
    for left, top in ((x + 12, y - 6), (x - 12 - width, y - 6), (x - width / 2, y + 12), (x - width / 2, y - 24)):
        box = (left, top, left + width, top + _LABEL)
        fits = 2 <= left <= WIDTH - 2 - width and 2 <= top <= HEIGHT - 2 - _LABEL
        if fits and not any(_meet(box, other) for other in taken):
            taken.append(box)
            return f'<text class="tag {spot.kind}" x="{left:.1f}" y="{top + 10:.1f}">{escape(text)}</text>'
    return ""


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _scale_bar(window: Window) -> str:
    length_m = max((m for m in _SCALES if m * window.pixels_per_m <= 160), default=_SCALES[0])
    width, y = length_m * window.pixels_per_m, HEIGHT - 14
    text = f"{length_m} m" if length_m < 1000 else f"{length_m // 1000} km"
    return (
        f'<g class="bar"><path d="M12 {y - 5}v5h{width:.1f}v-5"/>'
        f'<text x="{12 + width / 2:.1f}" y="{y - 8}" text-anchor="middle">{text}</text></g>'
    )


def _north(language: str) -> str:
    x = WIDTH - 22
    return (
        f'<g class="north"><path d="M{x} 10l6 18l-6 -5l-6 5z"/>'
        f'<text x="{x}" y="42" text-anchor="middle">{escape(say("console.map_north", language))}</text></g>'
    )
