"""`pipeline`: from MQTT publish to committed row, evaluated rule and alarm, on the real roles as child processes.

One run, on one machine and one database:

1. full speed: a bounded number of messages as fast as the broker acknowledges them; readings/s, CPU and memory;
2. steady: a fraction of that rate, so that latency is not queueing; probes cross a threshold with `for: 0s`;
3. raw COPY of the very same rows into the same keyed table of a second database on the same server.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.fleet import Fleet
from bench.machine import Usage, describe, usage
from bench.observer import Observer
from bench.publisher import Publisher
from bench.report import Cost, Latency, Load, Report, Throughput
from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from lifeline.settings import Settings
from lifeline.supervisor import Supervisor
from store.connection import connect
from store.roles import beats
from store.testing import drop_database, fresh_database

ROLES = ("recorder", "watcher", "notifier", "keeper")  # what works on readings; the API only shows them
STEADY_SHARE = 0.3  # of the committed rate at full speed
SETTLE_S = 120.0  # how long the roles may take to finish what was published
COPY_RUNS = 3
_COPY_OUT = """\
COPY (SELECT sensor_id, flag, time, value, received_at, raw FROM lifeline.measured ORDER BY received_at)
TO STDOUT (FORMAT binary)"""
_COPY_IN = "COPY lifeline.readings (sensor_id, flag, time, value, received_at, raw) FROM STDIN (FORMAT binary)"


def run(
    seconds: float = 10.0,
    *,
    gateways: int = 200,
    sensors_each: int = 50,
    max_messages: int = 10_000,
    probes: int = 200,
    seed: int = 7,
    data: Path | None = None,
    database_url: str | None = None,
    mqtt_url: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run the benchmark.

    Parameters
    ----------
    seconds
        Wall seconds of publishing, each at full speed and steady; the run takes about three times as long.
    gateways, sensors_each
        The fleet. 10,000 sensors by default: a reading of each every few hundred milliseconds at full speed leaves the
        watcher with about as many readings in memory as a city of that size has at ten-second intervals.
    max_messages
        Stop publishing at full speed after this many messages, whatever the time.
    probes
        Alarms whose latency is measured.
    data
        Folder for the embedded servers; a temporary one when None.
    database_url, mqtt_url
        Servers of your own: an empty database whose user may create another, a broker on loopback.
    progress
        Told what happens now, in a few words.

    Raises
    ------
    InputError
        A parameter or server of yours cannot be used.
    OutsideError
        The pipeline stopped moving.
    """
    if seconds <= 0 or gateways < 1 or sensors_each < 1 or max_messages < 1 or probes < 1:
        raise InputError("bench pipeline: every number must be above 0")
    clock, fleet = SystemClock(), Fleet(gateways, sensors_each, probes, seed)
    with folder_for(data) as folder, _system(folder, fleet, database_url, mqtt_url, progress) as supervisor:
        settings = supervisor.settings
        with Observer(settings.database, clock, "watcher") as observer, Publisher(settings.mqtt) as publisher:
            bench = _Bench(fleet, publisher, observer, clock, supervisor)
            progress("full speed")
            full = bench.full_speed(seconds, max_messages)
            bench.wait_idle()  # also of what the broker delivers again, or it would be measured as latency
            progress("steady")
            steady = bench.steady(seconds, full.committed_per_s * STEADY_SHARE)
            costs = bench.costs(full)
        supervisor.stop_roles()
        progress("raw COPY")
        rows, copy_per_s = copy_rate(settings.database)
        published = full.readings + steady.readings
        return Report(
            machine=describe(settings.database, embedded_broker=mqtt_url is None),
            load=Load(
                seed, gateways, gateways * sensors_each, sensors_each, full.readings, steady.readings, steady.per_s
            ),
            throughput=Throughput(
                full.published_per_s,
                full.committed_per_s,
                full.evaluated_per_s,
                copy_per_s,
                full.committed_per_s / copy_per_s,
            ),
            commit=steady.commit,
            alarm=steady.alarm,
            costs=costs,
            redelivered=_repeated(settings.database),
            lost=published - rows,
            missed=steady.probes - steady.alarm.count,
        )


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """The folder given, or one for a while."""
    if given is not None:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="lifeline-bench-"))
    folder.chmod(0o711)  # PostgreSQL's own account must be let through when we are root
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _system(
    folder: Path, fleet: Fleet, database_url: str | None, mqtt_url: str | None, progress: Callable[[str], None]
) -> Iterator[Supervisor]:
    if database_url is not None:
        _refuse_used(database_url)
    city = folder / "city"
    for name, text in fleet.files().items():
        path = city / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    progress("starting")
    settings = Settings(data=folder / "data", city=city, database_url=database_url, mqtt_url=mqtt_url)
    with closing(Supervisor(settings, roles=ROLES)) as supervisor:
        supervisor.open()
        supervisor.start_roles()
        yield supervisor


def _refuse_used(dsn: str) -> None:
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        row = conn.execute("SELECT to_regnamespace('lifeline') IS NOT NULL").fetchone()
    if row and row[0]:
        raise InputError("bench pipeline fills the database it is given, and this one is in use, try an empty one")


@dataclass(frozen=True, slots=True)
class _Full:
    readings: int
    published_per_s: float
    committed_per_s: float
    evaluated_per_s: float
    wall_s: float
    before: dict[str, Usage]
    after: dict[str, Usage]


@dataclass(frozen=True, slots=True)
class _Steady:
    readings: int
    per_s: float
    probes: int
    commit: Latency
    alarm: Latency


class _Bench:
    def __init__(
        self, fleet: Fleet, publisher: Publisher, observer: Observer, clock: Clock, supervisor: Supervisor
    ) -> None:
        self._fleet, self._publisher, self._observer = fleet, publisher, observer
        self._clock, self._supervisor = clock, supervisor
        self._messages = 0

    def full_speed(self, seconds: float, max_messages: int) -> _Full:
        """Publish as fast as the broker acknowledges, then wait until all of it is evaluated."""
        before, start_us, end_s = self._usages(), self._clock.now_us(), stopwatch_s() + seconds
        while self._messages < max_messages and stopwatch_s() < end_s:
            self._publisher.publish(*self._fleet.message(self._messages, self._clock.now_us()))
            self._messages += 1
        self._publisher.drain()
        published_us = self._clock.now_us() - start_us
        readings = self._messages * self._fleet.sensors_each
        committed_us = self._settled(readings) - start_us
        after, evaluated_us = self._usages(), self._observer.seen.checkpoints[-1][0] - start_us
        published, committed, evaluated = (readings * 1e6 / us for us in (published_us, committed_us, evaluated_us))
        return _Full(readings, published, committed, evaluated, evaluated_us / 1e6, before, after)

    def _settled(self, readings: int) -> int:
        """When the last of `readings` was seen committed; waits until the watcher has evaluated it too."""
        if not self._observer.wait_readings(readings, SETTLE_S):
            raise OutsideError(
                f"only {self._observer.seen.readings} of {readings} readings committed in {SETTLE_S:g} s"
            )
        last = self._observer.seen.commits[-1]
        if not self._observer.wait_evaluated(last.seq, SETTLE_S):
            raise OutsideError(f"the watcher did not evaluate everything within {SETTLE_S:g} s, try its log")
        return last.seen_us

    def wait_idle(self) -> None:
        """Wait until the recorder says that everything the broker has had so far is committed."""
        moment, end_s = self._clock.now(), stopwatch_s() + SETTLE_S
        with connect(self._supervisor.settings.database, autocommit=True, application_name="lifeline bench") as conn:
            while stopwatch_s() < end_s:
                beat = beats(conn).get("recorder")
                if beat is not None and beat.heard_until is not None and beat.heard_until >= moment:
                    return
                self._clock.pause_s(0.1)
        raise OutsideError(f"the recorder was not idle within {SETTLE_S:g} s, try its log")

    def steady(self, seconds: float, per_s: float) -> _Steady:
        """Publish evenly at `per_s` readings/s, a probe among them now and then."""
        first_us, start_s, first = self._clock.now_us(), stopwatch_s(), self._messages
        every_s = self._fleet.sensors_each / per_s
        total = max(1, int(seconds / every_s))
        sent_us: dict[str, int] = {}
        for number in range(total):
            self._clock.pause_s(start_s + number * every_s - stopwatch_s())
            if number * self._fleet.probes // total >= len(sent_us):
                self._probe(sent_us)
            self._publisher.publish(*self._fleet.message(self._messages, self._clock.now_us()))
            self._messages += 1
        self._publisher.drain()
        took_s = stopwatch_s() - start_s
        self._settled(self._messages * self._fleet.sensors_each + len(sent_us))
        self._observer.wait_alarms(len(sent_us), SETTLE_S / 4)
        readings = (self._messages - first) * self._fleet.sensors_each + len(sent_us)
        seen = self._observer.seen.alarms
        alarms = [seen[name] - at_us for name, at_us in sent_us.items() if name in seen]
        commits = self._observer.delays_us(first_us)
        return _Steady(readings, readings / took_s, len(sent_us), _latency(commits), _latency(np.array(alarms)))

    def _probe(self, sent_us: dict[str, int]) -> None:
        number, now_us = len(sent_us), self._clock.now_us()
        sent_us[self._fleet.probe(number)] = now_us
        self._publisher.publish(*self._fleet.probe_message(number, now_us))

    def _usages(self) -> dict[str, Usage]:
        endpoints = self._supervisor.endpoints
        pids = dict(endpoints.pid) if endpoints else {}
        pids.pop("supervisor", None)
        pids["load generator"] = os.getpid()
        found = {name: usage(pid, children=name == "postgres") for name, pid in pids.items()}
        return {name: used for name, used in found.items() if used is not None}

    def costs(self, full: _Full) -> tuple[Cost, ...]:
        """CPU at full speed and memory so far, per process."""
        now = self._usages()
        return tuple(
            Cost(name, (full.after[name].cpu_s - full.before[name].cpu_s) / full.wall_s, now[name].peak_mib)
            for name in sorted(full.before.keys() & full.after.keys() & now.keys())
        )


def _latency(delays_us: NDArray[np.int64]) -> Latency:
    if not len(delays_us):
        return Latency(float("nan"), float("nan"), 0)
    p50, p99 = np.percentile(delays_us, (50, 99)) / 1000
    return Latency(float(p50), float(p99), len(delays_us))


def _repeated(dsn: str) -> int:
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        row = conn.execute("SELECT coalesce(sum(repeated), 0) FROM city.gateways").fetchone()
    return int(row[0]) if row else 0


def copy_rate(dsn: str) -> tuple[int, float]:
    """How many readings a database has, and the rows/s of raw COPY of them into a fresh one beside it (median of 3)."""
    held = BytesIO()
    with connect(dsn, application_name="lifeline bench") as conn:
        with conn.cursor().copy(_COPY_OUT) as out:
            for block in out:
                held.write(block)
        span = conn.execute("SELECT min(time), max(time), count(*) FROM lifeline.readings").fetchone()
    rows = int(span[2]) if span else 0
    if not span or not rows:
        raise OutsideError("no reading reached the database, try the recorder's log")
    other = fresh_database(dsn)
    try:
        rates = sorted(_copy_once(other, held.getvalue(), span[0], span[1], rows) for _ in range(COPY_RUNS))
    finally:
        drop_database(other)
    return rows, rates[len(rates) // 2]


def _copy_once(dsn: str, block: bytes, first: object, last: object, rows: int) -> float:
    with connect(dsn, application_name="lifeline bench") as conn:
        conn.execute("TRUNCATE lifeline.readings")
        conn.execute("SELECT lifeline.prepare_readings(%s, %s)", (first, last))
        conn.commit()
        start_s = stopwatch_s()
        with conn.cursor().copy(_COPY_IN) as copy:
            for at in range(0, len(block), 1 << 20):
                copy.write(block[at : at + (1 << 20)])
        conn.commit()
        return rows / (stopwatch_s() - start_s)
