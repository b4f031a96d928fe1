"""Whether the roles that were started really work: they beat in the database, and the API accepts connections."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import psycopg

from city.errors import InputError, OutsideError
from lifeline.settings import Settings, split_address

if TYPE_CHECKING:
    from store.roles import Beat

log = logging.getLogger(__name__)

BEATING = ("recorder", "watcher", "notifier", "keeper")
SILENT_S = 30.0  # without a sign of life for longer, a role does not work


def not_ready(settings: Settings, pids: Mapping[str, int | None], *, hearing: bool = False) -> list[str]:
    """The roles that do not work yet, of those in `pids` (role to process id, None when it is dead).

    With `hearing` the recorder works only once it is subscribed at the broker.
    """
    missing = [name for name, pid in pids.items() if pid is None]
    wanted = [name for name in BEATING if pids.get(name) is not None]
    beats = _beats(settings) if wanted else {}
    for name in wanted:
        beat = beats.get(name)
        if (
            beat is None
            or beat.pid != pids[name]
            or (hearing and name == "recorder" and not beat.detail.get("connected"))
        ):
            missing.append(name)
    if pids.get("api") is not None and not _accepts(settings.http):
        missing.append("api")
    return missing


def _beats(settings: Settings) -> dict[str, Beat]:
    from store import roles
    from store.connection import connect

    try:
        with connect(settings.database, application_name="lifeline supervisor") as conn:
            return roles.beats(conn)
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


def sign_of_life(role: str, settings: Settings) -> str:
    """That a role works, in words, for a health check.

    Raises
    ------
    InputError
        There is no such role.
    OutsideError
        It does not work: no sign of life in the database for `SILENT_S` seconds, or no answer over HTTP.
    """
    if role == "api":
        return _answers(settings.http or "127.0.0.1:8080")
    if role not in BEATING:
        raise InputError(f"no role {role!r}, try {', '.join((*BEATING, 'api'))}")
    from store import roles
    from store.connection import connect

    with connect(settings.database, autocommit=True, application_name="lifeline alive") as conn:
        beat = roles.beats(conn).get(role)
    if beat is None or beat.age_s > SILENT_S:
        ago = "ever" if beat is None else f"for {beat.age_s:.0f} s"
        raise OutsideError(f"{role}: no sign of life {ago}, try its log")
    return f"{role}: last sign of life {beat.age_s:.1f} s ago"


def _answers(address: str) -> str:
    """That the API and its database answer."""
    import httpx

    host, port = split_address(address)
    shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104 - comparison
    try:
        answer = httpx.get(f"http://{shown}:{port}/readyz", timeout=5, trust_env=False)
    except httpx.HTTPError as error:
        raise OutsideError(f"api at {address}: {error}, try its log") from error
    if answer.status_code != 200:
        raise OutsideError(f"api at {address}: not ready, got {answer.status_code}, try its log")
    return f"api at {address}: ready"
