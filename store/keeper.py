"""The keeper: computes roll-ups, lets old data go, measures the store. One role of `lifeline run`.

It has nothing that a kill could lose: what is to be done stands in the database, and each step is a transaction. While
it is away nothing is wrong, only slower: views make from raw readings what is not computed yet.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import psycopg

from city.clock import Clock, stopwatch_s
from city.errors import FaultyInput, OutsideError
from city.load import load_city
from city.retention import Retention
from store import bundle, health, hindrance, packing, retention, roles, rollups, systemd, vitals
from store.connection import Connection, connect

log = logging.getLogger(__name__)

ROLE: Final = "keeper"
_TURN_S: Final = 1.0
_TIDY_EVERY_S: Final = 5.0
_VITALS_EVERY_S: Final = 60.0
_RETENTION_EVERY_S: Final = 3600.0
_RETENTION_AGAIN_S: Final = 10.0
_AHEAD: Final = timedelta(days=3)  # pieces are made so long before their first row
_SHARE: Final = 0.5  # of one processor, while there is much to compute: recording comes first
_BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """Where the keeper works, and the city's clock."""

    database_url: str
    clock: Clock


def run_keeper(settings: KeeperSettings, stop: threading.Event) -> None:
    """Keep until `stop`, through lost databases; one keeper works at a time, others wait for its place."""
    failures = 0
    while not stop.is_set():
        try:
            with connect(settings.database_url, autocommit=True, application_name="lifeline keeper") as conn:
                keeping = Keeping(conn, settings.clock, stop)
                keeping.run()
                failures = 0
        except (psycopg.Error, OutsideError) as error:
            log.warning("keeper_interrupted: %s", error, extra={"action": "keeper_interrupted"})
            systemd.turned()
            stop.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
            failures += 1


@dataclass
class Keeping:
    """One connection's worth of keeping."""

    conn: Connection
    clock: Clock
    stop: threading.Event
    computed: int = 0
    hash: str = ""
    retention: Retention = field(default_factory=Retention)
    marks: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Work until stopped."""
        while not rollups.alone(self.conn):
            self._beat(waiting=True)
            systemd.turned()
            if self.stop.wait(_TURN_S):
                return
        while not self.stop.is_set():
            self.turn()
            systemd.turned()
            self.stop.wait(_TURN_S)

    def turn(self) -> None:
        """Do whatever is due once."""
        now = self._keep_up()
        self._every("retention", _RETENTION_EVERY_S, lambda: self.let_go(now))

    def _keep_up(self) -> datetime:
        """What does not wait for long work: roll-ups, figures of health, and the word that the keeper lives."""
        self._beat()
        now = self.clock.now()
        self._every("tidy", _TIDY_EVERY_S, lambda: rollups.tidy(self.conn, now - timedelta(days=2), now + _AHEAD))
        self._compute(now)
        self._every("vitals", _VITALS_EVERY_S, self._measure)
        return now

    def let_go(self, now: datetime) -> None:
        """One pass of retention, and one piece compressed; what hinders it is told in `city.health`."""
        self._learn()
        state: health.State = "ok"
        try:
            gone = retention.let_go(self.conn, self.retention, now)
            retention.compress(self.conn, self.retention, now, self._go_on)
            packing.pack(self.conn, now, retention.columns_before(self.retention, now))
            if advice := hindrance.standing(self.conn):
                state = "warning"
            if gone.waits:
                advice = f"old data are kept longer than asked: {gone.waits}; tried again soon"
                self.marks["retention"] = stopwatch_s() - _RETENTION_EVERY_S + _RETENTION_AGAIN_S
        except psycopg.errors.InsufficientPrivilege as error:
            state = "warning"
            advice = f"old data stay: only the tables' owner may let them go ({error}); run the keeper as that user"
        health.report(self.conn, "retention", state, None, "", advice)

    def _learn(self) -> None:
        """What the city folder in force says."""
        found = bundle.current(self.conn) if bundle.current_hash(self.conn) != self.hash else None
        if found is None:
            return
        try:
            self.hash, self.retention = found[0], load_city(found[1]).retention
        except FaultyInput as error:  # applied by a version that read it otherwise: keep everything
            log.warning("keeper_city: %s", error, extra={"action": "keeper_city"})

    def _compute(self, now: datetime) -> None:
        for _, _, took_s in rollups.keep_up(self.conn, now):
            self.computed += 1
            self._beat()
            systemd.turned()
            if self.stop.wait(took_s * (1 / _SHARE - 1)):
                return

    def _go_on(self, took_s: float) -> bool:
        """Between two steps of long work."""
        systemd.turned()
        self._keep_up()
        return not self.stop.wait(took_s * (1 / _SHARE - 1))

    def _measure(self) -> None:
        with self.conn.transaction():
            vitals.refresh(self.conn)

    def _every(self, what: str, every_s: float, work: Callable[[], None]) -> None:
        now_s = stopwatch_s()
        if now_s - self.marks.get(what, -every_s) >= every_s:
            self.marks[what] = now_s
            work()

    def _beat(self, *, waiting: bool = False) -> None:
        if not waiting:
            detail = {"computed": self.computed}
            self._every("beat", _TURN_S / 2, lambda: roles.beat(self.conn, ROLE, os.getpid(), None, detail))
