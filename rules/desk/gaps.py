"""Hours in which nobody would be told: found before they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

from city.clock import from_us
from rules.desk.plan import Escalation
from rules.desk.reach import by_any
from rules.desk.roster import DAY_US, Roster

AHEAD_US = 14 * DAY_US  # how far a city looks ahead
SOON_US = DAY_US  # a gap that begins by then is an alarm


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A span in which nobody can be told. `people`: who is on duty all the same, but cannot be reached."""

    start_us: int
    end_us: int
    people: tuple[str, ...] = ()


def gaps(roster: Roster, start_us: int, end_us: int, can: Callable[[str], bool] = bool) -> list[Gap]:
    """The spans between two instants in which nobody is on duty who can be told.

    Parameters
    ----------
    roster
        Who is on duty when.
    start_us, end_us
        From when until when to look, microseconds since 1970.
    can
        Whether a person can be reached.

    Returns
    -------
    list of Gap
        In their order, cut to the time that is looked at; none touches another.
    """
    found: list[Gap] = []
    changes = [*roster.changes(start_us, end_us), (end_us, ())]
    for (at, people), (until, _) in pairwise(changes):
        if any(can(person) for person in people):
            continue
        if found and found[-1].end_us == at:
            before = found.pop()
            found.append(Gap(before.start_us, until, tuple(dict.fromkeys([*before.people, *people]))))
        else:
            found.append(Gap(at, until, people))
    return found


def all_gaps(escalation: Escalation, start_us: int, end_us: int) -> Iterator[tuple[Roster, list[Gap]]]:
    """Every roster whose gaps are no purpose, with its gaps: a person counts whom each step that names it can reach."""
    for roster in escalation.rosters.values():
        if not roster.gaps_meant:
            ways = _ways(escalation, roster.id)
            reached = {p for p in roster.people if all(by_any(escalation, p, via) for via in ways)}
            yield roster, gaps(roster, start_us, end_us, reached.__contains__)


def _ways(escalation: Escalation, roster: str) -> set[tuple[str, ...]]:
    """The channels by which a roster is told: those of each step that names it; a fallback has those of its chain."""
    found = set()
    for chain in escalation.chains.values():
        own = {step.via for step in chain.steps if roster in _rosters(escalation, step.notify)}
        if not own and roster in _rosters(escalation, chain.fallback):
            own = {tuple(channel for step in chain.steps for channel in step.via)}
        found |= own
    return found


def _rosters(escalation: Escalation, target: str) -> set[str]:
    """The rosters behind a target."""
    kind, _, name = target.partition("/")
    members = escalation.groups.get(name, ()) if kind == "group" else (target,)
    return {member.removeprefix("roster/") for member in members if member.startswith("roster/")}


def spell(gap: Gap, zone: str, end_us: int) -> str:
    """A gap by the clock of a place: `Mon 2026-11-23 00:00 to 08:00`. `end_us`: until when was looked."""
    start, end = (from_us(at).astimezone(ZoneInfo(zone)) for at in (gap.start_us, gap.end_us))
    same_day = start.date() == end.date()
    until = f"{end:%H:%M}" if same_day else f"{end:%a %Y-%m-%d %H:%M}"
    why = f" ({', '.join(gap.people)} on duty, but cannot be reached)" if gap.people else ""
    return f"{start:%a %Y-%m-%d %H:%M} to {until}{' or later' if gap.end_us >= end_us else ''}{why}"
