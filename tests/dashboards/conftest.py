"""A seeded city and a reader's role."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from city.clock import SystemClock
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database

NOW = SystemClock().now().replace(microsecond=0)  # city.now() stands still at it

SEED = Path(__file__).with_name("seed.sql").read_text(encoding="utf-8")


def run_script(connection: Connection, script: str, now: datetime) -> None:
    """Run statements one by one, each with the parameter `now`."""
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement.encode(), {"now": now})


@pytest.fixture(scope="module")
def empty_city(postgres_dsn: str) -> Iterator[str]:
    """A migrated database without a city."""
    dsn = fresh_database(postgres_dsn)
    yield dsn
    drop_database(dsn)


@pytest.fixture(scope="module")
def seeded_city(postgres_dsn: str) -> Iterator[str]:
    """A city with two standing incidents, one of them a drill, a closed one, and a gateway that is gone."""
    dsn = fresh_database(postgres_dsn)
    with connect(dsn) as connection:
        run_script(connection, SEED, NOW)
    yield dsn
    with connect(dsn) as connection:
        connection.execute("DROP OWNED BY wall_reader")
        connection.execute("DROP ROLE wall_reader")
    drop_database(dsn)


@pytest.fixture(scope="module")
def now_of_module() -> datetime:
    """The same, for what is seeded once."""
    return NOW


@pytest.fixture
def now() -> datetime:
    """When the seeded city was seeded."""
    return NOW


@pytest.fixture
def hour() -> timedelta:
    """An hour."""
    return timedelta(hours=1)
