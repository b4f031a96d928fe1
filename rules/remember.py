"""Floods and maintenance windows as they were, made again from the database (see `rules.rebuild`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg.rows import dict_row

from city.clock import to_us
from rules.alarm.alarm import Alarm
from rules.alarm.windows import Planned
from rules.desk.floods import Entry, Flood, Seen, Waiting
from rules.desk.plan import Person
from rules.state import State
from rules.statistics import BIN_US
from store.connection import Connection
from store.statements import statements

_SQL = statements("remember", package="rules")


def remember_windows(conn: Connection, state: State) -> None:
    """The windows that run or come next, as they are recorded."""
    for row in _dicts(conn, "windows"):
        running = row["state"] == "running"
        state.holds.planned[row["window_id"]] = Planned(to_us(row["starts_at"]), to_us(row["ends_at"]), running)


def remember_floods(conn: Connection, state: State, alarms: Mapping[str, Alarm], people: Mapping[str, Person]) -> None:
    """What came in at each desk in the last ten minutes, and the floods that go on, with the digests that wait."""
    flows = state.floods
    for row in _dicts(conn, "floods"):
        flows.of(row["desk"], "").flood = Flood(
            row["flood"], row["desk"], "", to_us(row["since"]), to_us(row["started_at"]), row["peak"], row["digests"]
        )
    for row in _dicts(conn, "annunciations"):
        at_us, alarm, flow = to_us(row["at"]), alarms.get(row["alarm"]), flows.of(row["desk"], "")
        if alarm is None:
            continue
        if row["counted"] and at_us > state.now_us - BIN_US:
            flow.recent.append(Seen(at_us, alarm))
        if flow.flood is not None and at_us >= flow.flood.since_us:
            _came(flow.flood, row, alarm, at_us)
    floods = {flow.flood.id: flow.flood for flow in flows.flows.values() if flow.flood is not None}
    for row in _dicts(conn, "spoken"):
        if row["target"] in people:
            ways = (row["channel"], *row["fallback"])
            own = [alarms[name] for name in row["alarms"] if name in alarms]
            floods[row["flood"]].spoke(own, people[row["target"]], ways, row["via"])
    for row in _dicts(conn, "gathered"):
        if row["target"] in people:
            _waits(floods[row["flood"]], row, alarms, people[row["target"]])


def _came(flood: Flood, row: Mapping[str, Any], alarm: Alarm, at_us: int) -> None:
    if row["counted"] or at_us >= flood.started_us:
        flood.alarms[alarm.id] = alarm
    if row["counted"]:
        flood.zones.add((row["district"], row["domain"]))
    if row["first"]:
        flood.firsts[alarm.id] = None


def _waits(flood: Flood, row: Mapping[str, Any], alarms: Mapping[str, Alarm], person: Person) -> None:
    """A notice was gathered: its digest is out, or waits."""
    ways, zone = tuple(row["channels"]), (row["district"], row["domain"])
    flood.told[person.id] = (person, ways, row["via"])
    if row["is_out"]:
        return
    key = "/".join((person.id, *zone))
    waiting = flood.waiting.setdefault(key, Waiting(row["digest"], person, zone, to_us(row["at"]), ways, row["via"]))
    entry = waiting.entries.setdefault(row["incident"], Entry())
    if row["kind"] not in entry.kinds:
        entry.kinds.append(row["kind"])
    entry.alarms.update((name, alarms[name]) for name in row["alarms"] if name in alarms)


def _dicts(conn: Connection, name: str) -> Iterable[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[name]).fetchall()
