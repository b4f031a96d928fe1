"""A small city and its database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from city.errors import OutsideError
from city.load import load_city
from city.model import City
from ingest import beside
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


@pytest.fixture
def away_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The database is away the first time that work beside the batches wants it; each time is listed."""
    tries = list[str]()

    def away(dsn: str, *, autocommit: bool, application_name: str) -> Connection:
        tries.append(dsn)
        if len(tries) == 1:
            raise OutsideError("gone")
        return connect(dsn, autocommit=autocommit, application_name=application_name)

    monkeypatch.setattr(beside, "connect", away)
    return tries
