"""Free loopback ports, the same ones again after a restart."""

from __future__ import annotations

from pathlib import Path

from lifeline.files import write_atomic
from lifeline.settings import Settings
from store.ports import LOOPBACK, free_port


def kept_port(note: Path, wanted: int = 0) -> int:
    """The port noted in a file if it is still free, else `wanted` if that is, else any; noted for the next time."""
    try:
        kept = int(note.read_text())
    except (OSError, ValueError):
        kept = wanted
    port = free_port(kept)
    if port != kept or not note.exists():
        write_atomic(note, str(port))
    return port


def kept_address(settings: Settings) -> str:
    """The HTTP address given, or a loopback one that stays the same across restarts."""
    return settings.http or f"{LOOPBACK}:{kept_port(settings.data / 'http.port', 8080)}"
