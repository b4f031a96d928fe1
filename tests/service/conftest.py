"""A machine's own servers, with the settings that ship: Debian's mosquitto and its main configuration file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.fleet import Fleet
from city.clock import SystemClock
from city.load import load_city
from lifeline.deployment import brokerfiles
from lifeline.deployment.authority import Authority
from lifeline.deployment.layout import RECORDER
from store.account import account_for
from store.embedded import EmbeddedPostgres
from tests.running import eventually, free_port, listens
from tests.servers.debian import NotHere
from tests.servers.timescale import skip_or_fail, timescale_binaries
from tests.service.units import FOLDER

CITY = Fleet(4, 5, probes=1)


@dataclass(frozen=True)
class Broker:
    """A running mosquitto: its port, its authority's certificate, its log, and the password of each user."""

    port: int
    ca: Path
    log: Path
    passwords: dict[str, str]

    @property
    def url(self) -> str:
        """The recorder's address of it."""
        return f"mqtts://{RECORDER}:{self.passwords[RECORDER]}@localhost:{self.port}"


@pytest.fixture(scope="session")
def mosquitto_settings(server_folder: Path, mosquitto: Path) -> Iterator[Broker]:
    """Debian's mosquitto under its own mosquitto.conf and `conf.d/lifeline.conf`, only in other folders."""
    place = server_folder / "mosquitto"
    for folder in ("conf.d", "lifeline", "state", "log"):
        (place / folder).mkdir(parents=True)
    port = free_port()
    moved = {
        "/etc/mosquitto": str(place),
        "/var/lib/mosquitto": str(place / "state"),
        "/var/log/mosquitto": str(place / "log"),
        "listener 8883": f"listener {port} 127.0.0.1",
    }
    main = (mosquitto.parents[2] / "etc" / "mosquitto" / "mosquitto.conf").read_text()
    ours = (FOLDER / "mosquitto.conf").read_text()
    for old, new in moved.items():
        main, ours = main.replace(old, new), ours.replace(old, new)
    account = "user root\n" if os.geteuid() == 0 else ""
    (place / "mosquitto.conf").write_text(account + main)
    (place / "conf.d" / "lifeline.conf").write_text(ours)
    passwords = _fill(place / "lifeline")
    log = place / "log" / "mosquitto.log"
    process = subprocess.Popen([mosquitto, "-c", place / "mosquitto.conf"])  # noqa: S603 - Debian's
    try:
        eventually(lambda: listens(port) or process.poll() is not None, log.read_text)
        assert process.poll() is None, log.read_text()
        yield Broker(port, place / "lifeline" / "ca.crt", log, passwords)
    finally:
        process.terminate()
        process.wait()


def _fill(folder: Path) -> dict[str, str]:
    """What `lifeline deploy init` makes for the broker; the password of each user."""
    now, files = SystemClock().now(), CITY.files()
    authority = Authority.make(now)
    server = authority.server("broker", ("broker", "localhost"), now)
    known = brokerfiles.users(load_city(files), files)
    passwords = {user.name: f"password-of-{user.name}" for user in known}
    hashes = {name: brokerfiles.hashed(password) for name, password in passwords.items()}
    for name, text in {
        "ca.crt": authority.pair.certificate, "server.crt": server.certificate, "server.key": server.key,
        "acl": brokerfiles.acl(known), "passwords": brokerfiles.passwords(hashes),
    }.items():  # fmt: skip
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return passwords


@pytest.fixture(scope="session")
def database_settings(server_folder: Path) -> Iterator[str]:
    """PostgreSQL 17 with TimescaleDB of Debian 13 under `conf.d/*.conf` as shipped, over TLS; its owner's address."""
    place = server_folder / "settings"
    try:
        binaries = timescale_binaries()
    except NotHere as reason:
        skip_or_fail(reason)
    server = EmbeddedPostgres(place, binaries=binaries, durable=False)
    server.start()
    server.stop()
    account = account_for(server.data)
    made = Authority.make(SystemClock().now())
    pair = made.server("database", ("database", "localhost"), SystemClock().now())
    (server.data / "conf.d").mkdir()
    for name in ("postgresql.conf", "timescaledb.conf"):
        text = (FOLDER / name).read_text().replace("/etc/postgresql/lifeline", str(server.data / "conf.d"))
        (server.data / "conf.d" / name).write_text(text)
    (server.data / "conf.d" / "server.crt").write_text(pair.certificate)
    (server.data / "conf.d" / "server.key").write_text(pair.key)
    (server.data / "conf.d" / "server.key").chmod(0o600)
    for path in (server.data / "conf.d", *(server.data / "conf.d").iterdir()):
        account.own(path)
    (place / "ca.crt").write_text(made.pair.certificate)
    with (server.data / "postgresql.conf").open("a") as out:
        out.write("include_dir = 'conf.d'\n")
    with server:
        yield f"{server.dsn.replace('127.0.0.1', 'localhost')}?sslmode=verify-full&sslrootcert={place / 'ca.crt'}"
