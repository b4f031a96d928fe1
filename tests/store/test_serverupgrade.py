"""Data of an earlier major version: said plainly, and moved by one command that may be killed anywhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from city.errors import InputError, OutsideError
from city.model import City
from store import bundle
from store.binaries import Binaries, wheel_folder
from store.connection import connect
from store.embedded import EmbeddedPostgres
from store.migrate import migrate
from store.serverupgrade import upgrade
from store.tables import counted, plain_text, tables
from tests.servers.debian import NotHere
from tests.servers.timescale import skip_or_fail, timescale_binaries

AT = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def old() -> Binaries:
    """PostgreSQL 17 of Debian 13; the wheel's is 18."""
    try:
        return timescale_binaries()
    except NotHere as reason:
        skip_or_fail(reason)


@pytest.fixture
def folder(server_folder: Path, old: Binaries, small_city: City, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server's folder with a city in it, made by PostgreSQL 17; only the wheel's 18 is installed."""
    monkeypatch.setattr("store.binaries.DEBIAN", Path("/nonexistent"))
    monkeypatch.setattr("store.serverupgrade.DEBIAN", Path("/nonexistent"))
    made = server_folder / f"upgrade-{os.urandom(4).hex()}"
    with EmbeddedPostgres(made, binaries=old, durable=False) as server:
        migrate(server.dsn)
        with connect(server.dsn) as conn:
            bundle.apply(conn, {"city.yaml": "name: x"}, small_city, AT)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _sums(dsn: str) -> dict[str, tuple[int, str]]:
    with connect(dsn, autocommit=True) as conn:
        plain_text(conn)
        return {table.name: (found.rows, found.checksum) for table in tables(conn) for found in [counted(conn, table)]}


def _upgrade(folder: Path, old_bin: Path | None) -> tuple[int, int]:
    done = upgrade(folder, version="1", at=AT, old_bin=old_bin)
    assert done.kept.is_dir()
    return done.before, done.after


def test_old_data_are_refused_with_the_command_that_helps_and_it_helps(folder: Path, old: Binaries) -> None:
    with pytest.raises(OutsideError, match=r"data of PostgreSQL 17, .* `lifeline store upgrade-server --old-bin"):
        EmbeddedPostgres(folder).start()
    with pytest.raises(OutsideError, match=r"try --old-bin …/bin of your system's postgresql-17"):
        _upgrade(folder, None)
    wheel = wheel_folder()
    assert wheel is not None
    with pytest.raises(InputError, match=r"--old-bin: the data are of PostgreSQL 17, got PostgreSQL 18"):
        _upgrade(folder, wheel)
    with EmbeddedPostgres(folder, binaries=old, durable=False) as server:
        before, address = _sums(server.dsn), server.dsn
    assert before["sensors"][0] == 2
    assert _upgrade(folder, old.folder) == (17, 18)
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.dsn == address
        assert _sums(server.dsn) == before
        with connect(server.dsn) as conn:
            assert conn.info.server_version // 10000 == 18
    assert not (folder / "upgrade").exists()
    assert not (folder / "upgrade.zip").exists()
    with pytest.raises(OutsideError, match="no newer one here"):
        _upgrade(folder, None)


def test_killed_before_the_folders_change_places_it_begins_again(folder: Path, old: Binaries) -> None:
    (folder / "upgrade" / "data").mkdir(parents=True)
    (folder / "upgrade.zip").write_bytes(b"half")
    assert _upgrade(folder, old.folder) == (17, 18)


def test_killed_while_they_change_places_the_next_start_finishes(folder: Path, old: Binaries) -> None:
    assert _upgrade(folder, old.folder) == (17, 18)
    (folder / "upgrade").mkdir()
    (folder / "data").rename(folder / "upgrade" / "data")  # the old data are kept, the new not yet in place
    with EmbeddedPostgres(folder, durable=False) as server, connect(server.dsn) as conn:
        assert bundle.current_hash(conn) is not None


def test_an_empty_folder_has_nothing_to_upgrade(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no data to upgrade"):
        upgrade(tmp_path, version="1", at=AT)
