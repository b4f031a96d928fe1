"""What each gateway sent and what became of it: counts that add up, and gaps in its message numbers.

For every gateway: published = stored + repeated + rejected. A message refused whole counts as one published and one
rejected. `missing` counts messages that the numbering says were sent and that did not come; it goes down when they
come late, since the gaps are kept.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from store.connection import Connection
from store.statements import statements

_SQL = statements("ledger", package="ingest")
_MAX_GAPS = 1000  # ranges kept for a gateway; what falls out stays missing for good
_MAX_JUMP = 1_000_000  # a numbering that jumps further began anew; an outage's backlog may wait behind live messages


@dataclass(frozen=True, slots=True)
class Numbering:
    """How far a gateway's message numbers have come: the highest, and the ranges (both ends in) not seen below it."""

    last: int
    gaps: tuple[tuple[int, int], ...] = ()

    def after(self, seq: int) -> tuple[Numbering, int]:
        """Take the next number: the numbering then, and by how many the missing messages change (-1, 0 or more)."""
        jump = seq - self.last
        if jump == 1:
            return Numbering(seq, self.gaps), 0
        for at, (low, high) in enumerate(self.gaps):  # first: a late number 1 is no new beginning
            if low <= seq <= high:
                rest = tuple(part for part in ((low, seq - 1), (seq + 1, high)) if part[0] <= part[1])
                return Numbering(self.last, (*self.gaps[:at], *rest, *self.gaps[at + 1 :])), -1
        if abs(jump) > _MAX_JUMP or (seq <= 1 and self.last >= 100):
            return Numbering(seq), 0
        if jump > 1:
            return Numbering(seq, (*self.gaps, (self.last + 1, seq - 1))[-_MAX_GAPS:]), jump - 1
        return self, 0


@dataclass(slots=True)
class Account:
    """One gateway's share of a batch."""

    last_seen_us: int = 0
    published: int = 0
    received: int = 0
    stored: int = 0
    repeated: int = 0
    rejected: int = 0
    missing: int = 0
    skews_s: list[float] = field(default_factory=list)


class Ledger:
    """The accounts of one batch; `numbering` holds what the batch makes of each gateway's, to keep after the commit."""

    def __init__(self, known: Mapping[str, Numbering]) -> None:
        self._known = known
        self.numbering: dict[str, Numbering] = {}
        self.accounts: dict[str, Account] = {}

    def of(self, gateway: str) -> Account:
        """A gateway's account in this batch."""
        account = self.accounts.get(gateway)
        if account is None:
            account = self.accounts[gateway] = Account()
        return account

    def message(self, gateway: str, seq: int | None, sent_us: int | None, received_us: int) -> Account:
        """Note that a message came, and give its gateway's account."""
        account = self.of(gateway)
        account.last_seen_us = max(account.last_seen_us, received_us)
        if sent_us is not None:
            account.skews_s.append((received_us - sent_us) / 1e6)
        if seq is not None:
            before = self.numbering.get(gateway) or self._known.get(gateway)
            self.numbering[gateway], change = before.after(seq) if before else (Numbering(seq), 0)
            account.missing += change
        return account

    def write(self, conn: Connection) -> None:
        """Add the accounts to the database, in the batch's transaction."""
        if not self.accounts:
            return
        rows = [
            (
                gateway,
                account.last_seen_us,
                statistics.median(account.skews_s) if account.skews_s else None,
                self.numbering[gateway].last if gateway in self.numbering else None,
                account.published,
                account.received,
                account.stored,
                account.repeated,
                account.rejected,
                account.missing,
                self._spelled_gaps(gateway),
            )
            for gateway, account in self.accounts.items()
        ]
        conn.execute(_SQL["count"], [list(column) for column in zip(*rows, strict=True)])

    def _spelled_gaps(self, gateway: str) -> str:
        gaps = self.numbering[gateway].gaps if gateway in self.numbering else ()
        return "{" + ",".join(f"{low},{high}" for low, high in gaps) + "}"


def standing(conn: Connection) -> tuple[dict[str, Numbering], dict[str, bool | None]]:
    """Numbering and online state of each gateway, as last committed."""
    rows = conn.execute(_SQL["standing"]).fetchall()
    numbering = {
        gateway: Numbering(seq, tuple(zip(gaps[::2], gaps[1::2], strict=True)))
        for gateway, seq, gaps, _ in rows
        if seq is not None
    }
    return numbering, {gateway: online for gateway, _, _, online in rows}
