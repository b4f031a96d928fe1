"""Makes the drills that run again, by stepping through all that they were given since the first of them began."""

from __future__ import annotations

import msgspec
import numpy as np

from detectors.registry import create
from rules.check import load_files
from rules.drills import Drills
from rules.engine import Engine
from rules.inputs import BundleIn, ExerciseIn, Input, ReadingsIn, said
from rules.state import State
from store import bundle, hearing, journal, register
from store.connection import Connection
from store.statements import statements

_SQL = statements("rebuild", package="rules")


def remember_drills(conn: Connection, state: State, seq: int) -> None:
    """Give a state the drills that run after row `seq`, as they were."""
    row = conn.execute(_SQL["first_drill"], (seq,)).fetchone()
    if row is None or row[0] is None:
        return
    first = int(row[0])
    drills = Drills(state, lambda own, name: Engine(create, own, drill=name))
    drills.use(_bundle(conn, hearing.in_force(conn, first) or ""))
    numbers = register.ids(conn)
    for heard in hearing.besides(conn, first - 1, seq):
        drills.again(_entry(conn, heard, numbers), heard.seq, heard.recorded_us)


def _entry(conn: Connection, heard: hearing.Heard, numbers: dict[str, int]) -> Input:
    if heard.kind == "bundle":
        return _bundle(conn, msgspec.json.decode(heard.payload)["bundle"])
    if heard.kind != "exercise":
        return said(heard.kind, heard.payload)
    drill, received_us, readings = journal.decode_exercise(heard.payload)
    names = tuple(numbers)
    place = np.full(max(numbers.values(), default=0) + 1, -1, np.int64)
    place[list(numbers.values())] = np.arange(len(names))
    return ExerciseIn(drill, ReadingsIn.of_columns(names, place[readings.sensor_id], readings), received_us)


def _bundle(conn: Connection, name: str) -> BundleIn:
    checked = load_files(bundle.get(conn, name) or {})
    return BundleIn(name, checked.book, checked.escalation)
