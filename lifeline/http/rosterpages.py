"""Who is on duty, when nobody is, and how chains tell people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from city.clock import from_us, to_us
from city.words import say
from lifeline.http import bars
from lifeline.http.console import Console
from lifeline.http.look import language_for
from rules.desk.gaps import Gap, all_gaps
from rules.desk.plan import Person
from rules.desk.roster import Roster
from rules.notify.display import at

AHEAD = timedelta(days=14)
NEXT = 3


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on these are on duty (names; none: nobody)."""

    at: datetime
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duty:
    """A roster as its page shows it: who now, what changes next, two weeks as a chart, and its gaps."""

    roster: Roster
    now: tuple[str, ...]
    next: tuple[Change, ...]
    gaps: tuple[Gap, ...]
    chart: Markup
    watched: bool


def router(console: Console) -> APIRouter:
    """The route of the roster page."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/rosters")
    def rosters(request: Request) -> Response:
        escalation, now = console.escalation(), console.clock.now()
        found = dict(
            (roster.id, tuple(spans))
            for roster, spans in all_gaps(escalation, to_us(now), to_us(now + AHEAD))
        )  # fmt: skip
        language = language_for(request)
        names = named(escalation.people, language)
        values = {
            "duties": [duty(r, found.get(r.id), names, now, language) for r in escalation.rosters.values()],
            "gap_count": sum(map(len, found.values())),
            "escalation": escalation,
            "people": names,
            "read": console.in_force.get(console.data) is not None,
            "from_us": from_us,
            "steps_s": lambda step: step.after_us / 1e6,
        }
        return console.page(request, "rosters.html", values)

    return routes


def named(people: Mapping[str, Person], language: str) -> dict[str, str]:
    """What each person is called in a language."""
    return {id_: person.name.get(language) or person.name.get("en") or id_ for id_, person in people.items()}


def duty(roster: Roster, gaps: tuple[Gap, ...] | None, names: Mapping[str, str], now: datetime, language: str) -> Duty:
    """A roster over the two weeks from `now`; `gaps` None: its gaps are meant."""
    until = now + AHEAD
    changes = list(roster.changes(to_us(now), to_us(until)))
    called = [(from_us(at_us), tuple(names.get(p, p) for p in people)) for at_us, people in changes]
    return Duty(
        roster,
        called[0][1] if called else (),
        tuple(Change(at_, people) for at_, people in islice(called, 1, 1 + NEXT)),
        gaps or (),
        chart(roster, called, gaps or (), now, language),
        gaps is not None,
    )


def chart(
    roster: Roster, changes: list[tuple[datetime, tuple[str, ...]]], gaps: tuple[Gap, ...], now: datetime, language: str
) -> Markup:
    """Two weeks: a row for each person on duty, and one for the hours without anybody."""
    until, zone = now + AHEAD, ZoneInfo(roster.timezone)
    rows: dict[str, list[bars.Stretch]] = defaultdict(list)
    open_since: dict[str, datetime] = {}
    for moment, people in [*changes, (until, ())]:
        for name in [name for name in open_since if name not in people]:
            rows[name].append(_stretch(name, open_since.pop(name), moment, zone))
        for name in people:
            open_since.setdefault(name, moment)
    nobody = say("console.nobody", language)
    holes = [
        _stretch(nobody, from_us(gap.start_us), from_us(gap.end_us), zone, gap=True) for gap in gaps
    ]  # fmt: skip
    shown = [bars.Row(name, stretches) for name, stretches in rows.items()]
    shown += [bars.Row(nobody, holes)] if holes else []
    return bars.duty(shown, now, until, now, zone, say("console.duty_chart", language, roster=roster.id))


def _stretch(name: str, start: datetime, end: datetime, zone: ZoneInfo, *, gap: bool = False) -> bars.Stretch:
    return bars.Stretch(start, end, f"{name}: {at(start, zone, seconds=False)} – {at(end, zone, seconds=False)}", gap)
