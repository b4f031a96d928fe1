"""Whether the roles that were started really work: they beat in the database, and the API accepts connections."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

import psycopg

from city.errors import OutsideError
from lifeline.settings import Settings, split_address

log = logging.getLogger(__name__)

BEATING = ("recorder", "watcher", "notifier", "keeper")


def not_ready(settings: Settings, pids: Mapping[str, int | None]) -> list[str]:
    """The roles that do not work yet, of those in `pids` (role to process id, None when it is dead)."""
    missing = [name for name, pid in pids.items() if pid is None]
    wanted = [name for name in BEATING if pids.get(name) is not None]
    beating = _beating(settings) if wanted else {}
    missing += [name for name in wanted if beating.get(name) != pids[name]]
    if pids.get("api") is not None and not _accepts(settings.http):
        missing.append("api")
    return missing


def _beating(settings: Settings) -> dict[str, int]:
    from store import roles
    from store.connection import connect

    try:
        with connect(settings.database, application_name="lifeline supervisor") as conn:
            return {role: beat.pid for role, beat in roles.beats(conn).items()}
    except (OutsideError, psycopg.Error) as error:
        log.info("wait for the database: %s", error, extra={"action": "supervisor.wait"})
        return {}


def _accepts(address: str) -> bool:
    host, port = split_address(address)
    try:
        with socket.create_connection((host.replace("0.0.0.0", "127.0.0.1"), port), timeout=1):  # noqa: S104 - comparison
            return True
    except OSError:
        return False
