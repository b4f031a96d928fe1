"""Looks at the running system again and again, through a database that may come and go."""

from __future__ import annotations

import threading
from datetime import UTC, tzinfo

import psycopg
from rich.console import Console, RenderableType
from rich.live import Live

from city.clock import SystemClock
from city.errors import InputError, OutsideError
from lifeline.status import Status, look
from lifeline.statusscreen import picture
from rules.notify.zone import HomeFinder
from store.connection import Connection, connect

EVERY_S = 1.0
_LONGEST_MS = 5000  # of one question: a database in trouble is not to be asked for longer


class Looker:
    """Keeps one connection, which is made again when it is lost."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._conn: Connection | None = None
        self._zone: tzinfo = UTC

    def look(self) -> Status:
        """The system now; without a database, that it does not answer."""
        try:
            if self._conn is None:
                self._conn = connect(self._database_url, autocommit=True, application_name="lifeline status")
                self._conn.execute(f"SET statement_timeout = {_LONGEST_MS}")  # our own number
            self._zone = HomeFinder().home(self._conn).zone
            return look(self._conn)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise InputError("database: not as this version needs it, try `lifeline migrate`") from error
        except (psycopg.Error, OutsideError):
            self.close()
            return Status(None)

    def picture(self, status: Status, language: str, *, hint: bool = False) -> RenderableType:
        """The screen for a terminal, in the city's time."""
        return picture(status, language, self._zone, hint)

    def watch(self, console: Console, language: str) -> Status:
        """Show it until Ctrl-C; what was seen last."""
        wall, never = SystemClock(), threading.Event()
        seen = self.look()
        try:
            with Live(
                self.picture(seen, language, hint=True), console=console, screen=True, auto_refresh=False
            ) as live:
                while not wall.pause_s(EVERY_S, never):
                    seen = self.look()
                    live.update(self.picture(seen, language, hint=True), refresh=True)
        except KeyboardInterrupt:
            pass
        return seen

    def close(self) -> None:
        """Let the connection go; safe twice."""
        if self._conn is not None:
            self._conn.close()
        self._conn = None
