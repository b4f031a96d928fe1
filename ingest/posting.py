"""Posts what batches say of their gateways to the ledger, beside the batches.

A batch enters its accounts as one row in its own transaction. Rows that were entered are taken and posted together, in
one transaction, so each counts once whoever is killed; what a recorder leaves, the next one posts. What cannot be
posted for what it holds is put aside in that transaction, told here and in health, and holds up nothing.
"""

from __future__ import annotations

import logging
from typing import Final

from ingest.beside import Beside
from ingest.ledger import post

log = logging.getLogger(__name__)

_MOST: Final = 200  # entries in one transaction, so that none takes long


class Posting(Beside):
    """Posts whatever is entered, and at the start what another recorder left."""

    def __init__(self, dsn: str) -> None:
        self._more = True
        super().__init__(dsn, "posting")

    def hear(self) -> None:
        """Something was entered, and is committed."""
        with self._changed:
            self._more = True
            self._changed.notify()

    def _waiting(self) -> bool:
        return self._more

    def _work(self) -> int:
        conn = self._connection()
        with self._changed:
            self._more = False
        more = True
        try:
            with conn.transaction():
                taken, aside = post(conn, _MOST)
            more = taken == _MOST
        finally:
            if more:
                self._more = True
        if aside:
            log.error(
                "gateways' accounts of %d batches are put aside: %s",
                len(aside),
                aside[0],
                extra={"action": "posting_aside"},
            )
        return 2 if more else 1

    def _say(self, error: Exception) -> None:
        log.warning("gateways' accounts are not posted: %s", error, extra={"action": "posting_held"})
