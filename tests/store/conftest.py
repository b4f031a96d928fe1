"""A small city for the store's tests, and connections that close themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from city.geo import Place
from city.model import City, District, Gateway, Name, Sensor, Site
from city.quantity import QUANTITIES
from store.connection import Connection, connect
from store.migrate import Tier
from store.testing import drop_database, fresh_database


def _name(text: str) -> Name:
    return Name({"en": text, "zh": text + "区"})


@pytest.fixture
def small_city() -> City:
    """Two sites, one gateway, two sensors; the second sensor has a place of its own."""
    place = Place(87.6, 43.8)
    depth = Sensor("wl-1", "gw-1", "under", QUANTITIES["water_depth"], "cm", 60.0, range_max=200.0)
    rain = replace(depth, id="rg-1", site="gauge", quantity=QUANTITIES["rainfall"], unit="mm", place=Place(87.7, 43.9))
    return City(
        name=_name("Small"),
        timezone="Asia/Shanghai",
        languages=("en", "zh"),
        districts={"d1": District("d1", _name("Centre"))},
        sites={
            "under": Site("under", "underpass", _name("Underpass"), "d1", place),
            "gauge": Site("gauge", "rain_gauge", _name("Gauge"), "d1", place),
        },
        gateways={"gw-1": Gateway("gw-1", "d1", 60.0, "Box", place)},
        sensors={"wl-1": depth, "rg-1": rain},
    )


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """One connection to this test's database, in transactions."""
    with connect(database) as opened:
        yield opened


_COMMUNITY_DSN = os.environ.get("LIFELINE_TEST_DSN_COMMUNITY", "")


@pytest.fixture(params=list(Tier))
def store_server(request: pytest.FixtureRequest) -> str:
    """A server of each tier in turn; the community one only where LIFELINE_TEST_DSN_COMMUNITY names one."""
    if request.param is Tier.COMMUNITY:
        if not _COMMUNITY_DSN:
            pytest.skip("NOT TESTED on TimescaleDB under its community licence: LIFELINE_TEST_DSN_COMMUNITY names none")
        return _COMMUNITY_DSN
    dsn: str = request.getfixturevalue("postgres_dsn" if request.param is Tier.PLAIN else "timescale_dsn")
    return dsn


@pytest.fixture
def store_database(store_server: str) -> Iterator[str]:
    """A fresh database on each tier in turn."""
    dsn = fresh_database(store_server)
    yield dsn
    drop_database(dsn)
