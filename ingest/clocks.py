"""How far each gateway's clock is off, told from how late its messages come.

Arrival minus sending time is the clock's error plus the time on the way, and the way only ever adds: so the low end of
what was seen lately is the error, and the distance to the middle says how sure that is. What was held back for an
outage comes later and later, or sooner and sooner, which makes the estimate unsure rather than wrong. A clock that is
set moves it within a minute or two when it goes forward, and within ten when it goes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SLOT_US: Final = 10_000_000  # of arrival: one observation, the lowest, so that a quick gateway does not fill the window
SLOTS: Final = 64
OLDEST_US: Final = 900_000_000
ENOUGH: Final = 8  # slots from which on it is known how sure the estimate is; as many are kept however old
_LOW, _MIDDLE = 0.1, 0.5
_STANDS_US: Final = 1_000_000
_SURE_US: Final = 2_000_000
_HELD_UP_US: Final = 300_000_000  # what looks like a clock that is behind may be messages held up: look for longer


class Skew(NamedTuple):
    """A clock's error (positive: it is behind), how unsure that is (None: not known yet), and since when it stands.

    Seconds, and microseconds since 1970; None while nothing was seen. `known`: enough was seen to act on it.
    """

    skew_s: float | None
    uncertainty_s: float | None
    since_us: int | None
    known: bool = False


UNKNOWN: Final = Skew(None, None, None)


@dataclass(slots=True)
class Window:
    """What was seen of one gateway's clock lately."""

    _slots: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SLOTS))  # slot, lowest delay in µs
    _skew: Skew = UNKNOWN
    _stood_us: int = 0

    def hear(self, received_us: int, sent_us: int) -> None:
        """Note that what was sent at `sent_us` by its clock came at `received_us` by ours."""
        slot, delay_us = received_us // SLOT_US, received_us - sent_us
        if not self._slots or slot > self._slots[-1][0]:
            if self._slots:
                self._estimate(received_us)
            self._slots.append((slot, delay_us))
        elif delay_us < self._slots[-1][1]:
            self._slots[-1] = self._slots[-1][0], delay_us
        else:
            return
        if len(self._slots) == 1:
            self._estimate(received_us)

    @property
    def skew(self) -> Skew:
        """The estimate."""
        return self._skew

    def _estimate(self, now_us: int) -> None:
        while len(self._slots) > ENOUGH and now_us - self._slots[0][0] * SLOT_US > OLDEST_US:
            self._slots.popleft()
        delays = sorted(delay_us for _, delay_us in self._slots)
        low_us, middle_us = _quantile(delays, _LOW), _quantile(delays, _MIDDLE)
        unsure_us = middle_us - low_us if len(delays) >= ENOUGH else None
        since_us = self._skew.since_us
        if since_us is None or abs(low_us - self._stood_us) > max(_STANDS_US, unsure_us or 0):
            since_us, self._stood_us = now_us, low_us
        long_enough = low_us < 0 or now_us - self._slots[0][0] * SLOT_US >= _HELD_UP_US
        known = unsure_us is not None and unsure_us <= _SURE_US and long_enough
        self._skew = Skew(low_us / 1e6, None if unsure_us is None else unsure_us / 1e6, since_us, known)


def _quantile(ordered: list[int], share: float) -> int:
    return ordered[int(share * (len(ordered) - 1))]


class Clocks:
    """The clocks of all gateways, as one recorder sees them."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    def hear(self, gateway: str, received_us: int, sent_us: int) -> Skew:
        """Take in one message, and give what is known of its gateway's clock."""
        window = self._windows.get(gateway)
        if window is None:
            window = self._windows[gateway] = Window()
        window.hear(received_us, sent_us)
        return window.skew

    def forget(self, known: Iterable[str]) -> None:
        """Let go of gateways that are not among `known`."""
        kept = set(known)
        self._windows = {gateway: window for gateway, window in self._windows.items() if gateway in kept}
