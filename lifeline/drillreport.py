"""What became of a drill: response times of people and of the system, computed from what the database recorded.

All times are the city's clock's, in seconds after the incident's opening (the instant at which its first level was
reached); None where something never came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from city.levels import Level
from city.load import load_city
from rules.trials.scenario import MILESTONES
from store import bundle, drills
from store.connection import Connection
from store.statements import statements

_SQL = statements("drill", package="lifeline")
_PARTS = ("incidents", "alarms", "events", "notices", "clocks")
# Which command of a person makes each milestone.
COMMANDS: Mapping[str, str] = {
    "acknowledge": "acknowledged", "confirm": "confirmed", "analyse": "analysed", "dispatch": "dispatched",
    "on_site": "on_site", "report": "reported", "close": "closed", "false_alarm": "closed",
}  # fmt: skip
_AFTERWARDS = "exercise_over"

Row = Mapping[str, Any]


def facts(conn: Connection, drill: str) -> dict[str, list[dict[str, Any]]]:
    """The rows that a report is made of, by part."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return {part: cursor.execute(_SQL[part], (drill,)).fetchall() for part in _PARTS}


def unsettled(conn: Connection, drill: str) -> int:
    """How many of its notices are still on their way."""
    row = conn.execute(_SQL["unsettled"], (drill,)).fetchone()
    return int(row[0]) if row else 0


def report(row: drills.Row, found: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """The report as plain values: what JSON shows, and what the page is made of.

    Parameters
    ----------
    row
        The drill (`store.drills.one`).
    found
        See `facts`.
    """
    incidents = [_incident(one, found) for one in found["incidents"]]
    wishes = [_judged(wish, incidents, found["alarms"]) for wish in row["wishes"]]
    return {
        "drill": row["drill"], "exercise": True, "title": row["title"], "scenario": row["scenario"],
        "digest": row["digest"], "by": row["by"], "state": row["state"], "started_at": _iso(row["started_at"]),
        "ended_at": _iso(row["ended_at"]), "ended_why": row["ended_why"], "people_asked": list(row["people"]),
        "sensors": list(row["sensors"]), "verdict": _verdict(wishes), "expectations": wishes,
        "incidents": incidents, "people": _people(found, incidents),
    }  # fmt: skip


def of(conn: Connection, drill: str) -> dict[str, Any] | None:
    """The report of a drill as the database knows it now; None when there is no such drill."""
    row = drills.one(conn, drill)
    return None if row is None else report(row, facts(conn, drill))


def _incident(incident: Row, found: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    opened: datetime = incident["opened_at"]

    def own(part: str) -> list[Row]:
        return [row for row in found[part] if row["incident"] == incident["incident"]]

    notices, events = [n for n in own("notices") if n["kind"] != _AFTERWARDS], own("events")
    steps = dict.fromkeys(("told", "delivered", *MILESTONES[1:]))
    steps["told"] = _after(opened, _first(notices, "sent_at"))
    steps["delivered"] = _after(opened, _first(notices, "delivered_at"))
    for event in events:
        what = COMMANDS.get(event["kind"])
        if what is not None and steps[what] is None:
            steps[what] = _after(opened, event["time"])
    clocks = [
        {"clock": c["clock"], "level": c["level"], "state": c["state"], "due_s": _after(opened, c["due_at"]),
         "settled_s": _after(opened, c["settled_at"])} for c in own("clocks")
    ]  # fmt: skip
    return {
        "incident": incident["incident"], "title": _titles(incident), "site": incident["site"],
        "peak_level": incident["peak_level"], "stage": incident["stage"], "opened_at": _iso(opened),
        "closed_at": _iso(incident["closed_at"]), "steps": steps,
        "levels": _levels(opened, own("alarms"), notices, events),
        "alarms": [_alarm(opened, rows) for rows in _by(own("alarms"), "alarm").values()], "clocks": clocks,
        "notices": [_notice(opened, one) for one in own("notices")],
        "events": [{"after_s": _after(opened, e["time"]), "kind": e["kind"], "actor": e["actor"], "note": e["note"]}
                   for e in events],
    }  # fmt: skip


def _levels(
    opened: datetime, alarms: Sequence[Row], notices: Sequence[Row], events: Sequence[Row]
) -> list[dict[str, Any]]:
    """Each level that the incident reached: when, and how long people took from there."""
    reached: dict[str, datetime] = {}
    for row in alarms:
        reached[row["reached"]] = min(reached.get(row["reached"], row["at"]), row["at"])
    found = []
    for level, at in sorted(reached.items(), key=lambda item: Level.of(item[0])):
        told = [n for n in notices if n["level"] == level]
        said = [e["time"] for e in events if e["kind"] == "acknowledge" and e["time"] >= at]
        found.append({
            "level": level, "reached_s": _after(opened, at), "told_s": _after(at, _first(told, "sent_at")),
            "delivered_s": _after(at, _first(told, "delivered_at")),
            "acknowledged_s": _after(at, min(said, default=None)),
        })  # fmt: skip
    return found


def _alarm(opened: datetime, rows: Sequence[Row]) -> dict[str, Any]:
    first = rows[0]
    levels = [{"level": row["reached"], "after_s": _after(opened, row["at"])} for row in rows]
    return {"alarm": first["alarm"], "key": first["key"], "level": first["level"], "levels": levels}


def _notice(opened: datetime, one: Row) -> dict[str, Any]:
    times = {name: _after(opened, one[f"{name}_at"]) for name in ("created", "sent", "delivered")}
    keys = ("notice", "kind", "level", "target", "channel", "via", "state", "answer")
    return {key: one[key] for key in keys} | {f"{name}_s": time for name, time in times.items()}


def _people(found: Mapping[str, Sequence[Row]], incidents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Who was told, when it reached them, and what they did first; `missed`: they were told and nobody answered."""
    opened = {one["incident"]: one["opened_at"] for one in found["incidents"]}
    answered = {one["incident"]: one["steps"]["acknowledged"] is not None for one in incidents}
    people = []
    for person, notices in sorted(_by([n for n in found["notices"] if n["kind"] != _AFTERWARDS], "target").items()):
        mine = [e for e in found["events"] if person in (e["actor"], e["person"]) and e["kind"] in COMMANDS]
        first = notices[0]
        at = opened[first["incident"]]
        did = mine[0] if mine else None
        missed = did is None and not all(answered[notice["incident"]] for notice in notices)
        people.append({
            "person": person, "notices": len(notices), "failed": sum(n["state"] == "failed" for n in notices),
            "sent_s": _after(at, _first(notices, "sent_at")),
            "delivered_s": _after(at, _first(notices, "delivered_at")),
            "answered_s": _after(at, did["time"] if did else None), "answer": did["kind"] if did else "",
            "missed": missed,
        })  # fmt: skip
    return people


def _judged(wish: Row, incidents: Sequence[Mapping[str, Any]], alarms: Sequence[Row]) -> dict[str, Any]:
    if wish["what"] == "alarm":
        reached = [row["reached"] for row in alarms if row["key"] == wish["alarm"]]
        got = max(reached, key=Level.of, default="")
        return {**wish, "got": got, "met": got == wish["level"]}
    times = [one["steps"][wish["what"]] for one in incidents]
    met = bool(times) and all(time is not None and time <= wish["within_s"] for time in times)
    known = [time for time in times if time is not None]
    return {**wish, "got_s": max(known) if known and len(known) == len(times) else None, "met": met}


def _verdict(wishes: Sequence[Mapping[str, Any]]) -> str:
    """`met`, `missed`, or empty when nothing was expected."""
    return ("met" if all(wish["met"] for wish in wishes) else "missed") if wishes else ""


def _by(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _first(rows: Iterable[Row], key: str) -> datetime | None:
    return min((row[key] for row in rows if row[key] is not None), default=None)


def _after(start: datetime, at: datetime | None) -> float | None:
    return None if at is None else round((at - start).total_seconds(), 1)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _titles(incident: Row) -> dict[str, str]:
    zh = incident["title_zh"]
    return {"en": incident["title"], **({"zh": zh} if zh else {})}


def timezone(conn: Connection) -> str:
    """Whose clock the city's people go by; UTC when no city folder is in force."""
    found = bundle.current(conn)
    return load_city(found[1]).timezone if found else "UTC"
