"""How fast the rule engine is: `lifeline bench rules`.

A city of 85,000 sensors, one reading a minute each, under 100, 1,000 and 8,000 rules, through the real loader and the
real engine (no database, no broker): readings per second on a calm day and in a storm with one sensor in a hundred far
above every level, time per alarm transition, memory, and how long and large snapshots are. Beside it, in the same run,
a bare loop that compares each reading with one number and keeps nothing. Each book is measured in a process of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

from bench.city import RulesCity
from bench.machine import Machine, local, usage
from bench.report import rounded
from city.clock import stopwatch_s
from city.errors import InputError
from detectors.registry import create
from rules import snapshot
from rules.check import load_files
from rules.effects import AlarmEvent
from rules.engine import Engine
from rules.inputs import BundleIn
from rules.watcher import rest_memory

BOOKS = (100, 1000, 8000)
START_US = 1_782_864_000_000_000  # 2026-07-01T00:00:00Z
WARM_UP, CALM, STORM = 30, 20, 20  # minutes of readings
ABNORMAL = 0.01
SNAPSHOTS = 5


@dataclass(frozen=True, slots=True)
class Book:
    """What was measured under one book.

    Attributes
    ----------
    rules, instances, load_s
        Rules, rules times sensors, and seconds from the city folder's text to an engine that is ready.
    calm_per_s, storm_per_s, loop_per_s
        Readings per second: decided on, and by the bare loop.
    transitions, transition_us
        What happened to alarms in the storm, and by how many microseconds each of them made it longer than a calm day.
    resident_mib, kept, bytes_a_sample
        Resident memory after the storm; samples kept, and bytes of their columns for each.
    stall_calm_ms, stall_storm_ms, snapshot_mb, restore_s
        How long a snapshot keeps the engine waiting (median, before and after the storm), its size, and seconds to read
        it back.
    """

    rules: int
    instances: int
    load_s: float
    calm_per_s: float
    storm_per_s: float
    loop_per_s: float
    transitions: int
    transition_us: float
    resident_mib: float | None
    kept: int
    bytes_a_sample: float
    stall_calm_ms: float
    stall_storm_ms: float
    snapshot_mb: float
    restore_s: float


@dataclass(frozen=True, slots=True)
class RulesReport:
    """One run."""

    machine: Machine
    seed: int
    sensors: int
    abnormal: float
    books: tuple[Book, ...]
    name: str = "rules"

    def json(self) -> str:
        """The report as JSON, numbers rounded to what they are worth."""
        return json.dumps(rounded(asdict(self)), ensure_ascii=False, indent=2) + "\n"

    def markdown(self) -> str:
        """The report as a table for documents."""
        head, *rows = self._cells()
        lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## bench rules\n\n{self._words()}\n\n{table}\n"

    def render(self) -> Group:
        """The report as a table for a terminal."""
        head, *rows = self._cells()
        table = Table(head[0], *(f"{name} rules" for name in head[1:]), title=f"bench {self.name} (seed {self.seed})")
        for row in rows:
            table.add_row(*row)
        return Group(self._words(), table)

    def _words(self) -> str:
        machine = self.machine
        where = f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}"
        what = f"{self.sensors:,} sensors, one reading a minute each; storm: {self.abnormal:.0%} far above every level"
        return f"{where}, Python {machine.python}. {what}."

    def _cells(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, Callable[[Book], str]]] = [
            ("", lambda b: f"{b.rules:,}"),
            ("rules on sensors", lambda b: f"{b.instances:,}"),
            ("book loaded, s", lambda b: f"{b.load_s:.1f}"),
            ("calm, readings/s", lambda b: f"{b.calm_per_s:,.0f}"),
            ("storm, readings/s", lambda b: f"{b.storm_per_s:,.0f}"),
            ("(bare loop, readings/s)", lambda b: f"{b.loop_per_s:,.0f}"),
            ("alarm transitions in the storm", lambda b: f"{b.transitions:,}"),
            ("each, µs", lambda b: f"{b.transition_us:,.0f}"),
            ("resident, MiB", lambda b: "?" if b.resident_mib is None else f"{b.resident_mib:,.0f}"),
            ("samples kept", lambda b: f"{b.kept:,}"),
            ("bytes a sample", lambda b: f"{b.bytes_a_sample:.1f}"),
            ("snapshot keeps alarms waiting, calm, ms", lambda b: f"{b.stall_calm_ms:.0f}"),
            ("the same in the storm, ms", lambda b: f"{b.stall_storm_ms:.0f}"),
            ("snapshot, MB", lambda b: f"{b.snapshot_mb:.0f}"),
            ("snapshot read back, s", lambda b: f"{b.restore_s:.1f}"),
        ]
        return [(name, *(cell(book) for book in self.books)) for name, cell in rows]


def run(*, seed: int = 7, quick: bool = False, progress: Callable[[str], None] = lambda _: None) -> RulesReport:
    """Run the benchmark.

    Parameters
    ----------
    seed
        Which readings.
    quick
        A tenth of the sensors and less of everything: to see that it runs, not how fast.
    progress
        Told what happens now, in a few words.

    Raises
    ------
    InputError
        A negative seed.
    """
    if seed < 0:
        raise InputError(f"bench rules: the seed must not be negative, got {seed}")
    gateways = 170 if quick else 1700
    books = []
    for rules in (100, 800) if quick else BOOKS:
        progress(f"{rules} rules")
        city = RulesCity(rules, gateways, seed=seed)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            books.append(pool.submit(measure, city).result())
    return RulesReport(local(), seed, gateways * city.sensors_each, ABNORMAL, tuple(books))


def measure(city: RulesCity) -> Book:
    """Measure one book, in this process."""
    files = city.files()
    began_s = stopwatch_s()
    checked = load_files(files)
    engine = Engine(create)
    engine.step(1, BundleIn("bench", checked.book, checked.escalation), START_US)
    load_s = stopwatch_s() - began_s
    del files
    rest_memory()  # as the watcher does
    _play(engine, city, range(WARM_UP), 0.0)
    calm = _play(engine, city, range(WARM_UP, WARM_UP + CALM), 0.0)
    stall_calm_s = _stall_s(engine)
    storm = _play(engine, city, range(WARM_UP + CALM, WARM_UP + CALM + STORM), ABNORMAL)
    stall_storm_s, used = _stall_s(engine), usage(os.getpid())
    body = snapshot.dump(engine.state)
    began_s = stopwatch_s()
    kept = snapshot.load(body).tracks.samples()
    tracks = engine.state.tracks
    return Book(
        rules=city.rules, instances=len(checked.book.instances), load_s=load_s,
        calm_per_s=calm.readings / calm.took_s, storm_per_s=storm.readings / storm.took_s,
        loop_per_s=_bare_loop(city), transitions=storm.transitions,
        transition_us=max(0.0, storm.took_s - storm.readings * calm.took_s / calm.readings) * 1e6 / storm.transitions,
        resident_mib=used.peak_mib if used else None, kept=kept, bytes_a_sample=tracks.column_bytes() / kept,
        stall_calm_ms=stall_calm_s * 1e3, stall_storm_ms=stall_storm_s * 1e3, snapshot_mb=len(body) / 1e6,
        restore_s=stopwatch_s() - began_s,
    )  # fmt: skip


def _stall_s(engine: Engine) -> float:
    """Median seconds that making a snapshot keeps the engine waiting; the watcher writes it beside the following."""
    snapshot.freeze(engine.state)  # the first one finds no memory to copy to
    stalls = []
    for _ in range(SNAPSHOTS):
        began_s = stopwatch_s()
        snapshot.freeze(engine.state)
        stalls.append(stopwatch_s() - began_s)
    return sorted(stalls)[SNAPSHOTS // 2]


@dataclass(frozen=True, slots=True)
class _Played:
    readings: int
    took_s: float
    transitions: int


def _play(engine: Engine, city: RulesCity, minutes: range, abnormal: float) -> _Played:
    """Step through minutes of readings; making them is not counted."""
    readings, took_s, transitions = 0, 0.0, 0
    for minute in minutes:
        batches = list(city.minute(minute, START_US, abnormal))
        began_s = stopwatch_s()
        for at, (batch, recorded_us) in enumerate(batches):
            effects = engine.step(2 + minute * len(batches) + at, batch, recorded_us)
            transitions += sum(isinstance(effect, AlarmEvent) for effect in effects)
        took_s += stopwatch_s() - began_s
        readings += sum(len(batch) for batch, _ in batches)
    return _Played(readings, took_s, transitions)


def _bare_loop(city: RulesCity) -> float:
    """Readings per second of the least that a program in this language can do: one comparison each."""
    limit = dict.fromkeys(city.names, 1e9)
    took_s, above, readings = 0.0, 0, 0
    for batch, _ in city.minute(0, START_US):
        names, values = [batch.sensors[at] for at in batch.which.tolist()], batch.value.tolist()
        began_s = stopwatch_s()
        for name, value in zip(names, values, strict=True):
            if value >= limit[name]:
                above += 1
        took_s += stopwatch_s() - began_s
        readings += len(batch)
    return readings / took_s
