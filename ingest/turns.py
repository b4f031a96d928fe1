"""While one batch is finished the next goes in, each in a transaction of its own: the database waits for nobody.

What a batch waits for (a disk, a lock, a turn of the scheduler) is then no time in which nothing is written. Batches
are committed in their order; when one fails, nothing that was put after it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ingest.intake import Delivery
from ingest.writer import BatchWriter, Put

Batch = list[Delivery]


class Turns:
    """At most two batches under way: one that goes in, in the caller's thread, and one that is being finished.

    Parameters
    ----------
    written
        Called, in another thread, with each batch that was committed.
    """

    def __init__(self, written: Callable[[Batch], object]) -> None:
        self._written = written
        self._pool = ThreadPoolExecutor(1, "recorder-finish")
        self._last: tuple[BatchWriter, Batch, Put, Future[None]] | None = None

    def write(self, writer: BatchWriter, batch: Batch) -> list[Batch]:
        """Put a batch in, and leave it to be finished.

        Returns
        -------
        list[Batch]
            Empty, mostly; else something failed, and these are not written, in their order: this one, perhaps after
            the one before.
        """
        try:
            put = writer.put(batch, self._await)
        except Exception:  # noqa: BLE001 - whoever writes it alone hears of it again
            return [*self.settle(), batch]
        if left := self.settle(put):
            return [*left, batch]
        self._last = writer, batch, put, self._pool.submit(self._finish, writer, batch, put)
        return self.settle() if put.alone else []

    def settle(self, *after: Put) -> list[Batch]:
        """Wait until nothing is being finished; what failed is undone with what was put after it, and returned."""
        if self._last is None:
            return []
        (writer, batch, put, finished), self._last = self._last, None
        if finished.exception() is None:
            return []
        writer.undo(*after, put)
        return [batch]

    def close(self) -> None:
        """End the thread; what is being finished is."""
        self.settle()
        self._pool.shutdown()

    def _await(self) -> None:
        if self._last is not None:
            self._last[3].exception()

    def _finish(self, writer: BatchWriter, batch: Batch, put: Put) -> None:
        writer.finish(put)
        self._written(batch)
