"""Rosters as `lifeline rosters` tells them: who is on duty, what changes next, and the hours without anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from city.clock import from_us
from rules.desk.gaps import Gap, all_gaps, spell
from rules.desk.plan import Escalation
from rules.desk.roster import Roster


@dataclass(frozen=True, slots=True)
class Spell:
    """From one change until the next these people (ids) are on duty; none: nobody."""

    start_us: int
    end_us: int
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duties:
    """A roster within a span of time. `gaps` None: its gaps are meant."""

    roster: Roster
    spells: tuple[Spell, ...]
    gaps: tuple[Gap, ...] | None

    def local(self, moment_us: int) -> datetime:
        """A time by the roster's clock."""
        return from_us(moment_us).astimezone(ZoneInfo(self.roster.timezone))

    def document(self) -> dict[str, object]:
        """The same for other programs, times by the roster's clock with their offset."""

        def span(one: Spell | Gap) -> dict[str, object]:
            start, end = (self.local(us).isoformat() for us in (one.start_us, one.end_us))
            return {"from": start, "to": end, "people": list(one.people)}

        return {
            "roster": self.roster.id,
            "timezone": self.roster.timezone,
            "on_duty": [span(one) for one in self.spells],
            "gaps": None if self.gaps is None else [span(one) for one in self.gaps],
        }


def duties(escalation: Escalation, start_us: int, end_us: int) -> list[Duties]:
    """Every roster between two instants (microseconds since 1970)."""
    gaps = {roster.id: tuple(found) for roster, found in all_gaps(escalation, start_us, end_us)}
    found = []
    for roster in escalation.rosters.values():
        changes = [*roster.changes(start_us, end_us), (end_us, ())]
        spells = tuple(Spell(at, until, people) for (at, people), (until, _) in pairwise(changes))
        found.append(Duties(roster, spells, gaps.get(roster.id)))
    return found


def tables(found: Iterable[Duties], names: Mapping[str, str], end_us: int, most: int) -> RenderableType:
    """The rosters for a terminal, the first `most` changes of each, and under them their gaps (`names`: id -> name)."""
    return Group(*(part for one in found for part in _parts(one, names, end_us, most)))


def _parts(one: Duties, names: Mapping[str, str], end_us: int, most: int) -> Iterator[RenderableType]:
    table = Table("from", "until", "on duty", title=f"{one.roster.id} ({one.roster.timezone})", title_justify="left")
    for spell_ in one.spells[:most]:
        start, end = (f"{one.local(us):%a %Y-%m-%d %H:%M}" for us in (spell_.start_us, spell_.end_us))
        who = ", ".join(f"{names.get(person, person)} ({person})" for person in spell_.people)
        table.add_row(start, end, Text(who or "nobody", style="" if who else "bold red"))
    if len(one.spells) > most:
        table.add_row("…", "", f"{len(one.spells) - most} more changes (--all)")
    yield table
    if one.gaps is None:
        yield Text("hours without anybody are meant\n")
    elif one.gaps:
        for gap in one.gaps:
            yield Text(f"gap: {spell(gap, one.roster.timezone, end_us)}", style="yellow")
        yield Text("")
    else:
        yield Text("no gaps\n", style="green")
