"""A small city for the store's tests, and connections that close themselves."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from city.geo import Place
from city.model import City, District, Gateway, Name, Sensor, Site
from city.quantity import QUANTITIES
from store.connection import Connection, connect
from store.migrate import Tier
from store.testing import drop_database, fresh_database, named
from tests.servers.community import as_new, community_server, emptied
from tests.servers.debian import NotHere


def _name(text: str) -> Name:
    return Name({"en": text, "zh": text + "区"})


@pytest.fixture(scope="session")
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
_ONE_SESSION = os.environ.get("LIFELINE_TEST_COMMUNITY") == "one session"  # minutes: try what one session can show
_SKIPPED = "NOT TESTED on TimescaleDB under its community licence: "


@pytest.fixture(params=list(Tier))
def store_server(request: pytest.FixtureRequest) -> str:
    """A server of each tier in turn; the community one only where LIFELINE_TEST_DSN_COMMUNITY names one."""
    if request.param is Tier.COMMUNITY:
        if not _COMMUNITY_DSN:
            pytest.skip(f"{_SKIPPED}many databases, and LIFELINE_TEST_DSN_COMMUNITY names no server for them")
        return _COMMUNITY_DSN
    dsn: str = request.getfixturevalue("postgres_dsn" if request.param is Tier.PLAIN else "timescale_dsn")
    return dsn


@pytest.fixture(scope="session")
def community() -> Iterator[str]:
    """TimescaleDB under its community licence, one database and one session of it; skips loudly where it is missing."""
    with ExitStack() as running:
        try:
            dsn = running.enter_context(community_server())
        except NotHere as reason:
            pytest.skip(f"{_SKIPPED}{reason}")
        yield dsn


@pytest.fixture
def community_database(community: str) -> str:
    """Its database, as new."""
    as_new(community)
    return community


def _one_session(request: pytest.FixtureRequest) -> bool:
    """Whether this is for the community tier and only one session of it is to be had; skips what needs more."""
    if request.param is not Tier.COMMUNITY or _COMMUNITY_DSN:
        return False
    if not _ONE_SESSION or request.node.get_closest_marker("sessions") is not None:
        pytest.skip(f"{_SKIPPED}LIFELINE_TEST_DSN_COMMUNITY names no server; test_community.py asks the main things")
    return True


@pytest.fixture(params=list(Tier))
def store_empty(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without anything in it, on a server of each tier in turn."""
    if _one_session(request):
        emptied(dsn := request.getfixturevalue("community"))
        yield dsn
        return
    of = {Tier.PLAIN: "postgres_dsn", Tier.APACHE: "timescale_dsn"}
    server = request.getfixturevalue(of[request.param]) if request.param in of else _COMMUNITY_DSN
    name = f"test_empty_{secrets.token_hex(4)}"
    with connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")
    yield named(server, name)
    drop_database(named(server, name))


@pytest.fixture(params=list(Tier))
def store_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database on each tier in turn."""
    if _one_session(request):
        yield request.getfixturevalue("community_database")
        return
    of = {Tier.PLAIN: "postgres_dsn", Tier.APACHE: "timescale_dsn"}
    server = request.getfixturevalue(of[request.param]) if request.param in of else _COMMUNITY_DSN
    dsn = fresh_database(server)
    yield dsn
    drop_database(dsn)
