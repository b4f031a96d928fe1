"""One batch, one transaction: readings, rejections, ledger, newest values, journal. Commits whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import psycopg

from city.clock import Clock
from city.errors import OutsideError
from city.reading import Readings
from ingest import register
from ingest.admit import Admission
from ingest.ahead import WORTH_ROWS, Ahead, Ready
from ingest.clocks import Clocks, Skew
from ingest.decoders import drill_of
from ingest.exercises import Exercises
from ingest.intake import Delivery
from ingest.ledger import Account, Ledger, add, online
from ingest.memory import Memory
from ingest.message import Arrival, ReadingsMessage, Refusal, Refused, StatusMessage
from ingest.newest import HOLD_S, Newest
from ingest.numbering import Came
from ingest.reasons import Reason
from ingest.settle import Judged, judge, rejection, settle
from store import bundle, journal, rejections, traces
from store.connection import Connection
from store.readings import ReadingWriter
from store.rejections import Rejection
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("ledger", package="ingest")
_TRACES = 1000  # given ones that are kept of one batch
# What a row's content can cause. Everything else (a connection, a disk, a missing table) is no fault of the batch.
_POISON = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)


@dataclass(slots=True)
class Totals:
    """Counters since the role started."""

    messages: int = 0
    readings: int = 0
    repeated: int = 0
    rejected: int = 0
    commits: int = 0


@dataclass(slots=True)
class _Batch:
    """What a transaction is about to say; kept as state only once it has committed."""

    ledger: Ledger = field(default_factory=Ledger)
    rejections: list[Rejection] = field(default_factory=list)
    online: dict[str, bool] = field(default_factory=dict)
    changes: list[bytes] = field(default_factory=list)
    statuses: list[dict[str, object]] = field(default_factory=list)
    exercises: Exercises = field(default_factory=Exercises)
    totals: Totals = field(default_factory=Totals)
    clocks: dict[str, tuple[Skew, int, int]] = field(default_factory=dict)  # and its last message: sent, received
    judged: Judged | None = None


class BatchWriter:
    """Writes batches over one connection (autocommit; it opens its own transactions). Not for several threads.

    Parameters
    ----------
    ahead
        Looks at the next batch while one is written.
    newest
        Writes newest values beside the batches; without it they are written with them, seldom while much comes.
    dsn
        The same database, for what is done over connections of its own; empty: nothing is.
    """

    def __init__(
        self, conn: Connection, clock: Clock, ahead: Ahead | None = None, newest: Newest | None = None, dsn: str = ""
    ) -> None:
        self._conn, self._clock, self._ahead, self._newest, self._dsn = conn, clock, ahead, newest, dsn
        self._readings = ReadingWriter(conn, HOLD_S if newest is None else math.inf)
        self._online = online(conn)
        self._clocks, self._memory = Clocks(), Memory(conn)
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
            self._commit([Delivery(refusal, only.received_us, only.payload, only.mid, only.session)])

    def _commit(self, deliveries: Sequence[Delivery], ahead: Ahead | None = None) -> None:
        batch = _Batch()
        try:
            seq = self._write(deliveries, batch, ahead)
        except BaseException:
            self._roll_back()
            found = ahead.end() if ahead is not None else None
            for judged in (found.judged if found is not None else None, batch.judged):
                if judged is not None:
                    judged.take_back()
            raise
        self._ready = ahead.end() if ahead is not None else None
        self._readings.committed()
        if self._newest is not None:
            self._newest.hear(self._readings.take_held())
        self._memory.committed()
        self._online.update(batch.online)
        self._add(batch.totals)
        self._say(seq, batch.totals)

    def _write(self, deliveries: Sequence[Delivery], batch: _Batch, ahead: Ahead | None) -> int:
        """All of a transaction, begin to commit; the number of the journal's row, 0 when it has none.

        In few ways to the server and back, each of which waits twice for the scheduler: see `store.sending`.
        """
        admission = self._current_admission(bundle.begin(self._conn))
        self._readings.begin()
        self._memory.begin(admission)
        arrivals = self._sort(deliveries, admission, batch)
        batch.judged = self._judged(deliveries, arrivals, admission)
        if ahead is not None and len(batch.judged.rows) >= WORTH_ROWS and not batch.exercises:
            ahead.begin(admission, self._memory)
        new = self._account(batch.judged, admission, batch)
        played = batch.exercises.admitted(self._conn, admission)
        batch.rejections += batch.exercises.rejections
        batch.totals.rejected += len(batch.exercises.rejections)
        rejections.add(self._conn, batch.rejections)
        accounts = batch.ledger.merged(self._conn)  # locks gateways in their order: statuses only after it
        now, seq = self._clock.now(), 0
        with self._conn.pipeline():
            if accounts:
                add(self._conn, accounts)
            for status in batch.statuses:
                self._conn.execute(_SQL["status"], status)
            # The journal's lock is held to the commit, so it comes last.
            row = journal.send(self._conn, "readings", journal.encode_readings(new), now) if len(new) else None
            if row is not None and (given := _given(deliveries)):
                seq = journal.number(row)  # waited for: few messages have a trace
                traces.keep(self._conn, seq, given, now)
            for change in batch.changes:
                journal.send(self._conn, "status", change, now)
            for payload in played:
                journal.send(self._conn, "exercise", payload, now)
            self._conn.execute("COMMIT")
        return journal.number(row) if row is not None and not seq else seq

    def _roll_back(self) -> None:
        """End the transaction, if there is one; a connection that broke has none."""
        with contextlib.suppress(psycopg.Error):
            self._conn.rollback()

    def _judged(self, deliveries: Sequence[Delivery], arrivals: list[Arrival], admission: Admission) -> Judged:
        """The readings of a batch as they are to be written: as they were made ready, if they were, and may be used."""
        ready, self._ready = self._ready, None
        if ready is not None and ready.judged is not None:
            if ready.deliveries is deliveries and ready.admission is admission:
                return ready.judged
            ready.judged.take_back()
        return judge(self._conn, admission, self._memory, arrivals)

    def _say(self, seq: int, share: Totals) -> None:
        """One line a batch: the trace that its readings have from here on."""
        if seq and log.isEnabledFor(logging.DEBUG):
            trace = traces.trace_id(self._origin, seq)
            counts = {"messages": share.messages, "readings": share.readings, "rejected": share.rejected}
            log.debug("batch committed", extra={"action": "batch", "trace": trace, **counts})

    def catch_up(self) -> None:
        """Write what was held back of the newest values; nothing when nothing was."""
        if self._readings.behind:
            with self._conn.transaction():
                self._readings.begin()
                self._readings.catch_up()
            self._readings.committed()

    def _add(self, share: Totals) -> None:
        self.totals.messages += share.messages
        self.totals.readings += share.readings
        self.totals.repeated += share.repeated
        self.totals.rejected += share.rejected
        self.totals.commits += 1

    def _current_admission(self, current: str | None) -> Admission:
        """Read the register again when another city folder is in force; asked in every transaction."""
        if current is None:
            raise OutsideError("database: no city folder is in force any more, try applying one")
        if self._admission is None or current != self._bundle:
            self._admission = Admission(register.read(self._conn, current, self._dsn))
            self._bundle = current
            log.info("city folder in force", extra={"action": "bundle", "bundle": self._bundle[:12]})
        return self._admission

    def _sort(self, deliveries: Sequence[Delivery], admission: Admission, batch: _Batch) -> list[Arrival]:
        """Deal with all that is not readings, and give the readings."""
        arrivals: list[Arrival] = []
        for delivery in deliveries:
            message, received_us = delivery.message, delivery.received_us
            if message is None:
                continue
            batch.totals.messages += 1
            if drill_of(message.topic):
                batch.exercises.add(message, received_us, delivery.payload)
            elif isinstance(message, ReadingsMessage):
                if message.beside is not None:
                    self._status(message.beside, received_us, delivery.payload, admission, batch)
                arrivals.append(Arrival(message, received_us, delivery.payload))
            elif isinstance(message, StatusMessage):
                self._status(message, received_us, delivery.payload, admission, batch)
            elif isinstance(message, Refusal):
                refused = Refused(message.reason, message.detail, payload=delivery.payload)
                batch.rejections.append(rejection(refused, message.topic, message.gateway, received_us))
                batch.totals.rejected += 1
                if message.gateway in admission.table.gateways:
                    account = batch.ledger.message(message.gateway, received_us)
                    account.published += 1
                    account.rejected += 1
        return arrivals

    def _status(
        self, message: StatusMessage, received_us: int, payload: bytes, admission: Admission, batch: _Batch
    ) -> None:
        name = message.gateway
        if reason := admission.stranger(message.district, name):
            refused = Refused(*reason, payload=payload)
            batch.rejections.append(rejection(refused, message.topic, name, received_us))
            batch.totals.rejected += 1
            return
        for refused in message.refused:
            batch.rejections.append(rejection(refused, message.topic, name, received_us))
        values: dict[str, object] = {"gateway": name, "online": message.online, "received_us": received_us}
        values |= {"buffered": message.buffered, "version": message.version.replace("\0", "")}
        batch.ledger.of(name, received_us)  # locked in its turn
        batch.statuses.append(values)
        # Retained messages come again at every connection: only a change is news.
        if batch.online.get(name, self._online.get(name)) != message.online:
            batch.online[name] = message.online
            time_us = received_us if message.time_us is None else message.time_us
            news = {"gateway": name, "online": message.online, "time_us": time_us, "received_us": received_us}
            batch.changes.append(msgspec.json.encode(news))

    def _account(self, judged: Judged, admission: Admission, batch: _Batch) -> Readings:
        """Write what is admitted, note all that is not as sent, fill the accounts; give the new rows."""
        if not judged.arrivals:
            return judged.rows
        outcome = settle(self._conn, self._readings, admission, judged)
        known = admission.table.gateways
        for arrival, notes, stored, repeated in zip(
            judged.arrivals, outcome.notes, outcome.stored, outcome.repeated, strict=True
        ):
            message = arrival.message
            for note in notes:
                batch.rejections.append(rejection(note, message.topic, message.gateway, arrival.received_us))
            rejected = sum(note.count for note in notes) if notes else 0
            batch.totals.readings += stored
            batch.totals.repeated += repeated
            batch.totals.rejected += rejected
            if message.gateway in known:
                account = self._heard(arrival, batch, fresh=stored > 0)
                account.published += message.published
                account.received += len(message.time_us)
                account.stored += stored
                account.repeated += repeated
                account.rejected += rejected
        for gateway, (skew, sent_us, received_us) in batch.clocks.items():
            batch.ledger.clock(gateway, skew)
            self._memory.follow(gateway, skew, sent_us, received_us)
        return outcome.new

    def _heard(self, arrival: Arrival, batch: _Batch, *, fresh: bool) -> Account:
        """Note the message's number and what it says of its gateway's clock; its gateway's account."""
        message, received_us = arrival.message, arrival.received_us
        newest_us = max(message.time_us, default=None)
        came = None
        if message.seq is not None:
            came = Came(message.seq, received_us if newest_us is None else newest_us, fresh)
        sent_us = newest_us if message.sent_us is None else message.sent_us
        if sent_us is not None:
            skew = self._clocks.hear(message.gateway, received_us, sent_us)
            batch.clocks[message.gateway] = skew, sent_us, received_us
        return batch.ledger.message(message.gateway, received_us, came)


def _given(deliveries: Sequence[Delivery]) -> list[tuple[str, str]]:
    """(trace, gateway) of the messages that were given a trace, each once; the first ones of very many."""
    found = {
        (one.trace, one.message.gateway): None
        for one in deliveries
        if one.trace and isinstance(one.message, ReadingsMessage)
    }
    return list(found)[:_TRACES]
