"""What was refused, looked through; and taken in after all once the register (or a mapping) is mended.

A replay goes the recorder's own road: decode, admit, write, account and journal in one transaction, which also marks
the row. So it may be repeated, run beside a recorder, or be killed anywhere: every reading counts once. What is still
refused stays as it is. The arrival of a reading that is taken in late is the moment of the replay, so that the rules
treat it as what it is: late.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from city.clock import to_us
from city.errors import InputError, OutsideError
from city.mapping import load_mappings
from ingest import register
from ingest.admit import FUTURE_US, Admission
from ingest.decoders import Decoders
from ingest.decoders.common import spell
from ingest.ledger import Ledger
from ingest.memory import Memory
from ingest.message import Arrival, ReadingsMessage, StatusMessage
from ingest.numbering import Came
from ingest.reasons import MENDABLE, Reason
from ingest.retelling import advice
from ingest.settle import Outcome, judge, rejection, settle
from store import bundle, journal, rejections
from store.connection import Connection
from store.readings import ReadingWriter
from store.statements import statements

_SQL = statements("quarantine", package="ingest")
_AT_ONCE: Final = 1_000  # rows a transaction
_MORE: Final = re.compile(r"\d+ more readings of this message")
_KEPT: Final = frozenset((Reason.CONFLICT, Reason.FUTURE_TIME, Reason.BAD_FIELD))  # told, and nothing is lost by them


@dataclass(frozen=True, slots=True)
class Wish:
    """Which rows are meant; empty text and None mean any."""

    reason: str = ""
    gateway: str = ""
    sensor: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one reason, gateway and sensor: how many wait and were replayed, since when, the newest one's number."""

    reason: str
    gateway: str
    sensor: str
    waiting: int
    replayed: int
    first: datetime
    last: datetime
    newest: int

    @property
    def advice(self) -> str:
        """What to try."""
        return advice(self.reason)


@dataclass(frozen=True, slots=True)
class Row:
    """One refusal as kept."""

    number: int
    received_at: datetime
    gateway: str
    topic: str
    sensor: str
    time: datetime | None
    reason: str
    detail: str
    payload: bytes
    replayed_at: datetime | None


@dataclass(slots=True)
class Replayed:
    """What a replay did: rows looked at and taken in; readings stored anew, and known already."""

    looked: int = 0
    rows: int = 0
    stored: int = 0
    repeated: int = 0


def groups(conn: Connection, wish: Wish, limit: int = 50) -> tuple[list[Group], int]:
    """The largest groups of what was refused, and how many there are in all."""
    found = conn.execute(_SQL["groups"], {**_words(wish), "limit": limit}).fetchall()
    return [Group(*row[:8]) for row in found], found[0][8] if found else 0


def one(conn: Connection, number: int) -> Row:
    """One row (InputError when there is none)."""
    row = conn.execute(_SQL["one"], (number,)).fetchone()
    if row is None:
        raise InputError(f"quarantine: no such row, got {number}, try one of `lifeline quarantine list`")
    return Row(*row)


def replay(
    conn: Connection, wish: Wish, clock: Callable[[], datetime], progress: Callable[[Replayed], None] | None = None
) -> Replayed:
    """Take in what is no longer refused.

    Parameters
    ----------
    conn
        Autocommit; every step is a transaction of its own.
    wish
        Which rows. Of rows that hold whole messages, all readings are taken, whatever the sensor.
    clock
        City time.
    progress
        Told after every step.

    Raises
    ------
    InputError
        When the reason asked for can never be taken in.
    OutsideError
        When no city folder is in force.
    """
    if wish.reason and wish.reason not in MENDABLE:
        hint = ", ".join(sorted(MENDABLE))
        raise InputError(f"--reason: such rows are not taken in later, got {wish.reason!r}, try one of {hint}")
    return _Replay(conn, wish, clock).run(progress)


class _Replay:
    def __init__(self, conn: Connection, wish: Wish, clock: Callable[[], datetime]) -> None:
        self._conn, self._wish, self._clock = conn, wish, clock
        self._writer = ReadingWriter(conn)
        self._memory = Memory()
        self._bundle = ""
        self._admission: Admission | None = None
        self._decoders = Decoders()
        self.done = Replayed()

    def run(self, progress: Callable[[Replayed], None] | None) -> Replayed:
        after = 0
        while True:
            with self._conn.transaction():
                last = self._step(after)
            self._memory.committed()
            if last is None:
                return self.done
            after = last
            if progress is not None:
                progress(self.done)

    def _step(self, after: int) -> int | None:
        """Take in the next rows; the number of the last one, None when there is none."""
        reasons = [self._wish.reason] if self._wish.reason else sorted(MENDABLE)
        wish = {**_words(self._wish), "after": after, "reasons": reasons, "limit": _AT_ONCE}
        rows = [Row(*row) for row in self._conn.execute(_SQL["waiting"], wish).fetchall()]
        if not rows:
            return None
        admission, now = self._city(), self._clock()
        self._memory.begin(admission, self._conn)
        arrivals, origin, finished = self._decoded(rows, admission, to_us(now))
        judged = judge(self._conn, admission, self._memory, arrivals)
        outcome = settle(self._conn, admission, judged, self._writer.write_packed(judged.packed))
        ledger = Ledger()
        for at, row in enumerate(origin):
            if self._account(ledger, admission, row, arrivals[at], outcome, at):
                finished.append(row.number)
        told = [
            rejection(note, row.topic, row.gateway, to_us(now))
            for at, row in enumerate(origin)
            for note in outcome.notes[at]
            if note.reason in (Reason.CONFLICT, Reason.FUTURE_TIME)
        ]
        rejections.add(self._conn, told)
        ledger.write(self._conn)
        self._conn.execute(_SQL["done"], (now, finished))
        if len(outcome.new):  # last: its lock is held to the commit
            journal.append(self._conn, "readings", journal.encode_readings(outcome.new), now)
        self.done.looked += len(rows)
        self.done.rows += len(finished)
        self.done.stored += sum(outcome.stored)
        self.done.repeated += sum(outcome.repeated)
        return rows[-1].number

    def _decoded(
        self, rows: Sequence[Row], admission: Admission, now_us: int
    ) -> tuple[list[Arrival], list[Row], list[int]]:
        """What rows hold, as if it came now; whose it is; and the numbers of rows that hold nothing to take in."""
        arrivals, origin, finished = list[Arrival](), list[Row](), list[int]()
        for row in rows:
            topic, payload = self._again(row, admission)
            received_us = to_us(row.received_at)
            message = self._decoders.decode(topic, payload, received_us)
            if isinstance(message, ReadingsMessage) and message.time_us:
                _credible(message, received_us)
                arrivals.append(Arrival(message, now_us, payload))
                origin.append(row)
            elif isinstance(message, StatusMessage) and not admission.stranger(message.district, message.gateway):
                finished.append(row.number)  # what a gateway said of itself then is no news now
        return arrivals, origin, finished

    def _again(self, row: Row, admission: Admission) -> tuple[str, bytes]:
        """The topic and payload to decode: the message as it came, or the one reading that the row is about."""
        if not row.sensor:
            return row.topic, row.payload
        known = admission.table.gateways.get(row.gateway)
        district = known.district if known is not None else "_"
        topic = f"lifeline/v1/{district}/{row.gateway or '_'}/readings"
        try:
            content = json.loads(row.payload)
        except (ValueError, RecursionError):
            return topic, row.payload
        if isinstance(content, dict) and row.time is not None:
            content["time"] = row.time.isoformat()  # whole: the payload's may be cut to milliseconds
        return topic, spell({"readings": [content]})

    def _account(
        self, ledger: Ledger, admission: Admission, row: Row, arrival: Arrival, outcome: Outcome, at: int
    ) -> bool:
        """Move what was taken in from refused to stored in its gateway's account; whether the whole row is done."""
        stored, repeated = outcome.stored[at], outcome.repeated[at]
        # What the decoder refuses among the readings has a row of its own, unless it had refused the whole message.
        told = arrival.message.refused if row.reason not in (Reason.BAD_TOPIC, Reason.BAD_MESSAGE) else []
        left = [note for note in outcome.notes[at] if note.reason not in _KEPT]
        done = not [note for note in left if note.reason == row.reason or note not in told]
        gateway = arrival.message.gateway
        if gateway not in admission.table.gateways:
            return False
        at_us, message = to_us(row.received_at), arrival.message
        account = ledger.of(gateway, at_us)  # in the hour in which it was refused
        if message.seq is not None and stored and not row.sensor and not _MORE.match(row.detail):
            # Its number may have been missing: of a message that was refused whole nobody knew it.
            ledger.number(gateway, at_us, Came(message.seq, max(message.time_us), True))
        account.stored += stored
        conflicts = sum(note.count for note in outcome.notes[at] if note.reason is Reason.CONFLICT)
        if row.reason in (Reason.UNKNOWN_GATEWAY, Reason.BAD_TOPIC):  # it had no account then
            account.published += stored + (repeated + conflicts if done else 0)
            account.received += stored + (repeated + conflicts if done else 0)
            account.repeated += repeated if done else 0
            account.rejected += conflicts if done else 0
        elif row.sensor or not _MORE.match(row.detail):
            account.rejected -= stored + (repeated if done else 0)
            account.repeated += repeated if done else 0
        else:  # a whole message, of whose readings the row is about some: those that were stored are not among them
            account.rejected -= stored
        return done

    def _city(self) -> Admission:
        current = bundle.current_hash(self._conn)
        if current is None:
            raise OutsideError("database: no city folder is in force, try `lifeline run` with one first")
        if self._admission is None or current != self._bundle:
            self._admission = Admission(register.read(self._conn, current))
            self._decoders = Decoders(load_mappings(bundle.part(self._conn, current, "mappings/"))[0])
            self._bundle = current
        return self._admission


def _credible(message: ReadingsMessage, received_us: int) -> None:
    """What claimed the future when it came gets its arrival time and a doubt, as it would have then."""
    message.spread()
    for at, time_us in enumerate(message.time_us):
        if time_us > received_us + FUTURE_US:
            message.time_us[at], message.flag[at] = received_us, max(message.flag[at], 3)


@dataclass(frozen=True, slots=True)
class Stranger:
    """What an unknown sensor sent: through which gateways, in which units, how often (0 when that cannot be told)."""

    gateways: tuple[str, ...]
    units: tuple[str, ...]
    interval_s: float


def stranger(conn: Connection, sensor: str) -> Stranger:
    """What is known about a sensor that is not in the register (InputError when it never sent anything)."""
    found = conn.execute(_SQL["spans"], (sensor,)).fetchall()
    if not found:
        raise InputError(
            f"quarantine: no reading of such a sensor waits, got {sensor!r}, try `lifeline quarantine list`"
        )
    times_us = sorted({to_us(time) for _, time, _ in found if time is not None})
    steps = sorted(later - earlier for earlier, later in pairwise(times_us))
    units = {str(content["unit"]) for _, _, payload in found if (content := _content(payload)).get("unit")}
    gateways = dict.fromkeys(str(gateway) for gateway, _, _ in found)
    return Stranger(tuple(gateways), tuple(sorted(units)), steps[len(steps) // 2] / 1e6 if steps else 0.0)


def _content(payload: bytes) -> dict[str, Any]:
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _words(wish: Wish) -> Mapping[str, object]:
    return {"reason": wish.reason, "gateway": wish.gateway, "sensor": wish.sensor, "since": wish.since}
