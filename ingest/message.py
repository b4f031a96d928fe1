"""What the decoder makes of a payload: readings in columns, a status, or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

from ingest.reasons import Reason

Row = tuple[str, int, float, str | None, int]
"""Sensor, time, value, unit, flag."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Readings (or a field) of a message that were not taken.

    `count` readings are meant: 0 for a field, 1 for a reading, more where many were refused alike.
    `time_us` is what the reading claimed (microseconds since 1970), None when that is not known.
    """

    reason: Reason
    detail: str
    sensor: str = ""
    time_us: int | None = None
    payload: bytes = b""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """A whole message that was not taken; `district` and `gateway` are empty when the topic does not tell."""

    topic: str
    reason: Reason
    detail: str
    district: str = ""
    gateway: str = ""


@dataclass(slots=True)
class ReadingsMessage:
    """The readings of one message, in columns and in the order they were sent.

    Attributes
    ----------
    seq, sent_us
        The gateway's message number (from 0) and sending time (microseconds since 1970), None when not given.
    sensor, time_us, value, unit, flag
        Name; event time in microseconds since 1970; finite value in `unit`; the unit as written, None for the
        register's; flag 1, 2, 3, 4 or 9 (2 when not given).
    runs
        How many readings each sensor, unit and flag stands for; empty: one each, and all columns are equally long.
    refused
        What was left out, with its reason.
    beside
        What the message says of its gateway besides (a birth says that it is there), None mostly.
    drill
        The drill that it is part of; empty for real readings.
    """

    topic: str
    district: str
    gateway: str
    seq: int | None = None
    sent_us: int | None = None
    sensor: list[str] = field(default_factory=list)
    time_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    unit: list[str | None] = field(default_factory=list)
    flag: list[int] = field(default_factory=list)
    runs: Sequence[int] = ()
    refused: list[Refused] = field(default_factory=list)
    beside: StatusMessage | None = None
    drill: str = ""

    @property
    def published(self) -> int:
        """How many readings the message held, the refused ones included."""
        return len(self.time_us) + (sum(refused.count for refused in self.refused) if self.refused else 0)

    def spread(self) -> None:
        """Say the sensor, unit and flag of each reading, in runs no longer."""
        if runs := self.runs:
            self.runs = ()
            self.sensor = list(chain.from_iterable(map(repeat, self.sensor, runs)))
            self.unit = list(chain.from_iterable(map(repeat, self.unit, runs)))
            self.flag = list(chain.from_iterable(map(repeat, self.flag, runs)))

    def rows(self) -> Iterator[Row]:
        """The readings one by one."""
        self.spread()
        return zip(self.sensor, self.time_us, self.value, self.unit, self.flag, strict=True)

    def row(self, index: int) -> Row:
        """One of them."""
        self.spread()
        return self.sensor[index], self.time_us[index], self.value[index], self.unit[index], self.flag[index]


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """A gateway's word about itself, or its last will."""

    topic: str
    district: str
    gateway: str
    online: bool
    time_us: int | None = None
    buffered: int = 0
    version: str = ""
    refused: list[Refused] = field(default_factory=list)


Message = ReadingsMessage | StatusMessage | Refusal


@dataclass(frozen=True, slots=True)
class Arrival:
    """A readings message as it came in: what was decoded, the payload, and the arrival time (µs since 1970)."""

    message: ReadingsMessage
    received_us: int
    payload: bytes = b""


class Tally:
    """Collects what is refused in one message: the first ones each on their own, the rest summed up by reason."""

    def __init__(self, told_singly: int = 100) -> None:
        self.refused: list[Refused] = []
        self._left = told_singly
        self._more: dict[Reason, int] = {}

    def add(self, reason: Reason, count: int, tell: Callable[[], Refused]) -> None:
        """Take `count` refused readings; `tell` describes them, and is asked only when there is room."""
        if self._left > 0:
            self._left -= 1
            self.refused.append(tell())
        else:
            self._more[reason] = self._more.get(reason, 0) + count

    def finish(self, payload: bytes) -> None:
        """Sum up what was not told singly, with the whole payload in their place."""
        for reason, count in self._more.items():
            self.refused.append(Refused(reason, f"{count} more readings of this message", payload=payload, count=count))
        self._more.clear()
