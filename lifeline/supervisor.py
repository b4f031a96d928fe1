"""Starts what is not given (database, broker), then the roles, and keeps all of it alive until told to stop.

Every process is a child that the kernel ends with this one, so that `kill -9` of the supervisor leaves nothing behind
and the next start finds the folder free. Nothing is remembered here that a restart would need: state is in the
database, in the broker and in the gateways' outboxes.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from lifeline import endpoints, readiness
from lifeline.cityfolder import read_checked
from lifeline.files import DataLock, open_log, tail
from lifeline.ports import kept_address
from lifeline.roles import CORE, misfit
from lifeline.settings import Settings, prepare_data, secret
from rules.check import Checked

log = logging.getLogger(__name__)

BACK_OFF_S = (0.2, 5.0)  # first and longest pause before a restart
STEADY_S = 10.0  # alive this long: the next death starts from the shortest pause again
READY_WITHIN_S = 90.0
DRAIN_S = 15.0
TIDY_EVERY_S = 60.0
ADDRESSES = {"postgres": "database_url", "broker": "mqtt_url"}  # embedded server to the setting it stands in for


class Server(Protocol):
    """What `EmbeddedPostgres` and `EmbeddedBroker` have in common."""

    @property
    def pid(self) -> int | None:
        """Process id, None when it does not run."""
        ...

    def start(self) -> str:
        """Start and return the address."""
        ...

    def stop(self) -> None:
        """Stop; safe twice."""
        ...


def _nothing() -> str:
    return ""


class Role:
    """One child process that runs a role."""

    def __init__(self, name: str, environment: Mapping[str, str], log_file: Path) -> None:
        self._name, self._environment, self._log_file = name, environment, log_file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How the last run ended (negative: by that signal), None while it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> str:
        """Start the process; what it says outside its log also goes there."""
        from store.child import die_with_parent

        with open_log(self._log_file) as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "lifeline", "run", "--role", self._name],
                env={**os.environ, **self._environment, "LIFELINE_LOG": str(self._log_file)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which stops all in order
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        return self._name

    def ask_to_stop(self) -> None:
        """Tell it to drain and end."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Tell it to end, and end it if it has not within `DRAIN_S`."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            log.warning("kill %s: it did not drain in %s s", self._name, DRAIN_S, extra={"action": "role.kill"})
            self._process.kill()
            self._process.wait()


@dataclass
class Watched:
    """A server or role and how its restarts go."""

    name: str
    child: Server | Role
    address: str = ""
    restarts: int = 0
    pause_s: float = BACK_OFF_S[0] / 2
    started_s: float = field(default_factory=stopwatch_s)
    due_s: float | None = None
    hindrance: Callable[[], str] = _nothing  # why it is not to be started now
    hindered: str = ""

    def start(self) -> None:
        """Start it for the first time."""
        self.address = self.child.start()

    def keep_alive(self, now_s: float) -> bool:
        """Restart it when it is dead, the pause is over and nothing hinders it; whether it was restarted."""
        if self.child.pid is not None:
            return False
        if self.due_s is None:
            self.pause_s = BACK_OFF_S[0] if now_s - self.started_s > STEADY_S else min(self.pause_s * 2, BACK_OFF_S[1])
            self.due_s = now_s + self.pause_s
            log.warning("dead %s: restart in %.1f s", self.name, self.pause_s, extra={"action": "child.dead"})
        if now_s < self.due_s:
            return False
        if self._held():
            self.due_s = now_s + BACK_OFF_S[1]
            return False
        self.started_s, self.due_s = now_s, None
        self.restarts += 1
        try:
            self.start()
        except Exception as error:  # noqa: BLE001 - a full disk or process table: we outlive it and try again
            log.warning("restart of %s failed: %s", self.name, error, extra={"action": "child.failed"})
            return False
        return True

    def _held(self) -> bool:
        """Whether something hinders it now; said once."""
        why = self.hindrance()
        if why and why != self.hindered:
            log.error("%s is not started: %s", self.name, why, extra={"action": "child.held"})
        self.hindered = why
        return bool(why)


class Supervisor:
    """A whole running system on one data folder.

    Parameters
    ----------
    settings
        Where things are; what is not given is embedded in the data folder.
    roles
        The roles to run, in starting order.
    environment
        More variables for the roles.
    clock
        The city's clock, for what is recorded before the roles start.

    Notes
    -----
    `open`, `start_roles`, `tick` again and again, `close`; all from the same thread, which must live as long as the
    system shall (the kernel ends the children with the thread that started them).
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[str] = CORE,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self.endpoints: endpoints.Endpoints | None = None
        self._roles, self._environment = roles, dict(environment or {})
        self._lock = DataLock(settings.data)
        self._servers: list[Watched] = []
        self._children: list[Watched] = []
        self._tidied_s = 0.0
        self._shared: dict[str, str] = {}  # the environment of every role, as it is now

    @property
    def restarts(self) -> dict[str, int]:
        """How often each process was restarted, by name."""
        return {watched.name: watched.restarts for watched in (*self._servers, *self._children)}

    def open(self) -> None:
        """Take the data folder, start the servers that are not given, migrate, apply the city folder.

        Raises
        ------
        InputError
            Another supervisor is there, or the city folder is missing or faulty (all faults).
        OutsideError
            A server does not start, or the given database cannot be reached.
        """
        prepare_data(self.settings)
        self._lock.take()
        try:
            endpoints.remove(self.settings.data)
            secret(self.settings)
            folder = read_checked(self.settings.city) if self.settings.city is not None else None
            self._start_servers()
            self.settings = self.settings.model_copy(update={"http": kept_address(self.settings)})
            self.settings = self.settings.model_copy(update={"public_url": self.settings.address})
            self._fill_database(folder)
        except BaseException:
            self.close()
            raise

    def start_roles(
        self, environment: Mapping[str, str] | None = None, stop: threading.Event | None = None
    ) -> endpoints.Endpoints:
        """Start the roles, wait until all of them work, write endpoints.json.

        Raises
        ------
        KeyboardInterrupt
            `stop` was set before that.
        OutsideError
            A role is not ready in time; the message ends with its last words.
        """
        self._environment.update(environment or {})
        self._shared.update(self.settings.environment(), **self._environment)
        try:
            self._start([name for name in self._roles if name != "simulator"], stop)
            if "simulator" in self._roles:  # what is published before the recorder ever subscribed reaches nobody
                self._start(["simulator"], stop)
            return self._announce()
        except BaseException:
            self.close()
            raise

    def _start(self, names: Sequence[str], stop: threading.Event | None) -> None:
        for name in names:
            role = Role(name, self._shared, self.settings.data / "log" / f"{name}.log")
            watched = Watched(name, role, hindrance=partial(self._hindrance, role) if name in CORE else _nothing)
            self._children.append(watched)
            watched.start()
        self._wait_until_ready(stop)

    def tick(self) -> None:
        """Restart what has died; call it a few times a second."""
        now_s = stopwatch_s()
        restarted = self._tick_servers()
        if any([watched.keep_alive(now_s) for watched in self._children]) or restarted:
            try:
                self._announce()
            except OSError as error:
                log.warning("cannot write endpoints: %s", error, extra={"action": "endpoints.failed"})

    def run(self, stop: threading.Event) -> None:
        """Keep everything alive until `stop`."""
        wall = SystemClock()
        while not wall.pause_s(0.1, stop):
            self.tick()

    def stop_roles(self) -> None:
        """Stop the roles: the simulated gateways first, so that the others drain what they sent; safe twice."""
        first = [watched for watched in self._children if watched.name == "simulator"]
        rest = [watched for watched in self._children if watched.name != "simulator"]
        for group in (first, rest):
            for watched in group:
                if isinstance(watched.child, Role):
                    watched.child.ask_to_stop()
            for watched in group:
                watched.child.stop()

    def close(self) -> None:
        """Stop the roles (they drain), then the servers, and give the folder back; safe twice."""
        endpoints.remove(self.settings.data)
        self.stop_roles()
        for watched in reversed(self._servers):
            watched.child.stop()
        self._lock.give_back()

    def _start_servers(self) -> None:
        from ingest.broker import EmbeddedBroker
        from store.embedded import EmbeddedPostgres

        embedded: dict[str, Callable[[Path], Server]] = {"postgres": EmbeddedPostgres, "broker": EmbeddedBroker}
        for name, key in ADDRESSES.items():
            if getattr(self.settings, key) is None:
                server = Watched(name, embedded[name](self.settings.data / name))
                self._servers.append(server)
                server.start()
        self._take_addresses()

    def _take_addresses(self) -> bool:
        """Make the servers' addresses the settings' and the roles'; whether they changed."""
        found = {ADDRESSES[server.name]: server.address for server in self._servers}
        changed = any(getattr(self.settings, key) != address for key, address in found.items())
        self.settings = self.settings.model_copy(update=found)
        self._shared.update(self.settings.environment())
        return changed

    def _tick_servers(self) -> bool:
        """Restart servers that have died; whether one was."""
        self._tidy_logs()
        restarted = any([server.keep_alive(stopwatch_s()) for server in self._servers])
        if restarted and self._take_addresses():  # somebody took the port meanwhile: the roles must learn the new one
            for watched in self._children:
                watched.child.stop()
        return restarted

    def _tidy_logs(self) -> None:
        from store.embedded import EmbeddedPostgres

        if stopwatch_s() - self._tidied_s > TIDY_EVERY_S:
            self._tidied_s = stopwatch_s()
            for server in self._servers:
                if isinstance(server.child, EmbeddedPostgres):  # the broker bounds its own
                    server.child.tidy()

    def _fill_database(self, folder: tuple[Mapping[str, str], Checked] | None) -> None:
        from store import bundle
        from store.connection import connect
        from store.migrate import migrate

        migrate(self.settings.database)
        with connect(self.settings.database, application_name="lifeline supervisor") as conn:
            if folder is None:
                if bundle.current(conn) is None:
                    raise InputError("no city folder, try `lifeline init DIR` and LIFELINE_CITY=DIR")
                return
            files, checked = folder
            bundle.apply(conn, files, checked.city, self._clock.now())

    def _wait_until_ready(self, stop: threading.Event | None) -> None:
        wall, deadline_s = SystemClock(), stopwatch_s() + READY_WITHIN_S
        waiting: list[str] = []
        while stopwatch_s() < deadline_s:
            self._tick_servers()
            pids = {watched.name: watched.child.pid for watched in self._children}
            waiting = readiness.not_ready(self.settings, pids, hearing="simulator" in self._roles)
            if not waiting:
                return
            for watched in self._children:
                self._refuse_bad_start(watched)
                watched.keep_alive(stopwatch_s())
            if wall.pause_s(0.05, stop):
                raise KeyboardInterrupt
        words = "\n".join(f"{name}: {tail(self.settings.data / 'log' / f'{name}.log')}" for name in waiting)
        raise OutsideError(f"not ready after {READY_WITHIN_S:.0f} s, got\n{words}\ntry `lifeline doctor`")

    def _refuse_bad_start(self, watched: Watched) -> None:
        """Fail at start: a role that says the user's input is wrong will say so for ever."""
        if isinstance(watched.child, Role) and watched.child.exit_code == InputError.exit_code:
            words = tail(self.settings.data / "log" / f"{watched.name}.log")
            raise InputError(f"role {watched.name} cannot start, got\n{words}")

    def _hindrance(self, role: Role) -> str:
        """Why a role that ended by itself would do so again: somebody has changed the program under us."""
        if role.exit_code != OutsideError.exit_code or not (why := misfit(self.settings)):
            return ""
        return (
            f"the program on disk is not the one that runs here, and does not fit ({why}). Best stop `lifeline run` "
            "and start it again, which migrates; while it runs, only `lifeline migrate --phase pre`. "
            "What runs goes on as it is; this role starts by itself as soon as it fits"
        )

    def _announce(self) -> endpoints.Endpoints:
        everything = (*self._servers, *self._children)
        pids = {watched.name: watched.child.pid for watched in everything if watched.child.pid is not None}
        self.endpoints = endpoints.Endpoints(
            database=self.settings.database,
            mqtt=self.settings.mqtt,
            http=self.settings.address,
            pid={"supervisor": os.getpid(), **pids},
            restarts=self.restarts,
        )
        self.endpoints.write(self.settings.data)
        return self.endpoints
