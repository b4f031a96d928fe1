"""The dead-man heartbeat: once a minute a sign of life leaves the house, and only while everything in it lives.

Whoever listens outside notices when it stays away: when the machine is dead, the line is cut, or the recorder, the
watcher, the notifier or the database stands still. Nothing is sent to say so, since it could not be relied on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import httpx
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from city.clock import Clock, SystemClock, stopwatch_s
from rules.notify.display import plain, utc
from rules.notify.weblines import web_client
from rules.notify.zone import Home, HomeFinder
from store import health
from store.connection import Connection
from store.roles import Beat, beats
from store.statements import statements

ROLES = ("recorder", "watcher", "notifier")
SILENT_S = 30.0
_LOOK_S = 1.0
_AGAIN_S = 10.0  # after a silence: at a start the other roles come a little later
_sql = statements("heartbeat", package="rules.notify")
_log = logging.getLogger(__name__)


def why_silent(found: Mapping[str, Beat], loop_age_s: float) -> str:
    """Which part does not live, for people; empty when all do.

    `loop_age_s`: wall seconds since the notifier's own loop last went round.
    """
    ages = {role: found[role].age_s if role in found else None for role in ROLES}
    ages["notifier"] = max(loop_age_s, ages["notifier"] or 0.0)
    still = [
        f"the {role} has not beaten for {age_s:.0f} s" if age_s is not None else f"there is no {role}"
        for role, age_s in ages.items()
        if age_s is None or age_s > SILENT_S
    ]
    return "; ".join(still)


class Heartbeat:
    """The body of a thread: `run` until told to stop.

    Parameters
    ----------
    pulse
        Stopwatch seconds at which the notifier's loop last went round.
    """

    def __init__(
        self,
        connections: ConnectionPool[Connection],
        environ: Mapping[str, str],
        clock: Clock,
        pulse: Callable[[], float],
        timeout_s: float = 10.0,
    ) -> None:
        self._connections, self._environ, self._clock, self._pulse = connections, environ, clock, pulse
        self._timeout_s = timeout_s
        self._home = HomeFinder()

    def run(self, stop: threading.Event) -> None:
        """Beat as often as the bundle in force says."""
        next_s = 0.0
        while not stop.is_set():
            try:
                with self._connections.connection() as conn:
                    home = self._home.home(conn)
                if home.heartbeat_env and stopwatch_s() >= next_s:
                    began_s = stopwatch_s()
                    silent = self.beat(home)
                    next_s = began_s + (min(home.heartbeat_s, _AGAIN_S) if silent else home.heartbeat_s)
            except (psycopg.Error, PoolTimeout) as error:  # silence is the message
                _log.warning("heartbeat_silent %s", error, extra={"action": "heartbeat_silent"})
            SystemClock().pause_s(_LOOK_S, stop)

    def beat(self, home: Home) -> str:
        """Give one sign of life, or none when something stands still; why not, which health shows too."""
        with self._connections.connection() as conn:
            why = why_silent(beats(conn), stopwatch_s() - self._pulse())
            body = self._body(conn, home, self._clock.now())
        sent = ""
        if not why:
            sent, why = self._send(self._environ.get(home.heartbeat_env, ""), home.heartbeat_env, body)
        state: health.State = "fault" if why else "ok"
        advice = f"no sign of life left the house: {why}" if why else ""
        with self._connections.connection() as conn:
            health.report(conn, "heartbeat", state, home.heartbeat_s, "s", advice, sent or "silent")
        if why:
            _log.warning("heartbeat_silent %s", why, extra={"action": "heartbeat_silent"})
        return why

    def _body(self, conn: Connection, home: Home, now: datetime) -> dict[str, Any]:
        counts = conn.execute(_sql["counts"], {"now": now}).fetchone() or (0, 0, 0, 0.0)
        names = ("incidents_open", "reds_open", "notices_waiting", "oldest_waiting_s")
        head = conn.execute(_sql["audit_head"]).fetchone()
        return {
            "city": plain(home.name, "en"),
            "time": utc(now),
            **dict(zip(names, counts, strict=True)),
            "audit": f"{head[0]}:{head[1]}" if head else None,
        }

    def _send(self, url: str, name: str, body: Mapping[str, Any]) -> tuple[str, str]:
        """(what was answered, what went wrong). The address may hold a secret: it is never said."""
        if not url.startswith(("https://", "http://")):
            return "", f"environment variable {name} holds no http(s) address where the notifier runs"
        try:
            with web_client(timeout_s=self._timeout_s) as http:
                answer = http.post(url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return "", f"{type(error).__name__} at the address in {name}"
        if answer.is_success:
            return f"heard, HTTP {answer.status_code}", ""
        return "", f"HTTP {answer.status_code} at the address in {name}"
