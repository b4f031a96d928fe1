"""`soak`: every role on servers of its own under a steady load, watched from outside until the time is over.

Readings of a fleet, alarms that rise and fall, readings of strangers that are refused, gateways that leave and come
back, people who look at pages: all at an even rate, so that whatever grows is a leak. In the end every reading that
the broker acknowledged is stored or rejected, and nothing is left running.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from bench.fleet import Fleet
from bench.machine import describe, folder_for
from bench.processes import MEASURES, held
from bench.publisher import Publisher
from bench.soakreport import Counts, Report, trend
from city.clock import SystemClock, from_us, stopwatch_s
from city.errors import InputError, OutsideError
from lifeline.files import tail
from lifeline.ports import kept_port
from lifeline.roles import CORE
from lifeline.settings import Settings
from lifeline.supervisor import Supervisor
from store.connection import Connection, connect
from store.ports import LOOPBACK
from store.roles import beats

SENSORS_EACH = 20
PROBE_EVERY_S = 5.0  # an alarm rises or falls, and a stranger's reading is refused
PROBES_M = (5.2, 4.8)  # around the limit of the rule; a greater step would be doubted
COME_BACK_EVERY_S = 20.0  # the gateways' connection is closed and opened again
LOOK_EVERY_S = 0.1  # a page or a list is asked for: 36,000 an hour, so that 250 bytes kept of each would show
SETTLE_S = 60.0
PATHS = ("/", "/metrics", "/api/v1/alarms", "/api/v1/incidents", "/healthz")
_SUMS = "SELECT sum(stored)::bigint, sum(repeated)::bigint, sum(rejected)::bigint FROM city.gateways"
_POSTED = "SELECT NOT EXISTS (SELECT FROM lifeline.ledger_entries)"
_ROWS = "SELECT (SELECT count(*) FROM lifeline.readings), (SELECT count(*) FROM lifeline.alarm_events)"
_SESSIONS = """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name <> 'lifeline bench'"""


def run(
    minutes: float = 60.0,
    *,
    per_s: float = 500.0,
    sensors: int = 1000,
    seed: int = 7,
    data: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run the soak.

    Parameters
    ----------
    minutes
        For how long the load lasts.
    per_s, sensors
        Readings a second of all sensors together.
    data
        Folder for everything; a temporary one when None.

    Raises
    ------
    InputError
        A bound is wrong, or this system has no /proc.
    OutsideError
        The system stopped moving.
    """
    if not (minutes > 0 and per_s > 0 and sensors >= SENSORS_EACH):
        raise InputError(f"bench soak: minutes and rate must be above 0, sensors {SENSORS_EACH} or more")
    if held(os.getpid()) is None:
        raise InputError("bench soak reads /proc, which is not here, try Linux")
    fleet = Fleet(sensors // SENSORS_EACH, SENSORS_EACH, probes=1, seed=seed)
    with folder_for(data) as folder, _system(folder, fleet, progress) as supervisor:
        traffic = _Traffic(fleet, supervisor.settings, per_s)
        watch = _Watch(supervisor)
        with traffic.flowing():
            watch.until(stopwatch_s() + minutes * 60, traffic, progress)
        progress("settling")
        counts = _settled(supervisor, traffic)
        machine = describe(supervisor.settings.database, embedded_broker=True)
        pids = dict(supervisor.endpoints.pid) if supervisor.endpoints else {}
        began_s = stopwatch_s()
        supervisor.close()
        logs = folder / "data" / "log"
        return Report(
            machine=machine, seed=seed, minutes=minutes, per_s=per_s, sensors=fleet.gateways * SENSORS_EACH,
            counts=counts,
            trends=tuple(trend(name, watch.at_s, watch.column(name)) for name in watch.names),
            restarts=supervisor.restarts,
            stop_s=stopwatch_s() - began_s,
            left_running=tuple(name for name, pid in pids.items() if name != "supervisor" and _runs(pid)),
            not_drained=tuple(name for name in CORE if f"end {name}" not in tail(logs / f"{name}.log", 1)),
            log_bytes=sum(file.stat().st_size for file in (folder / "data").rglob("*.log*")),
            columns=tuple(watch.names),
            samples=tuple((round(s, 2), *row) for s, row in zip(watch.at_s, watch.rows(), strict=True)),
        )  # fmt: skip


@contextmanager
def _system(folder: Path, fleet: Fleet, progress: Callable[[str], None]) -> Iterator[Supervisor]:
    city = folder / "city"
    files = fleet.files()
    files["rules/bench.yaml"] = files["rules/bench.yaml"].replace("for: 0s}", "for: 0s, clear_after: 0s}")
    for name, text in files.items():
        (city / name).parent.mkdir(parents=True, exist_ok=True)
        (city / name).write_text(text, encoding="utf-8")
    progress("starting")
    http = f"{LOOPBACK}:{kept_port(folder / 'http.port')}"  # the usual one may be another system's
    with closing(Supervisor(Settings(data=folder / "data", city=city, http=http))) as supervisor:
        supervisor.open()
        supervisor.start_roles()
        yield supervisor


def _runs(pid: int) -> bool:
    return held(pid) is not None


class _Traffic:
    """The load, in two threads: gateways, and people who look at pages."""

    def __init__(self, fleet: Fleet, settings: Settings, per_s: float) -> None:
        self._fleet, self._settings, self._every_s = fleet, settings, SENSORS_EACH / per_s
        self._clock, self._stop = SystemClock(), threading.Event()
        self._broken: Exception | None = None
        self.sent = self.requests = self.refused = self._probes = 0

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """The load flows while the block runs; all of it is acknowledged by the broker afterwards."""
        threads = [threading.Thread(target=self._kept, args=(work,)) for work in (self._publish, self._look)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        self.check()

    def check(self) -> None:
        """Raise what ended the load, if anything did."""
        if self._broken is not None:
            raise OutsideError(f"the load stopped, got: {self._broken}") from self._broken

    def _kept(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told to the thread that waits
            self._broken = error

    def _publish(self) -> None:
        message, start_s = 0, stopwatch_s()
        while not self._stop.is_set():
            with Publisher(self._settings.mqtt) as publisher:
                back_s = stopwatch_s() + COME_BACK_EVERY_S
                while stopwatch_s() < back_s and not self._clock.pause_s(
                    start_s + message * self._every_s - stopwatch_s(), self._stop
                ):
                    publisher.publish(*self._fleet.message(message, self._clock.now_us()))
                    message += 1
                    self.sent += SENSORS_EACH
                    if stopwatch_s() - start_s > self._probes * PROBE_EVERY_S:
                        self._probe(publisher)
                publisher.drain()

    def _probe(self, publisher: Publisher) -> None:
        """An alarm rises, or falls; and a reading of somebody nobody knows."""
        now_ms, value = self._clock.now_us() // 1000, PROBES_M[self._probes % 2]
        reading = {"sensor": self._fleet.probe(0), "time": now_ms, "value": value, "unit": "m"}
        readings = [reading, {**reading, "sensor": "nobody"}]
        content = {"seq": self._probes, "sent_at": now_ms, "readings": readings}
        publisher.publish("lifeline/v1/east/probe-gw/readings", msgspec.json.encode(content))
        self._probes += 1
        self.sent += len(readings)

    def _look(self) -> None:
        with httpx.Client(base_url=f"http://{self._settings.http}", timeout=30) as client:
            while not self._clock.pause_s(LOOK_EVERY_S, self._stop):
                answer = client.get(PATHS[self.requests % len(PATHS)])
                self.requests += 1
                self.refused += answer.status_code >= 400


@dataclass
class _Watch:
    """Samples of every process, about a second apart, or as many as 3,000."""

    supervisor: Supervisor
    at_s: list[float] = field(default_factory=list)
    seen: list[dict[str, float]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """`process measure`, of what was there throughout."""
        return [name for name in self.seen[0] if all(name in row for row in self.seen)]

    def column(self, name: str) -> list[float]:
        """One measure over time."""
        return [row[name] for row in self.seen]

    def rows(self) -> list[tuple[float, ...]]:
        """All of them, sample by sample."""
        return [tuple(row[name] for name in self.names) for row in self.seen]

    def until(self, end_s: float, traffic: _Traffic, progress: Callable[[str], None]) -> None:
        """Keep the system alive and take samples until `end_s`."""
        start_s, wall = stopwatch_s(), SystemClock()
        every_s = max(0.25, min(1.0, (end_s - start_s) / 40), (end_s - start_s) / 3000)
        with connect(self.supervisor.settings.database, autocommit=True, application_name="lifeline bench") as conn:
            while stopwatch_s() < end_s:
                self.supervisor.tick()
                traffic.check()
                if stopwatch_s() - start_s >= len(self.seen) * every_s:
                    self.at_s.append(stopwatch_s() - start_s)
                    self.seen.append(self._sample(conn))
                    progress(f"{self.at_s[-1] / 60:.1f} min, {traffic.sent:,} readings")
                wall.pause_s(0.05)

    def _sample(self, conn: Connection) -> dict[str, float]:
        found: dict[str, float] = {}
        pids = self.supervisor.endpoints.pid if self.supervisor.endpoints else {}
        for name, pid in pids.items():
            one = None if name == "supervisor" else held(pid, children=name == "postgres")
            found |= {} if one is None else {f"{name} {measure}": getattr(one, measure) for measure in MEASURES}
        row = conn.execute(_SESSIONS).fetchone()
        found["postgres sessions"] = float(row[0]) if row else 0.0
        said = beats(conn)
        found |= {f"{role} lag_s": float(said[role].detail.get("lag_s", 0)) for role in ("recorder", "watcher")}
        return found


def _settled(supervisor: Supervisor, traffic: _Traffic) -> Counts:
    """The ledger's sums once everything that was sent has been heard."""
    wall, moment, end_s = SystemClock(), from_us(SystemClock().now_us()), stopwatch_s() + SETTLE_S
    with connect(supervisor.settings.database, autocommit=True, application_name="lifeline bench") as conn:
        while stopwatch_s() < end_s:
            beat = beats(conn).get("recorder")
            heard = beat is not None and beat.heard_until is not None and beat.heard_until >= moment
            if heard and conn.execute(_POSTED).fetchone() == (True,):
                stored, repeated, rejected = (int(value or 0) for value in conn.execute(_SUMS).fetchone() or (0, 0, 0))
                rows, alarms = conn.execute(_ROWS).fetchone() or (0, 0)
                return Counts(traffic.sent, stored, repeated, rejected, rows, alarms, traffic.requests, traffic.refused)
            supervisor.tick()
            wall.pause_s(0.1)
    raise OutsideError(f"the recorder was not idle within {SETTLE_S:g} s, try its log")
