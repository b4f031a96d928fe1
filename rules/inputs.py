"""What the engine can learn: the journal's rows, decoded. Times are microseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from city.reading import Sample
from rules.book import Book
from rules.desk.roster import Escalation


@dataclass(frozen=True, slots=True)
class ReadingsIn:
    """A committed batch: new readings only."""

    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class StatusIn:
    """A gateway said, or its broker said for it, whether it is online."""

    gateway: str
    online: bool
    time_us: int
    received_us: int


@dataclass(frozen=True, slots=True)
class TickIn:
    """Time passed: it is `now_us`, and all that the broker had before `heard_us` is in the journal before this row.

    `listening_us`: since when the recorder has listened without a break; nobody was silent before that.
    """

    now_us: int
    heard_us: int
    listening_us: int


class CommandKind(StrEnum):
    """What a person can say about an incident."""

    ACKNOWLEDGE = "acknowledge"
    CONFIRM = "confirm"
    FALSE_ALARM = "false_alarm"
    DISPATCH = "dispatch"
    ON_SITE = "on_site"
    REPORT = "report"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class CommandIn:
    """A person's command. `via`: where it came from (`link`, `console`, `api`)."""

    id: str
    incident: str
    kind: CommandKind
    actor: str
    note: str
    via: str


@dataclass(frozen=True, slots=True)
class BundleIn:
    """The city folder changed: everything that follows is decided by this book."""

    bundle: str
    book: Book
    escalation: Escalation


Input = ReadingsIn | StatusIn | TickIn | CommandIn | BundleIn
