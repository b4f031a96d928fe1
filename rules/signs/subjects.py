"""Sensors as detectors know them: what the register says, with who stands around whom."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from city.model import City, Sensor
from city.surroundings import Ask, asks_for, surroundings, usual
from detectors.subject import Neighbour, Subject
from rules.signs.detection import Detection


def subjects(city: City, detection: Detection) -> Mapping[str, Subject]:
    """Every sensor of a city, by name, in the register's order."""
    zone = ZoneInfo(city.timezone)

    def asks(sensor: Sensor) -> tuple[Ask, ...]:
        quantity = sensor.quantity.id
        context = detection.context.get(quantity)
        return usual(quantity) if context is None else asks_for(quantity, context)

    beside = surroundings(city, asks)
    made = {}
    for sensor in city.sensors.values():
        context = tuple(
            Neighbour(one.sensor, city.sensors[one.sensor].quantity.id, one.away_m) for one in beside.get(sensor.id, ())
        )
        made[sensor.id] = Subject(
            sensor.id, sensor.quantity.id, sensor.interval_s, context, sensor.range_min, sensor.range_max, sensor.tags,
            zone,
        )  # fmt: skip
    return made
