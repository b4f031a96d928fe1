"""How fast the fleet engine is: `lifeline bench detectors`.

Fleets of 1,000 to 500,000 sensors, a reading a minute each, every minute's readings in random order, on one core:
updates per second, alone and with four neighbours each; how long a single reading takes; how large a sensor's state is,
and how long a snapshot takes to make and to read back. Beside it, in the same run, two detectors of the river library,
one object for each of a hundred sensors. What is timed is the detector alone: readings are drawn before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from bench.machine import Machine, local
from bench.report import rounded
from city.clock import stopwatch_s
from city.errors import InputError
from detectors.columns import CONTEXTS, Columns, Floats
from detectors.early import layout
from detectors.early.compiled import available
from detectors.early.fleet import Fleet
from detectors.early.settings import Settings
from detectors.subject import Neighbour, Subject

SIZES = (1_000, 10_000, 100_000, 500_000)
START_US, MINUTE_US = 1_782_864_000_000_000, 60_000_000
WARM_UP, ROUNDS, SINGLES = 30, 10, 20_000
RIVERS = ("HalfSpaceTrees", "GaussianScorer")
RIVER_SENSORS, RIVER_READINGS = 100, 60


@dataclass(frozen=True, slots=True)
class Size:
    """One fleet: updates per second (median of the rounds), and with four neighbours a sensor."""

    sensors: int
    per_s: float
    with_neighbours_per_s: float


@dataclass(frozen=True, slots=True)
class River:
    """One of river's detectors: score and learn, updates per second."""

    name: str
    per_s: float


@dataclass(frozen=True, slots=True)
class DetectorsReport:
    """One run.

    Attributes
    ----------
    compiled, configuration
        Whether numba was there, and the hash of settings and frozen configuration.
    start_s
        From nothing to an engine that is ready: compiling, or reading what was compiled before.
    bytes_a_sensor
        Of state.
    single_p50_us, single_p99_us
        One call with one reading, in the largest fleet up to 100,000 sensors.
    snapshot_s, restore_s, snapshot_mb
        Of that fleet.
    """

    machine: Machine
    seed: int
    compiled: bool
    configuration: str
    start_s: float
    bytes_a_sensor: int
    sizes: tuple[Size, ...]
    single_p50_us: float
    single_p99_us: float
    snapshot_s: float
    restore_s: float
    snapshot_mb: float
    snapshot_sensors: int
    rivers: tuple[River, ...]
    load: float | None
    name: str = "detectors"

    def json(self) -> str:
        """The report as JSON, numbers rounded to what they are worth."""
        return json.dumps(rounded(asdict(self)), ensure_ascii=False, indent=2) + "\n"

    def markdown(self) -> str:
        """The report as tables for documents."""
        first, second = self._cells()
        tables = []
        for head, *rows in (first, second):
            lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
            tables.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        return f"## bench detectors\n\n{self._words()}\n\n{tables[0]}\n\n{tables[1]}\n"

    def render(self) -> Group:
        """The report as tables for a terminal."""
        shown = []
        for head, *rows in self._cells():
            table = Table(*head, title=f"bench {self.name} (seed {self.seed})")
            for row in rows:
                table.add_row(*row)
            shown.append(table)
        return Group(self._words(), *shown)

    def _words(self) -> str:
        machine = self.machine
        where = f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}"
        how = "compiled" if self.compiled else "not compiled"
        busy = "" if self.load is None else f" Other work on the machine at the start: load {self.load:.1f}."
        return f"{where}, Python {machine.python}. One core used, {how}, configuration {self.configuration}.{busy}"

    def _cells(self) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        speed: list[tuple[str, ...]] = [("sensors", "updates/s", "with 4 neighbours, updates/s")]
        speed += [(f"{s.sensors:,}", f"{s.per_s:,.0f}", f"{s.with_neighbours_per_s:,.0f}") for s in self.sizes]
        speed += [(f"(river {one.name})", f"{one.per_s:,.0f}", "") for one in self.rivers]
        rest: list[tuple[str, ...]] = [
            ("", "value"),
            ("state, bytes a sensor", f"{self.bytes_a_sensor:,}"),
            ("one reading, p50, µs", f"{self.single_p50_us:.1f}"),
            ("one reading, p99, µs", f"{self.single_p99_us:.1f}"),
            (f"snapshot of {self.snapshot_sensors:,} sensors, s", f"{self.snapshot_s:.2f}"),
            ("read back, s", f"{self.restore_s:.2f}"),
            ("its size, MB", f"{self.snapshot_mb:.0f}"),
            ("ready after, s", f"{self.start_s:.1f}"),
        ]
        return speed, rest


class _Town:
    """Sensors and their readings, minute by minute, in random order."""

    def __init__(self, sensors: int, seed: int, *, neighbours: bool) -> None:
        self._dice = np.random.default_rng((seed, sensors))
        self._usual = self._dice.normal(100.0, 5.0, sensors)
        self._around = neighbours
        near = (Neighbour("next", "gas_pressure"),) * CONTEXTS if neighbours else ()
        self.subjects = [Subject(f"s{i}", "gas_pressure", 60.0, near) for i in range(sensors)]

    def minute(self, number: int) -> Columns:
        """Everybody's reading of one minute."""
        n = len(self._usual)
        row = self._dice.permutation(n)
        time_us = np.full(n, START_US + number * MINUTE_US, np.int64)
        value: Floats = self._usual[row] + self._dice.normal(0.0, 1.0, n)
        around: Floats = (
            self._dice.normal(100.0, 5.0, (n, CONTEXTS)) if self._around else np.full((n, CONTEXTS), np.nan)
        )
        return Columns(row, time_us, time_us, value, np.ones(n, np.uint8), around)


def run(*, seed: int = 7, quick: bool = False, progress: Callable[[str], None] = lambda _: None) -> DetectorsReport:
    """Run the benchmark.

    Parameters
    ----------
    seed
        Which readings.
    quick
        Small fleets: to see that it runs, not how fast.
    progress
        Told what happens now, in a few words.

    Raises
    ------
    InputError
        A negative seed.
    """
    if seed < 0:
        raise InputError(f"bench detectors: the seed must not be negative, got {seed}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    progress("getting ready")
    began_s = stopwatch_s()
    Fleet([Subject("first", "gas_pressure")])
    start_s = stopwatch_s() - began_s
    sizes = (100, 1_000) if quick else SIZES
    held = max(size for size in sizes if size <= 100_000)
    measured, figures = [], (0.0, 0.0, 0.0, 0.0, 0.0)
    for size in sizes:
        progress(f"{size:,} sensors")
        alone, fleet = _speed(size, seed, neighbours=False)
        if size == held:
            figures = (*_singles(fleet, seed, SINGLES // 100 if quick else SINGLES), *_snapshot(fleet))
        del fleet
        together, _ = _speed(size, seed, neighbours=True)
        measured.append(Size(size, alone, together))
    progress("river")
    return DetectorsReport(
        local(), seed, available(), Settings().hash, start_s, 4 * layout.WIDTH, tuple(measured), *figures, held,
        tuple(_river(name, seed) for name in RIVERS), load,
    )  # fmt: skip


def _speed(sensors: int, seed: int, *, neighbours: bool) -> tuple[float, Fleet]:
    """Updates per second once every sensor is warm; small fleets get more minutes, so that a round is long enough."""
    town = _Town(sensors, seed, neighbours=neighbours)
    fleet = Fleet(town.subjects)
    for number in range(WARM_UP):
        fleet.update(town.minute(number))
    minutes = max(1, 20_000 // sensors)
    took_s = []
    for turn in range(ROUNDS):
        batches = [town.minute(WARM_UP + turn * minutes + k) for k in range(minutes)]
        began_s = stopwatch_s()
        for batch in batches:
            fleet.update(batch)
        took_s.append(stopwatch_s() - began_s)
    return sensors * minutes / float(np.median(took_s)), fleet


def _singles(fleet: Fleet, seed: int, count: int) -> tuple[float, float]:
    """Microseconds for a call with one reading: median and 99th percentile."""
    dice = np.random.default_rng((seed, 1))
    rows, values = dice.integers(len(fleet), size=count), dice.normal(100.0, 5.0, count)
    flag, around = np.ones(1, np.uint8), np.full((1, CONTEXTS), np.nan)
    took_us = np.empty(count)
    for k in range(count):
        time_us = np.array([START_US + (100_000 + k) * MINUTE_US])
        one = Columns(rows[k : k + 1], time_us, time_us, values[k : k + 1], flag, around)
        began_s = stopwatch_s()
        fleet.update(one)
        took_us[k] = 1e6 * (stopwatch_s() - began_s)
    return float(np.median(took_us)), float(np.quantile(took_us, 0.99))


def _snapshot(fleet: Fleet) -> tuple[float, float, float]:
    """Seconds to make a snapshot and to read it back, and its megabytes."""
    began_s = stopwatch_s()
    data = fleet.snapshot()
    made_s = stopwatch_s()
    fleet.restore(data)
    return made_s - began_s, stopwatch_s() - made_s, len(data) / 1e6


def _river(name: str, seed: int) -> River:
    """One of river's detectors, an object for each sensor."""
    from river import anomaly

    dice = np.random.default_rng((seed, 2))
    values = np.clip(dice.normal(0.5, 0.1, (RIVER_READINGS, RIVER_SENSORS)), 0.0, 1.0).tolist()
    trees = name == "HalfSpaceTrees"
    models: list[Any] = [_model(anomaly, name) for _ in range(RIVER_SENSORS)]
    began_s = stopwatch_s()
    for minute in values:
        for model, value in zip(models, minute, strict=True):
            given = ({"value": value},) if trees else ({}, value)
            model.score_one(*given)
            model.learn_one(*given)
    return River(name, RIVER_SENSORS * RIVER_READINGS / (stopwatch_s() - began_s))


def _model(anomaly: Any, name: str) -> Any:  # noqa: ANN401 - river's models share no type here
    return anomaly.HalfSpaceTrees(seed=1) if name == "HalfSpaceTrees" else anomaly.GaussianScorer(window_size=250)
