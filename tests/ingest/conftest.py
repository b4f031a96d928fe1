"""A small city, its database, and helpers to publish into it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
import pytest

from city.clock import SystemClock, stopwatch_s, to_us
from city.load import load_city
from city.model import City
from store import bundle
from store.connection import Connection, connect

SENSORS = "\n".join(
    [
        "sensor,gateway,site,quantity,unit,interval_s,range_min,range_max,installed,removed",
        *(f"wl-{number:03},gw-1,s1,water_depth,cm,10,0,100,," for number in range(20)),
        "mm-1,gw-1,s1,water_depth,mm,10,,,,",
        "old-1,gw-1,s1,water_depth,cm,10,,,2020-01-01,2021-01-01",
        "t-1,gw-2,s1,temperature,°C,60,,,,",
    ]
)
FILES: Mapping[str, str] = {
    "city.yaml": "name: {en: Testville, zh: 测试市}\ntimezone: Asia/Shanghai\nlanguages: [en, zh]\n"
    "districts:\n  - {id: north, name: {en: North, zh: 北区}}\n  - {id: south, name: {en: South, zh: 南区}}\n",
    "sites.geojson": json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [121.5, 31.2]},
                    "properties": {"id": "s1", "kind": "underpass", "name": "S1", "district": "north"},
                }
            ],
        }
    ),
    "gateways.csv": "gateway,district,interval_s\ngw-1,north,10\ngw-2,south,60\n",
    "sensors.csv": SENSORS + "\n",
    "calibrations.csv": "sensor,from,scale,offset,note\n"
    "wl-001,2026-01-01T00:00:00+08:00,2,0,first\nwl-001,2026-06-01T00:00:00+08:00,2,1,second\n",
}


@pytest.fixture
def files() -> dict[str, str]:
    return dict(FILES)


@pytest.fixture
def small_city(files: dict[str, str]) -> City:
    return load_city(files)


@pytest.fixture
def city_database(database: str, files: dict[str, str], small_city: City) -> str:
    """A migrated database with the small city in force."""
    with connect(database, autocommit=True) as conn:
        bundle.apply(conn, files, small_city, datetime(2026, 1, 1, tzinfo=UTC))
    return database


@pytest.fixture
def conn(city_database: str) -> Iterator[Connection]:
    with connect(city_database, autocommit=True) as connection:
        yield connection


@dataclass
class Feed:
    """Publishes as a gateway would, and waits until the database says what it should."""

    url: str
    sent: int = 0
    topics: list[str] = field(default_factory=list)

    def client(self, name: str = "test-gateway") -> aiomqtt.Client:
        parts = urlsplit(self.url)
        return aiomqtt.Client(
            parts.hostname or "",
            parts.port or 1883,
            username=parts.username,
            password=parts.password,
            identifier=name,
            timeout=30,
        )

    async def publish(self, *payloads: bytes, topic: str = "lifeline/v1/north/gw-1/readings") -> None:
        async with self.client() as client:
            for payload in payloads:
                await client.publish(topic, payload, qos=1)


@pytest.fixture
def feed(broker: str) -> Feed:
    return Feed(broker)


@pytest.fixture
def message() -> Callable[..., bytes]:
    """Make a readings message: `message(time_us, value, sensors=…, **fields)`."""

    def make(time_us: int, value: float, *, sensors: list[str] | None = None, **fields: object) -> bytes:
        names = sensors or [f"wl-{number:03}" for number in range(20)]
        readings = [{"sensor": name, "time": time_us // 1000, "value": value} for name in names]
        return json.dumps({"readings": readings, **fields}).encode()

    return make


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait for a condition; fail with what it last gave."""

    def wait(condition: Callable[[], Any], within_s: float = 30.0) -> None:
        deadline_s = stopwatch_s() + within_s
        while not (last := condition()):
            assert stopwatch_s() < deadline_s, f"not within {within_s} s, last {last!r}"
            SystemClock().pause_s(0.02)

    return wait


@pytest.fixture
def now_us() -> int:
    return to_us(datetime(2026, 7, 1, tzinfo=UTC))
