"""Tells of channels that fail: to the engine, which raises an alarm that goes another way, and in `city.health`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

from city.clock import Clock, to_us
from rules.inputs import PlatformIn, platform_row
from rules.notify import outbox
from rules.notify.letter import Answer
from rules.notify.outcomes import Outcomes, Record, Turn
from store import health, journal
from store.connection import Connection

_log = logging.getLogger(__name__)
_ADVICE = "notices take other channels meanwhile: see the last answer, mend the channel or its settings"


class ChannelWatch:
    """Counts what became of each attempt (any thread) and tells of it (the notifier's own)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._outcomes = Outcomes()
        self._turns: list[Turn] = []

    def remember(self, conn: Connection) -> None:
        """Take over what an earlier process knew."""
        for channel in outbox.failing(conn):
            self._outcomes.remember(channel)

    def note(self, channel: str, answer: Answer) -> None:
        """An attempt was made."""
        with self._lock:
            turn = self._outcomes.note(channel, answer, to_us(self._clock.now()))
            if turn is not None:
                self._turns.append(turn)

    def forget(self, channels: Collection[str]) -> None:
        """A new bundle: channels that are not in it any more fail no longer."""
        with self._lock:
            self._turns += self._outcomes.forget(channels)

    def tell(self, conn: Connection) -> None:
        """Journal every turn, with its row of health, so that a kill tells both or neither."""
        with self._lock:
            turns = list(self._turns)
        for turn in turns:
            now = self._clock.now()
            with conn.transaction():
                self._show(conn, turn.channel, self._outcomes.records[turn.channel], turn)
                said = PlatformIn("channel", turn.channel, turn.state, turn.detail[:500], to_us(now))
                journal.append(conn, "platform", platform_row(said), now)
            with self._lock:
                self._turns.remove(turn)
            level = logging.WARNING if turn.state == "fault" else logging.INFO
            _log.log(level, "channel_%s %s", turn.state, turn.channel, extra={"action": f"channel_{turn.state}"})

    def report(self, conn: Connection) -> None:
        """Set the rows of health."""
        with self._lock:
            records = list(self._outcomes.records.items())
        for channel, record in records:
            self._show(conn, channel, record, None)

    def _show(self, conn: Connection, channel: str, record: Record, turn: Turn | None) -> None:
        failing = record.failing if turn is None else turn.state == "fault"
        state: health.State = "fault" if failing else "warning" if record.in_a_row else "ok"
        counted = ", ".join(f"{n} {what}" for what, n in sorted(record.counts.items())) or "nothing tried yet"
        text = f"{counted}; last answer: {record.last}" if record.last else counted
        advice = _ADVICE if failing else ""
        health.report(
            conn, f"channel_{channel}", state, float(record.in_a_row), "failures in a row", advice, text[:500]
        )
