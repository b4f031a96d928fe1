"""One batch, one transaction: readings, rejections, ledger, newest values, journal. Commits whole or not at all.

In two parts: `put` judges the readings and writes them, `finish` says all else and commits. With a second connection
the next batch may be put while the one before is finished; batches are finished in the order in which they were put.
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
from ingest.ahead import WORTH_ROWS, Ahead, Ready, arrivals_of
from ingest.beside import HOLD_S
from ingest.books import Books, Totals
from ingest.clocks import Clocks
from ingest.decoders import drill_of
from ingest.intake import Delivery
from ingest.ledger import enter, online
from ingest.memory import Memory
from ingest.message import ReadingsMessage, Refusal
from ingest.newest import Newest
from ingest.posting import Posting
from ingest.reasons import Reason
from ingest.settle import Judged, judge, judge_ahead, settle
from store import bundle, journal, rejections, traces
from store.connection import Connection
from store.readings import ReadingWriter, Written
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("ledger", package="ingest")
_TRACES = 1000  # given ones that are kept of one batch
# What a row's content can cause. Everything else (a connection, a disk, a missing table) is no fault of the batch.
_POISON = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class _Hand:
    """A connection by which batches go in."""

    conn: Connection
    readings: ReadingWriter


@dataclass(frozen=True, slots=True)
class Put:
    """A batch whose readings are in, in a transaction that is open; `finish` or `undo` it.

    `alone`: no other may be put before it is finished.
    """

    deliveries: Sequence[Delivery]
    hand: _Hand
    admission: Admission
    judged: Judged
    written: Written
    alone: bool


class BatchWriter:
    """Writes batches over one connection (autocommit; it opens its own transactions), or two in turn.

    One thread may `put` while another finishes what was put before; nothing else is for several threads.

    Parameters
    ----------
    ahead
        Looks at the next batch while one is put.
    newest
        Writes newest values beside the batches; without it they are written with them, seldom while much comes.
    dsn
        The same database, for what is done over connections of its own; empty: nothing is.
    second
        The other connection; needs `newest`.
    posting
        Posts gateways' accounts to their ledger beside the batches; without it they are posted with them.
    """

    def __init__(
        self,
        conn: Connection,
        clock: Clock,
        ahead: Ahead | None = None,
        newest: Newest | None = None,
        dsn: str = "",
        second: Connection | None = None,
        posting: Posting | None = None,
    ) -> None:
        self._conn, self._clock, self._ahead, self._newest, self._dsn = conn, clock, ahead, newest, dsn
        self._posting = posting
        hold_s = HOLD_S if newest is None else math.inf
        self._hands = [_Hand(one, ReadingWriter(one, hold_s)) for one in (conn, second) if one is not None]
        self._online = online(conn)
        self._clocks, self._memory = Clocks(), Memory()
        self._admission: Admission | None = None
        self._bundle: str | None = None
        self._ready: Ready | None = None
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
            self._commit(deliveries, self._ahead)
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
            self._commit([Delivery(refusal, only.received_us, only.payload, only.mid, only.session)], None)

    def _commit(self, deliveries: Sequence[Delivery], ahead: Ahead | None) -> None:
        put = self._put(deliveries, _nothing, ahead)
        try:
            self.finish(put)
        except BaseException:
            self.undo(put)
            raise

    def put(self, deliveries: Sequence[Delivery], before: Callable[[], object]) -> Put:
        """Begin a transaction, judge the readings of deliveries and write them.

        `before` returns once what was put before is finished, or failed: it is called where this batch could not be
        judged or written rightly beside it. Whatever is raised, nothing is written.
        """
        return self._put(deliveries, before, self._ahead)

    def _put(self, deliveries: Sequence[Delivery], before: Callable[[], object], ahead: Ahead | None) -> Put:
        hand = self._hands[0]
        self._hands.append(self._hands.pop(0))
        return self._put_at_once(deliveries, hand, ahead) or self._put_in_steps(deliveries, hand, before, ahead)

    def _put_at_once(self, deliveries: Sequence[Delivery], hand: _Hand, ahead: Ahead | None) -> Put | None:
        """Judge readings before their transaction, which their COPY opens: one way to the server less.

        None, and nothing is done, where something has to be asked or told first, or another city folder is in force.
        """
        admission = self._admission
        if admission is None or _alone(deliveries, admission) or hand.readings.wary:
            return None
        self._memory.begin(admission, hand.conn)
        hand.readings.begin()
        judged = self._judged_before(deliveries, admission)
        if judged is None:
            return None
        if not hand.readings.at_once(judged.packed):
            judged.take_back()
            return None
        written = self._copied_in(hand, admission, judged, ahead, bundle.BEGIN)
        put = Put(deliveries, hand, admission, judged, written, alone=False)
        if hand.readings.opened == self._bundle:
            return put
        self.undo(put)
        return None

    def _put_in_steps(
        self, deliveries: Sequence[Delivery], hand: _Hand, before: Callable[[], object], ahead: Ahead | None
    ) -> Put:
        try:
            current = bundle.begin(hand.conn)
            if current != self._bundle:
                before()
            admission = self._current_admission(current, hand.conn)
            alone = _alone(deliveries, admission)
            if alone or hand.readings.wary:
                before()
            hand.readings.begin()
            self._memory.begin(admission, hand.conn)
            judged = self._judged(deliveries, admission, hand.conn, before)
        except BaseException:
            _roll_back(hand)
            raise
        written = self._copied_in(hand, admission, judged, None if alone else ahead)
        return Put(deliveries, hand, admission, judged, written, alone)

    def _copied_in(
        self, hand: _Hand, admission: Admission, judged: Judged, ahead: Ahead | None, opening: bytes = b""
    ) -> Written:
        """Write readings, while another thread looks at those that come next."""
        try:
            if ahead is not None and len(judged.rows) >= WORTH_ROWS:
                ahead.begin(admission, self._memory)
            written = hand.readings.write_packed(judged.packed, opening)
            self._ready = ahead.end() if ahead is not None else None
        except BaseException:
            _roll_back(hand)
            self._take_back(ahead.end() if ahead is not None else None, judged)
            raise
        return written

    def finish(self, put: Put) -> None:
        """Say what else there is to say of a batch, and commit.

        Raises
        ------
        psycopg.Error, OutsideError
            When the database cannot write now: `undo` it, with all that was put after it.
        """
        books = Books(put.admission, self._online, self._clocks)
        try:
            seq = self._write(put, books)
        except BaseException:
            _roll_back(put.hand)  # at once: what is being put may wait for its locks
            raise
        put.hand.readings.committed()
        if self._newest is not None:
            self._newest.hear(put.hand.readings.take_held())
        if self._posting is not None:
            self._posting.hear()
        self._memory.committed()
        self._online.update(books.online)
        self.totals.add(books.totals)
        self._say(seq, books.totals)

    def undo(self, *puts: Put) -> None:
        """Take back what was put and is not committed, the latest first, and what was made ready to come after it."""
        ready, self._ready = self._ready, None
        self._take_back(ready, *(put.judged for put in puts))
        for put in puts:
            _roll_back(put.hand)

    def _take_back(self, ready: Ready | None, *others: Judged | None) -> None:
        for judged in (ready.judged if ready is not None else None, *others):
            if judged is not None:
                judged.take_back()

    def _write(self, put: Put, books: Books) -> int:
        """The rest of a transaction, with its commit; the number of the journal's row, 0 when it has none.

        In few ways to the server and back, each of which waits twice for the scheduler: see `store.sending`.
        """
        conn = put.hand.conn
        books.sort(put.deliveries)
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
            if row is not None and (given := _given(put.deliveries)):
                seq = journal.number(row)  # waited for: few messages have a trace
                traces.keep(conn, seq, given, now)
            for change in books.changes:
                journal.send(conn, "status", change, now)
            for payload in played:
                journal.send(conn, "exercise", payload, now)
            conn.execute("COMMIT")
        return journal.number(row) if row is not None and not seq else seq

    def _judged_before(self, deliveries: Sequence[Delivery], admission: Admission) -> Judged | None:
        """The readings of a batch as they were made ready, or are now; None where their transaction has to be asked."""
        ready = self._ready
        if ready is None:
            return judge_ahead(admission, self._memory, arrivals_of(deliveries))
        if ready.judged is None or ready.deliveries is not deliveries or ready.admission is not admission:
            return None
        self._ready = None
        return ready.judged

    def _judged(
        self, deliveries: Sequence[Delivery], admission: Admission, conn: Connection, before: Callable[[], object]
    ) -> Judged:
        """The readings of a batch as they are to be written: as they were made ready, if they were, and may be used."""
        ready, self._ready = self._ready, None
        if ready is not None and ready.judged is not None:
            if ready.deliveries is deliveries and ready.admission is admission:
                return ready.judged
            ready.judged.take_back()
        return judge(conn, admission, self._memory, arrivals_of(deliveries), before)

    def _say(self, seq: int, share: Totals) -> None:
        """One line a batch: the trace that its readings have from here on."""
        if seq and log.isEnabledFor(logging.DEBUG):
            trace = traces.trace_id(self._origin, seq)
            counts = {"messages": share.messages, "readings": share.readings, "rejected": share.rejected}
            log.debug("batch committed", extra={"action": "batch", "trace": trace, **counts})

    def catch_up(self) -> None:
        """Write what was held back of the newest values; nothing when nothing was."""
        for hand in self._hands:
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
        if not put.judged.arrivals:
            return put.judged.rows
        outcome = settle(put.hand.conn, put.admission, put.judged, put.written)
        books.enter(put.judged.arrivals, outcome)
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


def _roll_back(hand: _Hand) -> None:
    """End the transaction, if there is one; a connection that broke has none."""
    with contextlib.suppress(psycopg.Error):
        hand.conn.rollback()


def _nothing() -> None:
    """Nothing is being finished."""
