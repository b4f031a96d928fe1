"""The servers and recorders of the ingest benchmark: a durable database, a broker, recorders as child processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.ingestload import city, forget
from bench.machine import Usage, usage
from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from city.load import load_city
from ingest.broker import EmbeddedBroker
from lifeline.settings import Settings
from store import bundle
from store.child import die_with_parent
from store.connection import Connection, connect
from store.embedded import EmbeddedPostgres
from store.ports import free_port
from store.roles import beats
from store.testing import drop_database, fresh_database

PATIENCE_S = 240.0


@dataclass(frozen=True, slots=True)
class Servers:
    """What runs: addresses, process numbers, and what the broker is."""

    dsn: str
    mqtt_url: str
    pids: Mapping[str, int]
    broker: str
    shares: bool


@contextmanager
def servers(folder: Path, mosquitto: Path | None) -> Iterator[Servers]:
    """A durable database and a broker (mosquitto where there is one, else nats-server) while the block runs."""
    binary = mosquitto or (Path(found) if (found := shutil.which("mosquitto")) else None)
    with EmbeddedPostgres(folder / "postgres") as database:
        server = _postmaster(database.dsn)
        if binary is None:
            with EmbeddedBroker(folder / "broker") as broker:
                pids = {"postgres": server, "broker": broker.pid or 0}
                yield Servers(database.dsn, broker.url, pids, "nats-server", shares=False)
            return
        with _mosquitto(binary, folder) as (pid, url):
            yield Servers(database.dsn, url, {"postgres": server, "broker": pid}, _version(binary), shares=True)


def _postmaster(dsn: str) -> int:
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        row = conn.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    return int(str(row[0]).split()[0]) if row else 0


def _version(binary: Path) -> str:
    said = subprocess.run([binary, "-h"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - named by the user
    return next(iter(said.splitlines()), str(binary))


@contextmanager
def _mosquitto(binary: Path, folder: Path) -> Iterator[tuple[int, str]]:
    port = free_port()
    config = folder / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "max_queued_messages 0",
        "max_inflight_messages 2000",
    ]
    config.write_text("\n".join([*lines, "user root", ""]))
    try:
        process = subprocess.Popen(  # noqa: S603 - named by the user
            [binary, "-c", config], stderr=subprocess.DEVNULL, preexec_fn=die_with_parent()
        )
    except OSError as error:
        raise InputError(f"--mosquitto: cannot be run, got {binary}: {error}") from error
    try:
        await_true(lambda: _listens(port), "the broker does not listen")
        yield process.pid, f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        await_end(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def database(server_dsn: str, gateways: int) -> Iterator[str]:
    """A fresh database with a city in force, while the block runs."""
    dsn = fresh_database(server_dsn)
    try:
        files = city(gateways)
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            bundle.apply(conn, files, load_city(files), datetime(2026, 1, 1, tzinfo=UTC))
        yield dsn
    finally:
        drop_database(dsn)


class Recorders:
    """Recorders of one database: real roles as child processes, one or several that share the city."""

    def __init__(self, dsn: str, mqtt_url: str, folder: Path, session: str, count: int = 1) -> None:
        self._dsn, self._url, self._folder, self._session, self._count = dsn, mqtt_url, folder, session, count
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all; `await_connected` waits for them."""
        for number in range(self._count):
            settings = Settings(
                data=self._folder / "recorder", database_url=self._dsn, mqtt_url=self._url,
                mqtt_client_id=f"{self._session}-{number}", mqtt_share=self._session if self._count > 1 else "",
            )  # fmt: skip
            command = [sys.executable, "-m", "lifeline", "run", "--role", "recorder"]
            surroundings = {**os.environ, **settings.environment()}
            self._running.append(
                subprocess.Popen(  # noqa: S603 - ourselves
                    command, env=surroundings, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent()
                )
            )

    def await_connected(self) -> None:
        """Wait until one says that it listens, and give the others the same time (they tell in one place)."""
        clock = SystemClock()
        began_s = stopwatch_s()
        with connect(self._dsn, autocommit=True, application_name="lifeline bench") as conn:
            await_true(lambda: _connected(conn), "the recorder does not connect, try its log")
        if self._count > 1:
            clock.pause_s(stopwatch_s() - began_s + 1.0)

    def stop(self) -> None:
        """Stop all in order: what has come is written and acknowledged; the broker keeps their sessions."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            await_end(process)
        self._running.clear()
        with connect(self._dsn, autocommit=True, application_name="lifeline bench") as conn:
            conn.execute("DELETE FROM lifeline.roles")

    def leave(self) -> None:
        """Stop all for good."""
        self.stop()
        for number in range(self._count):
            forget(self._url, f"{self._session}-{number}")

    def usages(self, pids: Mapping[str, int]) -> dict[str, Usage]:
        """What the recorders (together) and the servers have used so far."""
        found = {name: used for name, pid in pids.items() if (used := usage(pid, children=name == "postgres"))}
        mine = [used for process in self._running if (used := usage(process.pid))]
        if mine:
            found["recorder"] = Usage(sum(one.cpu_s for one in mine), max(one.peak_mib for one in mine))
        return found


def await_end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was told to end, and kill it if it does not."""
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _connected(conn: Connection) -> bool:
    beat = beats(conn).get("recorder")
    return beat is not None and bool(beat.detail.get("connected"))


def await_true(done: Callable[[], bool], what: str) -> None:
    """Wait until something is so; OutsideError with `what` when it is not for long."""
    clock, end_s = SystemClock(), stopwatch_s() + PATIENCE_S
    while not done():
        if stopwatch_s() > end_s:
            raise OutsideError(what)
        clock.pause_s(0.05)
