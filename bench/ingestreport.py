"""What a run of the ingest benchmark found: as values, as JSON, as tables, each goal met or not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

from bench.ingeststages import Stages
from bench.machine import Machine
from bench.nodered import USUAL, Beside
from bench.report import rounded
from bench.storereport import Goal

OF_COPY = {"20 a message": 0.60, "100 a message": 0.80, "series blocks": 0.80}
MESSAGES_PER_S, FRESH, REPLAY, P99_MS, PEAK_MB = 15_000, 0.95, 0.70, 25.0, 150.0
OF_NODE_RED, OF_ITS_MEMORY = 4.0, 0.5


@dataclass(frozen=True, slots=True)
class Drain:
    """A backlog of one shape: readings/s from first to last commit, and raw COPY of the same rows.

    `cpu_us` is CPU of each process for a reading; `lost` what was published and is no row.
    """

    shape: str
    recorders: int
    readings: int
    rows: int
    lost: int
    per_s: float
    copied_per_s: float
    cpu_us: Mapping[str, float]
    peak_mib: float | None

    @property
    def of_copy(self) -> float:
        """Its rate to raw COPY's."""
        return self.per_s / self.copied_per_s

    @property
    def messages_per_s(self) -> float:
        """Messages a second."""
        return self.per_s / self.readings


@dataclass(frozen=True, slots=True)
class Live:
    """Published as fast as the broker takes it, the publisher on the same machine."""

    shape: str
    readings: int
    messages: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Publish to commit as another connection sees it, at a share of the live rate (20 readings a message).

    `copy_…`: of raw COPY at that rate, from when its rows were due.
    """

    share: float
    per_s: float
    p50_ms: float
    p99_ms: float
    readings: int
    copy_p50_ms: float
    copy_p99_ms: float


@dataclass(frozen=True, slots=True)
class WritePath:
    """Rows/s of the writer alone, 10,000 a transaction, and of raw COPY turn by turn with it."""

    rows: int
    copied_per_s: float
    fresh_per_s: float
    copied_beside_replay_per_s: float
    replay_per_s: float

    def shares(self) -> tuple[tuple[str, float, float], ...]:
        """For fresh rows and for their replay: rows/s, and that to raw COPY's."""
        return (
            ("fresh", self.fresh_per_s, self.fresh_per_s / self.copied_per_s),
            ("replay", self.replay_per_s, self.replay_per_s / self.copied_beside_replay_per_s),
        )


@dataclass(frozen=True, slots=True)
class IngestReport:
    """One run on one machine."""

    machine: Machine
    broker: str
    seed: int
    quick: bool
    drains: tuple[Drain, ...]
    lives: tuple[Live, ...]
    delays: tuple[Delay, ...]
    writing: WritePath
    missing: tuple[str, ...]
    load: str
    stages: tuple[Stages, ...] = ()
    peers: tuple[Beside, ...] = ()
    name: str = "ingest"

    @property
    def lost(self) -> int:
        """Readings that were published and are no row."""
        return sum(one.lost for one in self.drains)

    def goals(self) -> Iterator[Goal]:
        """Each goal, met or not."""
        for one in self.drains:
            if one.recorders == 1 and (least := OF_COPY.get(one.shape)) is not None:
                yield Goal(
                    f"drained / raw COPY, {one.shape}", f">= {least:.2f}", f"{one.of_copy:.2f}", one.of_copy >= least
                )
            if one.readings == 1:
                met = one.messages_per_s >= MESSAGES_PER_S
                yield Goal("messages/s of one reading", f">= {MESSAGES_PER_S:,}", f"{one.messages_per_s:,.0f}", met)
        for (what, _, share), least in zip(self.writing.shares(), (FRESH, REPLAY), strict=True):
            yield Goal(f"write path / raw COPY, {what}", f">= {least:.2f}", f"{share:.2f}", share >= least)
        third = self.delays[0]
        yield Goal(
            "p99 at a third of the live rate", f"<= {P99_MS:g} ms", f"{third.p99_ms:.1f} ms", third.p99_ms <= P99_MS
        )
        peak_mb = max((one.peak_mib for one in self.drains if one.peak_mib is not None), default=0.0) * 1.048576
        yield Goal("recorder's memory", f"< {PEAK_MB:g} MB", f"{peak_mb:.0f} MB", peak_mb < PEAK_MB)
        yield from self._beside_node_red()

    def _beside_node_red(self) -> Iterator[Goal]:
        for one in self.peers:
            if one.theirs.flow != USUAL.name:
                continue
            flow, share = f"Node-RED's {one.theirs.flow} flow, {one.theirs.shape}", one.of_memory
            yield Goal(f"times {flow}", f">= {OF_NODE_RED:g}", f"{one.times:.1f}", one.times >= OF_NODE_RED)
            if share is not None:
                met = share <= OF_ITS_MEMORY
                yield Goal(f"of the memory of {flow}", f"<= {OF_ITS_MEMORY:g}", f"{share:.2f}", met)

    def json(self) -> str:
        """The report as JSON, goals included."""
        drains = [{**asdict(one), "of_copy": one.of_copy} for one in self.drains]
        said = {**asdict(self), "drains": drains, "goals": [asdict(goal) for goal in self.goals()]}
        return json.dumps(rounded(said), ensure_ascii=False, indent=2) + "\n"

    def render(self) -> Group:
        """The report as tables for a terminal."""
        return Group(self._head(), self._drained(), self._rest(), self._staged(), self._goals(), *self.missing)

    def _head(self) -> Table:
        machine = self.machine
        head = Table(title=f"bench ingest (seed {self.seed}{', quick' if self.quick else ''})", show_header=False)
        head.add_row("machine", f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}")
        head.add_row("versions", f"Python {machine.python}, PostgreSQL {machine.postgres}, {self.broker}")
        head.add_row("load at the end", f"{self.load} (much above 2: others were at work, only ratios mean something)")
        return head

    def _drained(self) -> Table:
        columns = ("messages", "recorders", "readings/s", "raw COPY", "ratio", "lost", "peak MiB", "CPU µs a reading")
        table = Table(*columns, title="a backlog drained, durable and acknowledged")
        for one in self.drains:
            cpu = ", ".join(f"{name} {used:.2f}" for name, used in sorted(one.cpu_us.items()))
            peak = "?" if one.peak_mib is None else f"{one.peak_mib:.0f}"
            table.add_row(one.shape, str(one.recorders), f"{one.per_s:,.0f}", f"{one.copied_per_s:,.0f}",
                          f"{one.of_copy:.2f}", str(one.lost), peak, cpu)  # fmt: skip
        return table

    def _rest(self) -> Table:
        table = Table("what", "readings/s", "", title="live, latency, write path")
        for live in self.lives:
            table.add_row(f"live, {live.shape}", f"{live.per_s:,.0f}", f"{live.per_s / live.readings:,.0f} messages/s")
        for one in self.delays:
            said = f"p50 {one.p50_ms:.1f} ms, p99 {one.p99_ms:.1f} ms ({one.readings:,} readings); "
            said += f"raw COPY p50 {one.copy_p50_ms:.1f}, p99 {one.copy_p99_ms:.1f} ms"
            table.add_row(f"publish to commit at {one.share:.2f} of live", f"{one.per_s:,.0f}", said)
        for peer in self.peers:
            theirs, share = peer.theirs, peer.of_memory
            memory = "" if share is None else f" at {share:.2f} of its memory"
            said = f"peak {theirs.peak_mib:.0f} MiB, {theirs.lost} lost; "
            said += f"the recorder in turn: {peer.per_s:,.0f}, {peer.times:.1f} times as fast{memory}"
            table.add_row(
                f"Node-RED {theirs.version}, {theirs.flow} flow, {theirs.shape}", f"{theirs.per_s:,.0f}", said
            )
        table.add_row("raw COPY beside it", f"{self.writing.copied_per_s:,.0f}", "")
        for what, per_s, share in self.writing.shares():
            table.add_row(f"write path alone, {what}", f"{per_s:,.0f}", f"{share:.2f} of raw COPY")
        return table

    def _staged(self) -> Table:
        names = list(dict.fromkeys(name for one in self.stages for name in one.cpu_us))
        table = Table("messages", *names, title="where the time goes: CPU µs a reading, each stage alone")
        for one in self.stages:
            table.add_row(one.shape, *(f"{one.cpu_us[name]:.2f}" if name in one.cpu_us else "?" for name in names))
        return table

    def _goals(self) -> Table:
        table = Table("goal", "wanted", "got", "", title="goals")
        for goal in self.goals():
            table.add_row(goal.what, goal.wanted, goal.got, "met" if goal.met else "NOT met")
        return table
