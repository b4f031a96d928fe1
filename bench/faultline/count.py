"""Counts what became of a known truth: every reading sent is a row or a rejection with its reason; none is twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from bench.faultline.truth import Truth
from city.clock import to_us
from store import journal
from store.connection import Connection

Told = tuple[str, int, float]  # sensor, µs since 1970, value
_STORED = """\
SELECT sensor, (extract(epoch FROM time) * 1000000)::bigint, value, flag_reasons LIKE '%future%' FROM city.readings"""
_REFUSED = "SELECT reason, sensor, time, payload FROM city.rejections"
_BOOKS = """\
SELECT g.published, g.stored, g.repeated, g.rejected, g.missing,
       coalesce(h.published, 0), coalesce(h.stored, 0), coalesce(h.repeated, 0), coalesce(h.rejected, 0),
       coalesce(h.missing, 0)
FROM city.gateways g LEFT JOIN (
    SELECT gateway, sum(published) AS published, sum(stored) AS stored, sum(repeated) AS repeated,
           sum(rejected) AS rejected, sum(missing) AS missing
    FROM city.gateway_hours GROUP BY gateway) h USING (gateway)"""


@dataclass(frozen=True, slots=True)
class Count:
    """What was found.

    Attributes
    ----------
    sent
        Readings sent, no two the same; `stored` and `rejected` what became of them.
    repeated
        Readings that came again: sent twice by the truth, or delivered again after a fault.
    missing, extra, twice
        Sent and nowhere; somewhere and never sent; both stored and rejected, or in the journal twice. All must be 0.
    unnumbered
        Messages that the ledger still misses by their numbers; must be 0.
    faults
        What does not add up in the books, in words; must be empty.
    sent_sum, found_sum
        Checksums of what was sent and of what was found, by sensor, time and value; must be equal.
    """

    sent: int
    stored: int
    rejected: int
    repeated: int
    missing: int
    extra: int
    twice: int
    unnumbered: int
    reasons: dict[str, int]
    faults: tuple[str, ...]
    sent_sum: str
    found_sum: str

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, nothing is there twice and the books add up."""
        wrong = self.missing or self.extra or self.twice or self.unnumbered or self.faults
        return not wrong and self.sent_sum == self.found_sum and self.sent == self.stored + self.rejected


def sent_by(truth: Truth) -> tuple[set[Told], int]:
    """What a truth sends, and how many readings with what it says again."""
    rows = [row for _, message in truth.all() for row in message]
    return {(sensor, time_us, value) for sensor, time_us, value, _, _ in rows}, len(rows)


def accounted(conn: Connection) -> int:
    """How many readings are stored or refused so far: cheap, to wait for."""
    row = conn.execute(
        """SELECT (SELECT count(*) FROM lifeline.readings)
           + (SELECT count(DISTINCT (sensor, time, payload)) FROM lifeline.rejections WHERE reason <> 'future_time')"""
    ).fetchone()
    return int(row[0]) if row else 0


def unposted(conn: Connection) -> bool:
    """Whether gateways' accounts are entered that their ledger does not say yet."""
    return conn.execute("SELECT 1 FROM lifeline.ledger_entries LIMIT 1").fetchone() is not None


def count(conn: Connection, truth: Truth) -> Count:
    """Hold a database against a truth."""
    sent, said = sent_by(truth)
    rows = conn.execute(_STORED).fetchall()
    stored = {(sensor, time_us, value) for sensor, time_us, value, ahead in rows if not ahead}
    ahead = sum(bool(row[3]) for row in rows)
    refused, reasons = _refused(conn)
    claimed = refused.pop("future_time", set())  # stored all the same, under their arrival
    rejected: set[Told] = set().union(*refused.values())
    faults = _books(conn, len(rows), said)
    if len(claimed) != ahead:
        faults.append(f"{ahead} readings stored under their arrival, and {len(claimed)} such claims told")
    found = stored | rejected | claimed
    again = _journaled(conn) - len(rows)
    repeated = conn.execute("SELECT coalesce(sum(repeated), 0)::bigint FROM city.gateways").fetchone()
    return Count(
        sent=len(sent),
        stored=len(rows),
        rejected=len(rejected),
        repeated=int(repeated[0]) if repeated else 0,
        missing=len(sent - found),
        extra=len(found - sent),
        twice=len(stored & rejected) + len(claimed & (stored | rejected)) + abs(again),
        unnumbered=_sum(conn, "SELECT coalesce(sum(missing), 0)::bigint FROM city.gateways"),
        reasons=reasons,
        faults=tuple(faults),
        sent_sum=_checksum(sent),
        found_sum=_checksum(found),
    )


def _refused(conn: Connection) -> tuple[dict[str, set[Told]], dict[str, int]]:
    """Readings refused, by reason, and how many of each; one that came again is told again, and counts once."""
    found: dict[str, set[Told]] = {}
    for reason, sensor, time, payload in conn.execute(_REFUSED).fetchall():
        value = json.loads(payload).get("value") if payload else None
        told = (sensor, to_us(time) if time is not None else 0, float("nan") if value is None else float(value))
        found.setdefault(str(reason), set()).add(told)
    return found, {reason: len(each) for reason, each in sorted(found.items())}


def _books(conn: Connection, stored: int, said: int) -> list[str]:
    faults, sums = [], [0, 0, 0, 0, 0]
    for row in conn.execute(_BOOKS.encode()).fetchall():
        sums = [total + one for total, one in zip(sums, row[:5], strict=True)]
        published, kept, repeated, rejected, _ = row[:5]
        if published != kept + repeated + rejected:
            faults.append(f"a gateway published {published}, and {kept} + {repeated} + {rejected} became of it")
        if [int(one) for one in row[5:]] != [int(one) for one in row[:5]]:
            faults.append(f"a gateway's hours sum up to {row[5:]}, its sums are {row[:5]}")
    if sums[1] != stored:
        faults.append(f"{stored} rows, and {sums[1]} in the books")
    if sums[0] < said:
        faults.append(f"{said} readings were said, and {sums[0]} heard in the books")
    return faults


def _journaled(conn: Connection) -> int:
    entries = journal.read(conn, 0, 1_000_000)
    return sum(len(journal.decode_readings(entry.payload)) for entry in entries if entry.kind == "readings")


def _sum(conn: Connection, query: str) -> int:
    row = conn.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _checksum(told: Iterable[Told]) -> str:
    lines = "\n".join(f"{sensor} {time_us} {value!r}" for sensor, time_us, value in sorted(told))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
