"""What the database knows of recorders' sessions with the broker, and which of them is the host of Sparkplug."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from store.connection import Connection
from store.statements import statements

log = logging.getLogger(__name__)
_SQL = statements("session", package="ingest")
LIVING_S: Final = 15.0  # wall time: one that has not beaten for so long is gone, and others go on without it


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


def beat(conn: Connection, client: str, heard_until: datetime | None, listening_us: int) -> tuple[datetime | None, int]:
    """Say what this recorder has heard, and learn what all that live have: of one that lags, gateways are not silent.

    Parameters
    ----------
    client
        Its name at the broker, and which broker.
    heard_until
        City time before which everything the broker had for it is committed; None while that is not known.
    listening_us
        City time at which it last subscribed (µs since 1970); 0 when it has not.

    Returns
    -------
    tuple
        Of all recorders that live: the earliest of each, None and 0 where there is none.
    """
    conn.execute(_SQL["beat"], {"client": client, "heard_until": heard_until, "listening_us": listening_us})
    row = conn.execute(_SQL["together"], {"living_s": LIVING_S}).fetchone()
    return (row[0], row[1] or 0) if row else (None, 0)


def end(conn: Connection, client: str) -> None:
    """This recorder ends in order: the others need not wait for it."""
    conn.execute(_SQL["end"], (client,))


def take_host(conn: Connection) -> bool:
    """Be the one recorder that hears Sparkplug, as long as this connection lives; false while another one is."""
    row = conn.execute(_SQL["take_host"]).fetchone()
    return bool(row and row[0])
