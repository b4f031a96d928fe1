"""What the decoder makes of a payload: readings in columns, a status, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.reasons import Reason


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


@dataclass(frozen=True, slots=True)
class ReadingsMessage:
    """The readings of one message, as equally long columns in the order they were sent.

    Attributes
    ----------
    seq, sent_us
        The gateway's message number (from 0) and sending time (microseconds since 1970), None when not given.
    sensor, time_us, value, unit, flag
        Name; event time in microseconds since 1970; finite value in `unit`; the unit as written, None for the
        register's; flag 1, 2, 3, 4 or 9 (2 when not given).
    refused
        What was left out, with its reason.
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
    refused: list[Refused] = field(default_factory=list)

    @property
    def published(self) -> int:
        """How many readings the message held, the refused ones included."""
        return len(self.sensor) + sum(refused.count for refused in self.refused)


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
