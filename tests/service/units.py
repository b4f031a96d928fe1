"""systemd's unit files, read as systemd reads them, and run as it would run them: in a temporary place, without it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from city.clock import SystemClock, stopwatch_s
from tests.running import PATIENCE_S

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
PROGRAM = "/opt/lifeline/bin/lifeline"
ROLES = ("recorder", "watcher", "notifier", "api", "keeper")
WALL = SystemClock()


class Unit:
    """A unit with its drop-ins: every setting's values in order; an empty one empties the list."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.instance = name.partition("@")[2].partition(".")[0]
        template = FOLDER / (name.replace(f"@{self.instance}.", "@.") if self.instance else name)
        self.files = [template, *sorted((FOLDER / f"{name}.d").glob("*.conf"))]
        self.settings: dict[str, list[str]] = defaultdict(list)
        for file in self.files:
            for key, value in _pairs(file):
                if value:
                    self.settings[key].append(value)
                else:
                    self.settings[key].clear()

    def one(self, key: str) -> str:
        """The last value of a setting."""
        return self.settings[key][-1]

    def credentials(self) -> dict[str, str]:
        """Name of each credential, and the file it comes from."""
        pairs = (value.split(":", 1) for value in self.settings["LoadCredential"])
        return {name: path.replace("%i", self.instance) for name, path in pairs}

    def environment(self, etc: Path, state: Path, credentials: Path) -> dict[str, str]:
        """What the process would see, with the machine's folders put elsewhere."""
        found: dict[str, str] = {}
        for file in self.settings["EnvironmentFile"]:
            path = etc / file.lstrip("-").replace("%i", self.instance).removeprefix("/etc/lifeline/")
            if path.exists():
                found |= dict(_pairs(path))
            else:
                assert file.startswith("-"), f"{file} is not there"
        for value in self.settings["Environment"]:
            found |= dict(word.split("=", 1) for word in shlex.split(value))
        places = {"%i": self.instance, "%d": str(credentials), "/etc/lifeline": str(etc)}
        places |= {"/var/lib/lifeline": str(state), "/var/cache/lifeline": str(state / "cache")}
        for old, new in places.items():
            found = {key: value.replace(old, new) for key, value in found.items()}
        return found

    def command(self, credentials: Path) -> list[str]:
        """What `ExecStart` says, with this Python's Lifeline as the program."""
        words = shlex.split(self.one("ExecStart").replace("%i", self.instance).replace("%d", str(credentials)))
        assert words[0] == PROGRAM
        return [sys.executable, "-m", "lifeline", *words[1:]]


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text().splitlines():
        if "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


class Service:
    """A unit's process while the block runs, and what it tells the service manager."""

    def __init__(self, unit: Unit, etc: Path, place: Path) -> None:
        self.unit, self.place = unit, place / unit.name
        self.words: list[str] = []
        self._credentials = credentials = self.place / "credentials"
        state = place / "state"
        for folder in (self.place, credentials, state):
            folder.mkdir(parents=True, exist_ok=True)
        for name, path in unit.credentials().items():
            (credentials / name).write_text((etc / path.removeprefix("/etc/lifeline/")).read_text())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self.place / "notify"))
        told = unit.environment(etc, state, credentials)
        told.pop("NUMBA_CACHE_DIR", None)  # what earlier tests compiled: an empty one costs a minute
        self._environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(self.place / "notify"), **told}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run `ExecStart`."""
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the unit's own words
                self.unit.command(self._credentials), env=self._environment, cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self) -> int:
        """What systemd does at a stop; the exit code."""
        if self.process is None:
            return 0
        self.hear()  # the socket holds ten words
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            patience = self.unit.settings["TimeoutStopSec"] or ["90"]  # systemd's own
            code = self.process.wait(float(patience[-1]))
        finally:
            self.process.kill()
            self.hear()
            self._socket.close()
        return code

    def hear(self) -> list[str]:
        """Everything it has said so far."""
        while True:
            try:
                self.words.append(self._socket.recv(4096).decode())
            except OSError:
                return self.words

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.place / "log").read_text()[-3000:]

    def wait_for(self, word: str, times: int = 1, patience_s: float = PATIENCE_S) -> None:
        """Wait until it has said a word so many times in all."""
        until_s = stopwatch_s() + patience_s
        while self.hear().count(word) < times:
            assert self.process is not None
            assert self.process.poll() is None, f"{self.unit.name} ended\n{self.log()}"
            assert stopwatch_s() < until_s, f"{self.unit.name}: no {word}, got {self.words}\n{self.log()}"
            WALL.pause_s(0.05)


def units() -> Mapping[str, Unit]:
    """Every service, by name."""
    names = ["lifeline-migrate.service", *(f"lifeline@{role}.service" for role in ROLES)]
    return {name: Unit(name) for name in names}
