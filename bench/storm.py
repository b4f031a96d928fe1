"""A seeded storm: a city in which 2,000 sensors rise above their threshold within a minute, twelve far above it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

EACH = 50  # sensors of a gateway
RULES = """\
version: 1
rules:
  - id: depth
    title: {en: Water standing in an underpass, zh: 下穿通道积水}
    watch: {quantity: water_depth}
    ladder:
      red:    {above: 40 cm, for: 0s, deadband: 5 cm}
      yellow: {above: 15 cm, for: 0s, deadband: 3 cm}
    escalate: drainage
    guidance: Close the road first.
"""
CALM_CM, YELLOW_CM, RED_CM = 3.0, 20.0, 55.0


@dataclass(frozen=True)
class Storm:
    """Each sensor stands at a site of its own, far from the others; when each rises hangs on the seed.

    Parameters
    ----------
    sensors
        How many, a multiple of 50.
    reds
        How many of them rise to red.
    """

    sensors: int = 2000
    reds: int = 12
    seed: int = 7

    @cached_property
    def names(self) -> list[str]:
        """All sensors."""
        return [f"wl-{n:04d}" for n in range(self.sensors)]

    @cached_property
    def order(self) -> list[int]:
        """The sensors in the order in which they rise."""
        return [int(n) for n in np.random.default_rng(self.seed).permutation(self.sensors)]

    @cached_property
    def red(self) -> frozenset[int]:
        """Those that rise to red: spread over the storm, none among the first tenth, so that it is a flood by then."""
        begin = self.sensors // 10
        return frozenset(self.order[int(at)] for at in np.linspace(begin, self.sensors - 1, self.reds))

    def files(self, webhook: str, mail_port: int) -> dict[str, str]:
        """The city folder, by relative path; notices go to these sinks."""
        gateways = range(self.sensors // EACH)
        features = [self._feature(n) for n in range(self.sensors)]
        rows = [f"{name},gw-{n // EACH:03d},site-{n:04d},water_depth,cm,60" for n, name in enumerate(self.names)]
        return {
            "city.yaml": "name: Bench\ntimezone: Asia/Shanghai\nlanguages: [en, zh]\n"
            "districts: [{id: east, name: East}, {id: west, name: West}]\n",
            "sites.geojson": json.dumps({"type": "FeatureCollection", "features": features}),
            "gateways.csv": "\n".join(
                ["gateway,district,interval_s", *(f"gw-{g:03d},{self._district(g)},60" for g in gateways), ""]
            ),
            "sensors.csv": "\n".join(["sensor,gateway,site,quantity,unit,interval_s", *rows, ""]),
            "rules/bench.yaml": RULES,
            "escalation.yaml": _ESCALATION.format(webhook=webhook, port=mail_port),
        }

    def _district(self, gateway: int) -> str:
        return "east" if gateway * EACH < self.sensors // 2 else "west"

    def _feature(self, n: int) -> dict[str, object]:
        name = f"site-{n:04d}"
        place = [121 + n % 50 / 50, 31 + n // 50 / 50]  # a kilometre or two apart
        properties = {"id": name, "kind": "underpass", "name": f"Underpass {n}", "district": self._district(n // EACH)}
        return {"type": "Feature", "geometry": {"type": "Point", "coordinates": place}, "properties": properties}

    def message(self, n: int, seq: int, value: float, now_us: int) -> tuple[str, bytes]:
        """Topic and payload of one reading of sensor number `n`."""
        gateway = n // EACH
        reading = {"sensor": self.names[n], "time": now_us // 1000, "value": value, "unit": "cm"}
        envelope = {"seq": seq, "sent_at": now_us // 1000, "readings": [reading]}
        return f"lifeline/v1/{self._district(gateway)}/gw-{gateway:03d}/readings", msgspec.json.encode(envelope)


_ESCALATION = """\
people:
  li:   {{name: {{en: Li Na, zh: 李娜}}, language: zh, webhook: "{webhook}", email: li@bench.invalid}}
  wang: {{name: {{en: Wang Wei, zh: 王伟}}, language: en, webhook: "{webhook}", email: wang@bench.invalid}}
groups: {{centre: [wang]}}
channels:
  webhook: {{type: webhook}}
  email: {{type: smtp, host: 127.0.0.1, port: {port}, from: lifeline@bench.invalid}}
chains:
  drainage:
    steps:
      - {{notify: person/li, via: [webhook, email]}}
      - {{notify: group/centre, via: [email, webhook], levels: [red]}}
    fallback: group/centre
"""
