"""A seeded fleet: its city folder, and the messages its gateways send."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

ROUNDS = 64  # different sets of values per gateway, sent in turn
PROBE_VALUE = 9.0  # above the probe rule's threshold


class Kind(NamedTuple):
    """What the sensors of a gateway measure, where, and the calm values they send."""

    quantity: str
    unit: str
    site_kind: str
    calm: tuple[float, float]


KINDS = (
    Kind("water_depth", "cm", "underpass", (0.0, 10.0)),
    Kind("methane", "%LEL", "manhole", (0.0, 3.0)),
    Kind("strain", "um/m", "bridge", (-80.0, 80.0)),
    Kind("settlement", "mm", "ground", (-2.0, 2.0)),
)

RULES = """\
version: 1
rules:
  - id: depth
    title: Water
    watch: {quantity: water_depth}
    ladder:
      red:    {above: 40 cm, for: 1m, deadband: 5 cm}
      orange: {above: 27 cm, for: 2m, deadband: 3 cm}
      yellow: {above: 15 cm, for: 3m, deadband: 3 cm}
  - id: methane
    title: Methane
    watch: {quantity: methane}
    ladder:
      red:    {above: 50 %LEL, for: 10s, deadband: 5 %LEL}
      yellow: {above: 20 %LEL, for: 30s, deadband: 5 %LEL}
  - id: strain
    title: Strain
    watch: {quantity: strain}
    ladder:
      orange: {outside: [-400 um/m, 400 um/m], for: 1m}
  - id: settlement
    title: Settlement
    watch: {quantity: settlement}
    ladder:
      yellow: {below: -15 mm, for: 10m}
  - id: probe
    title: Probe
    watch: {quantity: water_level}
    ladder:
      orange: {above: 5 m, for: 0s}
"""


@dataclass(frozen=True)
class Fleet:
    """Gateways that each send one reading of each of their sensors per message, and probes that each alarm once."""

    gateways: int = 200
    sensors_each: int = 50
    probes: int = 200
    seed: int = 7
    _last_ms: dict[int, int] = field(default_factory=dict)

    def files(self) -> dict[str, str]:
        """The city folder, by relative path."""
        gateways = [f"gw-{g:03d},east,5" for g in range(self.gateways)] + ["probe-gw,east,600"]
        sensors = [
            f"{name},gw-{g:03d},site-{g:03d},{KINDS[g % 4].quantity},{KINDS[g % 4].unit},60"
            for g in range(self.gateways)
            for name in self._names[g]
        ]
        sensors += [f"{self.probe(p)},probe-gw,site-probe,water_level,m,600" for p in range(self.probes)]
        sites = [(f"site-{g:03d}", KINDS[g % 4].site_kind, 121.0 + g / 1000) for g in range(self.gateways)]
        features = [_feature(*site) for site in (*sites, ("site-probe", "drain", 120.9))]
        city = "name: Bench\ntimezone: UTC\nlanguages: [en]\ndistricts: [{id: east, name: East}]\n"
        return {
            "city.yaml": city,
            "sites.geojson": json.dumps({"type": "FeatureCollection", "features": features}, indent=1),
            "gateways.csv": "\n".join(["gateway,district,interval_s", *gateways, ""]),
            "sensors.csv": "\n".join(["sensor,gateway,site,quantity,unit,interval_s", *sensors, ""]),
            "rules/bench.yaml": RULES,
        }

    def probe(self, number: int) -> str:
        """The name of a probe sensor."""
        return f"probe-{number:04d}"

    def message(self, number: int, now_us: int) -> tuple[str, bytes]:
        """Topic and payload of the fleet's message `number` (gateways in turn), its readings taken at `now_us`."""
        gateway, seq = number % self.gateways, number // self.gateways
        time_ms = max(now_us // 1000, self._last_ms.get(gateway, 0) + 1)  # a sensor never has two values of one instant
        self._last_ms[gateway] = time_ms
        values = self._values[gateway][seq % ROUNDS]
        unit = KINDS[gateway % 4].unit
        readings = [
            {"sensor": name, "time": time_ms, "value": value, "unit": unit}
            for name, value in zip(self._names[gateway], values, strict=True)
        ]
        return self._sealed(f"gw-{gateway:03d}", seq, now_us, readings)

    def probe_message(self, number: int, now_us: int) -> tuple[str, bytes]:
        """Topic and payload with which probe `number` crosses its threshold, once."""
        reading = {"sensor": self.probe(number), "time": now_us // 1000, "value": PROBE_VALUE, "unit": "m"}
        return self._sealed("probe-gw", number, now_us, [reading])

    def _sealed(self, gateway: str, seq: int, now_us: int, readings: list[dict[str, object]]) -> tuple[str, bytes]:
        envelope = {"seq": seq, "sent_at": now_us // 1000, "readings": readings}
        return f"lifeline/v1/east/{gateway}/readings", msgspec.json.encode(envelope)

    @cached_property
    def _names(self) -> list[list[str]]:
        each = range(self.sensors_each)
        return [[f"{KINDS[g % 4].quantity}-{g:03d}-{s:03d}" for s in each] for g in range(self.gateways)]

    @cached_property
    def _values(self) -> list[list[list[float]]]:
        random = np.random.default_rng(self.seed)
        shape = (ROUNDS, self.sensors_each)
        drawn = (random.uniform(*KINDS[g % 4].calm, shape) for g in range(self.gateways))
        return [np.round(values, 2).tolist() for values in drawn]


def _feature(site: str, kind: str, lon: float) -> dict[str, object]:
    properties = {"id": site, "kind": kind, "name": site, "district": "east"}
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, 31.0]}, "properties": properties}
