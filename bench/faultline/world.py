"""What a faults run breaks: a database server, a broker, recorders and gateways, each killed and started at will."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import conninfo

from bench.faultline.count import Count, accounted, count, sent_by, unposted
from bench.faultline.gateways import GatewaysSettings
from bench.faultline.net import Network
from bench.faultline.truth import Truth
from bench.machine import usage
from city.broker_address import BrokerAddress
from city.clock import SystemClock, stopwatch_s
from city.errors import OutsideError
from city.load import load_city
from ingest.broker import EmbeddedBroker
from lifeline.settings import Settings
from store import bundle
from store.child import die_with_parent
from store.connection import connect
from store.embedded import EmbeddedPostgres
from store.ports import free_port
from store.roles import beats
from store.testing import drop_database, fresh_database

WALL = SystemClock()
_NAME = "lifeline bench"


class Mosquitto:
    """A mosquitto in a folder, for what needs MQTT 5: shared subscriptions."""

    def __init__(self, binary: Path, folder: Path) -> None:
        port = free_port()
        self.url, self._binary, self._config = f"mqtt://127.0.0.1:{port}", binary, folder / "mosquitto.conf"
        lines = (f"listener {port} 127.0.0.1", "allow_anonymous true", "max_queued_messages 0", "user root", "")
        self._config.write_text("\n".join(lines))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - named by the user
            [self._binary, "-c", self._config], stderr=subprocess.DEVNULL, preexec_fn=die_with_parent()
        )
        address = BrokerAddress.of(self.url)
        await_(lambda: _listens(address.port), "mosquitto does not listen", 30.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class World:
    """The servers of a run. `mosquitto` is a program, or None where there is none."""

    folder: Path
    postgres: EmbeddedPostgres
    broker: EmbeddedBroker
    mosquitto: Path | None


@contextmanager
def world(folder: Path, mosquitto: Path | None, *, durable: bool) -> Iterator[World]:
    """Servers in `folder` while the block runs; `durable`: whether the database waits for the disk."""
    postgres, broker = EmbeddedPostgres(folder / "postgres", durable=durable), EmbeddedBroker(folder / "broker")
    with postgres, broker:
        yield World(folder, postgres, broker, mosquitto)


@dataclass
class Trial:
    """One fault tried on a truth, with a database, a session and outboxes of its own.

    Attributes
    ----------
    chance
        Decides the moments, from the run's seed and the fault's name.
    kills
        How often to break what is to be broken.
    quick
        Whether waits that only show patience may be short.
    network, far
        Where there is one: a network to cut, and who is beyond it (`agent` or `recorder`).
    outboxes
        Where outboxes lie instead of in the trial's own folder.
    shared
        Whether its recorders share one subscription.
    """

    world: World
    name: str
    truth: Truth
    chance: random.Random
    kills: int
    quick: bool
    patience_s: float = 60.0
    url: str = ""
    done: list[str] = field(default_factory=list)
    peak_mib: float = 0.0
    backlog_per_s: float | None = None
    network: Network | None = None
    far: str = "agent"
    outboxes: Path | None = None
    shared: bool = False
    dsn: str = ""
    _recorders: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _gateways: subprocess.Popen[bytes] | None = None
    _began_s: float = field(default_factory=stopwatch_s)

    def __enter__(self) -> Self:
        self.url = self.url or self.world.broker.url
        self.dsn = fresh_database(self.world.postgres.dsn)
        files = self.truth.files()
        with connect(self.dsn, autocommit=True, application_name=_NAME) as conn:
            bundle.apply(conn, files, load_city(files), datetime(2026, 1, 1, tzinfo=UTC))
        shutil.rmtree(self.folder, ignore_errors=True)  # outboxes of an earlier run would say that all is done
        self.folder.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (*self._recorders.values(), *filter(None, [self._gateways])):
            if process.poll() is None:
                process.kill()
                process.wait()
        with contextlib.suppress(OutsideError, psycopg.Error):
            drop_database(self.dsn)

    @property
    def word(self) -> str:
        """Its name as a word that brokers and folders take."""
        return self.name.replace(" ", "-")

    @property
    def folder(self) -> Path:
        """Of this trial's own."""
        return self.world.folder / self.word

    # -- recorders and gateways -----------------------------------------------------------------------------------

    def begin(self, *recorders: str, connected: bool = True) -> None:
        """Start recorders (`recorder` when none is named), and the truth's clock once they listen."""
        for name in recorders or ("recorder",):
            self.start_recorder(name)
        if connected:
            self.await_connected()
        self.truth = replace(self.truth, start_us=WALL.now_us())

    def start_recorder(self, name: str = "recorder") -> None:
        """Start a recorder, a real role in a process of its own; its session is named after the trial."""
        settings = Settings(
            data=self.folder / name, database_url=self._far_dsn("recorder"), mqtt_url=self._far_url("recorder"),
            mqtt_client_id=f"{self.word}-{name}", mqtt_share=self.word if self.shared else "",
        )  # fmt: skip
        with (self.folder / f"{name}.log").open("ab") as log:
            self._recorders[name] = subprocess.Popen(  # noqa: S603 - ourselves
                self._there([sys.executable, "-m", "lifeline", "run", "--role", "recorder"], "recorder"),
                env={**os.environ, **settings.environment()}, stderr=log, preexec_fn=die_with_parent(),
            )  # fmt: skip

    def start_gateways(self) -> None:
        """Start (or start again) the gateways."""
        folder = self.outboxes or self.folder / "outboxes"
        settings = GatewaysSettings(
            self._far_url("agent"), str(folder), self.truth.json(), self.backlog_per_s, 2.0 if self.quick else 10.0
        )
        words = [sys.executable, "-m", "bench.faultline.gateways", settings.json()]
        with (self.folder / "gateways.log").open("ab") as log:
            self._gateways = subprocess.Popen(  # noqa: S603 - ourselves
                self._there(words, "agent"), stderr=log, preexec_fn=die_with_parent(), cwd=_ROOT
            )

    def await_connected(self) -> None:
        """Until a recorder says that it listens; where several share, all of them."""
        with connect(self.dsn, autocommit=True, application_name=_NAME) as conn:
            if not self.shared:
                await_(
                    lambda: (beat := beats(conn).get("recorder")) is not None and bool(beat.detail.get("connected")),
                    f"{self.name}: the recorder does not connect, see {self.folder}",
                )
                return
            await_(
                lambda: len(conn.execute("SELECT FROM city.broker_sessions").fetchall()) >= len(self._recorders),
                f"{self.name}: the recorders do not connect, see {self.folder}",
            )

    def _far_url(self, who: str) -> str:
        """The broker, as it is reached from where somebody is."""
        if self.network is None or who != self.far:
            return self.url
        address = BrokerAddress.of(self.url)
        return self.url.replace(f"{address.host}:{address.port}", f"{self.network.door(address.port)}:{address.port}")

    def _far_dsn(self, who: str) -> str:
        """The database, as it is reached from where somebody is."""
        if self.network is None or who != self.far:
            return self.dsn
        port = int(conninfo.conninfo_to_dict(self.dsn)["port"] or 5432)
        return conninfo.make_conninfo(self.dsn, host=self.network.door(port))

    def _there(self, words: list[str], who: str) -> list[str]:
        return self.network.command(words) if self.network is not None and who == self.far else words

    # -- breaking ---------------------------------------------------------------------------------------------------

    def pause(self, low_s: float, high_s: float | None = None) -> None:
        """Wait for so long, or for somewhere between two times by chance; looks at memory meanwhile."""
        end_s = stopwatch_s() + (low_s if high_s is None else self.chance.uniform(low_s, high_s))
        while (left_s := end_s - stopwatch_s()) > 0:
            self.look()
            WALL.pause_s(min(left_s, 0.1))

    def kill(self, victim: str) -> None:
        """Kill -9 (a recorder by name, `broker`, `database`, `agent`), and note when."""
        self.note(f"{victim} killed")
        process = self._recorders.get(victim) or (self._gateways if victim == "agent" else None)
        if process is not None:
            process.kill()
            process.wait()
        elif victim in ("broker", "database"):
            server = self.world.broker if victim == "broker" else self.world.postgres
            if server.pid is not None:
                psutil.Process(server.pid).kill() if victim == "broker" else self._kill_database(server.pid)
            await_(lambda: server.pid is None, f"{victim} does not die")

    def _kill_database(self, pid: int) -> None:
        """The postmaster alone, or all of it: half of the time each."""
        postmaster = psutil.Process(pid)
        children = postmaster.children(recursive=True) if self.chance.random() < 0.5 else []
        for process in (postmaster, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def restart(self, victim: str) -> None:
        """Start again what was killed."""
        if victim in self._recorders:
            self.start_recorder(victim)
        elif victim == "agent":
            self.start_gateways()
        else:
            (self.world.broker if victim == "broker" else self.world.postgres).start()

    def freeze(self, *, on: bool) -> None:
        """Stop every process of the database where it stands, or let it go on: it neither answers nor hangs up."""
        self.note("database frozen" if on else "database goes on")
        if (pid := self.world.postgres.pid) is not None:
            for process in (postmaster := psutil.Process(pid), *postmaster.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def note(self, what: str) -> None:
        """Note what was done, and when."""
        self.done.append(f"{stopwatch_s() - self._began_s:.2f} s {what}")

    def look(self) -> None:
        """Look at the recorders' memory; start again one that ended by itself, as whoever supervises it would.

        A recorder that is started while there is no database ends and says so.
        """
        for name, process in list(self._recorders.items()):
            if process.poll() is not None and process.returncode != -signal.SIGKILL:
                self.note(f"{name} ended with {process.returncode}, started again")
                self.start_recorder(name)
            elif (used := usage(process.pid)) is not None:
                self.peak_mib = max(self.peak_mib, used.peak_mib)

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def await_gateways(self) -> None:
        """Until all is measured and confirmed by the broker."""
        gateways, end_s = self._gateways, stopwatch_s() + self.patience_s
        while gateways is not None and gateways.poll() is None and stopwatch_s() < end_s:
            self.pause(0.05)
        if gateways is not None and gateways.returncode:
            raise OutsideError(f"{self.name}: the gateways failed, see {self.folder / 'gateways.log'}")

    def await_accounted(self) -> None:
        """Until all is stored or refused, and posted, or patience ends: what is missing then is counted."""
        end_s, wanted = stopwatch_s() + self.patience_s, len(sent_by(self.truth)[0])
        with connect(self.dsn, autocommit=True, application_name=_NAME) as conn:
            while (accounted(conn) < wanted or unposted(conn)) and stopwatch_s() < end_s:
                self.pause(0.1)

    def settle(self) -> Count:
        """Wait until the gateways are done and all is accounted for; stop in order, and count."""
        self.await_gateways()
        self.await_accounted()
        self.look()
        for process in self._recorders.values():
            process.terminate()
        for process in self._recorders.values():
            process.wait(30)
        with connect(self.dsn, autocommit=True, application_name=_NAME) as conn:
            return count(conn, self.truth)


_ROOT = Path(__file__).resolve().parents[2]


def await_(done: Callable[[], bool], what: str, within_s: float = 120.0) -> None:
    """Wait for a condition; OutsideError with `what` when it does not come."""
    end_s = stopwatch_s() + within_s
    while not done():
        if stopwatch_s() > end_s:
            raise OutsideError(what)
        WALL.pause_s(0.02)
