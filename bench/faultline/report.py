"""What a run of the faults benchmark found: as values, as JSON, as tables for a terminal and for a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

from bench.faultline.count import Count
from bench.machine import Machine
from bench.report import rounded

_HEAD = ("fault", "broken", "sent", "stored", "rejected", "again", "lost", "extra", "twice", "books", "MiB", "s", "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fault: what was counted (None where it could not be shown, and `why`), what was done when, memory, time.

    `peak_mib` is the largest recorder's resident memory; `done` holds stopwatch seconds and what was broken.
    """

    name: str
    what: str
    count: Count | None
    done: tuple[str, ...]
    peak_mib: float
    seconds: float
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, as far as it was tried."""
        return self.count is None or self.count.holds

    def cells(self) -> tuple[str, ...]:
        """The row of a table."""
        found = self.count
        if found is None:
            return self.name, self.what, *("–",) * 10, f"NOT TRIED: {self.why}"
        numbers = (found.sent, found.stored, found.rejected, found.repeated, found.missing, found.extra, found.twice)
        books = "add up" if not (found.faults or found.unnumbered) else "WRONG"
        said = "held" if found.holds else "NOT held"
        more = (books, f"{self.peak_mib:.0f}", f"{self.seconds:.0f}", said)
        return self.name, self.what, *(f"{number:,}" for number in numbers), *more


@dataclass(frozen=True, slots=True)
class FaultsReport:
    """One run on one machine."""

    machine: Machine
    seed: int
    quick: bool
    outcomes: tuple[Outcome, ...]
    name: str = "faults"

    @property
    def held(self) -> bool:
        """Whether nothing was lost and nothing is there twice, whatever was broken."""
        return all(one.holds for one in self.outcomes)

    def json(self) -> str:
        """The report as JSON."""
        outcomes = [{**asdict(one), "holds": one.holds} for one in self.outcomes]
        return json.dumps(rounded({**asdict(self), "outcomes": outcomes}), ensure_ascii=False, indent=2) + "\n"

    def markdown(self) -> str:
        """The report as a table for a page."""
        rows = [_HEAD, ("---",) * len(_HEAD), *(one.cells() for one in self.outcomes)]
        return "\n".join(["| " + " | ".join(row) + " |" for row in rows] + ["", *self._notes(), ""])

    def render(self) -> Group:
        """The report as tables for a terminal."""
        machine = self.machine
        head = Table(title=f"bench faults (seed {self.seed}{', quick' if self.quick else ''})", show_header=False)
        head.add_row("machine", f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}")
        versions = f"Python {machine.python}, PostgreSQL {machine.postgres}, broker {machine.broker}"
        head.add_row("versions", versions)
        table = Table(*_HEAD, title="after each fault")
        for one in self.outcomes:
            table.add_row(*one.cells())
        return Group(head, table, *self._notes())

    def _notes(self) -> Iterator[str]:
        for one in self.outcomes:
            if one.count is None:
                continue
            reasons = ", ".join(f"{number} {reason}" for reason, number in one.count.reasons.items())
            sums = f"checksum {one.count.sent_sum} sent, {one.count.found_sum} found"
            yield f"{one.name}: {sums}; {reasons}"
            yield from (f"{one.name}: {fault}" for fault in one.count.faults)
            if one.count.unnumbered:
                yield f"{one.name}: {one.count.unnumbered} messages missing by their numbers"
            if not one.holds or any("memory" in each for each in one.done):
                yield f"{one.name}: {'; '.join(one.done)}"
