"""How often somebody may do something, and how long they wait; bounded memories, the longest unused goes first."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable

from city.clock import stopwatch_s

MOST = 10_000


class Rates:
    """Buckets of `burst` tries, refilled at `per_s`, one for each of the newest `most` keys.

    Parameters
    ----------
    stopwatch
        Seconds that only go on.
    """

    def __init__(
        self, per_s: float, burst: float, most: int = MOST, stopwatch: Callable[[], float] = stopwatch_s
    ) -> None:
        self._per_s, self._burst, self._most, self._stopwatch = per_s, burst, most, stopwatch
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, key: str) -> int:
        """Take one try; 0 when there was one, else whole seconds until there is."""
        wait = self.wait(key)
        if not wait:
            with self._lock:
                left, at = self._left[key]
                self._left[key] = (left - 1, at)
        return wait

    def wait(self, key: str) -> int:
        """Whole seconds until there is a try; 0 when there is one now."""
        now = self._stopwatch()
        with self._lock:
            left, at = self._left.pop(key, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_s)
            self._left[key] = (left, now)
            while len(self._left) > self._most:
                self._left.popitem(last=False)
        return 0 if left >= 1 else math.ceil((1 - left) / self._per_s)


class Unknown:
    """Wrong passwords of names nobody has: they wait as an account would, so that waiting tells nothing."""

    def __init__(self, patience: int, first_s: float, most_s: float, most: int = MOST) -> None:
        self._patience, self._first_s, self._most_s, self._most = patience, first_s, most_s, most
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, name: str) -> int:
        """Whole seconds until the name may try again."""
        with self._lock:
            _, until = self._failed.get(name, (0, 0.0))
        return max(0, math.ceil(until - stopwatch_s()))

    def fail(self, name: str) -> None:
        """One wrong password more."""
        with self._lock:
            failures = self._failed.pop(name, (0, 0.0))[0] + 1
            over = failures - self._patience
            wait_s = min(self._first_s * 2 ** min(over, 20), self._most_s) if over >= 0 else 0.0
            self._failed[name] = (failures, stopwatch_s() + wait_s)
            while len(self._failed) > self._most:
                self._failed.popitem(last=False)
