"""Who may have a worker: reds always find one, and no endpoint holds more than its share. Pure counting.

Of `workers`, a quarter is kept for reds. A channel has at most half of them, an endpoint a quarter, counted apart for
reds and for the rest; an endpoint that failed last time is tried by one at a time, but for reds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a notice goes: its channel, the server that answers there, and whether it is red."""

    channel: str
    endpoint: str
    red: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What has no room now, for reds and for the rest; `others`: whether there is any for the rest."""

    others: bool
    red_channels: list[str]
    red_endpoints: list[str]
    channels: list[str]
    endpoints: list[str]


@dataclass
class Lanes:
    """The notices in flight, at most `workers` (4 or more)."""

    workers: int
    _channels: Counter[tuple[bool, str]] = field(default_factory=Counter)
    _endpoints: Counter[tuple[bool, str]] = field(default_factory=Counter)
    _troubled: dict[str, None] = field(default_factory=dict)
    total: int = 0

    def room(self) -> Room | None:
        """What a claim has to leave; None when no worker is free."""
        if self.total >= self.workers:
            return None
        others = sum(n for (red, _), n in self._channels.items() if not red)
        share = self.workers // 4
        channels = [key for key, n in self._channels.items() if n >= self.workers // 2]
        endpoints = [key for key, n in self._endpoints.items() if n >= self._most(*key, share)]
        return Room(
            others < self.workers - share,
            *([name for red, name in keys if red] for keys in (channels, endpoints)),
            *([name for red, name in keys if not red] for keys in (channels, endpoints)),
        )

    def _most(self, red: bool, endpoint: str, share: int) -> int:
        return 1 if endpoint in self._troubled and not red else share

    def enter(self, place: Place) -> None:
        """A worker begins."""
        self.total += 1
        self._channels[place.red, place.channel] += 1
        self._endpoints[place.red, place.endpoint] += 1

    def leave(self, place: Place, *, well: bool) -> None:
        """A worker is done; `well`: the endpoint answered."""
        self.total -= 1
        _less(self._channels, (place.red, place.channel))
        _less(self._endpoints, (place.red, place.endpoint))
        self._troubled.pop(place.endpoint, None)
        if not well:
            self._troubled[place.endpoint] = None
            if len(self._troubled) > MOST_REMEMBERED:
                del self._troubled[next(iter(self._troubled))]


def _less(counts: Counter[tuple[bool, str]], key: tuple[bool, str]) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
