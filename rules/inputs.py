"""What the engine can learn: the journal's rows, decoded. Times are microseconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from city.levels import Level
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


class HoldKind(StrEnum):
    """What a person can say about an alarm or a sensor."""

    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class CommandIn:
    """A person's command, about an incident (`CommandKind`) or a target (`HoldKind`).

    Attributes
    ----------
    incident
        The incident it is about; empty for a `HoldKind`.
    via
        Where it came from (`link`, `console`, `api`).
    target
        `rule/scope` or an alarm's id to shelve and unshelve, an alarm's id to reset, a sensor for its service.
    until_us, one_shot
        When a hold ends (None: not said), and whether it ends as soon as the condition is normal.
    level
        Up to which level to shelve; None: the level at which the alarm stands.
    """

    id: str
    incident: str
    kind: CommandKind | HoldKind
    actor: str
    note: str
    via: str
    target: str = ""
    until_us: int | None = None
    one_shot: bool = False
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class BundleIn:
    """The city folder changed: everything that follows is decided by this book."""

    bundle: str
    book: Book
    escalation: Escalation


Input = ReadingsIn | StatusIn | TickIn | CommandIn | BundleIn


def said(kind: str, payload: bytes) -> StatusIn | TickIn | CommandIn:
    """What a journal row of kind `status`, `tick` or `command` says."""
    data = msgspec.json.decode(payload)
    match kind:
        case "tick":
            return TickIn(data["now_us"], data["heard_us"], data["listening_us"])
        case "status":
            return StatusIn(data["gateway"], data["online"], data["time_us"], data["received_us"])
        case _:
            return command_of(data)


def command_of(data: Mapping[str, Any]) -> CommandIn:
    """A command from its journal row, old or new (ValueError when its kind, level or time is none)."""
    word, level, until_us = str(data["kind"]), data.get("level"), data.get("until_us")
    kind = HoldKind(word) if word in set(HoldKind) else CommandKind(word)
    actor, note, via, target = (str(data.get(key, "")) for key in ("actor", "note", "via", "target"))
    return CommandIn(
        str(data["id"]), str(data.get("incident", "")), kind, actor, note, via, target,
        None if until_us is None else int(until_us), data.get("one_shot") is True,
        None if level is None else Level.of(str(level)),
    )  # fmt: skip
