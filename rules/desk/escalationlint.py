"""What is allowed in `escalation.yaml` but hardly meant: warnings with their places, each kind with a stable name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from city.duration import write as write_duration
from city.errors import Fault
from city.positions import Path, Positions
from city.yamlfile import read
from rules.book import Book
from rules.desk.escalationfile import FILE
from rules.desk.escalationkeys import CLOCK_ORDER
from rules.desk.gaps import AHEAD_US, all_gaps, spell
from rules.desk.ical import Feed
from rules.desk.plan import Chain, DeskPlan, Escalation
from rules.desk.reach import by_any
from rules.language.lint import Advice

WARNINGS: Mapping[str, str] = {
    "roster-gap": "Hours of the next 14 days in which nobody of a roster can be told.",
    "unreachable": "Somebody a step tells who has no address for any of its channels.",
    "same-fallback": "A fallback that is just whom the last step told.",
    "no-fallback": "A chain that ends with a roster, which may be empty, and has no fallback.",
    "clock-order": "A clock that runs out before an earlier one.",
    "idle-override": "An exception in place of somebody who has no turns.",
    "idle-desk": "A desk that never has an incident, because an earlier one takes them.",
    "unused": "A chain, roster, group, channel or calendar that nothing names.",
}
_SHOWN = 3


def lint_escalation(files: Mapping[str, str], escalation: Escalation, book: Book, now_us: int) -> list[Advice]:
    """Every warning about an escalation without faults, in file order.

    Parameters
    ----------
    files
        The city folder by relative path.
    escalation, book
        What was read from it.
    now_us
        From when on to look for gaps, microseconds since 1970.
    """
    if FILE not in files:
        return []
    lint = _Lint(read(files[FILE], FILE).positions, escalation)
    found = [
        *lint.gaps(now_us), *lint.chains(), *lint.clocks(), *lint.overrides(), *lint.desks(), *lint.unused(book),
        *_unused_calendars(files, escalation),
    ]  # fmt: skip
    return sorted(set(found))


def _unused_calendars(files: Mapping[str, str], escalation: Escalation) -> Iterator[Advice]:
    used = {shift.file for roster in escalation.rosters.values() for shift in roster.shifts if isinstance(shift, Feed)}
    for name in sorted(name for name in files if name.lower().endswith(".ics") and name not in used):
        yield Advice(Fault(name, 1, 1, "no roster names this calendar", hint=f"- {{ical: {name}}}"), "unused")


class _Lint:
    """One escalation and where it stands in its file."""

    def __init__(self, positions: Positions, escalation: Escalation) -> None:
        self.positions = positions
        self.all = escalation

    def advice(self, name: str, path: Path, what: str, hint: str = "") -> Advice:
        return Advice(self.positions.fault(path, what, hint=hint), name)

    def named(self, name: str, path: Path, what: str, hint: str = "") -> Advice:
        return Advice(self.positions.key_fault(path, what, hint=hint), name)

    def gaps(self, now_us: int) -> Iterator[Advice]:
        end_us = now_us + AHEAD_US
        for roster, found in all_gaps(self.all, now_us, end_us):
            if found:
                more = f" and {len(found) - _SHOWN} times more" if len(found) > _SHOWN else ""
                spans = "; ".join(spell(gap, roster.timezone, end_us) for gap in found[:_SHOWN])
                what = f"nobody of {roster.id} can be told on {spans}{more} ({roster.timezone})"
                yield self.named("roster-gap", ("rosters", roster.id), what, "a shift for it, or gaps: meant")

    def chains(self) -> Iterator[Advice]:
        for chain in self.all.chains.values():
            path: Path = ("chains", chain.id)
            yield from self._steps(chain, path)
            last = self._people(chain.steps[-1].notify)
            if chain.fallback and self._people(chain.fallback) <= last:
                what = f"{chain.fallback} is whom the last step told"
                yield self.advice("same-fallback", (*path, "fallback"), what, "somebody else")
            elif not chain.fallback and chain.steps[-1].notify.startswith("roster/"):
                what = f"{chain.id} ends with a roster: when it is empty, nobody is told"
                yield self.named("no-fallback", path, what, "fallback: group/…")

    def _steps(self, chain: Chain, path: Path) -> Iterator[Advice]:
        for at, step in enumerate(chain.steps):
            here: Path = (*path, "steps", at)
            lacking = sorted(p for p in self._people(step.notify) if not by_any(self.all, p, step.via))
            if lacking:
                what = f"{', '.join(lacking)} cannot be told through {' or '.join(step.via)}"
                yield self.advice("unreachable", (*here, "via"), what, "an address of theirs, or another channel")

    def clocks(self) -> Iterator[Advice]:
        for level, clocks in self.all.clocks.items():
            times = [(key, getattr(clocks, f"{key}_us")) for key in CLOCK_ORDER]
            for (first, early_us), (then, late_us) in pairwise((key, us) for key, us in times if us is not None):
                if late_us < early_us:
                    what = f"{then} runs out before {first}, {write_duration(early_us / 1e6)}"
                    yield self.advice("clock-order", ("clocks", level.word, then), what, "a longer time")

    def overrides(self) -> Iterator[Advice]:
        for roster in self.all.rosters.values():
            regular = {person for shift in roster.shifts for person in shift.people}
            regular |= {override.person for override in roster.overrides}
            for at, override in enumerate(roster.overrides):
                if override.instead_of and override.instead_of not in regular:
                    path: Path = ("rosters", roster.id, "overrides", at, "instead_of")
                    what = f"{override.instead_of} has no turns in {roster.id}"
                    yield self.advice("idle-override", path, what, "one of " + ", ".join(sorted(regular - {""})))

    def desks(self) -> Iterator[Advice]:
        for at, desk in enumerate(self.all.desks):
            above = next((one for one in self.all.desks[:at] if _takes_all(one, desk)), None)
            if above is not None:
                what = f"{desk.id} never has an incident: {above.id} takes them"
                yield self.named("idle-desk", ("desks", desk.id), what, f"writing it before {above.id}")

    def unused(self, book: Book) -> Iterator[Advice]:
        every = [*(one.rule for one in book.instances.values()), *(one.rule for one in book.watches.values())]
        chains = {rule.escalate for rule in every} | {self.all.platform}
        targets = {step.notify for chain in self.all.chains.values() for step in chain.steps}
        targets |= {chain.fallback for chain in self.all.chains.values()}
        targets |= {member for members in self.all.groups.values() for member in members}
        channels = {name for chain in self.all.chains.values() for step in chain.steps for name in step.via}
        parts: Mapping[str, tuple[Mapping[str, object], set[str]]] = {
            "chains": (self.all.chains, chains),
            "rosters": (self.all.rosters, _names("roster/", targets)),
            "groups": (self.all.groups, _names("group/", targets)),
            "channels": (self.all.channels, channels),
        }
        for part, (written, used) in parts.items():
            for name in written:
                if name not in used:
                    by = "no rule" if part == "chains" else "no chain"
                    yield self.named("unused", (part, name), f"{by} names {name}", "removing it")

    def _people(self, target: str) -> set[str]:
        """Everybody who may be behind a target, at whatever time."""
        kind, _, name = target.partition("/")
        if kind == "roster":
            return set(self.all.rosters[name].people)
        if kind == "group":
            return {p for m in self.all.groups[name] for p in self._people(m if "/" in m else f"person/{m}")}
        return {name}


def _names(kind: str, targets: set[str]) -> set[str]:
    return {target.removeprefix(kind) for target in targets if target.startswith(kind)}


def _takes_all(above: DeskPlan, desk: DeskPlan) -> bool:
    pairs = ((above.districts, desk.districts), (above.domains, desk.domains), (above.chains, desk.chains))
    return all(not wide or (narrow and narrow <= wide) for wide, narrow in pairs)
