"""What was not stored, and why: nothing vanishes without a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.connection import Connection
from store.statements import statements

_SQL = statements("state")
_TYPES = ("timestamptz", "text", "text", "text", "timestamptz", "text", "text", "bytea")


@dataclass(frozen=True, slots=True)
class Rejection:
    """One reading or message that was not stored as sent.

    `sensor` and `time` are empty where a whole message was refused; `payload` is what came, as far as it helps.
    """

    received_at: datetime
    reason: str
    gateway: str = ""
    topic: str = ""
    sensor: str = ""
    time: datetime | None = None
    detail: str = ""
    payload: bytes = b""


def add(conn: Connection, rejections: Sequence[Rejection]) -> None:
    """Write the rows, in the transaction that decided them; text that PostgreSQL cannot hold is made to fit."""
    if not rejections:
        return
    with conn.cursor() as cursor, cursor.copy(_SQL["reject"]) as copy:
        copy.set_types(_TYPES)
        for one in rejections:
            gateway, topic, sensor, reason, detail = map(
                _storable, (one.gateway, one.topic, one.sensor, one.reason, one.detail)
            )
            copy.write_row((one.received_at, gateway, topic, sensor, one.time, reason, detail, one.payload))


def _storable(text: str) -> str:
    """Text without NUL and lone surrogates: a hostile name must not stop the transaction that says it was hostile."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
