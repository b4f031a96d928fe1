"""A seeded city for measuring rules: sensors of four quantities, and a book of as many rules as wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.fleet import KINDS
from city.reading import Readings
from rules.inputs import ReadingsIn

BATCH = 5000  # readings in a journal row
MINUTE_US = 60_000_000
_HIGH = {"water_depth": 15.0, "methane": 20.0, "strain": 400.0, "settlement": 15.0}  # lowest level, canonical units
_ABNORMAL = 4.0  # times that: above every level


@dataclass(frozen=True)
class RulesCity:
    """Every sensor sends one reading a minute, and is watched by two rules: a ladder of three levels, and a rise.

    Parameters
    ----------
    rules
        How many rules; each watches its share of the sensors of one quantity, by tag.
    gateways, sensors_each
        The fleet.
    seed
        Which readings.
    """

    rules: int
    gateways: int = 1700
    sensors_each: int = 50
    seed: int = 7

    @property
    def groups(self) -> int:
        """Into how many groups the sensors of a quantity are parted; each has up to two rules."""
        return -(-self.rules // 8)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All sensors, gateway by gateway."""
        return tuple(f"s{g:04d}-{s:03d}" for g in range(self.gateways) for s in range(self.sensors_each))

    @cached_property
    def _scale(self) -> NDArray[np.float64]:
        """The lowest level of each sensor's quantity."""
        high = np.array([_HIGH[kind.quantity] for kind in KINDS])
        return np.repeat(high[np.arange(self.gateways) % 4], self.sensors_each)

    def files(self) -> dict[str, str]:
        """The city folder, by relative path."""
        each = range(self.sensors_each)
        rows = [
            f"{self.names[g * self.sensors_each + s]},gw-{g:04d},site-{g:04d},{KINDS[g % 4].quantity},"
            f"{KINDS[g % 4].unit},60,g{(g // 4 * self.sensors_each + s) % self.groups}"
            for g in range(self.gateways)
            for s in each
        ]
        features = [self._feature(g) for g in range(self.gateways)]
        return {
            "city.yaml": "name: Bench\ntimezone: UTC\nlanguages: [en]\ndistricts: [{id: east, name: East}]\n",
            "sites.geojson": json.dumps({"type": "FeatureCollection", "features": features}),
            "gateways.csv": "\n".join(
                ["gateway,district,interval_s", *(f"gw-{g:04d},east,60" for g in range(self.gateways)), ""]
            ),
            "sensors.csv": "\n".join(["sensor,gateway,site,quantity,unit,interval_s,tags", *rows, ""]),
            **{f"rules/book-{at:02d}.yaml": text for at, text in enumerate(self._books())},
        }

    def _books(self, portion: int = 500) -> Iterator[str]:
        for start in range(0, self.rules, portion):
            many = range(start, min(self.rules, start + portion))
            yield "version: 1\nrules:\n" + "".join(self._rule(number) for number in many)

    def _rule(self, number: int) -> str:
        kind, rises, group = KINDS[number % 4], number // 4 % 2 == 1, number // 8
        high, unit = _HIGH[kind.quantity], kind.unit
        ladder = "".join(
            f"      {level}: {{above: {high * times:g} {unit}, for: {delay}, deadband: {high / 10:g} {unit}}}\n"
            for level, times, delay in (("red", 3, "1m"), ("orange", 2, "2m"), ("yellow", 1, "3m"))
        )
        if rises:
            ladder = f"      blue: {{rising: {high:g} {unit}, within: 10m}}\n"
        watch = f"{{quantity: {kind.quantity}, tags: [g{group}]}}"
        what = "rise" if rises else "high"
        return f"  - id: {what}-{kind.quantity}-{group}\n    title: Bench\n    watch: {watch}\n    ladder:\n{ladder}"

    def _feature(self, number: int) -> dict[str, object]:
        name = f"site-{number:04d}"
        place = [121 + number % 40 / 100, 31 + number // 40 / 100]
        properties = {"id": name, "kind": KINDS[number % 4].site_kind, "name": name, "district": "east"}
        return {"type": "Feature", "geometry": {"type": "Point", "coordinates": place}, "properties": properties}

    def minute(self, number: int, start_us: int, abnormal: float = 0.0) -> Iterator[tuple[ReadingsIn, int]]:
        """The readings of one minute in batches, each with the time at which it is recorded.

        `abnormal`: share of the sensors that are far above every level in this minute and the nine around it.
        """
        random = np.random.default_rng((self.seed, number))
        values = self._scale * random.uniform(0.0, 0.5, len(self.names))
        ill = np.random.default_rng((self.seed, number // 10, 1)).random(len(self.names)) < abnormal
        values[ill] = _ABNORMAL * self._scale[ill]
        at_us = start_us + number * MINUTE_US + random.integers(0, 1_000_000, len(values))
        for first in range(0, len(values), BATCH):
            which = np.arange(first, min(first + BATCH, len(values)))
            flags = np.ones(len(which), np.uint8)
            received_us = np.full(len(which), start_us + number * MINUTE_US + 2_000_000)
            rows = Readings(which.astype(np.int32), at_us[which], received_us, values[which], flags, values[which])
            yield ReadingsIn.of_columns(self.names, which, rows), int(received_us[0])
