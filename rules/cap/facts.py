"""What is known of an incident when a message is drafted: plain values that can be kept as JSON and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from city.levels import Level

Ring = tuple[tuple[float, float], ...]  # (longitude, latitude) in degrees, the first one not repeated


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a message is made from.

    Attributes
    ----------
    change, changed_us
        What happened (one of `chain.CHANGES`), and when.
    level, peak_level
        Now and at its highest, 0 (none) to 4 (red).
    title, site, district_name, guidance
        By language.
    lon, lat, rings
        The place in degrees (None: not known), and the outlines of the site when it has any.
    detected, late, blind
        A detector saw it, not a threshold; the data came late; the sensor is not heard any more.
    value, unit, test
        What was seen, and against what (as the rule says it).
    """

    incident: str
    change: str
    changed_us: int
    level: int
    peak_level: int
    domain: str
    title: Mapping[str, str]
    site: Mapping[str, str]
    district: str
    district_name: Mapping[str, str]
    onset_us: int
    timezone: str = "UTC"
    city: Mapping[str, str] = field(default_factory=dict)
    lon: float | None = None
    lat: float | None = None
    rings: tuple[Ring, ...] = ()
    sensor: str = ""
    value: float | None = None
    unit: str = ""
    test: str = ""
    detected: bool = False
    late: bool = False
    blind: bool = False
    guidance: Mapping[str, str] = field(default_factory=dict)
    drill: bool = False

    @property
    def over(self) -> bool:
        """Whether there is no danger (any more): it ended, or nothing stands."""
        return self.change in ("close", "false_alarm") or Level(self.level) is Level.NONE


def kept(facts: Facts) -> dict[str, object]:
    """Facts as JSON has them."""
    made: dict[str, object] = msgspec.to_builtins(facts)
    return made


def read_again(data: object) -> Facts:
    """Facts from what `kept` made (msgspec.ValidationError when it is something else)."""
    return msgspec.convert(data, Facts)
