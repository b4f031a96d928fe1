"""The audit log: who did what, when, from where. Rows are only ever added, and each carries the hash of the one before.

A row's hash is SHA-256 over all its fields, each with its length before it, so that no two different rows are written
alike; the first row follows 32 zero bytes. Whoever changes, removes or inserts a row changes every hash after it, and
`verify` names the first place. What it cannot see by itself is a log cut off at its end or made anew from some row on:
for that a *head* (`seq:hash`) kept elsewhere is an anchor.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from city.clock import SystemClock, to_us
from store.connection import Connection
from store.statements import statements

_SQL = statements("audit")
_FORMAT = "lifeline audit 1"
START = bytes(32)
_ROWS = 2000  # fetched at a time
_LONGEST = 2000  # characters of a field

Detail = str | int | bool | None | Sequence["Detail"] | Mapping[str, "Detail"]


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be remembered.

    Attributes
    ----------
    actor, role, how, address
        Who (an account's, token's or person's name), what they may do, how they came in (`session`, `token`, `link`,
        `local`, `cli`), and from where.
    action, target, incident
        What was done (`command.close`, `account.add`, …), to what, about which incident.
    detail
        What else; numbers only whole ones, because others have no one spelling.
    """

    actor: str
    action: str
    target: str = ""
    incident: str = ""
    role: str = ""
    how: str = ""
    address: str = ""
    detail: Mapping[str, Detail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: a row's number and hash, written `seq:hash`."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def of(cls, text: str) -> Head:
        """A head as `str` writes it (ValueError when it is none)."""
        seq, colon, digits = text.strip().partition(":")
        found = cls(int(seq), bytes.fromhex(digits))
        if not colon or found.seq < 0 or len(found.hash) != len(START):
            raise ValueError(f"not seq:hash: {text!r}")
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many rows, where the chain ends, and the first fault (empty: none)."""

    rows: int
    head: Head
    fault: str = ""


def append(conn: Connection, deed: Deed, at: datetime | None = None) -> Head:
    """Add one row in the caller's transaction, which holds the journal's lock from here on; so call it late.

    Parameters
    ----------
    at
        Wall time (default: now).

    Raises
    ------
    ValueError
        When the connection is in autocommit outside a transaction block: the lock would be let go before the row.
    TypeError
        When the detail holds something that has no one spelling.
    """
    if conn.autocommit and conn.info.transaction_status == conn.info.transaction_status.IDLE:
        raise ValueError("audit.append needs an open transaction: the order of rows hangs on its lock")
    conn.execute(_SQL["lock"])
    last = head(conn)
    row: dict[str, Any] = {
        "seq": last.seq + 1,
        "at": at or SystemClock().now(),
        **{name: _text(getattr(deed, name)) for name in _FIELDS},
        "detail": _clean(deed.detail),
        "prev_hash": last.hash,
    }
    row["hash"] = digest(row)
    conn.execute(_SQL["append"], row | {"detail": Jsonb(row["detail"])})
    return Head(row["seq"], row["hash"])


_FIELDS = ("actor", "role", "how", "address", "action", "target", "incident")


def head(conn: Connection) -> Head:
    """Where the chain ends; `0:00…` of an empty log."""
    row = conn.execute(_SQL["last"]).fetchone()
    return Head(int(row[0]), bytes(row[1])) if row else Head(0, START)


def digest(row: Mapping[str, Any]) -> bytes:
    """The hash a row ought to have, over its other fields (`prev_hash` included)."""
    return hashlib.sha256(encode(row)).digest()


def encode(row: Mapping[str, Any]) -> bytes:
    """A row's fields as bytes that no other row has: each with its length (8 bytes, big-endian) before it."""
    detail = json.dumps(row["detail"], sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    texts = [_FORMAT, str(row["seq"]), str(to_us(row["at"])), *(row[name] for name in _FIELDS), detail]
    parts = [*(text.encode() for text in texts), bytes(row["prev_hash"])]
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def verify(conn: Connection, anchors: Iterable[Head] = ()) -> Verdict:
    """Compute every hash again, row by row, and compare with the anchors; needs an open transaction."""
    last, wanted = Head(0, START), {anchor.seq: anchor for anchor in anchors}
    count = 0
    for row in _all(conn):
        fault = _fault(row, last)
        at = Head(row["seq"], bytes(row["hash"]))
        anchor = wanted.pop(at.seq, None)
        if not fault and anchor and anchor.hash != at.hash:
            fault = f"row {at.seq}: its hash is not the one written down ({anchor}); it or one before it was made anew"
        if fault:
            return Verdict(count, last, fault)
        last, count = at, count + 1
    wanted.pop(0, None)
    if wanted:
        past = min(wanted)
        return Verdict(count, last, f"row {last.seq + 1}: the end is cut off; there was a row {past} ({wanted[past]})")
    return Verdict(count, last)


def _fault(row: Mapping[str, Any], last: Head) -> str:
    """What is wrong with a row that stands behind `last`; empty when nothing is."""
    seq = row["seq"]
    if seq != last.seq + 1:
        gone = f"row {last.seq + 1}" if seq == last.seq + 2 else f"rows {last.seq + 1} to {seq - 1}"
        return f"{gone}: missing (row {last.seq} is followed by row {seq})"
    if digest(row) != bytes(row["hash"]):
        return f"row {seq}: edited; its hash is not that of what it says"
    if bytes(row["prev_hash"]) != last.hash:
        return f"row {seq}: does not follow row {last.seq}; that one was made anew, or rows were inserted or taken out"
    return ""


def _all(conn: Connection) -> Iterator[dict[str, Any]]:
    with conn.cursor("lifeline_audit", row_factory=dict_row) as cursor:
        cursor.itersize = _ROWS
        yield from cursor.execute(_SQL["all"])


def listed(
    conn: Connection, *, since: datetime | None = None, actor: str | None = None, incident: str | None = None,
    action: str | None = None, before: int | None = None, limit: int = 100,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows as dicts, newest first; `before`: with smaller numbers only."""
    given = {"since": since, "actor": actor, "incident": incident, "action": action, "before": before, "limit": limit}
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["list"], given).fetchall()


def _text(text: str) -> str:
    """A text the database takes as it is: no zero bytes, no halves of characters, not endless."""
    return text[:_LONGEST].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _clean(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return _text(str(value))
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {_text(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_clean(inner) for inner in value]
    raise TypeError(f"audit detail: texts, whole numbers, lists and mappings only, got {type(value).__name__}")
