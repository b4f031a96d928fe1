"""The recorder: MQTT in, rows out, acknowledged after the commit. One role of `lifeline run`.

`Link` reads and decodes in a thread of its own; this module's loop judges what came, and leaves it to others to put in
and finish (`Turns`). Whatever is pending is one transaction, so batches are small and quick at low load and grow by
themselves under high load.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock, from_us, stopwatch_s
from city.errors import LifelineError, OutsideError
from city.mapping import load_mappings
from ingest import session
from ingest.cores import Cores
from ingest.decoders import Decoders
from ingest.intake import Delivery, Intake
from ingest.link import Link, LinkSettings
from ingest.newest import Newest
from ingest.posting import Posting
from ingest.turns import Turns
from ingest.wire import NO_FILES, TlsFiles
from ingest.writer import BatchWriter
from store import bundle, roles, systemd
from store.connection import Connection, connect

log = logging.getLogger(__name__)

ROLE: Final = "recorder"
CLIENT_ID: Final = "lifeline-recorder"
_BATCH_ROWS: Final = 24_000
_BATCH_BYTES: Final = 700_000  # of payloads: what names a sensor with each reading takes more memory
_BESIDE_ROWS: Final = 12_000  # as many queued: the next batch, though the one before is still on its way in
_MANY_ROWS: Final = 2_000  # no small batch
_HANDS: Final = 3  # batches under way at the same time
_CALM_HANDS: Final = 1  # while little comes: waking others takes longer than it saves
_MAX_ROWS: Final = 60_000  # pending readings: above, reading from the broker pauses
_MAX_BYTES: Final = 20 << 20
_BEAT_S: Final = 0.5
_TICK_S: Final = 0.1
_PACE_S: Final = 0.003  # from batch to batch while few come: what a batch costs whatever is in it would fill the time
_PATIENT_S: Final = 0.012  # longer, while the one before is still on its way in
_DRAIN_S: Final = 10.0  # what a stop waits for; the broker keeps the rest
_COLLECT_AFTER: Final = 50_000
_HUNG_S: Final = 60.0  # the network's loop goes round ten times a second; connecting may take its time
_MALLOC: Final = ((-8, 1), (-3, 1 << 21), (-1, 1 << 24))  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
_BACK_OFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """What the recorder needs.

    Parameters
    ----------
    database_url, mqtt_url
        A migrated database; `mqtt://user:password@host:port`.
    clock
        City time, for arrival times.
    client_id
        Names the session that the broker keeps while the recorder is away: the same at every start.
    share
        Name of a shared subscription, empty for none (needs an MQTT 5 broker and a `client_id` for each recorder).
    tls
        Files for mqtts.
    sparkplug_host
        The name under which Sparkplug edge nodes know us; empty to hear none. Of recorders that share, one hears them.
    """

    database_url: str
    mqtt_url: str
    clock: Clock
    client_id: str = CLIENT_ID
    share: str = ""
    tls: TlsFiles = NO_FILES
    sparkplug_host: str = "lifeline"


def run_recorder(settings: RecorderSettings, stop: threading.Event) -> None:
    """Record until `stop` is set, then drain: write and acknowledge what has arrived.

    Raises
    ------
    InputError
        When a URL or a file for TLS cannot be read.
    OutsideError
        When the database cannot be reached or is not migrated at the start; later failures are waited out.
    """
    _Recorder(settings).run(stop)


def _give_back() -> None:
    """Let glibc keep one heap for all threads and give back what it no longer needs: batches come and go."""
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "mallopt"):  # glibc's alone
        for option in _MALLOC:
            libc.mallopt(*option)


class _Recorder:
    def __init__(self, settings: RecorderSettings) -> None:
        self._settings = settings
        address = BrokerAddress.of(settings.mqtt_url)
        link_settings = LinkSettings(address, settings.client_id, settings.share, settings.tls, settings.sparkplug_host)
        self._decoders = Decoders()
        self._mapped: str | None = None  # the city folder whose mappings are in use
        self._link = Link(link_settings, settings.clock, self._decoders)
        self._intake = Intake(_MAX_ROWS, _MAX_BYTES, self._link.wake)
        self._newest: Newest | None = None
        self._posting: Posting | None = None
        self._turns = Turns(self._written, self._intake.look_again, _HANDS)
        self._conn: Connection | None = None
        self._beside: list[Connection] = []
        self._writer: BatchWriter | None = None
        self._give_up = threading.Event()
        self._broken: BaseException | None = None
        self._heard_us: int | None = None
        self._beat_s, self._beaten_readings = stopwatch_s(), 0
        self._beats_failed = 0
        self._began_s = 0.0
        self._client = f"{settings.client_id} at {address}"
        self._noted_connects, self._is_host = 0, False
        self._base: dict[str, int] = {}  # counts of writers before a reconnection

    def run(self, stop: threading.Event) -> None:
        # The two threads hand over often and hold the interpreter's lock briefly; the default of 5 ms makes each wait.
        sys.setswitchinterval(0.0005)
        # Messages are many small objects that hold no cycles: to look for some every 700 of them is half of decoding.
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        _give_back()
        try:
            self._newest, self._posting = Newest(self._settings.database_url), Posting(self._settings.database_url)
            self._open()
            if not self._await_city(stop):
                return
            thread = threading.Thread(target=self._network, name="recorder-network", daemon=True)
            thread.start()
            try:
                self._work(stop)
            finally:
                self._give_up.set()
                self._link.wake()
                thread.join(5.0)
            if self._broken is not None:
                raise self._broken
        finally:
            self._turns.close()
            self._close()
            for beside in (self._newest, self._posting):
                if beside is not None:
                    beside.close()
            self._link.close()

    def _network(self) -> None:
        try:
            self._link.run(self._intake, self._give_up)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which ends the role with it
            self._broken = error

    def _open(self) -> BatchWriter:
        dsn = self._settings.database_url
        self._conn = connect(dsn, autocommit=True, application_name="lifeline recorder")
        for _ in range(_HANDS):
            self._beside.append(connect(dsn, autocommit=True, application_name="lifeline recorder hand"))
        try:
            clock = self._settings.clock
            self._writer = BatchWriter(self._conn, clock, self._newest, dsn, self._beside, self._posting)
        except psycopg.errors.UndefinedTable as error:
            raise OutsideError("database: not migrated, try `lifeline migrate`") from error
        return self._writer

    def _close(self) -> None:
        """Hang up; nothing may be under way."""
        self._base = self._counts()
        for conn in (self._conn, *self._beside):
            if conn is not None:
                conn.close()
        self._conn, self._beside, self._writer = None, [], None
        if self._is_host:  # held by the connection: another recorder may be it now
            self._is_host = False
            self._link.be_host(False)

    def _await_city(self, stop: threading.Event) -> bool:
        """Wait until a city folder is in force: before it every reading would be a stranger."""
        told = False
        while not stop.is_set():
            if self._city_is_there():
                return True
            if not told:
                log.info("waiting for a city folder", extra={"action": "await_city"})
                told = True
            if not self._beat():
                self._close()
            systemd.turned()
            SystemClock().pause_s(_TICK_S, stop)
        return False

    def _city_is_there(self) -> bool:
        try:
            if self._writer is None or not self._writer.ready():
                return False
            self._follow_mappings()
        except psycopg.Error as error:
            log.warning("database lost: %s", error, extra={"action": "database_lost", "try": 1})
            self._close()
            return False
        return True

    def _work(self, stop: threading.Event) -> None:
        drain_until_s: float | None = None
        cores = Cores(_MANY_ROWS)
        while self._broken is None:
            if stop.is_set() and drain_until_s is None:
                drain_until_s = stopwatch_s() + _DRAIN_S
                self._link.stop()
            self._turns.most = _CALM_HANDS if cores.together else _HANDS
            if not self._write_left(self._turns.make_room(), drain_until_s, stop):
                return
            batch = self._take()
            self._tell_turned()
            cores.turn(sum(one.rows for one in batch))
            if batch:
                if not self._write(batch, drain_until_s, stop):
                    return
            elif not self._settle(drain_until_s, stop):
                return
            else:
                self._catch_up()
            if not batch and drain_until_s is not None and (self._drained() or stopwatch_s() > drain_until_s):
                break
            if stopwatch_s() - self._beat_s >= _BEAT_S and not self._beat_when_due(drain_until_s, stop):
                return
        if self._broken is None:
            self._await_acknowledged(drain_until_s or 0.0)
            self._beat()
            self._say_end()

    def _take(self) -> list[Delivery]:
        """What is pending: soon when nothing else is on its way into the database, in larger batches else."""
        self._intake.await_rows(1, _TICK_S)
        self._intake.await_rows(_MANY_ROWS, self._began_s + _PACE_S - stopwatch_s())
        if self._turns.copying:
            patient_s = self._began_s + _PATIENT_S - stopwatch_s()
            self._intake.await_rows(_BESIDE_ROWS, patient_s, lambda: not self._turns.copying)
        self._began_s = stopwatch_s()
        return self._intake.take(_BATCH_ROWS, 0.0, _BATCH_BYTES)

    def _say_end(self) -> None:
        try:
            if self._conn is not None:
                session.end(self._conn, self._client)
        except psycopg.Error:
            log.warning("could not say that this recorder ends", extra={"action": "end_not_said"})

    def _follow_mappings(self) -> None:
        """Use the mappings of the city folder in force; a faulty one never came into force."""
        current = bundle.current_hash(self._conn) if self._conn is not None else None
        if self._conn is None or current is None or current == self._mapped:
            return
        self._decoders.mappings = tuple(load_mappings(bundle.part(self._conn, current, "mappings/"))[0])
        self._mapped = current

    def _take_offices(self, conn: Connection, heard: datetime | None) -> None:
        """Note a new session with the broker; of recorders that share, be the one that hears Sparkplug if nobody is."""
        if (connects := self._link.connects) != self._noted_connects:
            began_at = from_us(self._link.listening_us)
            session.note(conn, self._client, began_at, heard, kept=self._link.session_kept)
            self._noted_connects = connects
        if self._settings.share and self._settings.sparkplug_host and not self._is_host and session.take_host(conn):
            log.info("hearing Sparkplug for all recorders that share", extra={"action": "sparkplug_host"})
            self._is_host = True
            self._link.be_host(True)

    def _catch_up(self) -> None:
        """Nothing came for a moment: write the newest values that were held back while much came."""
        try:
            if self._writer is not None:
                self._writer.catch_up()
        except (psycopg.Error, LifelineError) as error:
            log.warning("database does not write: %s", error, extra={"action": "database_lost", "try": 1})
            self._close()

    def _tell_turned(self) -> None:
        """Both loops work, or none is said to."""
        if stopwatch_s() - self._link.turned_s < _HUNG_S:
            systemd.turned()

    def _drained(self) -> bool:
        return self._intake.idle or (self._intake.rows == 0 and not self._link.connected)

    def _await_acknowledged(self, until_s: float) -> None:
        while self._link.connected and stopwatch_s() < until_s:
            SystemClock().pause_s(0.01)

    def _write(self, batch: list[Delivery], drain_until_s: float | None, stop: threading.Event) -> bool:
        """Write one batch, however long the database takes; false when a stop does not wait for it any longer."""
        if self._writer is None or all(delivery.message is None for delivery in batch):
            return self._settle(drain_until_s, stop) and self._write_alone(batch, drain_until_s, stop)
        return self._write_left(self._turns.write(self._writer, batch), drain_until_s, stop)

    def _settle(self, drain_until_s: float | None, stop: threading.Event) -> bool:
        """Wait until nothing is under way, and write what failed; false when a stop does not wait for it."""
        return self._write_left(self._turns.settle(), drain_until_s, stop)

    def _write_left(self, left: list[list[Delivery]], drain_until_s: float | None, stop: threading.Event) -> bool:
        return all(self._write_alone(one, drain_until_s, stop) for one in left)

    def _write_alone(self, batch: list[Delivery], drain_until_s: float | None, stop: threading.Event) -> bool:
        failures = 0
        while any(delivery.message is not None for delivery in batch):
            try:
                (self._writer or self._open()).commit(batch)
                break
            except (psycopg.Error, LifelineError) as error:
                failures += 1
                if failures in (1, 10) or failures % 100 == 0:
                    log.warning(
                        "database does not write: %s", error, extra={"action": "database_lost", "try": failures}
                    )
                self._close()
                if stop.is_set():
                    drain_until_s = drain_until_s or stopwatch_s() + _DRAIN_S
                    if stopwatch_s() > drain_until_s:
                        return False
                self._tell_turned()
                SystemClock().pause_s(_BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1])
        if failures:
            log.info("database writes again", extra={"action": "database_back", "tries": failures})
        self._written(batch)
        return True

    def _written(self, batch: list[Delivery]) -> None:
        """A batch is committed (any thread, one after the other)."""
        probes = [delivery.probe_us for delivery in batch if delivery.probe_us]
        if probes:
            self._heard_us = max(probes)
        self._intake.written()

    def _beat_when_due(self, drain_until_s: float | None, stop: threading.Event) -> bool:
        if (silent_until_us := self._link.heard_until_us()) is not None:
            self._heard_us = max(self._heard_us or 0, silent_until_us)
        if self._beat():
            return True
        if not self._settle(drain_until_s, stop):
            return False
        self._close()
        return True

    def _beat(self) -> bool:
        """Say that this role lives; false when it could not be said."""
        now_s = stopwatch_s()
        elapsed_s, self._beat_s = now_s - self._beat_s, now_s
        counts = self._counts()
        rate = (counts["readings"] - self._beaten_readings) / elapsed_s if elapsed_s > 0 else 0.0
        self._beaten_readings = counts["readings"]
        oldest_us = self._intake.oldest_us()
        detail: dict[str, Any] = {
            **counts,
            "pending": self._intake.rows,
            "rate_per_s": round(rate, 1),
            "lag_s": 0.0 if oldest_us is None else max(0.0, (self._settings.clock.now_us() - oldest_us) / 1e6),
            "connected": self._link.connected,
            "connects": self._link.connects,
            "sparkplug_host": bool(self._settings.sparkplug_host) and (self._is_host or not self._settings.share),
        }
        heard = None if self._heard_us is None else from_us(self._heard_us)
        try:
            if self._conn is None:
                self._open()
            if self._conn is not None:
                self._follow_mappings()
                self._take_offices(self._conn, heard)
                heard, listening_us = session.beat(self._conn, self._client, heard, self._link.listening_us)
                # Silence of others counts only while we listen.
                roles.beat(self._conn, ROLE, os.getpid(), heard, detail | {"listening_us": listening_us})
        except (psycopg.Error, LifelineError) as error:
            if not self._beats_failed:
                log.warning("cannot beat: %s", error, extra={"action": "beat_failed"})
            self._beats_failed += 1
            return False
        self._beats_failed = 0
        return True

    def _counts(self) -> dict[str, int]:
        totals = self._writer.totals if self._writer is not None else None
        names = ("messages", "readings", "repeated", "rejected", "commits")
        return {name: self._base.get(name, 0) + (getattr(totals, name) if totals else 0) for name in names}
