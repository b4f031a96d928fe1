"""What each gateway sent and what became of it, hour by hour: counts that add up, and gaps in its message numbers.

For every gateway and hour of arrival: published = stored + repeated + rejected. A message refused whole counts as one
published and one rejected. `missing` counts messages that the numbering says were sent and that did not come, in the
hour in which that was found; it goes down there when they come late.

The accounts of a batch are entered as one row in the transaction that commits its readings, and posted to the ledger a
moment later with those of others (`ingest.posting`). Numbers are merged then: several recorders may share a gateway's
messages, and no batch waits for another's gateways. An entry that cannot be posted for what it holds is put aside with
the reason, and the others are posted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import psycopg

from ingest.clocks import UNKNOWN, Skew
from ingest.numbering import Came, Gap, Numbering, take
from store.columns import literal
from store.connection import Connection
from store.statements import statements

_SQL = statements("ledger", package="ingest")
HOUR_US: Final = 3_600_000_000
_LONGEST: Final = 300  # characters of a reason
_COUNTS: Final = ("messages", "published", "received", "stored", "repeated", "rejected", "missing")


class Account(msgspec.Struct, array_like=True):
    """One gateway's share of a batch in one hour; counts may be negative where something is made good."""

    messages: int = 0
    published: int = 0
    received: int = 0
    stored: int = 0
    repeated: int = 0
    rejected: int = 0
    missing: int = 0

    def add(self, share: Account) -> None:
        """Count another share of the same hour."""
        self.messages += share.messages
        self.published += share.published
        self.received += share.received
        self.stored += share.stored
        self.repeated += share.repeated
        self.rejected += share.rejected
        self.missing += share.missing


class _Heard(msgspec.Struct, array_like=True):
    """What a batch says of a gateway besides counts."""

    last_seen_us: int = 0
    numbers: list[tuple[Came, int]] = []
    skew: Skew | None = None

    def add(self, later: _Heard) -> None:
        """Take in what a later batch says."""
        self.last_seen_us = max(self.last_seen_us, later.last_seen_us)
        self.numbers += later.numbers
        self.skew = later.skew or self.skew


class _Entry(msgspec.Struct, array_like=True):
    """The accounts of a batch as they are kept until they are posted."""

    accounts: list[tuple[str, int, Account]]
    heard: dict[str, _Heard]


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Entry)
# What an entry does wrong by what it holds: anything else is the database's, and is tried again.
_SPOILED: Final = (msgspec.DecodeError, ValueError, OverflowError, psycopg.DataError, psycopg.IntegrityError)


class Ledger:
    """The accounts of one batch, or of several."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, int], Account] = {}
        self._heard: dict[str, _Heard] = {}

    def entry(self) -> bytes:
        """All of it, to be entered now and posted later; empty when there is nothing."""
        if not self.accounts:
            return b""
        accounts = [(gateway, hour, account) for (gateway, hour), account in self.accounts.items()]
        return _ENCODER.encode(_Entry(accounts, self._heard))

    def add(self, entry: bytes) -> None:
        """Take in the accounts of a batch that were entered (see `entry`), in the order of their batches."""
        told = _DECODER.decode(entry)
        for gateway, hour, share in told.accounts:
            if (account := self.accounts.get((gateway, hour))) is None:
                self.accounts[gateway, hour] = share
            else:
                account.add(share)
        for gateway, news in told.heard.items():
            if (heard := self._heard.get(gateway)) is None:
                self._heard[gateway] = news
            else:
                heard.add(news)

    def of(self, gateway: str, at_us: int) -> Account:
        """A gateway's account of the hour of `at_us` (µs since 1970)."""
        key = gateway, at_us // HOUR_US
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = Account()
        return account

    def message(self, gateway: str, received_us: int, came: Came | None = None) -> Account:
        """Note that a message came, and give its gateway's account."""
        heard = self._heard.get(gateway) or self._of(gateway)
        hour = received_us // HOUR_US
        if received_us > heard.last_seen_us:
            heard.last_seen_us = received_us
        if came is not None:
            heard.numbers.append((came, hour))
        account = self.accounts.get((gateway, hour)) or self.of(gateway, received_us)
        account.messages += 1
        return account

    def number(self, gateway: str, at_us: int, came: Came) -> None:
        """Note the number of a message that came at `at_us` and is taken in only now."""
        self.of(gateway, at_us)
        self._of(gateway).numbers.append((came, at_us // HOUR_US))

    def clock(self, gateway: str, skew: Skew) -> None:
        """Note how far a gateway's clock is off."""
        self._of(gateway).skew = skew

    def write(self, conn: Connection) -> None:
        """Add the accounts to those in the database; their gateways are locked to the end of the transaction."""
        if not self.accounts:
            return
        numberings = self._number(conn)
        hours = [
            (gateway, hour * HOUR_US, *(getattr(account, name) for name in _COUNTS))
            for (gateway, hour), account in sorted(self.accounts.items())
        ]
        gateways = [self._row(gateway, numberings.get(gateway)) for gateway in sorted({row[0] for row in hours})]
        columns = [_column(column) for rows in (hours, gateways) for column in zip(*rows, strict=True)]
        conn.execute(_SQL["count"], columns)

    def _of(self, gateway: str) -> _Heard:
        heard = self._heard.get(gateway)
        if heard is None:
            heard = self._heard[gateway] = _Heard()
        return heard

    def _number(self, conn: Connection) -> dict[str, Numbering]:
        """Merge the numbers that came into those that the database knows; these gateways stay locked to the commit."""
        gateways = sorted({gateway for gateway, _ in self.accounts})
        known = _standing(conn, gateways)
        if missing := [gateway for gateway in gateways if gateway not in known]:
            conn.execute(_SQL["begin"], (missing,))  # a row to lock, so that another recorder's first numbers are seen
            known |= _standing(conn, gateways)
        merged: dict[str, Numbering] = {}
        for gateway in gateways:
            if gateway not in self._heard or not self._heard[gateway].numbers:
                continue
            merged[gateway], changes = take(known[gateway], self._heard[gateway].numbers)
            for hour, change in changes.items():
                self.of(gateway, hour * HOUR_US).missing += change
        return merged

    def _row(self, gateway: str, numbering: Numbering | None) -> tuple[object, ...]:
        heard = self._heard.get(gateway, _Heard())
        skew = heard.skew or UNKNOWN
        gaps = numbering.gaps if numbering is not None else ()
        span = (numbering.first, numbering.first_us, numbering.last, numbering.last_us) if numbering else (None,) * 4
        pairs = literal([number for gap in gaps for number in gap[:2]])
        hours = literal([gap.hour for gap in gaps])
        return gateway, heard.last_seen_us, skew.skew_s, skew.uncertainty_s, skew.since_us, *span, pairs, hours


def enter(conn: Connection, entry: bytes) -> None:
    """Keep the accounts of a batch in its transaction, until they are posted; waits for no answer in a pipeline."""
    conn.execute(_SQL["enter"], (entry,))


class Posted(NamedTuple):
    """How many entries were taken, and why some of them were put aside instead of being posted."""

    taken: int
    aside: list[str]


def post(conn: Connection, limit: int) -> Posted:
    """Post accounts that were entered, the oldest first, in the caller's transaction; what cannot be is put aside."""
    conn.execute(_SQL["lock_entries"])
    entries: list[tuple[int, bytes, datetime]] = sorted(conn.execute(_SQL["take_entries"], (limit,)).fetchall())
    aside: list[str] = []
    if entries and _spoiled(conn, [entry for _, entry, _ in entries]):
        for number, entry, entered_at in entries:  # some of them: each alone tells which
            if why := _spoiled(conn, [entry]):
                conn.execute(_SQL["put_aside"], (number, entry, entered_at, why))
                aside.append(why)
    return Posted(len(entries), aside)


def _spoiled(conn: Connection, entries: Sequence[bytes]) -> str:
    """Post these, or nothing of them and say what is wrong with them."""
    ledger = Ledger()
    try:
        with conn.transaction():
            for entry in entries:
                ledger.add(entry)
            ledger.write(conn)
    except _SPOILED as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:_LONGEST]
    return ""


def online(conn: Connection) -> dict[str, bool | None]:
    """What each gateway last said of itself, as committed."""
    return dict(conn.execute(_SQL["online"]).fetchall())


def _standing(conn: Connection, gateways: list[str]) -> dict[str, Numbering | None]:
    found: dict[str, Numbering | None] = {}
    for gateway, first, first_us, last, last_us, pairs, hours in conn.execute(_SQL["standing"], (gateways,)).fetchall():
        gaps = tuple(map(Gap, pairs[::2], pairs[1::2], hours))
        found[gateway] = None if last is None else Numbering(first, first_us, last, last_us, gaps)
    return found


def _column(values: Sequence[object]) -> object:
    """A column as psycopg takes it."""
    return list(values) if any(isinstance(value, str) for value in values) else literal(values)
