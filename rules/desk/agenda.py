"""What is due when: so that in a storm nobody goes through thousands of incidents to find the one that waits."""

from __future__ import annotations

from heapq import heappop, heappush


class Agenda:
    """The next time at which something is due, by id; a later word about an id replaces the one before."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # may hold what was replaced; that is passed over

    def put(self, name: str, due_us: int | None) -> None:
        """Something is due at `due_us` (None: nothing any more)."""
        if due_us is None:
            self._at.pop(name, None)
        elif self._at.get(name) != due_us:
            self._at[name] = due_us
            heappush(self._heap, (due_us, name))

    def due_us(self) -> int | None:
        """The earliest time at which something is due."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due_by(self, now_us: int) -> list[str]:
        """What is due by a time; it stays due until something else is said of it."""
        found: dict[str, int] = {}
        while (due_us := self.due_us()) is not None and due_us <= now_us:
            _, name = heappop(self._heap)
            found[name] = due_us
        for name, due_us in found.items():
            heappush(self._heap, (due_us, name))
        return list(found)
