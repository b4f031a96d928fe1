"""Makes the engine's state again from what the database holds, when no snapshot of it can be read.

What was told is kept: effects and checkpoint are committed together, so the tables say exactly what had been decided up
to the checkpoint. Alarms stand on under their ids, with their incidents, chains, acknowledgements and holds; nothing is
told twice. Delays are worked out again from the readings of the last while, as far back as any rule looks. What cannot
be known any more is taken so that nothing is lost: an alarm of which the readings do not show how it came stands as
when its level last moved, an unfinished delay from before the readings begins anew, detectors warm up again, and a
hold that waits for a second person must be asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from psycopg.rows import dict_row

from city.clock import from_us, to_us
from city.geo import Place
from city.levels import Level
from city.reading import Readings
from detectors.registry import create
from rules.alarm.alarm import Alarm, Condition, Hold
from rules.alarm.fold import Fold
from rules.alarm.holds import Shelf
from rules.alarm.platform import of_platform, recall
from rules.book import REORDER_US, Book, Instance
from rules.conditions.truth import Evidence
from rules.desk.incidents import Clock, Due, Incident
from rules.desk.loop import speaker
from rules.desk.plan import Chain
from rules.engine import Engine
from rules.glance import Glance
from rules.inputs import BundleIn, CommandIn, CommandKind, ReadingsIn
from rules.rebuilddrills import remember_drills
from rules.remember import remember_floods, remember_windows
from rules.signs.handover import MakeFleet, make_fleet
from rules.state import State
from store import journal, register
from store.connection import Connection
from store.statements import statements

_SQL = statements("rebuild", package="rules")
_AT_ONCE = 50_000
_EVIDENCE = {field.name for field in fields(Evidence)}


def rebuild(conn: Connection, bundle: BundleIn, follower: str, fleets: MakeFleet = make_fleet) -> tuple[Engine, int]:
    """An engine as it was at a follower's checkpoint, and that checkpoint.

    Parameters
    ----------
    conn
        Outside a transaction; the caller ends the one that is begun here.
    bundle
        The city folder that was in force at the checkpoint.
    fleets
        Builds the fleet engine.
    """
    conn.execute(_SQL["one_picture"])  # or a reading that comes meanwhile would look decided on
    row = conn.execute(_SQL["checkpoint_at"], (follower,)).fetchone()
    seq, at = row if row else (0, from_us(0))
    engine = Engine(create, State(now_us=to_us(at)), make_fleet=fleets)
    engine.use(bundle)
    state, book = engine.state, bundle.book
    for batch in _readings(conn, seq, to_us(at) - _span_us(state)):
        engine.remember(batch)
    rows = list(_dicts(conn, "alarms"))
    alarms = {row["alarm"]: _alarm(row, book) for row in rows}
    moved_us = {row["alarm"]: to_us(row["moved_at"]) for row in rows}
    _stand(state, book, alarms.values(), moved_us)
    _desk(conn, state, bundle, alarms)
    for shelf in map(_shelf, _dicts(conn, "shelves")):
        state.holds.kept(shelf.hold)[shelf.target] = shelf
    remember_windows(conn, state)
    remember_floods(conn, state, alarms, bundle.escalation.people)
    for alarm in alarms.values():
        state.holds.note(alarm)
    remember_drills(conn, state, seq)
    again = Engine(create, state, make_fleet=fleets, draws=True)
    again.use(bundle)
    return again, seq


def can_replay(conn: Connection) -> bool:
    """Whether the journal still has its very first row, so that stepping through it makes everything again."""
    row = conn.execute(_SQL["first_row"]).fetchone()
    return bool(row and row[0] == 1)


def in_force(conn: Connection, follower: str) -> str:
    """The city folder that was in force at a follower's checkpoint; empty when that is not known."""
    row = conn.execute(_SQL["in_force"], (follower,)).fetchone()
    return str(row[0]) if row else ""


# -- readings ----------------------------------------------------------------------------------------------------


def _span_us(state: State) -> int:
    """How far back readings matter."""
    return int(state.tracks.keep_us.max(initial=0)) + REORDER_US


def _readings(conn: Connection, seq: int, since_us: int) -> Iterator[ReadingsIn]:
    """What had been decided on: readings since a time, and the newest of those away for longer; not what comes yet."""
    numbers = register.ids(conn)
    place = np.full(max(numbers.values(), default=0) + 1, -1, np.int64)
    place[list(numbers.values())] = np.arange(len(numbers))
    ahead = _ahead(conn, seq)
    for name in ("latest", "readings"):
        with conn.cursor(name=f"rebuild_{name}") as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(_SQL[name], (from_us(since_us),))
            while rows := cursor.fetchmany(_AT_ONCE):
                readings = Readings.of([(*row, 0.0) for row in rows])
                readings = readings.take(~_among(readings, ahead))
                yield ReadingsIn.of_columns(tuple(numbers), place[readings.sensor_id], readings)


def _ahead(conn: Connection, seq: int) -> Mapping[int, NDArray[np.int64]]:
    """Event times of readings, by sensor, whose journal rows are still to be stepped through."""
    found: dict[int, list[int]] = {}
    while entries := journal.read(conn, seq, 1000):
        seq = entries[-1].seq
        for entry in entries:
            if entry.kind == "readings":
                readings = journal.decode_readings(entry.payload)
                for sensor, time_us in zip(readings.sensor_id.tolist(), readings.time_us.tolist(), strict=True):
                    found.setdefault(sensor, []).append(time_us)
    return {sensor: np.array(times) for sensor, times in found.items()}


def _among(readings: Readings, ahead: Mapping[int, NDArray[np.int64]]) -> NDArray[np.bool_]:
    result = np.zeros(len(readings), bool)
    concerned = np.flatnonzero(np.isin(readings.sensor_id, list(ahead)))
    for at in concerned.tolist():
        result[at] = readings.time_us[at] in ahead[int(readings.sensor_id[at])]
    return result


# -- alarms ------------------------------------------------------------------------------------------------------


def _dicts(conn: Connection, name: str) -> Iterable[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[name]).fetchall()


def _us(at: datetime | None) -> int | None:
    return None if at is None else to_us(at)


def _alarm(row: Mapping[str, Any], book: Book) -> Alarm:
    key = f"{row['rule']}/{row['scope']}"
    watch = book.watches.get(key)
    made = book.instances.get(key) or watch
    rule = made.rule if made is not None else None
    level, hold = Level(row["level"]), Hold(row["hold"])
    evidence = tuple(Evidence(**{k: v for k, v in seen.items() if k in _EVIDENCE}) for seen in row["evidence"])
    return Alarm(
        id=row["alarm"], rule=row["rule"], rule_version=row["rule_version"], scope=row["scope"], sensor=row["sensor"],
        site=row["site"], district=row["district"], domain=row["domain"], title=row["title"],
        raised_us=to_us(row["raised_at"]), level=level, peak_level=Level(row["peak_level"]), late=row["late"],
        condition=Condition(row["condition"]), acknowledged=row["acknowledged"], cleared_us=_us(row["cleared_at"]),
        incident=row["incident"], evidence=evidence, guidance=rule.guidance if rule else {},
        escalate=rule.escalate if rule else "", diagnostic=watch is not None or row["domain"] == "platform",
        hold=hold, hold_reason=row["hold_reason"], held_level=level if hold else Level.NONE,
        latching=bool(rule and rule.latch), latched=row["latched"], lost=row["lost"],
        lost_peak=level if row["lost"] else Level.NONE, gateway=row["gateway"],
        realarm_us=rule.realarm_us if rule else {},
    )  # fmt: skip


def _stand(state: State, book: Book, alarms: Iterable[Alarm], moved_us: Mapping[str, int]) -> None:
    """Put the alarms that stand where they are moved from, and work the unfinished delays of the others out again."""
    standing = {alarm.key: alarm for alarm in alarms if alarm.stands and alarm.condition is not Condition.ORPHANED}
    state.hearing.alarms.update({key: alarm for key, alarm in standing.items() if key in book.watches})
    restless = Glance(state.tracks, book, {}, ()).restless()
    for key, instance in book.instances.items():
        alarm, track = standing.get(key), state.tracks[instance.sensor.id]
        if alarm is not None:
            state.folds[key] = _stands(state, instance, alarm, moved_us[alarm.id])
        elif restless[track.row]:
            fold = Fold.resting(0, 0)
            fold.advance(instance, state.tracks, 1, state.now_us)
            if fold.alarm is not None:  # nothing stands, so somebody or something ended it: it begins anew
                state.folds[key] = Fold.beginning(track.newest_us)
            elif not fold.over(track.newest_us - REORDER_US):
                state.folds[key] = Fold.settled(fold.state, track.newest_us)


def _stands(state: State, instance: Instance, alarm: Alarm, moved_us: int) -> Fold:
    """The fold of an alarm that stands: its ladder as when the level last moved, moved on by the readings since.

    Where they would have moved the level again, they do not show all of the story, and it stands as when it moved.
    """
    newest_us = state.tracks[instance.sensor.id].newest_us
    level = Level(alarm.level - 1) if alarm.lost and alarm.level > Level.BLUE else alarm.level
    ladder = instance.ladder.standing(level)
    since = Fold.settled(ladder.copy(), min(moved_us, newest_us), replace(alarm))
    if not since.advance(instance, state.tracks, newest_us + 1, state.now_us):
        ladder = since.state
    return Fold.settled(ladder, newest_us, alarm, unknown=alarm.condition is Condition.UNKNOWN)


# -- people ------------------------------------------------------------------------------------------------------


def _desk(conn: Connection, state: State, bundle: BundleIn, alarms: Mapping[str, Alarm]) -> None:
    incidents = state.incidents
    of: dict[str, dict[str, Alarm]] = {}
    for alarm in alarms.values():
        of.setdefault(alarm.incident, {})[alarm.id] = alarm
    for row in _dicts(conn, "incidents"):
        incidents[row["incident"]] = _incident(row, bundle, of.get(row["incident"], {}))
    for row in _dicts(conn, "due"):
        if row["incident"] in incidents:
            due = Due(row["round"], row["step"], row["repeat"], to_us(row["due_at"]))
            incidents[row["incident"]].due.append(due)
    for row in _dicts(conn, "clocks"):
        if row["incident"] in incidents:
            began_us, due_us = to_us(row["began_at"]), to_us(row["due_at"])
            clock = Clock(row["clock"], row["number"], Level(row["level"]), began_us, due_us)
            incidents[row["incident"]].clocks.append(clock)
    _older(conn, bundle, incidents)
    for alarm in alarms.values():
        if of_platform(alarm) and alarm.stands:
            recall(alarm, bundle.escalation.platform)
            state.platform[alarm.key] = alarm


def _older(conn: Connection, bundle: BundleIn, incidents: Mapping[str, Incident]) -> None:
    """What people did about incidents that have no memory in their row, as far as other tables say."""
    people = bundle.escalation.people
    for row in _dicts(conn, "told"):
        person = people.get(row["target"])
        if row["incident"] in incidents and person is not None:
            told = person.name.get("en", person.id), row["channel"], row["via"]
            incidents[row["incident"]].told.setdefault(person.id, told)
    for row in _dicts(conn, "went"):
        if row["incident"] in incidents:
            said = CommandIn("", row["incident"], CommandKind(row["kind"]), row["actor"], "", "")
            names, _ = speaker(said, people.values())
            incidents[row["incident"]].crew.update(dict.fromkeys(names, row["kind"]))


def _incident(row: Mapping[str, Any], bundle: BundleIn, alarms: dict[str, Alarm]) -> Incident:
    site = bundle.book.city.sites.get(row["site"])
    opened_us = to_us(row["opened_at"])
    copied = row["chain_copy"]
    chain = msgspec.convert(copied, Chain) if copied else bundle.escalation.chains.get(row["chain"])
    incident = Incident(
        row["incident"], row["site"], row["district"], site.place if site else Place(0.0, 0.0), row["title"],
        row["first_alarm"], any(alarm.diagnostic for alarm in alarms.values()), opened_us,
        max((alarm.raised_us for alarm in alarms.values()), default=opened_us),
        chain, row["stage"], Level(row["level"]), Level(row["peak_level"]), row["acknowledged"],
        to_us(row["said_at"]), _us(row["closed_at"]), row["round"], [], alarms, {}, row["owes_clear"],
        drill=row["drill_id"], version=row["version"], falls_us=_us(row["falls_at"]),
    )  # fmt: skip
    incident.remember(row["memory"])
    return incident


def _shelf(row: Mapping[str, Any]) -> Shelf:
    return Shelf(
        row["shelf"], Hold(row["hold"]), row["target"], Level(row["level"]), to_us(row["since"]), to_us(row["until"]),
        row["one_shot"], row["by"], row["reason"], row["via"],
    )  # fmt: skip
