"""What becomes of a batch's readings in the database: stored, repeated, or noted in `city.rejections`; each once.

A message that comes again (it was committed but its acknowledgement was lost) finds its rows and, for readings that
were not stored as sent, the notes of the first time; neither is written twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from city.clock import from_us, to_us
from city.reading import Readings
from ingest.admit import Admission, Admitted
from ingest.memory import Memory, TakeBack
from ingest.message import Arrival, Refused
from ingest.reasons import MENDABLE, Reason
from store.batch import Packed, pack
from store.connection import Connection
from store.readings import Written
from store.rejections import Rejection
from store.statements import statements

_SQL = statements("ledger", package="ingest")
_KEPT_PAYLOAD = 64 << 10  # bytes of a refused payload that are kept
_KEPT_TEXT = 500  # characters of a name, a topic or a detail

_Told = dict[tuple[str, str, int, str], bytes]  # reason, sensor, time, detail of notes written before: what came then


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the readings of a batch.

    Attributes
    ----------
    new
        The rows that were not there before, for the journal.
    notes
        For each message, what goes to `city.rejections`; `count` is 0 for a reading that is stored all the same.
    stored, repeated
        For each message, how many of its readings are new rows, and how many were known already.
    """

    new: Readings
    notes: list[list[Refused]]
    stored: list[int]
    repeated: list[int]


@dataclass(frozen=True, slots=True)
class Judged:
    """The readings of a batch as they are to be written.

    Attributes
    ----------
    arrivals
        Its messages.
    notes
        For each message, what was refused so far.
    rows, origin
        The rows to write; for each the place of its message.
    packed
        The rows, spelled.
    known
        For each message, how many of its readings were found to be known already.
    take_back
        To be called when they are not written: what they left in the memory goes, latest batch first.
    """

    arrivals: Sequence[Arrival]
    notes: list[list[Refused]]
    rows: Readings
    origin: NDArray[np.intp]
    packed: Packed
    known: NDArray[np.intp]
    take_back: TakeBack


def judge(conn: Connection, admission: Admission, memory: Memory, arrivals: Sequence[Arrival]) -> Judged:
    """Judge the readings of a batch inside the caller's transaction, under the memory's register."""
    admitted = _where_they_stand(admission.admit_all(arrivals, memory.corrections), memory)
    notes = _notes(admitted, arrivals)
    claims = _claims(conn, admission, admitted, notes) if admitted.claimed else None
    return _judged(memory, arrivals, admitted, notes, claims)


def judge_ahead(admission: Admission, memory: Memory, arrivals: Sequence[Arrival]) -> Judged | None:
    """The same before its transaction; None where the database has to be asked in it."""
    if admission.corrected:
        return None
    admitted = admission.admit_all(arrivals)
    if admitted.claimed:
        return None
    return _judged(memory, arrivals, admitted, _notes(admitted, arrivals), None)


def _notes(admitted: Admitted, arrivals: Sequence[Arrival]) -> list[list[Refused]]:
    return [[*arrival.message.refused, *refused] for arrival, refused in zip(arrivals, admitted.refused, strict=True)]


def _judged(
    memory: Memory,
    arrivals: Sequence[Arrival],
    admitted: Admitted,
    notes: list[list[Refused]],
    claims: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None,
) -> Judged:
    rows, origin, place, marks = admitted.readings, admitted.origin, admitted.place, admitted.marks
    known = np.zeros(len(arrivals), np.intp)
    if claims is not None and not claims[0].all():
        fresh, again = claims
        rows, origin, place, marks = rows.take(fresh), origin[fresh], place[fresh], marks.take(fresh)
        known += np.bincount(admitted.origin[~fresh & again], minlength=len(arrivals))
    flag, tests, take_back = memory.judge(place, rows)
    rows, marks = replace(rows, flag=flag), replace(marks, tests=marks.tests | tests)
    return Judged(arrivals, notes, rows, origin, pack(rows, marks), known, take_back)


def settle(conn: Connection, admission: Admission, judged: Judged, written: Written) -> Outcome:
    """What became of the readings of a batch that were written, inside their transaction; see `Outcome`."""
    rows, origin, count = judged.rows, judged.origin, len(judged.arrivals)
    stored = np.bincount(origin[written.new], minlength=count)
    if written.new.all():
        return Outcome(rows, judged.notes, stored.tolist(), judged.known.tolist())
    known = written.repeated
    if written.conflicting.any():
        known = known | _conflicts(conn, admission, rows, origin, written, judged.notes)
    repeated = judged.known + np.bincount(origin[known], minlength=count)
    return Outcome(rows.take(written.new), judged.notes, stored.tolist(), repeated.tolist())


def _where_they_stand(admitted: Admitted, memory: Memory) -> Admitted:
    """Put readings that came before their gateway's clock was set back where they were put then."""
    again = memory.used(admitted.readings, admitted.marks.claimed_us, admitted.used) if admitted.used else []
    if not again:
        return admitted
    time_us = admitted.readings.time_us.copy()
    time_us[again] = [admitted.used[row] for row in again]
    claimed = {row: claim_us for row, claim_us in admitted.claimed.items() if row not in again}
    return replace(admitted, readings=replace(admitted.readings, time_us=time_us), claimed=claimed)


def _claims(
    conn: Connection, admission: Admission, admitted: Admitted, notes: list[list[Refused]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Note readings that claimed a time in the future, and other values for a claim that was noted.

    The first mask says which rows are to be stored, the second which of the others were known already.
    """
    readings = admitted.readings
    names = dict(
        zip(admitted.claimed, admission.table.names_of(readings.sensor_id[list(admitted.claimed)]), strict=True)
    )
    told = _told_before(conn, [(names[row], claimed_us) for row, claimed_us in admitted.claimed.items()])
    said = {(sensor, time_us): _value(payload) for (reason, sensor, time_us, _), payload in told.items()
            if reason == Reason.FUTURE_TIME}  # fmt: skip
    fresh, again = np.ones(len(readings), np.bool_), np.ones(len(readings), np.bool_)
    for row, claimed_us in admitted.claimed.items():
        key, value = (names[row], claimed_us), float(readings.raw[row])
        payload = _reading(*key, value)
        if key not in said:
            said[key] = value
            detail = f"more than 120 s in the future, stored under its arrival time {_iso(int(readings.time_us[row]))}"
            notes[admitted.origin[row]].append(Refused(Reason.FUTURE_TIME, detail, *key, payload, count=0))
            continue
        fresh[row] = False
        if value != said[key]:
            detail = f"another value for the same claim of the future, kept {said[key]}, got {value}"
            if (conflict := (str(Reason.CONFLICT), *key, detail)) not in told:
                told[conflict], again[row] = payload, False
                notes[admitted.origin[row]].append(Refused(Reason.CONFLICT, detail, *key, payload))
    return fresh, again


def _value(payload: bytes) -> float:
    return float(msgspec.json.decode(payload)["value"])


def _conflicts(
    conn: Connection,
    admission: Admission,
    rows: Readings,
    origin: NDArray[np.intp],
    written: Written,
    notes: list[list[Refused]],
) -> NDArray[np.bool_]:
    """Note readings that differ from what stands; the mask says which rows were noted before."""
    told_before = np.zeros(len(rows), np.bool_)
    at = np.flatnonzero(written.conflicting)
    names = admission.table.names_of(rows.sensor_id[at])
    times_us = rows.time_us[at].tolist()
    told = _told_before(conn, list(zip(names, times_us, strict=True)))
    for row, name, time_us in zip(at.tolist(), names, times_us, strict=True):
        detail = f"another value for the same instant, kept {written.stored[row]}, got {rows.value[row]}"
        key = (str(Reason.CONFLICT), name, time_us, detail)
        if key in told:
            told_before[row] = True
            continue
        told[key] = payload = _reading(name, time_us, float(rows.raw[row]))
        notes[origin[row]].append(Refused(Reason.CONFLICT, detail, name, time_us, payload))
    return told_before


def _told_before(conn: Connection, readings: Iterable[tuple[str, int]]) -> _Told:
    sensors, times_us = zip(*readings, strict=True)
    found = conn.execute(_SQL["told"], {"sensors": list(sensors), "times": [from_us(us) for us in times_us]})
    return {
        (reason, sensor, to_us(time), detail): payload for reason, sensor, time, detail, payload in found.fetchall()
    }


def rejection(refused: Refused, topic: str, gateway: str, received_us: int) -> Rejection:
    """Turn a refusal into a row: long payloads are cut, with their size and hash kept in the detail."""
    payload, detail = refused.payload, refused.detail[:_KEPT_TEXT]
    if len(payload) > _KEPT_PAYLOAD and refused.reason not in MENDABLE:  # what may be replayed is kept whole
        detail += f" (payload cut from {len(payload)} bytes, sha256 {hashlib.sha256(payload).hexdigest()})"
        payload = payload[:_KEPT_PAYLOAD]
    return Rejection(
        received_at=from_us(received_us),
        reason=str(refused.reason),
        gateway=gateway[:_KEPT_TEXT],
        topic=topic[:_KEPT_TEXT],
        sensor=refused.sensor[:_KEPT_TEXT],
        time=None if refused.time_us is None else _moment(refused.time_us),
        detail=detail,
        payload=payload,
    )


def _moment(time_us: int) -> datetime | None:
    try:
        return from_us(time_us)
    except OverflowError:  # a year that a datetime does not reach
        return None


def _iso(time_us: int) -> str:
    return from_us(time_us).isoformat()


def _reading(sensor: str, time_us: int, value: float) -> bytes:
    return msgspec.json.encode({"sensor": sensor, "time": _iso(time_us), "value": value})
