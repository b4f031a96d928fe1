"""`city-hour`: a city of 85,000 sensors at a reading a minute and ten bridges at 50 Hz, and an outage that is drained.

The outage's readings are made beforehand and wait in the gateways' outboxes, as they would after it (that hour is not
waited for). Everything after is real time: the lines come up, the backlog drains beside what is measured now, and once
it has gone the city is measured on. CPU, lateness and loss are measured in both parts. Database, broker and recorder
count as the system; the gateways are the load and are told apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Group
from rich.table import Table

from bench.faultline.cityload import DISTRICT, LoadSettings, LoadState, gateways
from bench.faultline.lateness import Lateness
from bench.ingestsystem import Recorders, Servers, servers
from bench.machine import Machine, Usage, describe, folder_for, usage
from bench.report import rounded
from bench.storereport import Goal
from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from city.load import load_city
from store import bundle
from store.child import die_with_parent
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database

LATE_S, CORES = 5.0, 1.0  # half of two
_NAME, _LOAD = "lifeline bench", "gateways (load)"
_PATIENCE_S = 300.0
_BEHIND_S = 0.5  # a load that is further behind says more of the machine than of the system
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the run: readings/s committed, CPU cores of each process, and how late live readings were."""

    name: str
    seconds: float
    per_s: float
    cores: Mapping[str, float]
    p50_s: float
    p99_s: float
    most_s: float

    @property
    def system(self) -> float:
        """CPU cores of database, broker and recorder together."""
        return sum(used for name, used in self.cores.items() if name != _LOAD)


@dataclass(frozen=True, slots=True)
class CityHour:
    """One run. `behind_s`: how far the load itself ran behind the clock at most; lateness holds that too."""

    machine: Machine
    broker: str
    load: LoadSettings
    parts: tuple[Part, ...]
    made: int
    stored: int
    repeated: int
    rejected: int
    missing: int
    peaks_mib: Mapping[str, float]
    machine_load: str
    behind_s: float
    name: str = "city-hour"

    @property
    def lost(self) -> int:
        """Readings made and not stored."""
        return self.made - self.stored

    def goals(self) -> list[Goal]:
        """Each goal, met or not."""
        most_s, cores = max(part.most_s for part in self.parts), max(part.system for part in self.parts)
        blamed = f" (the load itself was {self.behind_s:.2f} s behind)" if self.behind_s > _BEHIND_S else ""
        held = self.lost == self.missing == self.rejected == 0
        return [
            Goal("live readings late, at most", f"<= {LATE_S:g} s", f"{most_s:.2f} s{blamed}", most_s <= LATE_S),
            Goal("readings lost", "0", f"{self.lost}", held),
            Goal("CPU cores of the system, either part", f"< {CORES:g}", f"{cores:.2f}", cores < CORES),
        ]

    def json(self) -> str:
        """The report as JSON, goals included."""
        parts = [{**asdict(part), "system_cores": part.system} for part in self.parts]
        said = {**asdict(self), "parts": parts, "goals": [asdict(goal) for goal in self.goals()]}
        del said["load"]["url"], said["load"]["folder"]
        return json.dumps(rounded(said), ensure_ascii=False, indent=2) + "\n"

    def render(self) -> Group:
        """The report as tables for a terminal."""
        machine, load = self.machine, self.load
        head = Table(title=f"bench city-hour (seed {load.seed})", show_header=False)
        head.add_row("machine", f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}")
        head.add_row("versions", f"Python {machine.python}, PostgreSQL {machine.postgres}, {self.broker}")
        city = f"{load.sensors:,} sensors a minute, {load.bridges} bridges of {load.channels} channels at 50 Hz"
        head.add_row("city", f"{city}: {load.per_s:,.0f} readings/s")
        told = f"{load.outage_s / 60:g} min, made beforehand; drained at {load.drain:g} times what is measured"
        head.add_row("outage", told)
        head.add_row("readings", f"{self.made:,} made, {self.stored:,} stored, {self.repeated:,} came again")
        head.add_row("peak MiB", ", ".join(f"{name} {peak:.0f}" for name, peak in sorted(self.peaks_mib.items())))
        head.add_row("load at the end", f"{self.machine_load} (above 2: others were at work beside)")
        table = Table("part", "s", "readings/s", "late p50 s", "p99 s", "most s", "system cores", "of which")
        for part in self.parts:
            each = ", ".join(f"{name} {used:.2f}" for name, used in sorted(part.cores.items()))
            late = (f"{part.p50_s:.2f}", f"{part.p99_s:.2f}", f"{part.most_s:.2f}")
            table.add_row(part.name, f"{part.seconds:.0f}", f"{part.per_s:,.0f}", *late, f"{part.system:.2f}", each)
        goals = Table("goal", "wanted", "got", "", title="goals")
        for goal in self.goals():
            goals.add_row(goal.what, goal.wanted, goal.got, "met" if goal.met else "NOT met")
        return Group(head, table, goals)


def run(
    *,
    minutes: float = 10.0,
    outage_minutes: float = 60.0,
    drain: float = 4.0,
    sensors: int = 85_000,
    bridges: int = 10,
    channels: int = 10,
    seed: int = 7,
    mosquitto: Path | None = None,
    data: Path | None = None,
    progress: Progress = lambda _: None,
) -> CityHour:
    """Run the benchmark on servers of its own.

    Parameters
    ----------
    minutes
        Real minutes of measuring after the backlog has gone.
    outage_minutes
        How long the outage was.
    drain
        How many times as fast as it measures a gateway drains; an hour takes 60 / drain minutes.
    """
    if min(minutes, outage_minutes, drain, sensors, channels) <= 0 or bridges < 0:
        raise InputError("bench city-hour: every number must be above 0")
    with folder_for(data) as folder, servers(folder, mosquitto) as running:
        own, seconds = str(folder / f"load-{os.getpid()}"), (round(outage_minutes * 60), round(minutes * 60))
        load = LoadSettings(running.mqtt_url, own, sensors, bridges, channels, *seconds, drain, seed)
        progress("the city's register")
        dsn = fresh_database(running.dsn)
        try:
            with connect(dsn, autocommit=True, application_name=_NAME) as conn:
                files = city(load)
                bundle.apply(conn, files, load_city(files), datetime(2026, 1, 1, tzinfo=UTC))
                return _Hour(running, folder, load, dsn, conn, progress).run()
        finally:
            drop_database(dsn)


def city(load: LoadSettings) -> dict[str, str]:
    """The city folder of the load."""
    sensors = [
        f"{name},{gateway},site,{'strain,um/m,1' if gateway.startswith('bridge') else 'water_depth,cm,60'}"
        for gateway, names in gateways(load).items()
        for name in names
    ]
    properties = {"id": "site", "kind": "bridge", "name": "Site", "district": DISTRICT}
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [117.2, 31.8]}, "properties": properties}
    return {
        "city.yaml": f"name: Bench\ntimezone: UTC\nlanguages: [en]\ndistricts: [{{id: {DISTRICT}, name: East}}]\n",
        "sites.geojson": json.dumps({"type": "FeatureCollection", "features": [feature]}),
        "gateways.csv": "\n".join(
            ["gateway,district,interval_s", *(f"{name},{DISTRICT},60" for name in gateways(load)), ""]
        ),
        "sensors.csv": "\n".join(["sensor,gateway,site,quantity,unit,interval_s", *sensors, ""]),
    }


@dataclass
class _Hour:
    running: Servers
    folder: Path
    load: LoadSettings
    dsn: str
    conn: Connection
    progress: Progress

    def run(self) -> CityHour:
        recorders = Recorders(self.dsn, self.running.mqtt_url, self.folder, f"hour-{os.getpid()}")
        recorders.start()
        try:
            recorders.await_connected()
            with Lateness(self.dsn) as lateness:
                process = subprocess.Popen(  # noqa: S603 - ourselves
                    [sys.executable, "-m", "bench.faultline.cityload", self.load.json()],
                    preexec_fn=die_with_parent(), cwd=Path(__file__).resolve().parents[1],
                )  # fmt: skip
                try:
                    parts, peaks = self._watch(process, recorders, lateness)
                finally:
                    process.kill()
                    process.wait()
        finally:
            recorders.stop()
        state = self._state()
        books = self.conn.execute(
            "SELECT sum(repeated)::bigint, sum(rejected)::bigint, sum(missing)::bigint FROM city.gateways"
        ).fetchone()
        repeated, rejected, missing = books or (0, 0, 0)
        machine = describe(self.dsn, embedded_broker=False)
        return CityHour(
            machine, self.running.broker, self.load, tuple(parts), state.made, self._stored(), int(repeated),
            int(rejected),
            int(missing), peaks, f"{os.getloadavg()[0]:.1f}",
            state.behind_us / 1e6,
        )  # fmt: skip

    def _watch(
        self, process: subprocess.Popen[bytes], recorders: Recorders, lateness: Lateness
    ) -> tuple[list[Part], dict[str, float]]:
        """Follow the load through its phases, and measure each."""
        clock, parts, peaks = SystemClock(), list[Part](), dict[str, float]()
        phase, began = "making", self._mark(process, recorders)
        while phase != "done":
            clock.pause_s(0.2)
            if process.poll() not in (None, 0):
                raise OutsideError("the load failed, see above")
            state = self._state()
            lateness.live_us = state.live_us or lateness.live_us
            self.progress(f"{state.phase}: {state.made:,} made, {state.confirmed:,} confirmed, {state.backlog:,} wait")
            if state.phase != phase:
                now = self._mark(process, recorders)
                if phase in ("draining", "steady"):
                    parts.append(self._part(phase, began, now, lateness))
                phase, began = state.phase, now
                lateness.phase = phase
            peaks |= {name: used.peak_mib for name, used in began[2].items()}
        self._await_all()
        return parts, peaks

    def _mark(self, process: subprocess.Popen[bytes], recorders: Recorders) -> tuple[float, int, dict[str, Usage]]:
        used = recorders.usages(self.running.pids)
        if (loaded := usage(process.pid)) is not None:
            used[_LOAD] = loaded
        return stopwatch_s(), self._heard(), used

    def _part(
        self, name: str, began: tuple[float, int, dict[str, Usage]], ended: tuple[float, int, dict[str, Usage]],
        lateness: Lateness,
    ) -> Part:  # fmt: skip
        seconds = ended[0] - began[0]
        cores = {
            each: (ended[2][each].cpu_s - began[2][each].cpu_s) / seconds for each in began[2].keys() & ended[2].keys()
        }
        most_s = lateness.most_us.get(name, 0) / 1e6
        late = lateness.share_s(name, 0.5), lateness.share_s(name, 0.99), most_s
        return Part(name, seconds, (ended[1] - began[1]) / seconds, cores, *late)

    def _state(self) -> LoadState:
        try:
            return LoadState(**json.loads((Path(self.load.folder) / "state.json").read_text()))
        except FileNotFoundError:
            return LoadState()

    def _await_all(self) -> None:
        """Until all that was made is committed, or patience ends: what is missing then is lost."""
        clock, end_s, made = SystemClock(), stopwatch_s() + _PATIENCE_S, self._state().made
        while self._heard() < made and stopwatch_s() < end_s:
            clock.pause_s(0.2)

    def _heard(self) -> int:
        row = self.conn.execute("SELECT coalesce(sum(stored), 0)::bigint FROM city.gateways").fetchone()
        return int(row[0]) if row else 0

    def _stored(self) -> int:
        row = self.conn.execute("SELECT count(*) FROM lifeline.readings").fetchone()
        return int(row[0]) if row else 0
