"""What the gateways of a faults run measure: a function of the seed, a gateway and a number.

So it can be told afterwards, whoever was killed, what must stand in the database and what among the rejections.

Besides good readings there are, by chance, those of a sensor that nobody registered, those in a unit of something else,
equal repeats of the reading before, other values for its instant, and (where clocks jump) times far ahead or behind.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Self

from gateway.envelope import Row

DISTRICT = "east"
MINUTE_US = 60_000_000
AHEAD_US = 7_200_000_000 + 1_000  # a clock that jumps: two hours ahead, an hour behind, never onto a measured instant
BEHIND_US = -3_600_000_000 + 1_000
_ODD = 8  # one message in so many has a reading of each odd kind


def _chance(about: str) -> random.Random:
    return random.Random(about)  # noqa: S311 - decides what is measured, guards no secret


@dataclass(frozen=True)
class Truth:
    """A small city whose gateways each send `messages` messages.

    Attributes
    ----------
    start_us
        When message `backlog` is measured; later ones follow every `step_us`, earlier ones lie a minute apart before it
        (what a gateway measured while nobody could be reached, an hour of it in sixty messages).
    jumping
        Whether clocks jump: a fifth of the messages two hours ahead, a fifth an hour behind, both in runs of ten.
    """

    seed: int
    start_us: int
    gateways: int = 4
    sensors: int = 10
    messages: int = 100
    backlog: int = 0
    step_us: int = 50_000
    jumping: bool = False

    def json(self) -> str:
        """For another process."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Self:
        """From another process."""
        return cls(**json.loads(text))

    def names(self) -> list[str]:
        """The gateways."""
        return [f"gw-{number:03d}" for number in range(self.gateways)]

    def due(self, now_us: int) -> int:
        """How many messages of a gateway are measured by `now_us`."""
        return max(0, min(self.messages, self.backlog + (now_us - self.start_us) // self.step_us + 1))

    def measured_us(self, number: int) -> int:
        """When a message is measured, by a right clock."""
        late = number - self.backlog
        return self.start_us + late * (self.step_us if late >= 0 else MINUTE_US)

    def jump_us(self, number: int) -> int:
        """How far the gateway's clock is off when it measures a message."""
        return (0, AHEAD_US, 0, BEHIND_US, 0)[number // 10 % 5] if self.jumping else 0

    def rows(self, gateway: int, number: int) -> list[Row]:
        """The readings of one message."""
        time_us, chance = self._time_us(number), _chance(f"{self.seed} {gateway} {number}")
        rows = [self._row(gateway, sensor, number) for sensor in range(self.sensors)]
        if chance.randrange(_ODD) == 0:
            rows.append((f"stranger-{gateway}", time_us, float(number), "cm", 0))
        if chance.randrange(_ODD) == 0:
            rows.append((f"wl-{gateway:03d}-000", time_us + 1_000, float(number), "kPa", 0))
        if number and chance.randrange(_ODD) == 0:
            rows.append(self._row(gateway, chance.randrange(self.sensors), number - 1))
        if number and chance.randrange(_ODD) == 0:
            name, before_us, value, unit, flag = self._row(gateway, chance.randrange(self.sensors), number - 1)
            rows.append((name, before_us, value + 100.0, unit, flag))
        return rows

    def all(self) -> Iterator[tuple[int, list[Row]]]:
        """Every message of every gateway, with the gateway's number."""
        for gateway in range(self.gateways):
            for number in range(self.messages):
                yield gateway, self.rows(gateway, number)

    def files(self) -> dict[str, str]:
        """The city folder."""
        sensors = [
            f"wl-{gateway:03d}-{sensor:03d},{name},site,water_depth,cm,60"
            for gateway, name in enumerate(self.names())
            for sensor in range(self.sensors)
        ]
        place = {"type": "Point", "coordinates": [121.5, 31.2]}
        properties = {"id": "site", "kind": "underpass", "name": "Site", "district": DISTRICT}
        feature = {"type": "Feature", "geometry": place, "properties": properties}
        return {
            "city.yaml": f"name: Bench\ntimezone: UTC\nlanguages: [en]\ndistricts: [{{id: {DISTRICT}, name: East}}]\n",
            "sites.geojson": json.dumps({"type": "FeatureCollection", "features": [feature]}),
            "gateways.csv": "\n".join(
                ["gateway,district,interval_s", *(f"{name},{DISTRICT},60" for name in self.names()), ""]
            ),
            "sensors.csv": "\n".join(["sensor,gateway,site,quantity,unit,interval_s", *sensors, ""]),
        }

    def _time_us(self, number: int) -> int:
        # whole milliseconds: what the wire carries
        return (self.measured_us(number) + self.jump_us(number)) // 1000 * 1000

    def _row(self, gateway: int, sensor: int, number: int) -> Row:
        value = _chance(f"{self.seed} {gateway} {sensor} {number}").randrange(20_000) / 1000
        return f"wl-{gateway:03d}-{sensor:03d}", self._time_us(number), value, "cm", 0
