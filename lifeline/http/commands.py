"""What people say about an incident: appended to the journal, handled by the watcher."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from city.clock import Clock, SystemClock, stopwatch_s, to_us
from city.levels import Level
from lifeline.http.data import WAIT_S, Data, Row
from lifeline.http.who import Who
from rules.desk.incidents import NEEDS_NOTE, STAGES
from rules.inputs import CommandKind, HoldKind
from store import journal

WATCHER = "watcher"
PATIENCE_S = 2.0
LONGEST_NOTE = 1000
LONGEST_ACTOR = 80
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recorded command: `reason` is the engine's.

    `state`: `waiting`, `done`, `refused`, or `asked` when a second person must say the same.
    """

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """Who says it, why, and from where.

    Attributes
    ----------
    actor, note
        Who says it (a person's id or an account's name), and what else; cut to their longest length.
    via
        `link`, `console` or `api`.
    person
        Who of `escalation.yaml` speaks; empty when nobody of it.
    address, role
        Where the request came from, and what its account may do (for the audit log).
    """

    actor: str
    note: str
    via: str
    person: str = ""
    address: str = ""
    role: str = ""

    @classmethod
    def of(cls, who: Who, note: str, via: str) -> Said:
        """What an account says."""
        return cls(who.name, note, via, who.person, who.address, who.role.word)


def nonce() -> str:
    """A form's own mark: two submissions of the same form are one command."""
    return secrets.token_urlsafe(9)


def record(
    data: Data, clock: Clock, said: Said, incident: str, kind: CommandKind, mark: str = "", expected: int | None = None
) -> int:
    """Append a command and give the watcher up to 2 s to handle it; the number of its journal row.

    Parameters
    ----------
    mark
        The form's nonce.
    expected
        The incident's version that the person saw; the engine refuses the command when it has moved on.
    """
    command = _command(clock, said, kind, mark) | {"incident": incident}
    if expected is not None:
        command["expected"] = expected
    return _append(data, clock, command)


def record_hold(
    data: Data, clock: Clock, said: Said, kind: HoldKind, target: str, *, until: datetime | None = None,
    one_shot: bool = False, level: Level | None = None,
) -> int:  # fmt: skip
    """Append a command about an alarm or a sensor, as `record` does.

    Parameters
    ----------
    target
        See `rules.inputs.CommandIn`.
    until, one_shot, level
        When a hold ends (aware), whether it ends with the condition, and up to which level it holds.
    """
    command = _command(clock, said, kind, "") | {"target": target, "one_shot": one_shot}
    if until is not None:
        command["until_us"] = to_us(until)
    if level is not None:
        command["level"] = level.word
    return _append(data, clock, command)


def _command(clock: Clock, said: Said, kind: StrEnum, mark: str) -> dict[str, object]:
    command: dict[str, object] = {
        "id": f"{said.via}-{kind}-{mark[:40] or nonce()}",
        "kind": kind.value,
        "actor": " ".join(said.actor.split())[:LONGEST_ACTOR],
        "note": said.note.strip()[:LONGEST_NOTE],
        "via": said.via,
        "at_us": clock.now_us(),
    }
    return command | ({"person": said.person} if said.person else {})


def _append(data: Data, clock: Clock, command: Mapping[str, object]) -> int:
    with data.connections.connection(timeout=WAIT_S) as conn, conn.transaction():
        seq = journal.append(conn, "command", msgspec.json.encode(command), clock.now())
    wall, began = SystemClock(), stopwatch_s()
    while not handled(data, seq) and stopwatch_s() - began < PATIENCE_S:
        wall.pause_s(_LOOK_EVERY_S)
    return seq


def handled(data: Data, seq: int) -> bool:
    """Whether the watcher has come past journal row `seq`."""
    with data.connections.connection(timeout=WAIT_S) as conn:
        return journal.checkpoint(conn, WATCHER) >= seq


def outcome(data: Data, incident: str, seq: int) -> Outcome:
    """What became of the command in journal row `seq`."""
    event = data.row("command_outcome", incident=incident, seq=str(seq))
    if event is None:
        return Outcome("waiting")
    if str(event["kind"]).startswith("refused_"):
        return Outcome("refused", str(event["note"]))
    return Outcome("done")


def hold_outcome(data: Data, seq: int) -> Outcome:
    """What became of the command about an alarm or a sensor in journal row `seq`."""
    event = data.row("hold_outcome", seq=str(seq))
    if event is None:
        return Outcome("waiting")
    kind, reason = str(event["kind"]), str(event["note"])
    state = "refused" if kind.startswith("refused_") else "asked" if kind.startswith("asked_") else "done"
    return Outcome(state, reason)


def fits(kind: CommandKind, incident: Row) -> bool:
    """Whether a command fits an incident as it stands (the engine has the last word)."""
    if incident["closed_at"] is not None:
        return False
    if kind is CommandKind.ACKNOWLEDGE:
        return not incident["acknowledged"]
    return kind not in STAGES or incident["stage"] in STAGES[kind][0]


def needs_note(kind: CommandKind, incident: Row) -> bool:
    """Whether a command is refused without a note."""
    early = incident["level"] != "none" or incident["stage"] not in ("reported", "false_alarm")
    return kind in NEEDS_NOTE or (kind is CommandKind.CLOSE and early)
