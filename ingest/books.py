"""What one batch says besides its readings: refusals, gateways' accounts, what they say of themselves, their clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ingest.admit import Admission
from ingest.clocks import Clocks, Skew
from ingest.decoders import drill_of
from ingest.exercises import Exercises
from ingest.intake import Delivery
from ingest.ledger import Account, Ledger
from ingest.message import Arrival, ReadingsMessage, Refusal, Refused, StatusMessage
from ingest.numbering import Came
from ingest.settle import Outcome, rejection
from store.connection import Connection
from store.rejections import Rejection


@dataclass(slots=True)
class Totals:
    """Counters of batches that were committed."""

    messages: int = 0
    readings: int = 0
    repeated: int = 0
    rejected: int = 0
    commits: int = 0

    def add(self, share: Totals) -> None:
        """Count one batch more."""
        self.messages += share.messages
        self.readings += share.readings
        self.repeated += share.repeated
        self.rejected += share.rejected
        self.commits += 1


@dataclass(slots=True)
class Books:
    """Filled while a transaction is written; what of it is to be remembered counts only once that has committed.

    Attributes
    ----------
    admission, known_online, heard_clocks
        What is known: the register, whether gateways said that they are online, and how far clocks are off.
    online, changes
        Gateways that said something new of themselves, and that as payloads for the journal.
    clocks
        {gateway: its clock's error, and when its last message was sent and received}.
    """

    admission: Admission
    known_online: Mapping[str, bool | None]
    heard_clocks: Clocks
    ledger: Ledger = field(default_factory=Ledger)
    rejections: list[Rejection] = field(default_factory=list)
    online: dict[str, bool] = field(default_factory=dict)
    changes: list[bytes] = field(default_factory=list)
    statuses: list[dict[str, object]] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    clocks: dict[str, tuple[Skew, int, int]] = field(default_factory=dict)
    _exercises: Exercises = field(default_factory=Exercises)

    def sort(self, deliveries: Sequence[Delivery]) -> None:
        """Take in all that is not readings."""
        for delivery in deliveries:
            message, received_us = delivery.message, delivery.received_us
            if message is None:
                continue
            self.totals.messages += 1
            if drill_of(message.topic):
                self._exercises.add(message, received_us, delivery.payload)
            elif isinstance(message, ReadingsMessage):
                if message.beside is not None:
                    self._status(message.beside, received_us, delivery.payload)
            elif isinstance(message, StatusMessage):
                self._status(message, received_us, delivery.payload)
            elif isinstance(message, Refusal):
                refused = Refused(message.reason, message.detail, payload=delivery.payload)
                self._refuse(refused, message.topic, message.gateway, received_us)
                if message.gateway in self.admission.table.gateways:
                    account = self.ledger.message(message.gateway, received_us)
                    account.published += 1
                    account.rejected += 1

    def enter(self, arrivals: Sequence[Arrival], outcome: Outcome) -> None:
        """Take in what became of readings."""
        known = self.admission.table.gateways
        for arrival, notes, stored, repeated in zip(
            arrivals, outcome.notes, outcome.stored, outcome.repeated, strict=True
        ):
            message = arrival.message
            for note in notes:
                self.rejections.append(rejection(note, message.topic, message.gateway, arrival.received_us))
            rejected = sum(note.count for note in notes) if notes else 0
            self.totals.readings += stored
            self.totals.repeated += repeated
            self.totals.rejected += rejected
            if message.gateway in known:
                account = self._heard(arrival, fresh=stored > 0)
                account.published += message.published
                account.received += len(message.time_us)
                account.stored += stored
                account.repeated += repeated
                account.rejected += rejected
        for gateway, (skew, _, _) in self.clocks.items():
            self.ledger.clock(gateway, skew)

    def played(self, conn: Connection) -> list[bytes]:
        """Payloads for the journal of drills that run, and their refusals, in the caller's transaction."""
        payloads = self._exercises.admitted(conn, self.admission)
        self.rejections += self._exercises.rejections
        self.totals.rejected += len(self._exercises.rejections)
        return payloads

    def _refuse(self, refused: Refused, topic: str, gateway: str, received_us: int) -> None:
        self.rejections.append(rejection(refused, topic, gateway, received_us))
        self.totals.rejected += 1

    def _status(self, message: StatusMessage, received_us: int, payload: bytes) -> None:
        name = message.gateway
        if reason := self.admission.stranger(message.district, name):
            self._refuse(Refused(*reason, payload=payload), message.topic, name, received_us)
            return
        for refused in message.refused:
            self.rejections.append(rejection(refused, message.topic, name, received_us))
        values: dict[str, object] = {"gateway": name, "online": message.online, "received_us": received_us}
        values |= {"buffered": message.buffered, "version": message.version.replace("\0", "")}
        self.ledger.of(name, received_us)  # locked in its turn
        self.statuses.append(values)
        # Retained messages come again at every connection: only a change is news.
        if self.online.get(name, self.known_online.get(name)) != message.online:
            self.online[name] = message.online
            time_us = received_us if message.time_us is None else message.time_us
            news = {"gateway": name, "online": message.online, "time_us": time_us, "received_us": received_us}
            self.changes.append(msgspec.json.encode(news))

    def _heard(self, arrival: Arrival, *, fresh: bool) -> Account:
        """Note the message's number and what it says of its gateway's clock; its gateway's account."""
        message, received_us = arrival.message, arrival.received_us
        newest_us = max(message.time_us, default=None)
        came = None
        if message.seq is not None:
            came = Came(message.seq, received_us if newest_us is None else newest_us, fresh)
        sent_us = newest_us if message.sent_us is None else message.sent_us
        if sent_us is not None:
            skew = self.heard_clocks.hear(message.gateway, received_us, sent_us)
            self.clocks[message.gateway] = skew, sent_us, received_us
        return self.ledger.message(message.gateway, received_us, came)
