"""What a run of the store benchmark found on each server: as values, as JSON, as tables, each goal met or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

from bench.machine import Machine
from bench.storequeries import Answer
from bench.storewrite import Polled, Writing

LEAST_RATIO, LEAST_POLLED = 0.40, 0.80
MOST_BYTES, MOST_COMPRESSED = 95.0, 5.0


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes a reading: the table, its indexes while rows come in and once packed, and all after compression.

    `compressed` is None where the tier cannot.
    """

    table: float
    indexes: float
    packed: float
    compressed: float | None


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: what was wanted, what was found, whether it is met."""

    what: str
    wanted: str
    got: str
    met: bool


@dataclass(frozen=True, slots=True)
class TierReport:
    """One server. `notes` say what the figures stand on."""

    tier: str
    machine: Machine
    sensors: int
    writing: Writing
    space: Space
    answers: tuple[Answer, ...]
    polled: Polled
    notes: tuple[str, ...]

    def goals(self) -> Iterator[Goal]:
        """Each goal, as far as this tier can be held to it."""
        ratio = self.writing.ratio
        yield Goal("durable insert with upkeep / raw COPY", f">= {LEAST_RATIO}", f"{ratio:.2f}", ratio >= LEAST_RATIO)
        filling, used = self.space.table + self.space.indexes, self.space.table + self.space.packed
        got = f"{used:.1f} ({filling:.1f} in the piece that is filling)"
        yield Goal("bytes a reading with its key", f"<= {MOST_BYTES:g}", got, used <= MOST_BYTES)
        if (packed := self.space.compressed) is not None:
            met = packed <= MOST_COMPRESSED
            yield Goal("bytes a reading compressed", f"<= {MOST_COMPRESSED:g}", f"{packed:.2f}", met)
        for place in ("latest", "wall", "page"):
            asked = [answer for answer in self.answers if answer.place == place]
            worst = max(asked, key=lambda answer: answer.p99_ms)
            met = worst.p99_ms <= worst.limit_ms
            yield Goal(f"{place} p99", f"<= {worst.limit_ms:g} ms", f"{worst.p99_ms:.1f} ms ({worst.name})", met)
        share = self.polled.ratio
        yield Goal("insert with walls polling / without", f">= {LEAST_POLLED}", f"{share:.2f}", share >= LEAST_POLLED)


@dataclass(frozen=True, slots=True)
class StoreReport:
    """One run on one machine."""

    tiers: tuple[TierReport, ...]
    missing: tuple[str, ...]
    name: str = "store"

    def json(self) -> str:
        """The report as JSON, goals included."""
        tiers = [{**asdict(one), "goals": [asdict(goal) for goal in one.goals()]} for one in self.tiers]
        said = {"name": self.name, "tiers": tiers, "not measured": list(self.missing)}
        return json.dumps(_rounded(said), ensure_ascii=False, indent=2) + "\n"

    def render(self) -> Group:
        """The report as tables for a terminal."""
        return Group(*(table for one in self.tiers for table in _tables(one)), *self.missing)


def _tables(one: TierReport) -> Iterator[Table | str]:
    machine = one.machine
    head = Table(title=f"bench store: {one.tier}", show_header=False, title_justify="left")
    head.add_row("machine", f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}")
    head.add_row("server", f"PostgreSQL {machine.postgres}, TimescaleDB {machine.timescaledb}")
    writing = one.writing
    head.add_row("readings", f"{writing.rows:,} of {one.sensors:,} sensors")
    head.add_row("rows/s with upkeep", f"{writing.kept_per_s:,.0f} ({writing.written_per_s:,.0f} until written)")
    head.add_row("rows/s raw COPY", f"{writing.copied_per_s:,.0f}")
    head.add_row("rows/s with walls", f"{one.polled.polled_per_s:,.0f} (without {one.polled.alone_per_s:,.0f})")
    space = one.space
    later = f", packed {space.packed:.1f}"
    later += "" if space.compressed is None else f"; compressed {space.compressed:.2f}"
    head.add_row("bytes a reading", f"table {space.table:.1f}, indexes {space.indexes:.1f}{later}")
    yield head
    asked = Table("query", "where", "p50 ms", "p99 ms", "cold ms", "rows", title="queries", title_justify="left")
    for each in one.answers:
        cold = "?" if each.cold_ms is None else f"{each.cold_ms:,.1f}"
        asked.add_row(each.name, each.place, f"{each.p50_ms:,.1f}", f"{each.p99_ms:,.1f}", cold, f"{each.rows:,}")
    yield asked
    goals = Table("goal", "wanted", "got", "", title="goals", title_justify="left")
    for goal in one.goals():
        goals.add_row(goal.what, goal.wanted, goal.got, "met" if goal.met else "NOT met")
    yield goals
    yield from one.notes


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3) if abs(value) < 1000 else round(value)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
