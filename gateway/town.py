"""The plan of the simulated city: which sites, gateways and sensors stand where. A pure function of the seed.

A fictional city of four districts some 4 km apart, each with a gateway for its gas network, drainage, bridges and
ground. Distances are such that neighbours mean something: manholes and settlement points lie 30 to 60 m from the middle
of a gas main and within 60 m of each other, every underpass has a rain gauge within 2 km.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import cos, hypot, pi, radians, sin

import numpy as np

from city.geo import EARTH_RADIUS_M
from city.words import languages, say
from gateway.noise import key, uniform

ORIGIN = (118.05, 32.15)  # degrees east and north: plausible for a city on the lower Yangtze, and nobody's town
_DISTRICTS = {"old": (0.0, 0.0), "riverside": (4200.0, 800.0), "gardens": (700.0, 4300.0), "harbour": (4600.0, 4900.0)}
_ROADS = (1, 2, 3, 4, 5)
Point = tuple[float, float]  # metres east and north of ORIGIN


def degrees_of(point: Point) -> tuple[float, float]:
    """Longitude and latitude of a point on the plan, rounded to about a centimetre."""
    per_degree = EARTH_RADIUS_M * pi / 180
    lon = ORIGIN[0] + point[0] / (per_degree * cos(radians(ORIGIN[1])))
    return round(lon, 7), round(ORIGIN[1] + point[1] / per_degree, 7)


def distance_m(one: Point, other: Point) -> float:
    """Metres between two points of the plan."""
    return hypot(one[0] - other[0], one[1] - other[1])


@dataclass(frozen=True, slots=True)
class PlannedSite:
    """A site; `line` has the vertices of a main or a bridge, `at` is its middle. Names by language."""

    id: str
    kind: str
    name: Mapping[str, str]
    district: str
    at: Point
    line: tuple[Point, ...] = ()
    along: str = ""


@dataclass(frozen=True, slots=True)
class PlannedGateway:
    """A gateway; it publishes every `interval_s`."""

    id: str
    district: str
    name: str
    at: Point
    interval_s: int = 60


@dataclass(frozen=True, slots=True)
class PlannedSensor:
    """A sensor. It sends canonical value x `scale` in `unit`; `at` when it has a place of its own."""

    id: str
    gateway: str
    site: str
    quantity: str
    unit: str
    interval_s: int
    scale: float = 1.0
    at: Point | None = None
    context: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass
class Town:
    """The whole plan."""

    seed: int
    sites: dict[str, PlannedSite] = field(default_factory=dict)
    gateways: dict[str, PlannedGateway] = field(default_factory=dict)
    sensors: dict[str, PlannedSensor] = field(default_factory=dict)

    @property
    def districts(self) -> tuple[str, ...]:
        """District ids."""
        return tuple(_DISTRICTS)

    @cached_property
    def sensors_of(self) -> Mapping[str, tuple[PlannedSensor, ...]]:
        """The sensors of each gateway."""
        return {g: tuple(s for s in self.sensors.values() if s.gateway == g) for g in self.gateways}

    def at(self, sensor: str) -> Point:
        """Where a sensor stands."""
        planned = self.sensors[sensor]
        return planned.at or self.sites[planned.site].at

    def find(self, quantity: str, district: str = "", site: str = "") -> list[str]:
        """Sensors of a quantity, in a district or at a site."""
        return [
            sensor.id
            for sensor in self.sensors.values()
            if sensor.quantity == quantity
            and (not district or self.sites[sensor.site].district == district)
            and (not site or sensor.site == site)
        ]

    def nearest(self, to: Point, sensors: list[str], count: int) -> list[str]:
        """The `count` of `sensors` nearest to a point, nearest first."""
        return sorted(sensors, key=lambda sensor: (distance_m(to, self.at(sensor)), sensor))[:count]


def plan(seed: int) -> Town:
    """The city of a seed: 4 districts, 16 gateways, some 460 sensors."""
    town = Town(seed)
    for district in _DISTRICTS:
        district_plan = _District(town, district)
        for build in (district_plan.gas, district_plan.drainage, district_plan.bridges, district_plan.ground):
            build()
    return town


class _District:
    """Builds one district into a town."""

    def __init__(self, town: Town, district: str) -> None:
        self.town, self.id = town, district
        self._draws: Iterator[float] = self._jitter(key(town.seed, "plan", district))

    @staticmethod
    def _jitter(seed: int) -> Iterator[float]:
        keys = np.array([seed], dtype=np.uint64)
        counter = 0
        while True:
            yield 2.0 * float(uniform(keys, np.array([counter]))[0]) - 1.0
            counter += 1

    def _spot(self, radius_m: float, turn: float, spread_m: float = 40.0) -> Point:
        """A point `radius_m` from the district's centre at `turn` of a full circle, a little displaced."""
        east, north = _DISTRICTS[self.id]
        return (
            east + radius_m * cos(2 * pi * turn) + spread_m * next(self._draws),
            north + radius_m * sin(2 * pi * turn) + spread_m * next(self._draws),
        )

    def _name(self, what: str, road: int = 1, n: int = 1) -> dict[str, str]:
        words: Callable[[str, str], str] = lambda k, lang: say(f"simulation.{k}", lang)  # noqa: E731 - two lines shorter
        return {
            lang: say(f"simulation.{what}", lang, district=words(self.id, lang), road=words(f"road_{road}", lang), n=n)
            for lang in languages
        }

    def _gateway(self, what: str, at: Point) -> str:
        gateway = f"gw-{self.id}-{what}"
        self.town.gateways[gateway] = PlannedGateway(gateway, self.id, self._name(f"gateway_{what}")["en"], at)
        return gateway

    def _site(self, kind: str, name: str, at: Point, *, road: int = 1, n: int = 1, **more: object) -> str:
        site = f"{self.id}-{name}"
        line = more.get("line", ())
        self.town.sites[site] = PlannedSite(
            site, kind, self._name("weather" if name == "mast" else kind, road, n), self.id, at,
            tuple(line) if isinstance(line, tuple) else (), str(more.get("along", "")),
        )  # fmt: skip
        return site

    def _sensor(self, prefix: str, gateway: str, site: str, quantity: str, unit: str, **more: object) -> str:
        taken = sum(s.startswith(f"{prefix}-{self.id}-") for s in self.town.sensors)
        sensor = f"{prefix}-{self.id}-{taken + 1:02d}"
        values = {"interval_s": 60, **more}
        self.town.sensors[sensor] = PlannedSensor(sensor, gateway, site, quantity, unit, **values)  # type: ignore[arg-type]  # keywords of PlannedSensor
        return sensor

    def gas(self) -> None:
        """Five stretches of main, each with three manholes around it."""
        gateway = self._gateway("gas", self._spot(100, 0.0))
        for road in _ROADS:
            centre = self._spot(620, road / 5)
            ends = ((centre[0] - 40, centre[1]), centre, (centre[0] + 40, centre[1]))
            main = self._site("gas_main", f"main-{road}", centre, road=road, line=ends)
            pressure = self._sensor("gp", gateway, main, "gas_pressure", "kPa", interval_s=30 if road == 1 else 60)
            self._sensor("gf", gateway, main, "gas_flow", "m3/h", context=(pressure,))
            for n in (1, 2, 3):
                turn = n / 3
                at = (centre[0] + 33 * cos(2 * pi * turn), centre[1] + 33 * sin(2 * pi * turn))
                manhole = self._site("manhole", f"manhole-{road}{n}", at, road=road, n=n, along=main)
                warmth = () if n > 1 else (self._sensor("wt", gateway, manhole, "temperature", "°C", interval_s=300),)
                self._sensor("ch4", gateway, manhole, "methane", "%LEL", context=warmth)

    def drainage(self) -> None:
        """Three underpasses, five low roads, four storm drains, three rain gauges and a weather mast."""
        gateway = self._gateway("drain", self._spot(120, 0.25))
        mast = self._site("weather_station", "mast", self._spot(60, 0.5))
        self._sensor("at", gateway, mast, "temperature", "°C")
        self._sensor("bv", gateway, mast, "battery", "V", interval_s=300)
        for n in (1, 2, 3):
            gauge = self._site("rain_gauge", f"gauge-{n}", self._spot(350, n / 3 + 0.1), n=n)
            self._sensor("rg", gateway, gauge, "rainfall", "mm")
        gauges = self.town.find("rainfall", self.id)
        for n in (1, 2, 3):
            at = self._spot(480, n / 3)
            underpass = self._site("underpass", f"underpass-{n}", at, road=n)
            near = tuple(self.town.nearest(at, gauges, 1))
            for _ in range(2):
                self._sensor("wl", gateway, underpass, "water_depth", "cm", interval_s=30, context=near)
        for road in _ROADS:
            at = self._spot(560, road / 5 + 0.1)
            low = self._site("road", f"road-{road}", at, road=road)
            near = tuple(self.town.nearest(at, gauges, 1))
            self._sensor("wl", gateway, low, "water_depth", "mm", scale=10.0, context=near)
        for road in (1, 2, 3, 4):
            drain = self._site("drain", f"drain-{road}", self._spot(520, road / 4 + 0.05), road=road)
            self._sensor("dl", gateway, drain, "water_level", "m")

    def bridges(self) -> None:
        """Two bridges, each with ten strain gauges along the deck, temperature, tilt, deflection and crack width."""
        gateway = self._gateway("bridge", self._spot(900, 0.7))
        for n in (1, 2):
            west = self._spot(950, 0.65 + 0.1 * n)
            deck = tuple((west[0] + 120.0 * part / 4, west[1] + 6.0 * part / 4) for part in range(5))
            bridge = self._site("bridge", f"bridge-{n}", deck[2], road=n + 2, line=deck)
            on_deck = [(west[0] + 120.0 * (i + 0.5) / 10, west[1] + 6.0 * (i + 0.5) / 10) for i in range(10)]
            heat = [self._sensor("bt", gateway, bridge, "temperature", "°C", at=on_deck[i]) for i in (2, 7)]
            for i, at in enumerate(on_deck):
                context = (heat[0] if i < 5 else heat[1],)
                self._sensor("st", gateway, bridge, "strain", "µε", at=at, context=context)
            for i in (2, 7):
                self._sensor("ti", gateway, bridge, "tilt", "mm/m", at=on_deck[i], context=(heat[0],))
            self._sensor("df", gateway, bridge, "deflection", "mm", at=deck[2], context=(heat[0],))
            self._sensor("cr", gateway, bridge, "crack", "mm", interval_s=300, at=on_deck[5], context=(heat[1],))

    def ground(self) -> None:
        """Four settlement points around each gas main, four houses, pore pressure and the ground's temperature."""
        gateway = self._gateway("ground", self._spot(150, 0.6))
        heat = self._sensor("gt", gateway, f"{self.id}-manhole-11", "temperature", "°C", interval_s=300)
        for road in _ROADS:
            main = self.town.sites[f"{self.id}-main-{road}"]
            for n, turn in enumerate((1 / 6, 3 / 6, 5 / 6, 0.25), 1):
                radius = 33 if n < 4 else 48
                at = (main.at[0] + radius * cos(2 * pi * turn), main.at[1] + radius * sin(2 * pi * turn))
                point = self._site("ground", f"ground-{road}{n}", at, road=road, n=n, along=main.id)
                self._sensor("se", gateway, point, "settlement", "mm", context=(heat,))
        for n in (1, 2, 3, 4):
            house = self._site("building", f"house-{n}", self._spot(400, n / 4 + 0.15), road=n, n=n)
            self._sensor("se", gateway, house, "settlement", "mm", interval_s=300, context=(heat,))
            if n < 4:
                point = f"{self.id}-ground-{n}4"
                self._sensor("pp", gateway, point, "pore_pressure", "kPa", interval_s=300)
