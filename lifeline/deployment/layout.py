"""Where the files of a deployment are, who reads each, and how they are written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from city.errors import OutsideError
from lifeline.files import write_atomic

# The accounts that services run as inside their containers (`user:` in compose.yaml).
ACCOUNTS: Final = {"lifeline": 10001, "database": 1000, "broker": 1883, "grafana": 472}
# First match wins; what matches none stays with whoever administers the machine.
_READERS: Final = (
    ("mosquitto/*", "broker"),
    ("tls/broker/*", "broker"),
    ("tls/database/*", "database"),
    ("tls/recorder/*", "lifeline"),
    ("tls/tools/*", "lifeline"),
    ("secrets/broker_*", "broker"),
    ("secrets/database_*", "database"),
    ("secrets/grafana_*", "grafana"),
    ("secrets/*", "lifeline"),
)
_OPEN: Final = ("*.crt", "compose.yaml", "database/*", "grafana/*")  # nothing secret: any account may read it
LOGINS: Final = ("recorder", "watcher", "notifier", "api")  # roles with a log-in of their own at the database
OWNER: Final = "lifeline"  # the database's owner: migrates, keeps, makes log-ins
WALL: Final = "grafana"  # Grafana's log-in, which reads schema `city` alone
RECORDER: Final = "lifeline-recorder"  # users at the broker beside gateways
TOOLS: Final = "lifeline-tools"
HEALTH: Final = "lifeline-health"


def shipped() -> Path:
    """The folder of the files that ship: inside an installed Lifeline, `deploy/` of a checkout."""
    inside = Path(__file__).parent / "files"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "deploy"


def token() -> str:
    """A new password: 192 random bits in letters, digits, - and _."""
    return secrets.token_urlsafe(24)


def put(folder: Path, name: str, content: str | bytes) -> None:
    """Write one file of a deployment whole, readable by nobody it is not for (OutsideError when that fails)."""
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_open = any(fnmatch(name, pattern) for pattern in _OPEN)
        text = content if isinstance(content, str) else content.decode()
        write_atomic(path, text, 0o644 if is_open else 0o600)
        path.chmod((0o755 if name.endswith(".sh") else 0o644) if is_open else 0o600)
    except OSError as error:
        raise OutsideError(f"{path}: cannot be written: {error.strerror}, try a folder you may write to") from error
    if os.geteuid() == 0:
        _give(folder, path)


def settle(folder: Path) -> None:
    """Let services enter the folders that they see; the rest of the deployment stays closed to everybody else."""
    folder.chmod(0o700)
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            kept = path.relative_to(folder).parts[0] in ("secrets", "gateways", "authority")
            path.chmod(0o700 if kept else 0o755)


def own(folder: Path) -> Iterator[tuple[str, str]]:
    """Give every file to the account that reads it (as root); each file's name and account."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (reader := _reader(folder, path)):
            _give(folder, path)
            yield path.relative_to(folder).as_posix(), reader


def unreadable(folder: Path) -> list[str]:
    """The files that their services could not read: they belong to another account and are closed to it."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (reader := _reader(folder, path)):
            stat = path.stat()
            if stat.st_uid != ACCOUNTS[reader] and not stat.st_mode & 0o004:
                found.append(path.relative_to(folder).as_posix())
    return found


def _reader(folder: Path, path: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return next((reader for pattern, reader in _READERS if fnmatch(name, pattern)), "")


def _give(folder: Path, path: Path) -> None:
    reader = _reader(folder, path)
    try:
        if reader:
            os.chown(path, ACCOUNTS[reader], ACCOUNTS[reader])
    except OSError as error:
        raise OutsideError(f"{path}: cannot be given to account {ACCOUNTS[reader]}: {error.strerror}") from error
