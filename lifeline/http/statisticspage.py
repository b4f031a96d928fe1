"""What alarms ask of people, and how people and messages did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import Response

from city.clock import to_us
from city.levels import COLOURS
from city.words import say
from lifeline.http import bars
from lifeline.http.console import Console, Text, named
from lifeline.http.figures import KINDS, Asked, Found, found, without_guidance
from lifeline.http.look import language_for
from rules.statistics import BIN_US, DAY_US, FLOOD_STARTS, HOUR_US, TARGET_SHARES, binned

DAYS = (1, 7, 30, 90)
FEW = 200  # of so few raises the ten most frequent are always a large share


def router(console: Console) -> APIRouter:
    """The route of the statistics."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/statistics")
    def statistics(
        request: Request,
        days: Annotated[Literal["1", "7", "30", "90"], Query()] = "30",
        desk: Text = "",
        district: Text = "",
    ) -> Response:
        data, language = console.data, language_for(request)
        checked = console.in_force.get(data)
        until = console.clock.now()
        first: datetime | None = (data.row("first_known") or {}).get("at")
        since = until - timedelta(days=int(days))
        if first is not None and since < first < until:
            since = first
        asked = Asked(since, until, desk or None, district or None, language)
        seen = found(data, checked, asked)
        values = {
            "found": seen,
            "since": since,
            "until": until,
            "shortened": first is not None and since == first,
            "chart": _over_time(console, asked, seen),
            "mix": _mix(asked, seen),
            "ages": _ages(asked, seen),
            "top": _top(seen),
            "few": seen.load.raises < FEW,
            "silent_rules": without_guidance(checked),
            "kinds": KINDS,
            "levels": [level.word for level in reversed(COLOURS)],
            "days": DAYS,
            "chosen": {"days": int(days), "desk": desk, "district": district},
            "desk_options": _desks(console, language),
            "district_options": named(data.rows("districts"), "district", language),
        }
        return console.page(request, "statistics.html", values)

    return routes


def _desks(console: Console, language: str) -> list[tuple[str, str]]:
    names = {desk.id: str(desk.name.get(language) or desk.id) for desk in console.escalation().desks}
    return [(row["desk"], str(names.get(row["desk"], row["desk"]))) for row in console.data.rows("desks")]


def _over_time(console: Console, asked: Asked, seen: Found) -> Markup:
    """How many came when: in ten minutes, hours or days, as the span allows."""
    from_us, until_us = to_us(asked.since), to_us(asked.until)
    sizes = (("ten_minutes", BIN_US), ("hours", HOUR_US), ("days", DAY_US))
    name, size = next(((n, s) for n, s in sizes if (until_us - from_us) / s <= 300), sizes[-1])
    counts = binned([to_us(row["at"]) for row in seen.raises], from_us, until_us, size)
    limit = {BIN_US: float(FLOOD_STARTS), HOUR_US: 6.0, DAY_US: 144.0}[size]
    label = say(f"figures.chart_{name}", asked.language)
    return bars.columns(counts, asked.since, asked.until, console.data.home().zone, label, limit)


def _mix(asked: Asked, seen: Found) -> Markup:
    rows = [
        (say(f"levels.{level.word}", asked.language), seen.load.shares[level], TARGET_SHARES[level])
        for level in COLOURS
    ]
    return bars.shares(rows, say("figures.group_mix", asked.language))


def _ages(asked: Asked, seen: Found) -> Markup | None:
    total = seen.ages.get("n", 0)
    steps = (("< 1 h", "hour"), ("1–8 h", "shift"), ("8–24 h", "day"), ("1–7 d", "week"), ("> 7 d", "longer"))
    rows = [(f"{word}: {seen.ages[key]}", seen.ages[key] / total, None) for word, key in steps] if total else []
    return bars.shares(rows, say("figures.standing_ages", asked.language)) if rows else None


def _top(seen: Found) -> list[dict[str, Any]]:
    """The ten most frequent keys with what they are, how often, and whether they chatter."""
    rows = {row["key"]: row for row in seen.raises}
    chattering = set(seen.load.chattering)
    return [
        {**rows[key], "n": n, "share": n / seen.load.raises, "chatters": key in chattering} for key, n in seen.load.top
    ]
