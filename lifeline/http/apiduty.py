"""The JSON API of duty: who is on it, when nobody is, and what alarms asked of a desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any

from fastapi import APIRouter, HTTPException

from city.clock import Clock, from_us, to_us
from city.levels import Level
from lifeline.http.answers import Duty, FloodSpan, Gap, Often, RosterNow, Statistics
from lifeline.http.api import ALWAYS, NOT_FOUND
from lifeline.http.console import InForce
from lifeline.http.data import Data
from lifeline.http.models import Page
from lifeline.http.paging import Plain, When, Word, span
from rules import statistics as figures
from rules.desk.gaps import AHEAD_US, all_gaps
from rules.desk.plan import Escalation
from rules.desk.roster import Roster

USUAL, LONGEST = timedelta(days=7), timedelta(days=366)
MOST_RAISES = 200_000
_NEXT = 10


def router(data: Data, clock: Clock) -> APIRouter:
    """Routes below `/api/v1`."""
    routes = APIRouter(responses=ALWAYS)
    in_force = InForce()

    def escalation() -> Escalation:
        checked = in_force.get(data)
        return checked.escalation if checked else Escalation()

    @routes.get("/rosters", tags=["rosters"])
    def rosters() -> Page[RosterNow]:
        """Every roster: who is on duty, what changes next, and the gaps of the next 14 days."""
        found = [_roster(escalation(), roster, clock) for roster in escalation().rosters.values()]
        return Page[RosterNow](items=found, more=False)

    @routes.get("/rosters/{roster}", responses=NOT_FOUND, tags=["rosters"])
    def roster(roster: Plain) -> RosterNow:
        """One roster."""
        found = escalation().rosters.get(roster)
        if found is None:
            raise HTTPException(404, "no such roster")
        return _roster(escalation(), found, clock)

    @routes.get("/statistics", tags=["statistics"])
    def statistics(since: When = None, until: When = None, district: Word = None, desk: Word = None) -> Statistics:
        """Figures of ISA-18.2 and EEMUA 191, as the console shows them; of seven days unless told."""
        begin, end = span(since, until, clock.now(), USUAL)
        if not begin < end <= begin + LONGEST:
            raise HTTPException(422, "since: a span has its beginning before its end, and at most 366 days")
        first = data.row("first_known")
        if first is not None and first["at"] is not None and begin < first["at"] < end:
            begin = first["at"]  # before that there was nothing to count
        limit = MOST_RAISES + 1
        rows = data.rows("raises", since=begin, until=end, desk=desk, district=district, limit=limit)
        raises = [
            figures.Raise(
                row["key"], Level.of(row["level"]), to_us(row["at"]),
                to_us(row["cleared_at"]) if row["cleared_at"] else None,
            )
            for row in rows[:MOST_RAISES]
        ]  # fmt: skip
        found = figures.load(raises, to_us(begin), to_us(end))
        return Statistics(
            since=begin, until=end, complete=len(rows) <= MOST_RAISES, **_figures(found)
        )  # fmt: skip

    return routes


def _figures(found: figures.Load) -> dict[str, Any]:
    return {
        "raises": found.raises, "per_hour": found.per_hour, "per_ten_minutes": found.per_bin, "rating": found.rating,
        "peak": found.peak, "bins_over_ten": found.bins_over, "flood_share": found.flood_share,
        "floods": [
            FloodSpan(start=from_us(f.from_us), end=from_us(f.to_us), count=f.count, peak=f.peak) for f in found.floods
        ],
        "top": [Often(key=key, count=count) for key, count in found.top], "top_share": found.top_share,
        "chattering": list(found.chattering), "fleeting": found.fleeting, "standing": found.standing,
        "standing_peak": found.standing_peak, "shares": {level.word: share for level, share in found.shares.items()},
        "off_target": [level.word for level in found.off_target],
    }  # fmt: skip


def _roster(escalation: Escalation, roster: Roster, clock: Clock) -> RosterNow:
    now_us = clock.now_us()
    alone = replace(escalation, rosters={roster.id: roster})
    gaps = [gap for _, found in all_gaps(alone, now_us, now_us + AHEAD_US) for gap in found]
    changes = list(islice(roster.changes(now_us, now_us + AHEAD_US), _NEXT + 1))
    return RosterNow(
        roster=roster.id, timezone=roster.timezone, now=list(roster.at(now_us)),
        next=[Duty(at=from_us(at_us), people=list(people)) for at_us, people in changes[1:]],
        gaps=[Gap(start=from_us(g.start_us), end=from_us(g.end_us), people=list(g.people)) for g in gaps],
        gaps_meant=roster.gaps_meant,
    )  # fmt: skip
