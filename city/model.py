"""The register: what a city has, as frozen values. Built by `city.load`, never by hand in a shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from city.geo import Place
from city.lines import Line
from city.quality import Quality
from city.quantity import QUANTITIES, Quantity
from city.retention import Retention


@dataclass(frozen=True, slots=True)
class Name:
    """A name in the languages a city speaks; `in_` falls back to any language that is there."""

    by_language: Mapping[str, str]

    def in_(self, language: str) -> str:
        """The name in `language`, or the first one there is."""
        return self.by_language.get(language) or next(iter(self.by_language.values()))

    def __str__(self) -> str:
        return self.in_("en")


@dataclass(frozen=True, slots=True)
class District:
    """A part of the city with its own operators."""

    id: str
    name: Name


@dataclass(frozen=True, slots=True)
class Site:
    """A place that is watched: an underpass, a manhole, a bridge, a stretch of gas main.

    Attributes
    ----------
    place
        One point for it: itself, or the mean of the vertices of its line or polygon.
    along
        The site (a main, a sewer) whose line it lies on; empty when none.
    address
        What people look for to get there; None when it has none.
    lines, rings
        The vertices of its lines, and of the outer rings of its polygons (the first one not repeated).
    """

    id: str
    kind: str
    name: Name
    district: str
    place: Place
    along: str = ""
    owner: str = ""
    address: Name | None = None
    lines: tuple[Line, ...] = ()
    rings: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A box that speaks MQTT for its sensors.

    `interval_s` is how often it normally publishes; `clock` what is made of its times: `trust` or `correct`.
    """

    id: str
    district: str
    interval_s: float
    name: str = ""
    place: Place | None = None
    clock: str = "trust"


@dataclass(frozen=True, slots=True)
class Sensor:
    """One measured quantity at one site. `unit` is what its gateway sends; ranges are in the canonical unit."""

    id: str
    gateway: str
    site: str
    quantity: Quantity
    unit: str
    interval_s: float
    name: str = ""
    place: Place | None = None
    range_min: float | None = None
    range_max: float | None = None
    installed: date | None = None
    removed: date | None = None
    tags: frozenset[str] = frozenset()
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibration:
    """From `from_` on, calibrated = raw * scale + offset (canonical unit)."""

    sensor: str
    from_: datetime
    scale: float
    offset: float
    note: str = ""


@dataclass(frozen=True)
class City:
    """A whole register, consistent by construction.

    `quantities` and `site_kinds` hold the built-in ones and those that the city adds; `quality` what it changes of the
    tests of quality.
    """

    name: Name
    timezone: str
    languages: tuple[str, ...]
    districts: Mapping[str, District]
    sites: Mapping[str, Site]
    gateways: Mapping[str, Gateway]
    sensors: Mapping[str, Sensor]
    calibrations: Mapping[str, tuple[Calibration, ...]] = field(default_factory=dict)
    quantities: Mapping[str, Quantity] = field(default_factory=lambda: QUANTITIES)
    site_kinds: frozenset[str] = frozenset()
    retention: Retention = field(default_factory=Retention)
    quality: Mapping[str, Quality] = field(default_factory=dict)

    @cached_property
    def sensors_of(self) -> Mapping[str, tuple[Sensor, ...]]:
        """The sensors of each gateway, by gateway id."""
        found: dict[str, list[Sensor]] = {gateway: [] for gateway in self.gateways}
        for sensor in self.sensors.values():
            found[sensor.gateway].append(sensor)
        return {gateway: tuple(sensors) for gateway, sensors in found.items()}

    def place_of(self, sensor: Sensor) -> Place:
        """Where a sensor stands: its own place, or its site's."""
        return sensor.place or self.sites[sensor.site].place

    def district_of(self, sensor: Sensor) -> str:
        """The district a sensor's site lies in."""
        return self.sites[sensor.site].district
