"""What the engine can learn: the journal's rows, decoded. Times are microseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from city.levels import Level
from city.reading import Readings, Sample
from rules.book import Book
from rules.desk.plan import Escalation
from rules.drillplan import DrillSaid, drill_said


class ReadingsIn:
    """A committed batch, new readings only, in columns of one length.

    Parameters
    ----------
    samples
        The readings one by one; for many at once use `of_columns`.

    Attributes
    ----------
    sensors
        Names that `which` points into; give the same tuple for many batches, and it is looked up once.
    which, time_us, received_us, value, flag
        As in `city.reading.Readings`: int64, int64, int64, float64, uint8.
    """

    __slots__ = ("flag", "received_us", "sensors", "time_us", "value", "which")

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        samples = list(samples)
        places: dict[str, int] = {}
        self.which = np.array([places.setdefault(s.sensor, len(places)) for s in samples], dtype=np.int64)
        self.sensors = tuple(places)
        self.time_us = np.array([s.time_us for s in samples], dtype=np.int64)
        self.received_us = np.array([s.received_us for s in samples], dtype=np.int64)
        self.value = np.array([s.value for s in samples], dtype=np.float64)
        self.flag = np.array([s.flag for s in samples], dtype=np.uint8)

    @classmethod
    def of_columns(cls, sensors: tuple[str, ...], which: NDArray[np.int64], readings: Readings) -> ReadingsIn:
        """A batch as the store has it: reading i is of `sensors[which[i]]`, of none where that is -1."""
        self = cls()
        self.sensors, self.which = sensors, which
        self.time_us, self.received_us = readings.time_us, readings.received_us
        self.value, self.flag = readings.value, readings.flag
        return self

    def __len__(self) -> int:
        return len(self.which)


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
    """What a person can say about an incident. `dispatch`: somebody is on the way; `cannot_go`: not who was asked."""

    ACKNOWLEDGE = "acknowledge"
    CONFIRM = "confirm"
    FALSE_ALARM = "false_alarm"
    ANALYSE = "analyse"
    DISPATCH = "dispatch"
    CANNOT_GO = "cannot_go"
    ON_SITE = "on_site"
    REPORT = "report"
    NOTE = "note"
    CLOSE = "close"


class HoldKind(StrEnum):
    """What a person can say about an alarm or a sensor."""

    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    MAINTAIN = "maintain"
    END_MAINTENANCE = "end_maintenance"
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
        `rule/scope` or an alarm's id to shelve and unshelve, an alarm's id to reset, a sensor for its service,
        `sensor/x`, `site/x` or `gateway/x` for its maintenance.
    until_us, one_shot
        When a hold ends (None: not said), and whether it ends as soon as the condition is normal.
    level
        Up to which level to shelve; None: the level at which the alarm stands, for maintenance orange.
    person
        Who of `escalation.yaml` speaks, when that is known; `actor` is what people call them.
    expected
        The incident's version that the person saw: refused when it has moved on. None: whatever it is by now.
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
    person: str = ""
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class PlatformIn:
    """A part of Lifeline itself fails, or works again.

    Attributes
    ----------
    name, scope
        Which part: `channel` and the channel's name; the alarm is `platform-<name>/<scope>`.
    state
        `fault` or `ok`.
    detail
        What is seen, for people.
    """

    name: str
    scope: str
    state: str
    detail: str
    at_us: int
    level: Level = Level.ORANGE


@dataclass(frozen=True, slots=True)
class ExerciseIn:
    """Readings of a drill (perhaps none: it is heard), which arrived at `received_us`."""

    drill: str
    readings: ReadingsIn
    received_us: int


@dataclass(frozen=True, slots=True)
class BundleIn:
    """The city folder changed: everything that follows is decided by this book."""

    bundle: str
    book: Book
    escalation: Escalation


Input = ReadingsIn | StatusIn | TickIn | CommandIn | PlatformIn | DrillSaid | ExerciseIn | BundleIn


def said(kind: str, payload: bytes) -> StatusIn | TickIn | CommandIn | PlatformIn | DrillSaid:
    """What a journal row of kind `status`, `tick`, `command`, `platform` or `drill` says."""
    data = msgspec.json.decode(payload)
    match kind:
        case "tick":
            return TickIn(data["now_us"], data["heard_us"], data["listening_us"])
        case "status":
            return StatusIn(data["gateway"], data["online"], data["time_us"], data["received_us"])
        case "drill":
            return drill_said(data)
        case "platform":
            level = Level.of(str(data.get("level", "orange")))
            name, scope, state = str(data["name"]), str(data["scope"]), str(data["state"])
            return PlatformIn(name, scope, state, str(data.get("detail", "")), int(data["at_us"]), level)
        case _:
            return command_of(data)


def platform_row(said: PlatformIn) -> bytes:
    """The payload of its journal row."""
    return msgspec.json.encode({**asdict(said), "level": said.level.word})


def command_of(data: Mapping[str, Any]) -> CommandIn:
    """A command from its journal row, old or new (ValueError when its kind, level or time is none)."""
    word, level, until_us, expected = str(data["kind"]), data.get("level"), data.get("until_us"), data.get("expected")
    kind = HoldKind(word) if word in set(HoldKind) else CommandKind(word)
    actor, note, via, target = (str(data.get(key, "")) for key in ("actor", "note", "via", "target"))
    return CommandIn(
        str(data["id"]), str(data.get("incident", "")), kind, actor, note, via, target,
        None if until_us is None else int(until_us), data.get("one_shot") is True,
        None if level is None else Level.of(str(level)), str(data.get("person", "")),
        None if expected is None else int(expected),
    )  # fmt: skip
