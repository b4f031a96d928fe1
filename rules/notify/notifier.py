"""The notifier role: takes due notices from the outbox and delivers them, a bounded number at a time.

The loop claims; a thread per claimed notice renders, sends and records. A worker that dies leaves a lease behind; when
it ends, somebody claims the notice again. A person may get a notice twice (with the same key), but never not at all.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from city.clock import Clock, SystemClock, stopwatch_s, to_us
from rules.notify import channels, links, outbox
from rules.notify.letter import Answer, Retry, Tools
from rules.notify.outbox import Notice
from rules.notify.policy import after
from rules.notify.render import render
from rules.notify.zone import HomeFinder
from store import health, roles
from store.connection import Connection, pool

POLL_S = 0.5
BEAT_S = 1.0
HEALTH_S = 5.0
ROLE = "notifier"
_DATABASE_TROUBLE = (psycopg.Error, PoolTimeout)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NotifierSettings:
    """How to run a notifier.

    Attributes
    ----------
    http_base_url
        Where people reach the pages; notices link to `<base>/n/<token>`.
    secret
        Signs those links, at least 16 bytes.
    workers
        Notices in flight at once; at most half of them on one channel, so that one that hangs blocks no other.
    timeout_s
        Longest silence of an endpoint, in real seconds.
    environ
        Where channels find their secrets.
    """

    database_url: str
    http_base_url: str
    secret: bytes = field(repr=False)
    clock: Clock
    workers: int = 8
    timeout_s: float = 10.0
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)


def run_notifier(settings: NotifierSettings, stop: threading.Event) -> None:
    """Deliver notices until `stop` is set; notices in flight are finished first.

    Raises
    ------
    InputError, OutsideError
        At the start, when the secret is too short or the database does not answer. Later trouble is survived.
    """
    links.check_secret(settings.secret)
    limits = httpx.Limits(max_connections=settings.workers, max_keepalive_connections=settings.workers)
    # Endpoints on this machine are never asked for through a proxy.
    mounts = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
    with (
        pool(settings.database_url, settings.workers + 2, application_name="lifeline notifier") as connections,
        httpx.Client(limits=limits, mounts=mounts, headers={"User-Agent": "lifeline"}) as http,
    ):
        Notifier(settings, connections, http).run(stop)


class Notifier:
    """The loop and its workers."""

    def __init__(self, settings: NotifierSettings, connections: ConnectionPool[Connection], http: httpx.Client) -> None:
        self.settings = settings
        self._connections = connections
        self._wall = SystemClock()
        self._tools = Tools(http, self._wall, settings.environ, settings.timeout_s)
        self._home = HomeFinder()
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Claim and deliver until told to stop."""
        beat_at = health_at = stopwatch_s()
        with ThreadPoolExecutor(self.settings.workers, thread_name_prefix="notify") as workers:
            while not stop.is_set():
                self._wake.clear()
                try:
                    self.poll(workers)
                    if stopwatch_s() >= beat_at:
                        self._beat()
                        beat_at = stopwatch_s() + BEAT_S
                    if stopwatch_s() >= health_at:
                        self._report()
                        health_at = stopwatch_s() + HEALTH_S
                except _DATABASE_TROUBLE as error:
                    # Nothing is lost: what is due stays due. The pool mends its connections by itself.
                    _log.warning("database_lost %s", error, extra={"action": "database_lost"})
                self._wall.pause_s(POLL_S, until=self._wake)

    def poll(self, workers: ThreadPoolExecutor) -> None:
        """Start a worker for every due notice there is room for, and a fallback beside every slow red."""
        with self._connections.connection() as conn:
            while (busy := self._busy()) is not None:
                now = self.settings.clock.now()
                row = outbox.claim(conn, busy, now, self._wall.now())
                if row is None:
                    break
                with self._lock:
                    self._in_flight[row.channel] += 1
                workers.submit(self._work, row)
            for notice in outbox.help_slow_reds(conn, self.settings.clock.now()):
                _log.warning("slow_red notice=%s", notice, extra={"action": "slow_red"})

    def _busy(self) -> list[str] | None:
        """Channels that have no room; None when nothing has."""
        with self._lock:
            if self._in_flight.total() >= self.settings.workers:
                return None
            most = max(1, self.settings.workers // 2)
            return [channel for channel, n in self._in_flight.items() if n >= most]

    def _work(self, row: Notice) -> None:
        try:
            self._deliver(row)
        except Exception:  # noqa: BLE001 - one notice's trouble is its own: its lease ends and it is tried again
            _log.exception("notice_stuck notice=%s", row.notice, extra={"action": "notice_stuck"})
        finally:
            with self._lock:
                self._in_flight[row.channel] -= 1
            self._wake.set()

    def _deliver(self, row: Notice) -> None:
        with self._connections.connection() as conn:
            if outbox.closed(conn, row):
                outbox.supersede(conn, row, "the incident was closed before this could be delivered")
                return
            zone = self._home.home(conn).zone
        letter = render(row, self.link(row), zone)
        answer: Answer
        try:
            answer = channels.send(letter, row.settings, self._tools)
        except Exception as error:  # noqa: BLE001 - a fault in a channel counts as a failed attempt, not as silence
            _log.exception("channel_failed notice=%s", row.notice, extra={"action": "channel_failed"})
            answer = Retry(f"{type(error).__name__}: {error}")
        self._record(row, answer)

    def _record(self, row: Notice, answer: Answer) -> None:
        """Write down what became of it; insists for a while, since forgetting a success means sending it twice."""
        began = stopwatch_s()
        while True:
            now = self.settings.clock.now()
            then = after(answer, row.notice, row.level, row.created_at, row.attempts, now)
            try:
                with self._connections.connection() as conn:
                    handed_to = outbox.finish(conn, row, then, now)
                break
            except _DATABASE_TROUBLE:
                if stopwatch_s() - began > outbox.LEASE_S / 2:
                    raise
                self._wall.pause_s(POLL_S)
        with self._lock:
            self._counts["retried" if then.state == "queued" else then.state] += 1
        _log.info(
            "notice_%s notice=%s channel=%s target=%s attempt=%s answer=%s fallback=%s",
            *(then.state, row.notice, row.channel, row.target, row.attempts, then.answer, handed_to or "-"),
            extra={"action": f"notice_{then.state}"},
        )

    def link(self, row: Notice) -> str:
        """The person's signed page; the same on every attempt, since it counts from the notice's making."""
        expires_us = to_us(row.created_at) + links.LIFETIME_S * 1_000_000
        token = links.sign(self.settings.secret, row.notice, row.target, row.incident, expires_us)
        return f"{self.settings.http_base_url.rstrip('/')}/n/{token}"

    def _beat(self) -> None:
        with self._lock:
            detail: dict[str, object] = {name: self._counts[name] for name in ("sent", "retried", "failed")}
            detail["in_flight"] = self._in_flight.total()
        with self._connections.connection() as conn:
            load = outbox.load(conn, self.settings.clock.now())
            detail |= {"waiting": load.waiting, "oldest_s": round(load.oldest_s, 3)}
            roles.beat(conn, ROLE, os.getpid(), detail=detail)

    def _report(self) -> None:
        now = self.settings.clock.now()
        with self._connections.connection() as conn:
            missed = outbox.unreached(conn, now - timedelta(days=1))
            state: health.State = "ok"
            advice = ""
            if missed:
                state = "fault"
                advice = "nobody was reached: " + "; ".join(f"{who} ({what}): {why}" for what, who, why in missed)[:800]
            health.report(conn, "notices_unreached", state, float(len(missed)), "", advice)
