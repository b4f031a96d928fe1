"""What a soak found: each process over time, how fast it grows with an interval, and whether every reading is there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group
from rich.table import Table

from bench.machine import Machine
from bench.report import rounded

if TYPE_CHECKING:
    from pathlib import Path

WARM_UP = 0.5  # of the time: caches and windows of minutes fill, the machine code of the engine is made
BLOCKS = 20
TELLS_FROM_S = 300.0  # a shorter time after the warm-up shows what fills, not what leaks: nothing is said to grow
TOLERATED = {"memory_mib": 8.0, "files": 6.0, "threads": 6.0, "sockets": 6.0, "sessions": 6.0, "lag_s": 1.0}
"""Growth an hour that is no leak. `grows` says that the whole interval lies above it."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure of one process after the warm-up: median of its first and last block, and growth an hour.

    Growth is the median slope between block medians (Theil and Sen) with its 95 % interval: samples close to each other
    are not independent, and one step, such as a cache that was given more room, is no leak.
    """

    process: str
    measure: str
    first: float
    last: float
    most: float
    per_hour: float
    low: float
    high: float
    over_s: float

    @property
    def grows(self) -> bool:
        """Whether it grows for sure, and by more than is tolerated."""
        return self.over_s >= TELLS_FROM_S and self.low > TOLERATED[self.measure] and self.last > self.first


def trend(name: str, at_s: Sequence[float], values: Sequence[float]) -> Trend:
    """The trend of `process measure`, of samples taken at rising `at_s` (seconds); those of the warm-up are left out.

    The interval is infinite where there are too few samples to tell.
    """
    process, measure = name.split(" ")
    times, found = np.asarray(at_s, float), np.asarray(values, float)
    keep = times >= times[0] + WARM_UP * (times[-1] - times[0])
    times, found = times[keep], found[keep]
    count = min(BLOCKS, len(times) // 2)
    if count < 6:
        most = float(found.max())
        return Trend(process, measure, float(found[0]), float(found[-1]), most, math.nan, -math.inf, math.inf, 0.0)
    hours = np.array([part.mean() for part in np.array_split(times, count)]) / 3600
    middles = np.array([np.median(part) for part in np.array_split(found, count)])
    slopes = np.sort([(middles[j] - middles[i]) / (hours[j] - hours[i]) for j in range(count) for i in range(j)])
    reach = 1.96 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)  # of Kendall's sum, two-sided 95 %
    low, high = (max(0, round((len(slopes) - reach) / 2) - 1), min(len(slopes) - 1, round((len(slopes) + reach) / 2)))
    return Trend(
        process, measure, float(middles[0]), float(middles[-1]), float(found.max()),
        float(np.median(slopes)), float(slopes[low]), float(slopes[high]), float(times[-1] - times[0]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """Readings: `sent` and acknowledged, `stored`, `repeated`, `rejected` by the ledger, `rows`; `alarms` changed."""

    sent: int
    stored: int
    repeated: int
    rejected: int
    rows: int
    alarms: int
    requests: int
    refused_requests: int

    @property
    def missing(self) -> int:
        """Readings that were acknowledged and are nowhere."""
        return self.sent - self.stored - self.rejected


@dataclass(frozen=True, slots=True)
class Report:
    """One soak. `samples` holds a row for each sample: seconds, then each `process measure` of `columns`."""

    machine: Machine
    seed: int
    minutes: float
    per_s: float
    sensors: int
    counts: Counts
    trends: tuple[Trend, ...]
    restarts: Mapping[str, int]
    stop_s: float
    left_running: tuple[str, ...]
    not_drained: tuple[str, ...]
    log_bytes: int
    columns: tuple[str, ...]
    samples: tuple[tuple[float, ...], ...]

    @property
    def held(self) -> bool:
        """Nothing missing, nothing grows, nothing died, a clean stop."""
        return not (
            self.counts.missing
            or any(one.grows for one in self.trends)
            or any(self.restarts.values())
            or self.left_running
            or self.not_drained
        )

    def json(self) -> str:
        """The report as JSON, numbers rounded to what they are worth (an interval that is infinite becomes null)."""
        return json.dumps(_finite(rounded(asdict(self))), ensure_ascii=False) + "\n"

    def render(self) -> Group:
        """The report as tables for a terminal."""
        machine, counts = self.machine, self.counts
        head = Table(title=f"bench soak (seed {self.seed})", show_header=False)
        head.add_row("machine", f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}")
        versions = f"Python {machine.python}, PostgreSQL {machine.postgres}, TimescaleDB {machine.timescaledb}"
        head.add_row("versions", f"{versions}, broker {machine.broker}")
        head.add_row("load", f"{self.minutes:.1f} min, {self.sensors:,} sensors, {self.per_s:,.0f} readings/s")
        parts = f"{counts.stored:,} stored + {counts.rejected:,} rejected + {counts.missing:,} missing"
        head.add_row("readings", f"{counts.sent:,} sent = {parts}; {counts.repeated:,} delivered again")
        head.add_row("kept", f"{counts.rows:,} rows of readings, {counts.alarms:,} changes of alarms")
        head.add_row("requests", f"{counts.requests:,}, of them {counts.refused_requests:,} refused")
        died = ", ".join(f"{name} {n}" for name, n in self.restarts.items() if n) or "none"
        head.add_row("restarts", died)
        still = ", ".join((*self.left_running, *(f"{name} not drained" for name in self.not_drained))) or "clean"
        head.add_row("stop", f"{self.stop_s:.1f} s, {still}; logs {self.log_bytes / 1e6:.1f} MB")
        table = Table("process", "measure", "first", "last", "most", "an hour", "95 % interval", "", title="trends")
        for one in self.trends:
            interval = f"{one.low:+,.2f} … {one.high:+,.2f}"
            figures = (f"{value:,.1f}" for value in (one.first, one.last, one.most))
            table.add_row(
                one.process, one.measure, *figures, f"{one.per_hour:+,.2f}", interval, "grows" if one.grows else "flat"
            )
        return Group(head, table)

    def write(self, folder: Path) -> None:
        """Write `soak.json` and `soak.svg` into a folder, made when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "soak.json").write_text(self.json(), encoding="utf-8")
        self._plot(folder / "soak.svg")

    def _plot(self, file: Path) -> None:
        from matplotlib.figure import Figure

        measures = list(dict.fromkeys(name.split(" ")[1] for name in self.columns))
        figure = Figure(figsize=(9, 2.4 * len(measures)), layout="constrained")
        table = np.asarray(self.samples, float)
        for axes, measure in zip(np.atleast_1d(figure.subplots(len(measures), sharex=True)), measures, strict=True):
            for place, name in enumerate(self.columns, 1):
                if name.split(" ")[1] == measure:
                    axes.plot(table[:, 0] / 60, table[:, place], label=name.split(" ")[0], linewidth=1)
            axes.set_ylabel(measure)
            axes.set_ylim(bottom=0)
            axes.axvspan(0, WARM_UP * table[-1, 0] / 60, color="0.93")
            axes.legend(fontsize=6, ncols=4)
        axes.set_xlabel("minutes (grey: warm-up, not judged)")
        figure.savefig(file)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value
