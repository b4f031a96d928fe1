"""What each gateway sent and what became of it, hour by hour: counts that add up, and gaps in its message numbers.

For every gateway and hour of arrival: published = stored + repeated + rejected. A message refused whole counts as one
published and one rejected. `missing` counts messages that the numbering says were sent and that did not come, in the
hour in which that was found; it goes down there when they come late. Numbers are merged into what the database holds
in the transaction that commits their readings, so several recorders may share a gateway's messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.clocks import UNKNOWN, Skew
from ingest.numbering import Came, Gap, Numbering, take
from store.columns import literal
from store.connection import Connection
from store.statements import statements

_SQL = statements("ledger", package="ingest")
HOUR_US: Final = 3_600_000_000
_COUNTS: Final = ("messages", "published", "received", "stored", "repeated", "rejected", "missing")


@dataclass(slots=True)
class Account:
    """One gateway's share of a batch in one hour; counts may be negative where something is made good."""

    messages: int = 0
    published: int = 0
    received: int = 0
    stored: int = 0
    repeated: int = 0
    rejected: int = 0
    missing: int = 0


@dataclass(slots=True)
class _Heard:
    """What a batch says of a gateway besides counts."""

    last_seen_us: int = 0
    numbers: list[tuple[Came, int]] = field(default_factory=list)
    skew: Skew | None = None


class Ledger:
    """The accounts of one batch."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, int], Account] = {}
        self._heard: dict[str, _Heard] = {}

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
        """Add the accounts to the database, in the batch's transaction."""
        if columns := self.merged(conn):
            add(conn, columns)

    def merged(self, conn: Connection) -> list[object]:
        """The accounts as `add` takes them; their gateways are locked to the end of the transaction."""
        if not self.accounts:
            return []
        numberings = self._number(conn)
        hours = [
            (gateway, hour * HOUR_US, *(getattr(account, name) for name in _COUNTS))
            for (gateway, hour), account in sorted(self.accounts.items())
        ]
        gateways = [self._row(gateway, numberings.get(gateway)) for gateway in sorted({row[0] for row in hours})]
        return [_column(column) for rows in (hours, gateways) for column in zip(*rows, strict=True)]

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


def add(conn: Connection, columns: list[object]) -> None:
    """Add the accounts of a batch; waits for no answer in a pipeline."""
    conn.execute(_SQL["count"], columns)


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
