"""Trace ids: one from a message to the notices it leads to, in the shape of W3C Trace Context.

A trace is the number of the journal row that decided something, behind a name of the database: 32 hexadecimal digits.
Gateways may give their messages a trace of their own (`traceparent`); it is kept beside the row of their readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from city.errors import InputError
from store.connection import Connection
from store.statements import statements

_SQL = statements("traces")
_TRACE: Final = re.compile(r"[0-9a-f]{32}")
_PARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def origin(conn: Connection) -> str:
    """The name of this database in its traces: 16 hexadecimal digits."""
    row = conn.execute(_SQL["origin"]).fetchone()
    return str(row[0]) if row else "0" * 16


def trace_id(origin_id: str, seq: int) -> str:
    """The trace of journal row `seq`."""
    return f"{origin_id}{seq:016x}"


def seqs(conn: Connection, text: str) -> list[int]:
    """The journal rows of a trace: our own or one that a gateway gave, as an id or a whole `traceparent`.

    Raises
    ------
    InputError
        When it is none, or not known here.
    """
    given = text.strip().lower()
    trace = given if _TRACE.fullmatch(given) else parent(given)
    if not trace:
        raise InputError(
            f"not a trace, got {text!r}, try 32 hexadecimal digits, a whole traceparent, "
            "or the id of an incident, alarm or notice that there is"
        )
    if trace.startswith(origin(conn)):
        return [int(trace[16:], 16)] if int(trace[16:], 16) < 1 << 63 else []
    if found := [row[0] for row in conn.execute(_SQL["given"], (trace,)).fetchall()]:
        return found
    raise InputError(f"trace {trace}: not of this database, and no gateway gave it, try the database that it is of")


def seqs_of(conn: Connection, name: str) -> list[int]:
    """The journal row that decided an incident, an alarm or a notice first, by its id; empty when there is no such."""
    return [row[0] for row in conn.execute(_SQL["of_name"], {"name": name}).fetchall()]


def seqs_of_reading(conn: Connection, sensor: str, at: datetime) -> list[int]:
    """The journal rows that may hold the reading of a sensor at an instant; empty when there is none."""
    return [row[0] for row in conn.execute(_SQL["of_reading"], {"sensor": sensor, "at": at}).fetchall()]


def parent(text: str) -> str:
    """The trace id of a `traceparent`; empty when it is none."""
    found = _PARENT.fullmatch(text)
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return ""
    return found[1]


def keep(conn: Connection, seq: int, given: Iterable[tuple[str, str]], at: datetime) -> None:
    """Keep (trace, gateway) of messages whose readings came into journal row `seq`, in the caller's transaction."""
    traces, gateways = zip(*given, strict=True)
    conn.execute(_SQL["keep"], {"given": list(traces), "gateways": list(gateways), "seq": seq, "at": at})
