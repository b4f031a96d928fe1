"""A deployment's services without containers: what compose.yaml says, run as processes of this machine.

Each service gets a folder that stands for its root. What compose mounts there is copied there, and where a command, a
variable or a configuration names a path of the container, it is pointed into that folder; ports become free ones. All
else is as the file says: the commands, their options, the variables, the health checks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from city.clock import SystemClock, stopwatch_s
from lifeline.cli import run_command
from lifeline.deployment.plan import read_env
from tests.running import PATIENCE_S, free_port
from tests.servers.timescale import mosquitto_binary, timescale_binaries

ROOT = Path(__file__).resolve().parents[2]
PORTS = {"database": 5432, "broker": 8883, "api": 8080}
_NOBODY = 65534
_WATCHED = Path(__file__).parent / "watched"


@dataclass
class Service:
    """One service: how it is started, and where what it sees lies."""

    name: str
    said: Mapping[str, Any]
    root: Path
    stage: Stage = field(repr=False)
    process: subprocess.Popen[bytes] | None = None

    def inside(self, path: str) -> Path:
        """Where a path of the container is here."""
        return self.root / path.lstrip("/")

    def here(self, text: str) -> str:
        """A text with its container's paths and the services' addresses as they are here."""
        for target in sorted(self.targets, key=len, reverse=True):
            text = re.sub(rf"(?<![\w./]){re.escape(target)}(?![\w])", str(self.inside(target)), text)
        for name, port in PORTS.items():
            text = re.sub(rf"(?<=[@/]){name}:{port}\b", f"localhost:{self.stage.ports[name]}", text)
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{self.stage.ports[name]}")
        text = re.sub(r"(?m)^listener 8883$", f"listener {self.stage.ports['broker']} 127.0.0.1", text)
        return re.sub(r"(?m)^-p 8883$", f"-p {self.stage.ports['broker']}", text)

    @cached_property
    def targets(self) -> dict[str, Path | None]:
        """Paths of the container that are mounted, with what of the deployment is there (None: empty at first)."""
        found: dict[str, Path | None] = {"/run/secrets": None}
        for volume in self.said.get("volumes", ()):
            source, target, *_ = volume.split(":")
            found[target] = self.stage.deployment / source if source.startswith((".", "/")) else None
        for secret in self.said.get("secrets", ()):
            source, target = (secret, secret) if isinstance(secret, str) else (secret["source"], secret["target"])
            file = self.stage.compose["secrets"][source]["file"]
            found[target if target.startswith("/") else f"/run/secrets/{target}"] = self.stage.deployment / file
        return found | {one.split(":")[0]: None for one in self.said.get("tmpfs", ())}

    def mount(self) -> None:
        """Lay out what compose mounts, anew (but what the service keeps)."""
        for target, source in sorted(self.targets.items(), key=lambda pair: len(pair[0])):
            place = self.inside(target)
            place.parent.mkdir(parents=True, exist_ok=True)
            if source is None:
                place.mkdir(exist_ok=True)
            elif source.is_dir():
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(source, place)
            else:
                shutil.copy2(source, place)
            if source is not None:
                for file in [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]:
                    self._rewrite(file)
        if os.geteuid() == 0 and self.name in ("database", "broker"):  # servers that root may not run
            for path in (self.root, *self.root.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)

    def _rewrite(self, file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        if (changed := self.here(text)) != text:
            file.write_text(changed, encoding="utf-8")

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables compose gives it, env_file first."""
        given: dict[str, str] = {}
        for file in self.said.get("env_file", ()):
            given |= read_env(self.stage.deployment / file)
        given |= {name: str(value) for name, value in self.said.get("environment", {}).items()}
        return {name: self.here(value) for name, value in given.items()}

    def run(self, command: Sequence[str], **more: str) -> list[str]:
        """A command line of this service as it is here, its program found."""
        program, *rest = [self.here(str(word)) for word in command]
        return [*self.stage.programs.get(program, (program,)), *rest]

    def start(self, command: Sequence[str] = (), **more: str) -> None:
        """Start it in the background; its words go to `{name}.log`."""
        self.process = self.popen(command, **more)

    def popen(self, command: Sequence[str] = (), **more: str) -> subprocess.Popen[bytes]:
        """A process of this service: its own command, or another."""
        with (self.stage.folder / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - what our own compose file says
                self.run(command or self.command), env=self._surroundings(more), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd=self.root, **self._account(),
            )  # fmt: skip

    def call(self, command: Sequence[str] = (), **more: str) -> subprocess.CompletedProcess[str]:
        """Run it, or another command of its own, to its end."""
        return subprocess.run(  # noqa: S603 - what our own compose file says
            self.run(command or self.command), env=self._surroundings(more), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, cwd=self.root, timeout=PATIENCE_S, check=False, **self._account(),
        )  # fmt: skip

    @property
    def command(self) -> Sequence[str]:
        """What it runs: a role's command goes through the image's entry point."""
        command: list[str] = list(self.said.get("command", ()))
        return ["lifeline", *command] if "LIFELINE_DATA" in self.said.get("environment", {}) else command

    def healthy(self) -> bool:
        """Whether its health check passes now."""
        kind, *command = self.said["healthcheck"]["test"]
        assert kind == "CMD"
        return self.call(command).returncode == 0

    def until_healthy(self, within_s: float = PATIENCE_S) -> None:
        """Wait until its health check passes."""
        deadline_s = stopwatch_s() + within_s
        while not self.healthy():
            assert stopwatch_s() < deadline_s, f"{self.name} is not healthy:\n{self.log[-3000:]}"
            assert self.process is None or self.process.poll() is None, f"{self.name} ended:\n{self.log[-3000:]}"
            SystemClock().pause_s(0.1)

    def stop(self) -> int | None:
        """Stop it as Docker does (SIGTERM); its exit code."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    @property
    def log(self) -> str:
        """What it said."""
        path = self.stage.folder / f"{self.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def writes(self) -> set[str]:
        """The files that its Python has written, made, moved or removed."""
        return set((self.stage.folder / f"{self.name}.writes").read_text().splitlines())

    def may_write(self, path: str) -> bool:
        """Whether its root is not read-only there: memory, or a volume it keeps."""
        places = [self.inside(target) for target, source in self.targets.items() if source is None]
        return path == os.devnull or any(Path(path).is_relative_to(place) for place in places)

    def _surroundings(self, more: Mapping[str, str]) -> dict[str, str]:
        base = {"PATH": f"{self.stage.path}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "HOME": str(self.root)}
        base |= {"PYTHONPATH": f"{_WATCHED}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        base |= {"STAGE_WRITES": str(self.stage.folder / f"{self.name}.writes")}
        return {**base, **self.environment, **more}

    def _account(self) -> dict[str, Any]:
        if os.geteuid() != 0 or self.name not in ("database", "broker"):
            return {}
        return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}


class Stage:
    """The services of one deployment, in a folder that other accounts can enter.

    Parameters
    ----------
    deployment
        What `lifeline deploy init` wrote.
    folder
        Where the services' roots are made.
    programs
        Folders in which programs are looked for before PATH.
    """

    def __init__(self, deployment: Path, folder: Path, programs: Sequence[Path] = ()) -> None:
        self.deployment, self.folder = deployment, folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        self.path = ":".join(map(str, programs))
        self.programs = {"lifeline": (sys.executable, "-m", "lifeline")}
        self.ports = {name: free_port() for name in PORTS}
        self.compose: Mapping[str, Any] = compose(deployment)
        self._services: dict[str, Service] = {}

    def service(self, name: str) -> Service:
        """A service with its files laid out."""
        if name not in self._services:
            self._services[name] = Service(name, self.compose["services"][name], self.folder / name, self)
            self._services[name].mount()
        return self._services[name]

    def close(self) -> None:
        """Stop everything that still runs, servers last."""
        for service in sorted(self._services.values(), key=lambda one: one.name in PORTS):
            if service.process is not None and service.process.poll() is None:
                service.stop()


def compose(deployment: Path) -> Mapping[str, Any]:
    """The deployment's compose file with the values of its .env, as Docker would read it."""
    values = read_env(deployment / ".env")
    said = json.dumps(YAML(typ="safe").load(deployment / "compose.yaml"))  # anchors and merges resolved
    filled: Mapping[str, Any] = json.loads(said, object_hook=lambda node: _filled(node, values))
    return filled


def _filled(node: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    def of(one: object) -> object:
        return interpolated(one, values) if isinstance(one, str) else one

    return {name: list(map(of, one)) if isinstance(one, list) else of(one) for name, one in node.items()}


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Compose's own interpolation: ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?}, $$."""

    def filled(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, how, other = match["name"], match["how"] or "", match["other"] or ""
        value = values.get(name)
        if how.startswith(":") and not value:
            value = None
        if value is None:
            assert how in (":-", "-"), f"{name} is needed and not given"
            return other
        return value

    return re.sub(r"\$\$|\$\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<other>[^}]*))?\}", filled, text)


MAPPING = """\
version: 1
topic: vendor/+/data
gateway: gw-hill
time: {path: $.ts, format: unix_ms}
values:
  - {path: $.level, sensor: wl-hill, unit: cm}
"""


def write_city(folder: Path) -> Path:
    """The example city, with a vendor's system that is mapped."""
    assert run_command(["init", str(folder)]) == 0
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "mappings" / "vendor.yaml").write_text(MAPPING)
    return folder


def write_deployment(folder: Path, city: Path, *options: str) -> Path:
    """What `lifeline deploy init` writes for a city."""
    arguments = ["deploy", "init", str(folder), "--city", str(city), "--host", "localhost", *options]
    assert run_command(arguments) == 0
    return folder


def programs() -> list[Path]:
    """Where the servers' programs are: mosquitto with its clients, PostgreSQL 17 with TimescaleDB."""
    mosquitto = mosquitto_binary()
    return [timescale_binaries().folder, mosquitto.parent, mosquitto.parents[1] / "bin"]


def start_database(stage: Stage) -> Service:
    """The database as its image starts it: made, its script run without the network, then served."""
    service = stage.service("database")
    data, sockets = service.inside("/home/postgres/pgdata/data"), service.inside("/var/run/postgresql")
    password = service.environment["POSTGRES_PASSWORD_FILE"]
    arguments = service.environment["POSTGRES_INITDB_ARGS"].split()
    made = service.call(["initdb", "--no-sync", "--username=postgres", f"--pwfile={password}", *arguments])
    assert made.returncode == 0, made.stderr
    here = [f"-cport={stage.ports['database']}", f"-cunix_socket_directories={sockets}", "-cfsync=off"]
    service.start([*service.command, "-D", str(data), *here, "-clisten_addresses="])
    at = {"PGHOST": str(sockets), "PGPORT": str(stage.ports["database"])}
    at["PGPASSWORD"] = Path(password).read_text()
    _until(service, ["pg_isready", "--quiet", "--dbname=postgres"], at)
    script = service.inside("/docker-entrypoint-initdb.d/10-lifeline.sh")
    told = service.call(["sh", str(script)], **at)
    assert told.returncode == 0, told.stderr
    assert service.process is not None
    service.process.send_signal(2)  # fast
    service.process.wait(PATIENCE_S)
    service.start([*service.command, "-D", str(data), *here, "-clisten_addresses=127.0.0.1"])
    service.environment["PGPORT"] = str(stage.ports["database"])
    service.until_healthy()
    return service


def _until(service: Service, command: Sequence[str], at: Mapping[str, str]) -> None:
    deadline_s = stopwatch_s() + PATIENCE_S
    while service.call(command, **at).returncode != 0:
        assert stopwatch_s() < deadline_s, service.log
        assert service.process is not None
        assert service.process.poll() is None, service.log
        SystemClock().pause_s(0.05)


def start_broker(stage: Stage) -> Service:
    """The broker, healthy by its own check."""
    service = stage.service("broker")
    service.start()
    service.until_healthy()
    return service
