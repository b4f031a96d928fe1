"""The commands for log-ins, migrations in phases and another tier, as an administrator types them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import errors

from city.clock import SystemClock
from city.folder import read_folder
from city.load import load_city
from lifeline.cli import run_command
from store import bundle
from store.connection import connect
from store.migrate import Phase, migrate
from store.testing import drop_database, named

EXAMPLE = Path(__file__).parents[2] / "city" / "example"


@pytest.fixture
def city(database: str) -> str:
    """The example city in force."""
    files = read_folder(EXAMPLE)
    with connect(database) as conn:
        bundle.apply(conn, files, load_city(files), SystemClock().now())
    return database


@pytest.fixture
def empty(postgres_dsn: str) -> Iterator[str]:
    """A database without anything in it."""
    dsn = named(postgres_dsn, f"test_{secrets.token_hex(4)}")
    with connect(postgres_dsn, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {dsn.split('dbname=')[1].split()[0]}")
    yield dsn
    drop_database(dsn)


def _run(capsys: pytest.CaptureFixture[str], data: Path, *words: str) -> tuple[int, str, str]:
    code = run_command([*words, "--data", str(data)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_reader_of_a_district_is_made_listed_and_taken_away(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, url = f"t_{secrets.token_hex(4)}", ("--database-url", city)
    granted = _run(capsys, tmp_path, "store", "grant", name, "--read", "--district", "riverside", *url)
    assert granted[0] == 0
    assert f"{name} may read, only districts riverside" in granted[2]
    with connect(granted[1].strip()) as reader:
        assert reader.execute("SELECT DISTINCT district FROM city.sites").fetchall() == [("riverside",)]
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute("SELECT 1 FROM lifeline.sites")
    assert f"{name}\tread\triverside" in _run(capsys, tmp_path, "store", "logins", *url)[1]
    assert _run(capsys, tmp_path, "store", "revoke", name, *url)[1] == f"{name} is gone\n"
    assert name not in _run(capsys, tmp_path, "store", "logins", *url)[1]


def test_what_a_log_in_may_do_must_be_said(city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ((), ("--read", "--write"), ("--write", "--district", "riverside")):
        code, _, said = _run(capsys, tmp_path, "store", "grant", "x", *flags, "--database-url", city)
        assert code == 1
        assert "try --read [--district D] or --write" in said


def test_migrations_are_planned_and_applied_in_phases(
    empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = ("--database-url", empty)
    planned = _run(capsys, tmp_path, "migrate", "--plan", *url)[1].splitlines()
    assert "would apply 0002_readings [pre, plain]: adds only" in planned
    assert any(
        line.startswith("would apply 0011_pre_rollups [pre, all tiers, here plain]: changes") for line in planned
    )
    assert _run(capsys, tmp_path, "migrate", "--phase", "post", *url)[0] == 2, "pre comes first"
    assert _run(capsys, tmp_path, "migrate", "--phase", "late", *url)[0] == 1
    assert "applied 0001_house" in _run(capsys, tmp_path, "migrate", "--phase", "pre", *url)[1]
    left = _run(capsys, tmp_path, "migrate", "--plan", *url)[1].splitlines()
    assert left
    assert all("[post, " in line for line in left)
    assert "applied 0015_post_rollup_views\n" in _run(capsys, tmp_path, "migrate", *url)[1]
    assert _run(capsys, tmp_path, "migrate", *url)[1] == "up to date\n"


def test_a_city_moves_and_is_told_where_to_go_on(
    city: str, empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, bar = _run(capsys, tmp_path, "store", "upgrade-tier", "--to", empty, "--database-url", city)
    assert code == 0
    assert "sensors: " in said
    assert "same checksum at both ends" in said
    assert "set LIFELINE_DATABASE_URL to 127.0.0.1:" in said
    assert "verified" in bar
    with connect(empty) as there, connect(city) as here:
        query = "SELECT sensor_id, sensor FROM lifeline.sensors ORDER BY 1"
        assert there.execute(query).fetchall() == here.execute(query).fetchall() != []
    assert migrate(empty, phase=Phase.PRE) == []
    code, _, said = _run(capsys, tmp_path, "store", "upgrade-tier", "--to", empty, "--database-url", city)
    assert code == 1
    assert "nothing is ever overwritten" in said
