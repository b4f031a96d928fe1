"""Which roles run: each beats about once a wall second, and whoever wants to know looks at the age of the beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from store import process, systemd
from store.connection import Connection
from store.statements import statements

_SQL = statements("state")


@dataclass(frozen=True, slots=True)
class Beat:
    """A role's last sign of life; `started_at`, `beat_at` and `age_s` are wall time, `heard_until` is city time.

    `restarts`: how many processes came after the first; `process`: see `store.process.figures`.
    """

    role: str
    pid: int
    started_at: datetime
    beat_at: datetime
    age_s: float
    heard_until: datetime | None
    detail: Mapping[str, Any]
    restarts: int = 0
    process: Mapping[str, float] = field(default_factory=dict)


def beat(
    conn: Connection, role: str, pid: int, heard_until: datetime | None = None, detail: Mapping[str, Any] | None = None
) -> None:
    """Say that `role` lives, by the database's wall clock.

    Parameters
    ----------
    heard_until
        City time before which everything the broker had is committed; it never goes back, and None leaves it.
    detail
        Small counters for people; replaces the last ones.
    """
    values = {"role": role, "pid": pid, "heard_until": heard_until, "detail": Jsonb(dict(detail or {}))}
    own = {"born_at": process.BORN_AT, "process": Jsonb(process.figures())}
    conn.execute(_SQL["beat"], {**values, **own})
    systemd.ready()


def beats(conn: Connection) -> dict[str, Beat]:
    """The last sign of life of every role, by role."""
    return {row[0]: Beat(*row) for row in conn.execute(_SQL["beats"]).fetchall()}
