"""One batch, one transaction: readings, rejections, ledger, newest values, journal. Commits whole or not at all.

In three parts: `judge` looks at the readings, `put` writes them, `finish` says all else and commits. With further
connections several batches may be put at the same time; they are judged and finished in one order.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import psycopg

from city.clock import Clock
from city.errors import OutsideError
from city.reading import Readings
from ingest import register
from ingest.admit import Admission
from ingest.beside import HOLD_S
from ingest.books import Books, Totals
from ingest.clocks import Clocks
from ingest.decoders import drill_of
from ingest.intake import Delivery
from ingest.ledger import enter, online
from ingest.memory import Memory
from ingest.message import Arrival, ReadingsMessage, Refusal
from ingest.newest import Newest
from ingest.posting import Posting
from ingest.reasons import Reason
from ingest.settle import Judged, judge, judge_ahead, settle
from store import bundle, journal, rejections, traces
from store.connection import Connection
from store.readings import Known, ReadingWriter, Written
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("ledger", package="ingest")
_HANDS = statements("hands", package="ingest")
_TRACES = 1000  # given ones that are kept of one batch
# What a row's content can cause. Everything else (a connection, a disk, a missing table) is no fault of the batch.
_POISON = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Hand:
    """A connection by which batches go in."""

    conn: Connection
    readings: ReadingWriter


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch as judged, to be put in by any hand."""

    deliveries: Sequence[Delivery]
    admission: Admission
    judged: Judged


@dataclass(frozen=True, slots=True)
class Put:
    """A batch whose readings are in, in a transaction that is open; `finish` it, or let its hand roll it back."""

    ready: Ready
    hand: Hand
    written: Written


class Superseded(Exception):
    """Another city folder is in force than the one by which a batch was judged."""


class BatchWriter:
    """Writes batches over one connection (autocommit; it opens its own transactions), or several beside each other.

    `judge` is for one thread, in the order of the batches; so is `commit`, when none is under way. Each of the `hands`
    may `put` in a thread of its own, and `finish` when the batch before it is finished.

    Parameters
    ----------
    newest
        Writes newest values beside the batches; without it they are written with them, seldom while much comes.
    dsn
        The same database, for what is done over connections of its own; empty: nothing is.
    beside
        The further connections; they need `newest`.
    posting
        Posts gateways' accounts to their ledger beside the batches; without it they are posted with them.
    """

    def __init__(
        self,
        conn: Connection,
        clock: Clock,
        newest: Newest | None = None,
        dsn: str = "",
        beside: Sequence[Connection] = (),
        posting: Posting | None = None,
    ) -> None:
        self._conn, self._clock, self._newest, self._dsn = conn, clock, newest, dsn
        self._posting = posting
        hold_s, known = (HOLD_S if newest is None else math.inf), Known()
        self._own, *self.hands = [Hand(one, ReadingWriter(one, hold_s, known)) for one in (conn, *beside)]
        self._online = online(conn)
        self._clocks, self._memory = Clocks(), Memory()
        self._admission: Admission | None = None
        self._bundle: str | None = None
        self._origin = traces.origin(conn)
        self.totals = Totals()

    def ready(self) -> bool:
        """Whether a city folder is in force, so that readings can be judged."""
        return bundle.current_hash(self._conn) is not None

    def commit(self, deliveries: Sequence[Delivery]) -> None:
        """Write deliveries and commit; what the database refuses for its content is quarantined, alone.

        Those without a message are passed over.

        Raises
        ------
        psycopg.Error, OutsideError
            When the database cannot write now: nothing of the failed part is written, try the same batch again.
        """
        try:
            self._commit(deliveries)
        except _POISON as error:
            if len(deliveries) > 1:
                half = len(deliveries) // 2
                self.commit(deliveries[:half])
                self.commit(deliveries[half:])
                return
            only = deliveries[0]
            message = only.message
            if message is None or (isinstance(message, Refusal) and message.reason is Reason.NOT_STORABLE):
                raise
            log.exception("message not storable", extra={"action": "not_storable", "topic": message.topic})
            detail = f"{type(error).__name__}: {error}"
            refusal = Refusal(message.topic, Reason.NOT_STORABLE, detail, message.district, message.gateway)
            self._commit([Delivery(refusal, only.received_us, only.payload, only.mid, only.session)])

    def _commit(self, deliveries: Sequence[Delivery]) -> None:
        """Write a batch when none is under way."""
        hand, judged = self._own, None
        try:
            current = bundle.begin(hand.conn)
            admission = self._current_admission(current, hand.conn)
            hand.readings.begin()
            self._memory.begin(admission, hand.conn)
            judged = judge(hand.conn, admission, self._memory, _arrivals_of(deliveries))
            written = hand.readings.write_packed(judged.packed)
            self.finish(Put(Ready(deliveries, admission, judged), hand, written))
        except BaseException:
            self.roll_back(hand)
            if judged is not None:
                judged.take_back()
            raise

    def judge(self, deliveries: Sequence[Delivery]) -> Ready | None:
        """Judge the readings of a batch that comes after those under way.

        None where the database is to be asked for that when these are committed: `commit` it then.
        """
        admission = self._admission
        if admission is None or _alone(deliveries, admission):
            return None
        self._memory.begin(admission, self._conn)
        judged = judge_ahead(admission, self._memory, _arrivals_of(deliveries))
        return Ready(deliveries, admission, judged) if judged is not None else None

    def take_back(self, ready: Ready) -> None:
        """A batch that was judged is not written, nor those after it, which were taken back before."""
        ready.judged.take_back()

    def put(self, ready: Ready, hand: Hand, before: Callable[[], object]) -> Put:
        """Begin a transaction and write the readings of a batch, beside what other hands put in.

        `before` returns once the batches before this one are committed: it is called where it is to know of them.

        Raises
        ------
        Superseded
            When another city folder is in force.
        psycopg.Error
            What the database says; `roll_back` then.
        """
        packed, readings = ready.judged.packed, hand.readings
        if readings.at_once(packed):  # its COPY opens the transaction: one way to the server less
            readings.begin()
            written = readings.write_packed(packed, bundle.BEGIN)
            current = readings.opened
        else:
            before()
            current = bundle.begin(hand.conn)
            readings.begin()
            written = readings.write_packed(packed)
        if current != self._bundle:
            raise Superseded
        return Put(ready, hand, written)

    def blocked(self, hand: Hand, by: Hand) -> bool:
        """Whether what one hand puts in waits for a lock, asked by another (whose transaction may be open)."""
        row = by.conn.execute(_HANDS["blocked"], (hand.conn.info.backend_pid,)).fetchone()
        return row is not None and bool(row[0])

    def roll_back(self, hand: Hand) -> None:
        """End a hand's transaction, if there is one; a connection that broke has none."""
        with contextlib.suppress(psycopg.Error):
            hand.conn.rollback()

    def finish(self, put: Put) -> None:
        """Say what else there is to say of a batch, and commit.

        Raises
        ------
        psycopg.Error, OutsideError
            When the database cannot write now: nothing of it is written, `roll_back`.
        """
        books = Books(put.ready.admission, self._online, self._clocks)
        seq = self._write(put, books)
        put.hand.readings.committed()
        if self._newest is not None:
            self._newest.hear(put.hand.readings.take_held())
        if self._posting is not None:
            self._posting.hear()
        self._memory.committed()
        self._online.update(books.online)
        self.totals.add(books.totals)
        self._say(seq, books.totals)

    def _write(self, put: Put, books: Books) -> int:
        """The rest of a transaction, with its commit; the number of the journal's row, 0 when it has none.

        In few ways to the server and back, each of which waits twice for the scheduler: see `store.sending`.
        """
        conn, deliveries = put.hand.conn, put.ready.deliveries
        books.sort(deliveries)
        new = self._account(put, books)
        played = books.played(conn)
        rejections.add(conn, books.rejections)
        entry = books.ledger.entry() if self._posting is not None else b""
        if self._posting is None:
            books.ledger.write(conn)
        now, seq = self._clock.now(), 0
        with conn.pipeline():
            if entry:
                enter(conn, entry)
            for status in sorted(books.statuses, key=itemgetter("gateway")):  # locked in the order of posting
                conn.execute(_SQL["status"], status)
            # The journal's lock is held to the commit, so it comes last.
            row = journal.send(conn, "readings", journal.encode_readings(new), now) if len(new) else None
            if row is not None and (given := _given(deliveries)):
                seq = journal.number(row)  # waited for: few messages have a trace
                traces.keep(conn, seq, given, now)
            for change in books.changes:
                journal.send(conn, "status", change, now)
            for payload in played:
                journal.send(conn, "exercise", payload, now)
            conn.execute("COMMIT")
        return journal.number(row) if row is not None and not seq else seq

    def _say(self, seq: int, share: Totals) -> None:
        """One line a batch: the trace that its readings have from here on."""
        if seq and log.isEnabledFor(logging.DEBUG):
            trace = traces.trace_id(self._origin, seq)
            counts = {"messages": share.messages, "readings": share.readings, "rejected": share.rejected}
            log.debug("batch committed", extra={"action": "batch", "trace": trace, **counts})

    def catch_up(self) -> None:
        """Write what was held back of the newest values; nothing when nothing was."""
        for hand in (self._own, *self.hands):
            if hand.readings.behind:
                with hand.conn.transaction():
                    hand.readings.begin()
                    hand.readings.catch_up()
                hand.readings.committed()

    def _current_admission(self, current: str | None, conn: Connection) -> Admission:
        """Read the register again when another city folder is in force; asked in every transaction."""
        if current is None:
            raise OutsideError("database: no city folder is in force any more, try applying one")
        if self._admission is None or current != self._bundle:
            self._admission = Admission(register.read(conn, current, self._dsn))
            self._bundle = current
            log.info("city folder in force", extra={"action": "bundle", "bundle": self._bundle[:12]})
        return self._admission

    def _account(self, put: Put, books: Books) -> Readings:
        """Note all that was not stored as sent, fill the accounts; give the new rows."""
        judged = put.ready.judged
        if not judged.arrivals:
            return judged.rows
        outcome = settle(put.hand.conn, put.ready.admission, judged, put.written)
        books.enter(judged.arrivals, outcome)
        for gateway, (skew, sent_us, received_us) in books.clocks.items():
            self._memory.follow(gateway, skew, sent_us, received_us)
        return outcome.new


def _alone(deliveries: Sequence[Delivery], admission: Admission) -> bool:
    """Whether no other batch may be under way: clocks are corrected by it, or it holds a drill."""
    return bool(admission.corrected) or any(one.message and drill_of(one.message.topic) for one in deliveries)


def _given(deliveries: Sequence[Delivery]) -> list[tuple[str, str]]:
    """(trace, gateway) of the messages that were given a trace, each once; the first ones of very many."""
    found = {
        (one.trace, one.message.gateway): None
        for one in deliveries
        if one.trace and isinstance(one.message, ReadingsMessage)
    }
    return list(found)[:_TRACES]


def _arrivals_of(deliveries: Sequence[Delivery]) -> list[Arrival]:
    """The messages that hold readings, but for those of drills, in their order."""
    return [
        Arrival(one.message, one.received_us, one.payload)
        for one in deliveries
        if type(one.message) is ReadingsMessage and not one.message.drill
    ]
