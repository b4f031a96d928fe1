"""Real servers of Debian 13 for tests: PostgreSQL 17 with TimescaleDB (Apache build), and mosquitto."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from store.binaries import Binaries, look_at
from store.embedded import EmbeddedPostgres
from tests.servers.debian import NotHere, unpack

_MAJOR = 17


def timescale_binaries() -> Binaries:
    """PostgreSQL with TimescaleDB (Apache build); raises NotHere where it cannot be had."""
    root = unpack(
        "timescale",
        [f"postgresql-{_MAJOR}-timescaledb"],
        [
            f"usr/lib/postgresql/{_MAJOR}/bin/*",
            f"usr/lib/postgresql/{_MAJOR}/lib/**/*.so",
            "usr/lib/*-linux-gnu*/*.so*",
        ],
    )
    found = look_at(root / "usr" / "lib" / "postgresql" / str(_MAJOR) / "bin")
    if found is None or not found.timescale:
        raise NotHere(f"the PostgreSQL unpacked in {root} does not run")
    return found


def mosquitto_binary() -> Path:
    """Debian 13's mosquitto (2.0.21, MQTT 5), its clients in `usr/bin`; raises NotHere where it cannot be had."""
    programs = ["usr/sbin/mosquitto", "usr/bin/mosquitto_*", "usr/lib/*-linux-gnu*/*.so*"]
    root = unpack("mosquitto", ["mosquitto", "mosquitto-clients"], programs)
    return root / "usr" / "sbin" / "mosquitto"


@contextmanager
def timescale_server(folder: Path) -> Iterator[str]:
    """A private TimescaleDB in `folder` while the block runs; its DSN."""
    with EmbeddedPostgres(folder, durable=False, binaries=timescale_binaries()) as server:
        yield server.dsn


def skip_or_fail(reason: NotHere) -> NoReturn:
    """Skip loudly on a developer's machine; in CI a server that is missing is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must test against real servers: {reason}")
    pytest.skip(f"NOT TESTED against this server: {reason}")
