"""Work on a piece of readings that its database refuses: counted, told, and passed over until that may have changed.

Which pieces are passed over, and for how long, says `lifeline.passed_over`: whoever looks for the next piece asks it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

import psycopg

from store.connection import Connection
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("hindrance")
Work = Literal["indexes", "columns"]


def attempt(conn: Connection, work: Work, piece: str, do: Callable[[], bool]) -> bool:
    """Do some work on a piece over an autocommit connection; false when it is not done.

    A refusal of the database is written down; one that is only about a lock is not, and tried again soon.

    Raises
    ------
    psycopg.Error
        When the connection is lost, or when this user may not do such work at all.
    """
    try:
        if not do():
            return False
    except psycopg.errors.InsufficientPrivilege:
        raise
    except (
        psycopg.errors.DeadlockDetected,
        psycopg.errors.LockNotAvailable,
    ) as error:  # somebody wants the table whole
        log.info("packing waits: %s", error, extra={"action": "packing_waits"})
        return False
    except psycopg.Error as error:
        if conn.closed:
            raise
        said = str(error).strip().splitlines()[0]
        conn.execute(_SQL["note"], {"work": work, "piece": piece, "error": said})
        log.warning("packing %s of %s: %s", work, piece, said, extra={"action": "packing_failed", "piece": piece})
        return False
    conn.execute(_SQL["clear"], {"work": work, "piece": piece})
    return True


def standing(conn: Connection) -> str:
    """What hinders now, as advice; empty when nothing does."""
    conn.execute(_SQL["forget"])
    row = conn.execute(_SQL["standing"]).fetchone()
    if row is None:
        return ""
    pieces, piece, failures, error = row
    return (
        f"finished pieces of readings cannot be packed and take more room: {pieces}; the last to fail was {piece} "
        f"(failures: {failures}), got: {error}; each is tried again after a day, or once the server was restarted"
    )
