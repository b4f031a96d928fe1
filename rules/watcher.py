"""The watcher: follows the journal, steps the engine, and commits what it decided with its place in the journal.

The shell around `rules.engine`. A kill at any instant changes nothing: effects and checkpoint are committed together;
the engine's state is snapshotted now and then, and after a restart the rows since are stepped through again, their
effects dropped up to the checkpoint because they are recorded already.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import psycopg
from numpy.typing import NDArray

from city.clock import Clock, stopwatch_s, to_us
from city.errors import FaultyInput, LifelineError, OutsideError
from city.folder import bundle_hash, read_folder
from city.reading import Readings
from detectors.registry import create
from rules import snapshot
from rules.check import load_files
from rules.desk.rosterwatch import RosterWatch
from rules.effects import AlarmSet, Effect
from rules.engine import Engine
from rules.fleetmaker import FleetMaker
from rules.inputs import BundleIn, ExerciseIn, Input, ReadingsIn, TickIn, platform_row, said
from rules.limits import limits
from rules.persist import persist
from rules.rebuild import can_replay, in_force, rebuild
from rules.snapshotwriter import SnapshotWriter
from store import bundle, health, journal, register, roles, systemd
from store import limits as limits_table
from store.connection import Connection, connect
from store.statements import statements

LOG = logging.getLogger(__name__)
FOLLOWER = "watcher"
_SQL = statements("effects", package="rules")
_ROWS_A_TURN = 200
_LOOK_EVERY_S = 0.3  # wall seconds between looks at what time alone may have made due
_BEAT_EVERY_S = 1.0
_FOLDER_EVERY_S = 2.0
_SNAPSHOT_EVERY_S = 10.0
_SNAPSHOT_COSTS = 100  # alarms wait while the state is copied: at most a hundredth of the time
_WRITING_COSTS = 10  # the database is kept busy by the copy: at most a tenth of the time


@dataclass(frozen=True)
class WatcherSettings:
    """Where the watcher works. `city_folder`: applied whole when it changes; None: somebody else applies it."""

    database_url: str
    clock: Clock
    city_folder: Path | None = None


def run_watcher(settings: WatcherSettings, stop: threading.Event) -> None:
    """Follow the journal until `stop`, through lost databases and restarts of anything."""
    poison: dict[int, int] = {}  # journal row -> how often the engine failed on it
    wait_s, fleets = 0.2, FleetMaker()
    while not stop.is_set():
        following: _Following | None = None
        try:
            with (
                connect(settings.database_url, application_name="lifeline watcher") as conn,
                connect(settings.database_url, autocommit=True, application_name="lifeline watcher news") as news,
            ):
                following = _Following(settings, conn, news, poison, fleets)
                following.run(stop)
        except (psycopg.Error, OutsideError) as error:
            LOG.warning("watcher_interrupted: %s", error, extra={"action": "watcher_interrupted"})
        except Exception:
            row = following.at_row if following else 0
            poison[row] = poison.get(row, 0) + 1
            LOG.exception("watcher_failed at journal row %d", row, extra={"action": "watcher_failed", "seq": row})
            if poison[row] > 1 and row == 0:
                raise
        if following is not None:
            following.writer.leave()
        wait_s = 0.2 if following is not None and following.restored else min(wait_s * 2, 5.0)
        systemd.turned()
        stop.wait(wait_s)


def rest_memory() -> None:
    """Let the collector of cycles pass over what is there to stay, such as a book: or it stops alarms to look at it."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def apply_folder(conn: Connection, folder: Path, clock: Clock) -> bool:
    """Put a city folder in force if it is right as a whole and not in force yet (FaultyInput with all its faults)."""
    files = read_folder(folder)
    if bundle.current_hash(conn) == bundle_hash(files):
        return False
    return bundle.apply(conn, files, load_files(files).city, clock.now())


@dataclass
class _Following:
    """One connection's worth of following."""

    settings: WatcherSettings
    conn: Connection
    news: Connection
    poison: dict[int, int]
    fleets: FleetMaker
    at_row: int = 0
    seq: int = 0
    checkpoint: int = 0
    bundle: str = ""
    sensors: tuple[str, ...] = ()
    place: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # store's number -> in `sensors`
    alarms: int = 0
    lag_s: float = 0.0
    restored: bool = False
    refused: str = ""
    snapshot_s: float = 0.0  # for how long the last one kept us
    engine: Engine = field(init=False)
    writer: SnapshotWriter = field(init=False)
    marks: dict[str, float] = field(default_factory=dict)
    rosters: RosterWatch = field(default_factory=RosterWatch)

    def __post_init__(self) -> None:
        self.engine = Engine(create, make_fleet=self.fleets, draws=True)
        self.writer = SnapshotWriter(self.settings.database_url, self.settings.clock, FOLLOWER)

    def run(self, stop: threading.Event) -> None:
        while not self._alone():  # another watcher holds the place: touch nothing until it is gone
            systemd.turned()
            if stop.wait(0.5):
                return
        self._restore()
        journal.listen(self.news)
        while not stop.is_set():
            self._folder()
            entries = journal.read(self.news, self.seq, _ROWS_A_TURN)
            if entries:
                self._take(entries)
            elif self._every("look", _LOOK_EVERY_S):
                self._look()
            self._rosters()
            self._beat()
            systemd.turned()
            if self.writer.done:
                self._kept()
            if not self.writer.busy and self._every("snapshot", self._snapshot_every_s):
                self._snapshot()
            if not entries:
                journal.wait(self.news, _LOOK_EVERY_S)
        self._snapshot()
        self._kept()

    def _every(self, what: str, every_s: float) -> bool:
        now_s = stopwatch_s()
        if now_s - self.marks.setdefault(what, now_s) < every_s:
            return False
        self.marks[what] = now_s
        return True

    def _alone(self) -> bool:
        row = self.news.execute(_SQL["only_one"]).fetchone()
        return bool(row and row[0])

    def _restore(self) -> None:
        kept = journal.load_snapshot(self.conn, FOLLOWER)
        self.checkpoint = journal.checkpoint(self.conn, FOLLOWER)
        self.conn.commit()
        if kept is not None:
            try:
                self.engine = Engine(create, snapshot.load(kept.body), make_fleet=self.fleets, draws=True)
                self.seq = kept.seq
                if kept.bundle:
                    self.engine.use(self._bundle_in(kept.bundle))
            except snapshot.Unreadable as error:
                self._rebuild(str(error), kept.bundle)
        elif self.checkpoint and not can_replay(self.conn):
            self._rebuild("snapshot of the watcher: there is none", "")
        self.conn.commit()
        self.restored = True
        rest_memory()
        LOG.info(
            "watcher_follows from row %d (recorded to %d)",
            self.seq,
            self.checkpoint,
            extra={"action": "watcher_follows"},
        )

    def _rebuild(self, why: str, name: str) -> None:
        """Make the state again from the tables, and say so. `name`: the city folder a snapshot was made under."""
        name = in_force(self.conn, FOLLOWER) or name or bundle.current_hash(self.conn) or ""
        self.conn.commit()
        self.seq = 0
        if name:
            self.engine, self.seq = rebuild(self.conn, self._bundle_in(name), FOLLOWER, self.fleets)
        state = self.engine.state
        standing = sum(1 for _ in state.holds.standing())
        done = f"made again from the database: {standing} alarms stand, {state.tracks.samples()} readings remembered"
        LOG.warning("watcher_rebuilt: %s; %s", why, done, extra={"action": "watcher_rebuilt"})
        health.report(self.conn, "watcher_state", "warning", float(standing), "alarms", f"{why}; {done}"[:4000])

    def _bundle_in(self, name: str) -> BundleIn:
        files = bundle.get(self.news, name)
        if files is None:
            raise OutsideError(f"city folder {name[:12]}: not in the database, try applying it again")
        checked = load_files(files)
        self.bundle = name
        self._know(register.ids(self.news))
        self.rosters.use(checked.escalation)
        if name == bundle.current_hash(self.news):  # not one that a replay only passes
            limits_table.sync(self.news, limits(checked.book))
        return BundleIn(name, checked.book, checked.escalation)

    def _know(self, numbers: Mapping[str, int]) -> None:
        """Remember the store's numbers of the sensors; a number that is none of them has place -1."""
        self.sensors = tuple(numbers)
        self.place = np.full(max(numbers.values(), default=0) + 1, -1, np.int64)
        self.place[list(numbers.values())] = np.arange(len(numbers))

    def _take(self, entries: list[journal.Entry]) -> None:
        """Step through rows and commit what is new, with the place reached."""
        told: list[tuple[Effect, datetime, int]] = []
        for entry in entries:
            self.at_row = entry.seq
            if self.poison.get(entry.seq, 0) > 1:
                advice = f"journal row {entry.seq} was passed over: the engine fails on it; see the watcher's log"
                health.report(self.conn, "watcher_row", "fault", float(entry.seq), "", advice)
                continue
            effects = self.engine.step(entry.seq, self._decode(entry), to_us(entry.recorded_at))
            if entry.kind == "bundle":
                rest_memory()
            if entry.seq > self.checkpoint:
                told += [(effect, entry.recorded_at, entry.seq) for effect in effects]
        self.at_row = 0
        self.seq = entries[-1].seq
        if self.seq > self.checkpoint:
            now = self.settings.clock.now()
            persist(self.conn, told)
            journal.set_checkpoint(self.conn, FOLLOWER, self.seq, now)
            self.conn.commit()
            self.checkpoint = self.seq
            if came := [entry.recorded_at for entry in entries if entry.kind != "bundle"]:
                self.lag_s = (now - came[-1]).total_seconds()  # a city folder lies ready before its watcher starts
            self.alarms += sum(isinstance(effect, AlarmSet) for effect, _, _ in told)

    def _decode(self, entry: journal.Entry) -> Input:
        if entry.kind == "readings":
            return self._readings(journal.decode_readings(entry.payload))
        if entry.kind == "exercise":
            drill, received_us, readings = journal.decode_exercise(entry.payload)
            return ExerciseIn(drill, self._readings(readings), received_us)
        if entry.kind == "bundle":
            return self._bundle_in(msgspec.json.decode(entry.payload)["bundle"])
        return said(entry.kind, entry.payload)

    def _readings(self, readings: Readings) -> ReadingsIn:
        known = (readings.sensor_id >= 0) & (readings.sensor_id < len(self.place))
        which = self.place[np.where(known, readings.sensor_id, 0)]
        which[~known] = -1
        return ReadingsIn.of_columns(self.sensors, which, readings)

    def _look(self) -> None:
        """Journal a tick when time alone makes something due: so a replay sees it too."""
        recorder = roles.beats(self.news).get("recorder")
        now = self.settings.clock.now()
        now_us = to_us(now)
        heard_us = to_us(recorder.heard_until) if recorder and recorder.heard_until else 0
        listening_us = int(recorder.detail.get("listening_us", 0)) if recorder else 0
        tick = TickIn(now_us, heard_us, listening_us)
        if self.engine.due(tick):
            journal.append(self.conn, "tick", msgspec.json.encode(tick), now)
            self.conn.commit()

    def _rosters(self) -> None:
        """Once an hour, say in which hours nobody would be told; journal those that come soon."""
        now = self.settings.clock.now()
        seen = self.rosters.look(self.engine.state.platform, to_us(now))
        if seen is None:
            return
        health.report(
            self.conn, "roster_gaps", "warning" if seen.count else "ok", float(seen.count), "gaps", seen.advice
        )
        for said_now in seen.said:
            journal.append(self.conn, "platform", platform_row(said_now), now)
        self.conn.commit()

    def _folder(self) -> None:
        folder = self.settings.city_folder
        if folder is None or (self.bundle and not self._every("folder", _FOLDER_EVERY_S)):
            return
        try:
            with connect(self.settings.database_url, application_name="lifeline watcher folder") as conn:
                if apply_folder(conn, folder, self.settings.clock):
                    LOG.info("city_folder_applied", extra={"action": "city_folder_applied"})
            fault = ""
        except FaultyInput as error:
            fault = str(error)
        except LifelineError as error:
            fault = f"{folder}: {error}"
        if fault != self.refused or not fault:
            state: health.State = "fault" if fault else "ok"
            advice = f"the changed city folder is refused, the old one stays:\n{fault}" if fault else ""
            health.report(self.conn, "city_folder", state, float(len(fault.splitlines())), "faults", advice[:4000])
            self.conn.commit()
        if fault and fault != self.refused:
            LOG.error("city_folder_refused:\n%s", fault, extra={"action": "city_folder_refused"})
        self.refused = fault

    def _snapshot(self) -> None:
        if self.seq == 0 or self.seq < self.checkpoint:
            return
        self.writer.wait()  # it still reads the last copy
        began_s = stopwatch_s()
        blocks = snapshot.freeze(self.engine.state)
        self.writer.save(journal.Snapshot(self.seq, self.bundle, b""), blocks)
        self.snapshot_s = stopwatch_s() - began_s

    def _kept(self) -> None:
        """A snapshot is written: the journal behind it can go.

        By the connection that holds the place, so that nobody who has taken it over meanwhile misses a row.
        """
        self.writer.wait()
        journal.trim(self.news)

    @property
    def _snapshot_every_s(self) -> float:
        return max(_SNAPSHOT_EVERY_S, _SNAPSHOT_COSTS * self.snapshot_s, _WRITING_COSTS * self.writer.took_s)

    def _beat(self) -> None:
        if not self._every("beat", _BEAT_EVERY_S):
            return
        detail = {
            "seq": self.seq, "lag_rows": max(0, journal.last_seq(self.news) - self.seq), "lag_s": round(self.lag_s, 3),
            "evaluated": self.engine.state.evaluated, "alarms": self.alarms,
            "unlearned": self.engine.state.signs.unlearned,
            "snapshot_copy_s": round(self.snapshot_s, 4), "snapshot_write_s": round(self.writer.took_s, 4),
        }  # fmt: skip
        roles.beat(self.conn, "watcher", os.getpid(), None, detail)
        self.conn.commit()
