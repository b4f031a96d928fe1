"""What a run of the pipeline benchmark found: as values, as JSON, as tables."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

from bench.machine import Machine


@dataclass(frozen=True, slots=True)
class Load:
    """What was published. `steady_per_s` is the readings/s at which latency was measured."""

    seed: int
    gateways: int
    sensors: int
    readings_per_message: int
    full_readings: int
    steady_readings: int
    steady_per_s: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Readings per second from the first publish at full speed: to the last acknowledgement, row, and evaluation.

    `copy_per_s` is raw COPY of the very same rows into the same keyed table; `of_copy` is committed / COPY.
    """

    published_per_s: float
    committed_per_s: float
    evaluated_per_s: float
    copy_per_s: float
    of_copy: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from publish until another connection sees it, at the steady rate."""

    p50_ms: float
    p99_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process used at full speed: CPU cores busy on average, and its peak memory over the run."""

    name: str
    cores: float | None
    peak_mib: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """One run.

    `lost` readings and `missed` probe alarms must be 0; `redelivered` readings came again and counted once.
    """

    machine: Machine
    load: Load
    throughput: Throughput
    commit: Latency
    alarm: Latency
    costs: tuple[Cost, ...]
    redelivered: int
    lost: int
    missed: int
    name: str = "pipeline"

    def json(self) -> str:
        """The report as JSON, numbers rounded to what they are worth."""
        return json.dumps(rounded(asdict(self)), ensure_ascii=False, indent=2) + "\n"

    def render(self) -> Group:
        """The report as tables for a terminal."""
        machine = self.machine
        head = Table(title=f"bench {self.name} (seed {self.load.seed})", show_header=False)
        head.add_row("machine", f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}")
        versions = f"Python {machine.python}, PostgreSQL {machine.postgres}, TimescaleDB {machine.timescaledb}"
        head.add_row("versions", f"{versions}, broker {machine.broker}")
        load = self.load
        head.add_row(
            "load",
            f"{load.gateways} gateways, {load.sensors} sensors, {load.readings_per_message} readings a message, "
            f"{load.full_readings:,} at full speed, {load.steady_readings:,} at {load.steady_per_s:,.0f}/s",
        )
        head.add_row("readings", f"{self.lost} lost, {self.redelivered:,} delivered again; {self.missed} alarms missed")
        speed = Table("from publish to", "readings/s", title="full speed")
        found = self.throughput
        for what, value in (
            ("acknowledged by the broker", found.published_per_s),
            ("committed row", found.committed_per_s),
            ("evaluated rule", found.evaluated_per_s),
            ("(raw COPY of the same rows)", found.copy_per_s),
        ):
            speed.add_row(what, f"{value:,.0f}")
        speed.add_row("committed / COPY", f"{found.of_copy:.2f}")
        delay = Table("from publish to", "p50 ms", "p99 ms", "samples", title="steady")
        for what, one in (("committed row", self.commit), ("committed alarm", self.alarm)):
            delay.add_row(what, f"{one.p50_ms:,.0f}", f"{one.p99_ms:,.0f}", f"{one.count:,}")
        cost = Table("process", "CPU cores", "peak MiB", title="cost at full speed")
        for each in self.costs:
            cost.add_row(each.name, _text(each.cores, 2), _text(each.peak_mib, 0))
        return Group(head, speed, delay, cost)


def _text(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:,.{digits}f}"


def rounded(value: object) -> object:
    """Numbers as they are worth: three digits after the point, none from a thousand on."""
    if isinstance(value, float):
        return round(value, 3) if abs(value) < 1000 else round(value)
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value
