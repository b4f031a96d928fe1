"""What the crew page shows: an incident as one person sees it through the link of one notice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from city.levels import Flag, Level
from city.words import say
from lifeline.http import who
from lifeline.http.commands import fits
from lifeline.http.console import InForce
from lifeline.http.data import WAIT_S, Data, Row
from lifeline.http.who import Role, Who
from rules.desk.loop import STAGES
from rules.inputs import CommandKind
from rules.notify.display import at, language_of, measured, moment, plain, say_test, span
from rules.notify.links import Claims
from rules.notify.zone import Home
from store.statements import statements

TAPS = (CommandKind.ACKNOWLEDGE, CommandKind.DISPATCH, CommandKind.ON_SITE)
WRITTEN = (CommandKind.REPORT, CommandKind.NOTE, CommandKind.CANNOT_GO)
KINDS = (*TAPS, *WRITTEN)
_COURSE = frozenset({kind.value for kind in CommandKind})
_VIA = re.compile(r"\s*\(by \w+\)$|^by \w+$")  # what the engine adds to a note; people need not see it
_ACKNOWLEDGE_AGAIN = frozenset({"acknowledgement_expired", "level", "reopened"})
_STEADY = 0.005  # of the value, in ten minutes
_SQL = statements("crew", package="lifeline.http")


@dataclass(frozen=True, slots=True)
class Seen:
    """A notice, the incident asked for (None: it is about none, or about several), and what happened to it."""

    claims: Claims
    notice: Row
    incident: Row | None
    events: list[Row]

    @property
    def content(self) -> Mapping[str, Any]:
        """What the engine wrote into the notice."""
        found = self.notice["content"]
        return found if isinstance(found, Mapping) else {}

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts in it."""
        found = self.content.get("facts")
        return found if isinstance(found, Mapping) else {}

    def latest(self, kind: CommandKind, actor: str | None = None) -> Row | None:
        """The newest event of a kind, of one person or of anybody."""
        return next((row for row in self.events if row["kind"] == kind and actor in (None, row["actor"])), None)

    def mine(self, kind: CommandKind) -> Row | None:
        """This person's word of a kind, as long as it counts."""
        said = self.latest(kind, self.claims.person)
        if said is None or self.incident is None:
            return None
        later = {row["kind"] for row in self.events if row["time"] > said["time"]}
        if kind is CommandKind.ACKNOWLEDGE:
            return said if self.incident["acknowledged"] and not later & _ACKNOWLEDGE_AGAIN else None
        backed_out = self.latest(CommandKind.CANNOT_GO, self.claims.person)
        if kind is CommandKind.DISPATCH and backed_out and backed_out["time"] > said["time"]:
            return None
        return said if self.incident["stage"] == STAGES[kind][1] and "reopened" not in later else None


def rows(data: Data, name: str, **given: object) -> list[Row]:
    """Rows of a statement of `sql/crew.sql`, as far as the link may see them."""
    with data.reading() as conn:
        return conn.cursor(row_factory=dict_row).execute(_SQL[name], given).fetchall()


def see(data: Data, claims: Claims, asked: str, address: str) -> Seen | None:
    """What a link leads to; None when there is no such notice, or it does not speak of the incident asked for.

    From then on the request sees what the notice speaks of and nothing else, whoever is signed in beside it.
    """
    with data.connections.connection(timeout=WAIT_S) as conn:
        notice = conn.cursor(row_factory=dict_row).execute(_SQL["notice"], {"notice": claims.notice}).fetchone()
    if notice is None or (claims.incident or "") != (notice["incident"] or ""):
        return None
    spoken_of = frozenset([claims.incident] if claims.incident else gathered(notice))
    who.current.set(Who(claims.person, Role.VIEWER, None, claims.person, "link", address, spoken_of))
    name = asked or claims.incident
    if not name:
        return Seen(claims, notice, None, [])
    incident = next(iter(rows(data, "incident", incident=name)), None) if name in spoken_of else None
    return Seen(claims, notice, incident, rows(data, "events", incident=name)) if incident else None


def gathered(notice: Row) -> list[str]:
    """The incidents that a digest (or the end of a flood) speaks of: each of its lines names one."""
    content = notice["content"] if isinstance(notice["content"], Mapping) else {}
    facts = content.get("facts")
    lines = facts.get("lines") if isinstance(facts, Mapping) else None
    named = [line.get("incident") for line in lines or () if isinstance(line, Mapping)]
    return list(dict.fromkeys(str(name) for name in named if name))


def kinds(seen: Seen) -> list[CommandKind]:
    """What this person can say now, the most likely first."""
    incident = seen.incident
    if incident is None or incident["closed_at"] is not None or incident["stage"] == "false_alarm":
        return []
    going = (CommandKind.DISPATCH, CommandKind.ON_SITE, CommandKind.REPORT)
    found = [kind for kind in going if fits(kind, incident) and not seen.mine(kind)]
    if not seen.mine(CommandKind.ACKNOWLEDGE) and incident["stage"] not in ("on_site", "reported"):
        found.insert(0, CommandKind.ACKNOWLEDGE)
    if incident["stage"] in ("on_site", "reported") and CommandKind.REPORT not in found:
        found.append(CommandKind.NOTE)
    if incident["stage"] not in ("on_site", "reported"):
        found.append(CommandKind.CANNOT_GO)
    return found


def view(data: Data, seen: Seen, home: Home, language: str, in_force: InForce) -> dict[str, Any]:
    """What the template needs to know of an incident."""
    incident, facts = seen.incident or {}, seen.facts
    possible = kinds(seen)
    alarms = rows(data, "alarms", incident=incident["incident"])
    told = rows(data, "told", incident=incident["incident"])
    lat, lon = (facts.get("lat"), facts.get("lon")) if incident["lat"] is None else (incident["lat"], incident["lon"])
    placed = isinstance(lat, int | float) and isinstance(lon, int | float)
    own = language_of(seen.content.get("language", "")) == language  # else the notice's words are of another language
    called = in_force.callers(data, language)  # notices have each person's name in that person's language only
    told = [{**row, "name": called(row["target"], row["name"])} for row in told]
    names = {row["target"]: row["name"] for row in told}
    site, district = _named(incident, "site_name", language), _named(incident, "district_name", language)
    return {
        "incident": incident,
        "alarms": alarms,
        "kinds": [kind for kind in possible if kind in TAPS],
        "forms": [kind for kind in possible if kind in WRITTEN],
        "told": [row for row in told if row["target"] != seen.claims.person],
        "me": names.get(seen.claims.person, seen.claims.person),
        "where": (plain(facts.get("where"), language) if own else "") or site or incident["site"],
        "district": (plain(facts.get("district"), language) if own else "") or district,
        "place": f"{lat},{lon}" if placed else "",
        "place_text": f"{lat:.5f}, {lon:.5f}" if placed else "",
        "guidance": _guidance(data, seen, own, language),
        "course": _course(data, seen, language, called),
        "then": _then(facts, language),
        "sure": _sure(seen.notice, facts, home, language),
        **_now(data, alarms, facts, language),
    }


def _named(row: Row, field: str, language: str) -> str:
    return str((row[f"{field}_zh"] if language == "zh" else "") or row[field] or "")


def _guidance(data: Data, seen: Seen, own: bool, language: str) -> str:
    """What to do: in this language if any notice of the incident has it so."""
    given = plain(seen.facts.get("guidance"), language)
    if own or seen.incident is None:
        return given
    found = rows(data, "guidance", incident=seen.incident["incident"], language=language)
    return found[0]["guidance"] if found else given


def clock(when: datetime, home: Home, now: datetime) -> str:
    """A time as short as it can be: no day when it is today, no seconds."""
    local, today = when.astimezone(home.zone), now.astimezone(home.zone).date()
    return local.strftime("%H:%M" if local.date() == today else "%m-%d %H:%M")


def _now(data: Data, alarms: list[Row], facts: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The newest value of the sensor that the notice speaks of (else of the gravest alarm), and where it is going."""
    heard = [row for row in alarms if row["sensor"] and row["value"] is not None]
    row = next((row for row in heard if row["sensor"] == facts.get("sensor")), heard[0] if heard else None)
    if row is None:
        return {"now_value": "", "now_age": "", "now_stale": False, "trend": "", "limit": ""}
    told_of = row["sensor"] == facts.get("sensor")
    found = next(iter(rows(data, "trend", sensor=row["sensor"])), None)
    change = found["per_10_min"] if found and found["n"] >= 3 and not row["stale"] else None
    return {
        "now_value": measured(row["value"], row["unit"], language),
        "now_age": say("page.ago", language, span=span(row["age_s"], language)),
        "now_stale": row["stale"],
        "trend": _trend(change, row["value"], row["unit"] or "", language),
        "limit": say_test(plain(facts.get("threshold"), language), language) if told_of else "",
    }


def _trend(change: float | None, value: float, unit: str, language: str) -> str:
    if change is None:
        return ""
    if abs(change) < _STEADY * max(abs(value), 1e-9):
        return say("crew.trend_steady", language)
    said = measured(float(f"{abs(change):.2g}"), unit, language)
    return say("crew.trend_up" if change > 0 else "crew.trend_down", language, change=said)


def _then(facts: Mapping[str, Any], language: str) -> str:
    if facts.get("value") is None:
        return ""
    value = plain({"value": facts["value"], "unit": facts.get("unit") or ""}, language)
    threshold = say_test(plain(facts.get("threshold"), language), language)
    return f"{value} ({threshold})" if threshold else value


def _sure(notice: Row, facts: Mapping[str, Any], home: Home, language: str) -> list[str]:
    """What the decision rests on, line by line."""
    evidence = facts.get("evidence")
    found = [_evidence(item, home, language) for item in evidence or [] if isinstance(item, Mapping)][:6]
    if (others := facts.get("confirmed_by")) and isinstance(others, int):
        found.append(say("crew.confirmed_by", language, n=others))
    if notice["late"] or facts.get("late"):
        found.append(say("crew.late", language))
    if facts.get("lost"):
        found.append(say("crew.lost", language))
    return found


def _evidence(item: Mapping[str, Any], home: Home, language: str) -> str:
    time, flag = moment(item.get("time") or item.get("time_us")), item.get("flag")
    value = item.get("value")
    known = flag in set(Flag) and flag not in (0, Flag.PASS)
    parts = [
        say("crew.no_value", language) if value is None else measured(value, item.get("unit"), language),
        at(time, home.zone, day=False) if time else "",
        say_test(str(item.get("test") or ""), language),
        say(f"crew.truth_{item['truth']}", language) if item.get("truth") in ("true", "false", "unknown") else "",
        say(f"flags.{Flag(flag).name.lower()}", language) if known and flag is not None else "",
    ]
    return f"{item.get('sensor', '')}: {', '.join(part for part in parts if part)}"


def _course(data: Data, seen: Seen, language: str, called: Callable[[str, str], str]) -> list[dict[str, Any]]:
    """What people have said, newest first, with their photos at their reports."""
    found = []
    photos = rows(data, "photos", incident=(seen.incident or {})["incident"])
    for row in seen.events:
        if row["kind"] not in _COURSE:
            continue
        name = say("crew.me", language) if row["actor"] == seen.claims.person else called(row["actor"], row["name"])
        text = say(f"crew.did_{row['kind']}", language, who=name or say("crew.somebody", language))
        found.append({"text": text, "time": row["time"], "note": _VIA.sub("", row["note"] or ""), "row": row})
    for number_, photo in enumerate(photos, 1):
        photo["text"] = say("crew.photo", language, n=number_)
    for line in found:
        mine = [p for p in photos if line["row"]["kind"] in ("report", "note") and p["person"] == line["row"]["actor"]]
        line["photos"] = [p for p in mine if abs(p["at"] - line["time"]) < timedelta(minutes=1)]
        photos = [p for p in photos if p not in line["photos"]]
    return found


def risen(seen: Seen) -> tuple[Level, Level] | None:
    """The level when the notice was made and the level now, when they differ and something stands."""
    if seen.incident is None or seen.notice["kind"] == "clear":
        return None
    was, now = Level(seen.notice["level"]), Level.of(seen.incident["level"])
    return (was, now) if now is not was and now is not Level.NONE and was is not Level.NONE else None
