"""endpoints.json: how scripts, other commands and tests find a running system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lifeline.files import DataLock, write_atomic
from lifeline.settings import Settings

FILE = "endpoints.json"


@dataclass(frozen=True)
class Endpoints:
    """Addresses (with their passwords: the file is 0600), process ids and restarts of a running system."""

    database: str
    mqtt: str
    http: str
    pid: Mapping[str, int] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)

    def write(self, data: Path) -> None:
        """Write the file, whole."""
        write_atomic(data / FILE, json.dumps(asdict(self), indent=1) + "\n")


def remove(data: Path) -> None:
    """Remove the file (fine when it is not there)."""
    (data / FILE).unlink(missing_ok=True)


def read(data: Path) -> Endpoints | None:
    """The endpoints of the system that runs on this data folder, or None (a killed one's file is none)."""
    try:
        table = json.loads((data / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    return Endpoints(**table) if DataLock.is_held(data) else None


def running(settings: Settings) -> tuple[Path, Endpoints] | None:
    """The running system of these settings: `lifeline run` on the data folder, or else a demonstration under it."""
    for data in (settings.data, *sorted(settings.data.glob("demo*"))):
        if (found := read(data)) is not None:
            return data, found
    return None


def with_running(settings: Settings) -> Settings:
    """The settings with the database, broker and address of the running system where none is given."""
    found = running(settings)
    if found is None:
        return settings
    data, endpoints = found
    given = {"database_url": endpoints.database, "mqtt_url": endpoints.mqtt, "public_url": endpoints.http}
    missing = {key: value for key, value in given.items() if not getattr(settings, key)}
    return settings.model_copy(update={**missing, "data": data})
