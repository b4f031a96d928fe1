"""Which messages leave next: what is measured now goes first, what an outage left behind follows at a rate.

Everything that was in the outbox when a connection came up is its backlog; everything kept later is live. Both lanes
go oldest first and share the window of publishes under way; half of the window is closed to the backlog, so a live
message never waits for more than what the wire already carries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from city.clock import stopwatch_s
from gateway.outbox import Message, Outbox

_BURST_S = 0.25  # of the rate, at most, after a pause


class Lanes:
    """The two lanes of one connection.

    Parameters
    ----------
    outbox
        Where messages wait; those handed out are held (safe from overflow) until they are removed or let go.
    window
        Publishes under way at once in both lanes.
    backlog_per_s
        Readings a second for the backlog, above 0. None: one lane, strictly oldest first, as fast as the line takes it.
    """

    def __init__(
        self,
        outbox: Outbox,
        window: int,
        backlog_per_s: float | None,
        stopwatch: Callable[[], float] = stopwatch_s,
    ) -> None:
        self._outbox, self._window, self._per_s, self._stopwatch = outbox, window, backlog_per_s, stopwatch
        self._until = outbox.newest if backlog_per_s else 0
        self._after_live, self._after_backlog = self._until, 0
        self._allowed, self._counted_s = 0.0, stopwatch()
        self._backlog: set[int] = set()
        self.left = bool(self._until) and outbox.messages > 0

    def take(self, under_way: Collection[int], passing: Collection[int] = ()) -> list[Message]:
        """The messages to publish now, beside those under way (their numbers); held. Reads the disk.

        `passing`: numbers that the broker has confirmed and that only could not be removed yet.
        """
        room = self._window - len(under_way)
        found = self._outbox.oldest(room, self._after_live, hold=True) if room > 0 else []
        if found:
            self._after_live = found[-1].seq
        self._backlog.intersection_update(under_way)
        room = min(room, max(1, self._window // 2) - len(self._backlog))
        if self.left and room > len(found) and self.pause_s() == 0:
            found += self._take_backlog(room - len(found))
        return [message for message in found if message.seq not in passing]

    def _take_backlog(self, room: int) -> list[Message]:
        waiting = self._outbox.oldest(room, self._after_backlog, self._until, hold=True)
        self.left = bool(waiting)
        taken: list[Message] = []
        for message in waiting:
            if self._allowed <= 0:
                break
            self._allowed -= message.readings
            taken.append(message)
        self._outbox.let_go([message.seq for message in waiting[len(taken) :]])
        if taken:
            self._after_backlog = taken[-1].seq
            self._backlog.update(message.seq for message in taken)
        return taken

    def pause_s(self) -> float:
        """Seconds until the backlog may go on, 0 when it may now (or has gone)."""
        if self._per_s is None or not self.left:
            return 0.0
        now_s = self._stopwatch()
        self._allowed = min(self._allowed + (now_s - self._counted_s) * self._per_s, max(1.0, self._per_s * _BURST_S))
        self._counted_s = now_s
        return 0.0 if self._allowed > 0 else -self._allowed / self._per_s + 0.001
