"""A deployment as `lifeline deploy init` writes it, and its servers as its compose file starts them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.debian import NotHere
from tests.servers.stage import Service, Stage, programs, start_broker, write_city, write_deployment
from tests.servers.timescale import skip_or_fail


@pytest.fixture(scope="session")
def city_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example city."""
    return write_city(tmp_path_factory.mktemp("city") / "city")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, city_folder: Path) -> Path:
    """A deployment of it; gw-hill is a Sparkplug edge node. Nobody changes it."""
    folder = tmp_path_factory.mktemp("deployment") / "lifeline"
    return write_deployment(folder, city_folder, "--host", "10.0.0.5", "--sparkplug", "gw-hill")


@pytest.fixture(scope="session")
def server_programs() -> list[Path]:
    """Folders of Debian's mosquitto and PostgreSQL; skips loudly where they cannot be had, fails in CI."""
    try:
        return programs()
    except NotHere as reason:
        skip_or_fail(reason)


@pytest.fixture(scope="module")
def stage(deployment: Path, server_folder: Path, server_programs: list[Path]) -> Iterator[Stage]:
    """The deployment's services, none started yet."""
    made = Stage(deployment, Path(tempfile.mkdtemp(prefix="stage-", dir=server_folder)), server_programs)
    yield made
    made.close()


@pytest.fixture(scope="module")
def staged_broker(stage: Stage) -> Service:
    """Its broker, running."""
    return start_broker(stage)
