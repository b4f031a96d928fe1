"""Fixtures every room shares: real servers, started once per session, and a fresh database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Before any room is imported: what the developer's shell says must not reach a test.
_TEST_SETTINGS = ("LIFELINE_TEST_", "LIFELINE_DATA_DIR", "LIFELINE_PG_BIN")
for _name in [name for name in os.environ if name.startswith(("LIFELINE_", "PG"))]:
    if not _name.startswith(_TEST_SETTINGS):
        del os.environ[_name]

# Whole cities are set up in temporary folders, and a disk takes seconds to sync each: so they are made in memory.
_MEMORY = Path("/dev/shm")  # noqa: S108 - not a fixed name: folders are made in it
_ROOMY = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 2 << 30
if _ROOMY and "TMPDIR" not in os.environ and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:  # for tests' own programs
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

# Tests that take longest, most of it waiting: whole systems and the pages that start them.
_LONG = {
    "bench/test_soak.py", "deploy/test_services.py", "docs/test_connect.py", "docs/test_first_city.py",
    "docs/test_operations.py", "drills/test_drill_live.py", "lifeline/test_backup.py", "lifeline/test_closed_loop.py",
    "lifeline/test_demo.py", "lifeline/test_kill_any.py", "lifeline/test_logs.py", "service/test_upgrade_live.py",
}  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors: many tests wait for a clock or another process longer than they compute."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the long tests to the workers and begin each in the first half: one that is last keeps all waiting."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if "/".join(item.path.parts[-2:]) in _LONG]
    rest = [item for item in items if item not in long]
    if workers == 1 or len(rest) < 10 * len(long):
        return
    dealt = list[pytest.Item]()
    for worker in range(workers):
        size = (len(items) - len(dealt)) // (workers - worker)  # what xdist hands to this worker, without a gap
        mine = long[worker::workers]
        block, rest = rest[: size - len(mine)], rest[size - len(mine) :]
        step = len(block) // (2 * len(mine) + 1)
        for number, item in enumerate(mine):
            block.insert(number * (step + 1), item)
        dealt += block
    items[:] = dealt


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A short-lived folder that PostgreSQL's own account can enter (pytest's are closed to it when run as root)."""
    folder = Path(tempfile.mkdtemp(prefix="lifeline-tests-", dir=_MEMORY if _ROOMY else None))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_dsn(server_folder: Path) -> Iterator[str]:
    """A private PostgreSQL for the session, fast and not durable; the DSN of its administrator."""
    from store.embedded import EmbeddedPostgres

    with EmbeddedPostgres(server_folder / "postgres", durable=False) as server:
        yield server.dsn


@pytest.fixture(scope="session")
def timescale_dsn(server_folder: Path) -> Iterator[str]:
    """A real TimescaleDB (Debian 13's Apache build) for the session; skips loudly where there is none, fails in CI."""
    from tests.servers.debian import NotHere
    from tests.servers.timescale import skip_or_fail, timescale_server

    with ExitStack() as running:
        try:
            dsn = running.enter_context(timescale_server(server_folder / "timescale"))
        except NotHere as reason:
            skip_or_fail(reason)
        yield dsn


@pytest.fixture(scope="session")
def mosquitto() -> Path:
    """Debian 13's mosquitto (MQTT 5); skips loudly where it cannot be had, fails in CI."""
    from tests.servers.debian import NotHere
    from tests.servers.timescale import mosquitto_binary, skip_or_fail

    try:
        return mosquitto_binary()
    except NotHere as reason:
        skip_or_fail(reason)


@pytest.fixture
def database(postgres_dsn: str) -> Iterator[str]:
    """DSN of a fresh, migrated database of this test's own."""
    from store.testing import drop_database, fresh_database

    dsn = fresh_database(postgres_dsn)
    yield dsn
    drop_database(dsn)


@pytest.fixture(scope="session")
def broker(server_folder: Path) -> Iterator[str]:
    """A private MQTT broker for the session; its URL with user and password."""
    from ingest.broker import EmbeddedBroker

    server = EmbeddedBroker(server_folder / "broker")
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """Folder of recorded data sets named by LIFELINE_DATA_DIR; skips loudly without it."""
    named = os.environ.get("LIFELINE_DATA_DIR", "")
    if not named or not Path(named).is_dir():
        pytest.skip(f"LIFELINE_DATA_DIR: not a folder, got {named!r}; set it to run the tests on recorded data")
    return Path(named)
