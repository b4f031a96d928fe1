"""What the database knows of recorders' sessions with the broker, and which of them is the host of Sparkplug."""

from __future__ import annotations

import logging
from datetime import datetime

from store.connection import Connection
from store.statements import statements

log = logging.getLogger(__name__)
_SQL = statements("session", package="ingest")


def note(conn: Connection, client: str, began_at: datetime, heard_until: datetime | None, *, kept: bool) -> None:
    """Note that a session with the broker stands; one that was there before and was not kept is a loss.

    Parameters
    ----------
    client
        Whose: its name at the broker, and which broker.
    heard_until
        City time before which everything the broker had was committed.
    kept
        Whether the broker still knew the session.
    """
    values = {"client": client, "began_at": began_at, "heard_until": heard_until, "kept": kept}
    row = conn.execute(_SQL["note"], values).fetchone()
    if row is not None and row[0]:
        log.warning(
            "%s: the broker did not keep our session, what it held for us is gone",
            client,
            extra={"action": "session_lost"},
        )


def take_host(conn: Connection) -> bool:
    """Be the one recorder that hears Sparkplug, as long as this connection lives; false while another one is."""
    row = conn.execute(_SQL["take_host"]).fetchone()
    return bool(row and row[0])
