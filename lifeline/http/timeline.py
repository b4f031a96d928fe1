"""One line of time for an incident: alarms, decisions, people, notices, steps and clocks, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lifeline.http.data import Row

MOST = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened.

    Attributes
    ----------
    kind
        `alarm`, `person`, `engine`, `notice`, `step` or `clock`: each has its own mark.
    key
        Which sentence of the catalogue names it.
    who, via
        The person (an id or a name) and from where, when that is known.
    note
        The reason, or what the person wrote.
    more
        The row itself, for what only its kind has.
    """

    at: datetime
    kind: str
    key: str
    who: str = ""
    via: str = ""
    note: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def merged(
    alarm_events: Iterable[Row],
    incident_events: Iterable[Row],
    notices: Iterable[Row],
    steps: Iterable[Row],
    clocks: Iterable[Row],
    origins: Mapping[str, str],
) -> Sequence[Entry]:
    """All of it, newest first, at most `MOST`. `origins`: event id -> where a command came from."""
    entries = [
        *(Entry(row["time"], "alarm", f"move_{row['kind']}", note=row["reason"], more=row) for row in alarm_events),
        *(_said(row, origins) for row in incident_events),
        *(_notice(row) for row in notices),
        *(_step(row) for row in steps if row["state"] != "due"),
        *(_clock(row) for row in clocks if row["state"] in ("met", "missed")),
    ]
    order = {"alarm": 0, "engine": 1, "clock": 2, "step": 3, "notice": 4, "person": 5}
    return sorted(entries, key=lambda entry: (entry.at, order[entry.kind]), reverse=True)[:MOST]


def _said(row: Row, origins: Mapping[str, str]) -> Entry:
    kind = "person" if row["actor"] else "engine"
    seq = str(row["event"]).partition(".")[0]
    return Entry(row["time"], kind, f"event_{row['kind']}", row["actor"], origins.get(seq, ""), row["note"], row)


def _notice(row: Row) -> Entry:
    at = row.get("delivered_at") or row["sent_at"] or row["created_at"]
    return Entry(at, "notice", f"notice_kind_{row['kind']}", row["target_name"], row["channel"], "", row)


def _step(row: Row) -> Entry:
    return Entry(row["settled_at"] or row["due_at"], "step", f"step_{row['state']}", note=row["reason"], more=row)


def _clock(row: Row) -> Entry:
    at = row["due_at"] if row["state"] == "missed" else row["settled_at"] or row["due_at"]
    return Entry(at, "clock", f"clock_{row['state']}", note=row["reason"], more=row)
