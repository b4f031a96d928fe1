"""The notifier role: takes due notices from the outbox and delivers them, a bounded number at a time.

The loop claims; a thread per claimed notice renders, sends and records. A worker that dies leaves a lease behind; when
it ends, somebody claims the notice again. A person may get a notice twice (with the same key), but never not at all.
Beside them run the heartbeat and the thread that draws pictures.
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
from urllib.parse import quote

import httpx
import psycopg
from psycopg import conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from city.clock import Clock, SystemClock, stopwatch_s, to_us
from city.levels import Level
from rules.notify import channels, links, outbox
from rules.notify.channelwatch import ChannelWatch
from rules.notify.gallery import Gallery
from rules.notify.heartbeat import Heartbeat
from rules.notify.lanes import Lanes, Place, Room
from rules.notify.letter import Answer, Retry, Tools
from rules.notify.outbox import Notice
from rules.notify.policy import after
from rules.notify.render import render
from rules.notify.weblines import web_client
from rules.notify.wording import Links
from rules.notify.zone import Home, HomeFinder
from store import health, roles, systemd
from store.connection import Connection, pool

POLL_S = 0.5
BEAT_S = 1.0
PATIENCE_S = 5.0  # for a connection: a stop must not wait for a database that is away
HEALTH_S = 5.0
CONNECTIONS = 6  # to the database: workers wait for endpoints, not for it
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
        Notices in flight at once, 4 or more; see `rules.notify.lanes` for who gets them.
    timeout_s
        Longest silence of an endpoint, in real seconds.
    environ
        Where channels find their secrets.
    """

    database_url: str
    http_base_url: str
    secret: bytes = field(repr=False)
    clock: Clock
    workers: int = 16
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
    with (
        pool(
            _hasty(settings.database_url), CONNECTIONS, application_name="lifeline notifier", patience_s=PATIENCE_S
        ) as connections,
        web_client(settings.workers, settings.timeout_s) as http,
        Gallery(connections) as gallery,
    ):
        notifier = Notifier(settings, connections, http, gallery)
        heart = Heartbeat(connections, settings.environ, settings.clock, notifier.pulse, settings.timeout_s)
        beating = threading.Thread(target=heart.run, args=(stop,), name="heartbeat")
        beating.start()
        try:
            notifier.run(stop)
        finally:
            stop.set()
            beating.join()


def _hasty(dsn: str) -> str:
    """The database, where no commit waits for the disk.

    What it forgets when its machine dies is done again when the lease ends: a notice may come twice, with one key.
    """
    try:
        options = conninfo.conninfo_to_dict(dsn).get("options") or ""
    except psycopg.ProgrammingError:
        return dsn  # whoever connects says what is wrong with it
    return conninfo.make_conninfo(dsn, options=f"{options} -c synchronous_commit=off".strip())


class Notifier:
    """The loop and its workers."""

    def __init__(
        self,
        settings: NotifierSettings,
        connections: ConnectionPool[Connection],
        http: httpx.Client,
        gallery: Gallery,
    ) -> None:
        self.settings = settings
        self._connections = connections
        self._wall = SystemClock()
        self._tools = Tools(http, self._wall, settings.environ, settings.timeout_s)
        self._gallery = gallery
        self._finder = HomeFinder()
        self._home: Home | None = None
        self._watch = ChannelWatch(settings.clock)
        self._lock = threading.Lock()
        self._lanes = Lanes(settings.workers)
        self._counts: Counter[str] = Counter()
        self._wake = threading.Event()
        self._began = settings.clock.now()
        self._pulse_s = stopwatch_s()
        self._remembers = False

    def pulse(self) -> float:
        """Stopwatch seconds at which the loop last went round without trouble."""
        return self._pulse_s

    def run(self, stop: threading.Event) -> None:
        """Claim and deliver until told to stop."""
        look_at = beat_at = health_at = stopwatch_s()
        with ThreadPoolExecutor(self.settings.workers, thread_name_prefix="notify") as workers:
            while not stop.is_set():
                self._wake.clear()
                try:
                    if stopwatch_s() >= look_at:
                        self._look()  # before the first attempt: it knows what failed before
                        look_at = stopwatch_s() + POLL_S
                    self.poll(workers)
                    if stopwatch_s() >= beat_at:
                        self._beat()
                        beat_at = stopwatch_s() + BEAT_S
                    if stopwatch_s() >= health_at:
                        self._report()
                        health_at = stopwatch_s() + HEALTH_S
                    self._pulse_s = stopwatch_s()
                except _DATABASE_TROUBLE as error:
                    # Nothing is lost: what is due stays due. The pool mends its connections by itself.
                    _log.warning("database_lost %s", error, extra={"action": "database_lost"})
                systemd.turned()
                self._wall.pause_s(POLL_S, until=self._wake)
        try:
            self._report()
        except _DATABASE_TROUBLE as error:
            _log.warning("database_lost %s", error, extra={"action": "database_lost"})

    def poll(self, workers: ThreadPoolExecutor) -> None:
        """Start a worker for every due notice there is room for."""
        with self._connections.connection() as conn:
            while (room := self._room()) is not None:
                row = outbox.claim(conn, room, self.settings.clock.now(), self._wall.now())
                if row is None:
                    break
                with self._lock:
                    self._lanes.enter(_place(row))
                workers.submit(self._work, row)

    def _look(self) -> None:
        """Start a fallback beside every slow red, tell of channels that fail, follow the bundle in force."""
        with self._connections.connection() as conn:
            for notice in outbox.help_slow_reds(conn, self.settings.clock.now(), self._began):
                _log.warning("slow_red notice=%s", notice, extra={"action": "slow_red"})
            if not self._remembers:
                self._watch.remember(conn)
                self._remembers = True
            self._watch.tell(conn)
            home = self._finder.home(conn)
        if home is not self._home:
            self._home = home
            if self._finder.bundle:
                self._watch.forget(home.channels)
            if any(kind in channels.WITH_PICTURE for kind in home.channels.values()):
                self._gallery.warm()

    def _room(self) -> Room | None:
        with self._lock:
            return self._lanes.room()

    def _work(self, row: Notice) -> None:
        answer: Answer | None = None
        try:
            answer = self._deliver(row)
        except Exception:  # noqa: BLE001 - one notice's trouble is its own: its lease ends and it is tried again
            _log.exception("notice_stuck notice=%s", row.notice, extra={"action": "notice_stuck"})
        finally:
            with self._lock:
                self._lanes.leave(_place(row), well=not isinstance(answer, Retry))
            self._wake.set()

    def _deliver(self, row: Notice) -> Answer | None:
        """Send it and record the answer; None when there was nothing left to say."""
        if outbox.over(row):
            with self._connections.connection() as conn:
                outbox.supersede(conn, row, "people were done with the incident before this could be delivered")
            return None
        answer = self._send(row)
        self._watch.note(row.channel, answer)
        self._record(row, answer)
        return answer

    def _send(self, row: Notice) -> Answer:
        zone = self._home.zone if self._home else Home().zone
        shown = row.settings.get("type") in channels.WITH_PICTURE and not row.drill  # nothing of an exercise is stored
        picture = self._gallery.picture(row, zone) if shown else b""
        letter = render(row, self.links(row), zone, picture)
        try:
            return channels.send(letter, row.settings, self._tools)
        except Exception as error:  # noqa: BLE001 - a fault in a channel counts as a failed attempt, not as silence
            _log.exception("channel_failed notice=%s", row.notice, extra={"action": "channel_failed"})
            return Retry(f"{type(error).__name__}: {error}")

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
            extra={"action": f"notice_{then.state}", "trace": row.trace},
        )

    def links(self, row: Notice) -> Links:
        """The person's signed page, the same on every attempt (it counts from the notice's making), and the map."""
        expires_us = to_us(row.created_at) + links.LIFETIME_S * 1_000_000
        token = links.sign(self.settings.secret, row.notice, row.target, row.incident, expires_us)
        base = self.settings.http_base_url.rstrip("/")
        return Links(
            f"{base}/n/{token}", f"{base}/incidents/{quote(row.incident, safe='')}#map" if row.incident else ""
        )

    def _beat(self) -> None:
        with self._lock:
            detail: dict[str, object] = {name: self._counts[name] for name in ("sent", "retried", "failed")}
            detail["in_flight"] = self._lanes.total
        with self._connections.connection() as conn:
            load = outbox.load(conn, self.settings.clock.now())
            detail |= {"waiting": load.waiting, "oldest_s": round(load.oldest_s, 3)}
            roles.beat(conn, ROLE, os.getpid(), detail=detail)

    def _report(self) -> None:
        now = self.settings.clock.now()
        with self._connections.connection() as conn:
            self._watch.report(conn)
            missed = outbox.unreached(conn, now - timedelta(days=1))
            state: health.State = "ok"
            advice = ""
            if missed:
                state = "fault"
                advice = "nobody was reached: " + "; ".join(f"{who} ({what}): {why}" for what, who, why in missed)[:800]
            health.report(conn, "notices_unreached", state, float(len(missed)), "", advice)


def _place(row: Notice) -> Place:
    return Place(row.channel, row.endpoint, row.level is Level.RED)
