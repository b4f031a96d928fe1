"""Between the thread that reads the network and the thread that writes the database: bounded, in order of receipt."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.message import Message

_MESSAGE_BYTES: Final = (
    1_200  # what a message takes besides its payload: small ones by the ten thousand fill the memory
)


@dataclass(slots=True)
class Delivery:
    """One MQTT message on its way into the database.

    Attributes
    ----------
    message
        What the decoder made of it; None for the recorder's own probe.
    received_us
        City time of arrival (microseconds since 1970).
    payload
        As it came.
    mid, session
        Its packet number and the connection it came over: only that connection may acknowledge it.
    rows
        How many readings it holds (at least 1), for the bound.
    probe_us
        For a probe: all that the broker had before this city time came before it.
    qos
        How it was delivered: with 0 nobody waits for an acknowledgement.
    trace
        The trace id its sender gave it (32 hexadecimal digits); empty mostly.
    """

    message: Message | None
    received_us: int
    payload: bytes
    mid: int
    session: int
    rows: int = 1
    probe_us: int = 0
    qos: int = 1
    trace: str = ""


class Intake:
    """A queue bounded by rows and bytes. It never refuses: the network thread looks at `full` and stops reading.

    Parameters
    ----------
    max_rows, max_bytes
        Above one of them it counts as full; what is being written counts too.
    wake
        Called (from any thread) when something is ready to acknowledge or there is room again.
    """

    def __init__(self, max_rows: int, max_bytes: int, wake: Callable[[], None]) -> None:
        self._max_rows, self._max_bytes, self._wake = max_rows, max_bytes, wake
        self._changed = threading.Condition()
        self._queued: deque[Delivery] = deque()
        self._writing: deque[list[Delivery]] = deque()  # batches that were taken, in order
        self._done: deque[Delivery] = deque()
        self._rows = self._bytes = self._queued_rows = 0
        self._wanted_rows = 1  # for which somebody waits: nobody is woken for less

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Queue messages in order of receipt (network thread)."""
        if not deliveries:
            return
        with self._changed:
            self._queued.extend(deliveries)
            rows = sum([delivery.rows for delivery in deliveries])
            self._rows += rows
            self._queued_rows += rows
            self._bytes += sum([len(delivery.payload) + _MESSAGE_BYTES for delivery in deliveries])
            if self._queued_rows >= self._wanted_rows:
                self._changed.notify_all()

    def await_rows(self, rows: int, timeout_s: float, or_else: Callable[[], bool] = lambda: False) -> None:
        """Wait until so many readings are queued, or something else is so (see `look_again`), or for `timeout_s`."""
        with self._changed:
            self._wanted_rows = rows
            self._changed.wait_for(lambda: self._queued_rows >= rows or or_else(), timeout_s)
            self._wanted_rows = 1

    def look_again(self) -> None:
        """What `await_rows` waits for besides readings may be so now (any thread)."""
        with self._changed:
            self._changed.notify_all()

    def take(self, max_rows: int, timeout_s: float, max_bytes: float = math.inf) -> list[Delivery]:
        """Take what is pending, to write it; empty after `timeout_s`.

        Up to `max_rows` and `max_bytes` of payloads, but at least one message.
        """
        self.await_rows(1, timeout_s)
        with self._changed:
            if batch := self._taken(max_rows, max_bytes):
                self._writing.append(batch)
            return batch

    def _taken(self, max_rows: int, max_bytes: float) -> list[Delivery]:
        taken: list[Delivery] = []
        rows = size = 0
        while self._queued:
            rows, size = rows + self._queued[0].rows, size + len(self._queued[0].payload)
            if taken and (rows > max_rows or size > max_bytes):
                break
            taken.append(self._queued.popleft())
            self._queued_rows -= taken[-1].rows
        return taken

    def written(self) -> None:
        """The batch that was taken first of those not yet committed is (any thread)."""
        with self._changed:
            batch = self._writing.popleft()
            self._done.extend(batch)
            self._forget(batch)
        self._wake()

    def to_acknowledge(self) -> list[Delivery]:
        """Take what is committed and not yet acknowledged, in order of receipt (network thread)."""
        with self._changed:
            done = list(self._done)
            self._done.clear()
            return done

    def drop_queued(self) -> int:
        """Forget what was not taken yet: the broker, not acknowledged, sends it again. Returns how many messages."""
        with self._changed:
            dropped = len(self._queued)
            self._forget(self._queued)
            self._queued.clear()
            self._queued_rows = 0
            return dropped

    @property
    def full(self) -> bool:
        """Whether reading should pause."""
        return self._rows >= self._max_rows or self._bytes >= self._max_bytes

    @property
    def rows(self) -> int:
        """Readings queued or being written."""
        return self._rows

    @property
    def idle(self) -> bool:
        """Nothing is queued, being written or waiting for its acknowledgement."""
        with self._changed:
            return not (self._queued or self._writing or self._done)

    def oldest_us(self) -> int | None:
        """Arrival time of the oldest message that is not committed, None when there is none."""
        with self._changed:
            oldest = next(filter(None, (*self._writing, self._queued)), None)
            return oldest[0].received_us if oldest else None

    def _forget(self, gone: list[Delivery] | deque[Delivery]) -> None:
        self._rows -= sum(delivery.rows for delivery in gone)
        self._bytes -= sum(len(delivery.payload) + _MESSAGE_BYTES for delivery in gone)
