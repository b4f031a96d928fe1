"""Several batches under way at the same time, each in a transaction of its own: the database waits for nobody.

What a batch waits for (a disk, a lock, a turn of the scheduler) is then no time in which nothing is written, and the
server copies by several processes. Batches are judged and committed in their order; when one fails, nothing that was
judged after it stays. Where only one may be under way, the caller's thread does it all: nobody is woken for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from ingest.intake import Delivery
from ingest.writer import BatchWriter, Hand, Ready

Batch = list[Delivery]
_LOOK_S: Final = 0.25  # so often a batch that waits for its turn looks whether it keeps the one before it waiting


class _GivesWay(Exception):
    """The batch before this one failed, or waits for its locks: it is written again after it."""


@dataclass(slots=True)
class _UnderWay:
    """A batch in the hands of a thread."""

    writer: BatchWriter
    batch: Batch
    ready: Ready
    hand: Hand
    before: _UnderWay | None
    copied: bool = False
    done: Future[None] = field(default_factory=Future)


class Turns:
    """Batches under way: judged in the caller's thread, put in by others where several may be, finished in turn.

    Parameters
    ----------
    written
        Called, in any thread, with each batch that was committed, in their order.
    copied
        Called, in any thread, when the readings of one are in.
    most
        So many at once, at most; each needs a hand of the writer. Those who write may make it less.
    """

    def __init__(
        self, written: Callable[[Batch], object], copied: Callable[[], object] = lambda: None, most: int = 3
    ) -> None:
        self._written, self._copied, self.most = written, copied, most
        self._pool = ThreadPoolExecutor(most, "recorder-hand")
        self._under_way: deque[_UnderWay] = deque()
        self._next = 0

    @property
    def copying(self) -> bool:
        """Whether the readings of a batch are on their way into the database."""
        return any(not (one.copied or one.done.done()) for one in self._under_way)

    def make_room(self) -> list[Batch]:
        """Wait until one batch more may be under way; what failed, as `settle` does."""
        while self._under_way:
            first = self._under_way[0]
            if len(self._under_way) < self.most and not first.done.done():
                break
            if first.done.exception() is not None:
                return self.settle()
            self._under_way.popleft()
        return []

    def write(self, writer: BatchWriter, batch: Batch) -> list[Batch]:
        """Judge a batch, and leave it to be put in and finished.

        Returns
        -------
        list[Batch]
            Empty, mostly; else these are not written, in their order, and nothing is under way: something failed, or
            this one cannot be judged beside others.
        """
        if left := self.make_room():
            return [*left, batch]
        try:
            ready = writer.judge(batch) if writer.hands else None
        except Exception:  # noqa: BLE001 - whoever writes it alone hears of it again
            ready = None
        if ready is None:
            return [*self.settle(), batch]
        before = self._under_way[-1] if self._under_way else None
        hands = writer.hands[: self.most]
        turn = [hands[(self._next + at) % len(hands)] for at in range(len(hands))]
        hand = next(hand for hand in turn if all(one.hand is not hand for one in self._under_way))
        self._next += 1
        one = _UnderWay(writer, batch, ready, hand, before)
        self._under_way.append(one)
        if self.most > 1:
            self._pool.submit(self._carry, one)
        else:
            self._carry(one)
        return []

    def settle(self) -> list[Batch]:
        """Wait until nothing is under way; what is not written, in its order, taken back."""
        left = [one for one in self._under_way if one.done.exception() is not None]
        self._under_way.clear()
        for one in reversed(left):
            one.writer.take_back(one.ready)
        return [one.batch for one in left]

    def close(self) -> None:
        """End the threads; what is under way is finished."""
        self.settle()
        self._pool.shutdown()

    def _carry(self, one: _UnderWay) -> None:
        try:
            self._put(one)
            self._written(one.batch)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for it
            one.done.set_exception(error)
        else:
            one.done.set_result(None)
        finally:
            one.before = None

    def _put(self, one: _UnderWay) -> None:
        try:
            put = one.writer.put(one.ready, one.hand, lambda: self._await(one))
            one.copied = True
            self._copied()
            self._await(one)
            one.writer.finish(put)
        except BaseException:
            one.writer.roll_back(one.hand)  # at once: another may wait for its locks
            raise

    def _await(self, one: _UnderWay) -> None:
        """Wait until the batch before is committed. It may wait for rows of this one: then neither would ever end."""
        before = one.before
        while before is not None:
            try:
                failure = before.done.exception(_LOOK_S)
            except TimeoutError:
                if not before.copied and one.writer.blocked(before.hand, one.hand):
                    raise _GivesWay from None
                continue
            if failure is not None:
                raise _GivesWay
            return
