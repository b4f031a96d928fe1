"""What people say about an incident: appended to the journal, handled by the watcher."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from city.clock import Clock, SystemClock, stopwatch_s, to_us
from city.levels import Level
from lifeline.http.data import WAIT_S, Data, Row
from lifeline.http.who import Who
from rules.desk.loop import NEEDS_NOTE, STAGES
from rules.inputs import CommandKind, HoldKind
from rules.reasons import because
from store import audit, journal
from store.connection import Connection
from store.statements import statements

Beside = Callable[[Connection, str], None]

WATCHER = "watcher"
PATIENCE_S = 2.0
LONGEST_NOTE = 1000
LONGEST_ACTOR = 80
_LOOK_EVERY_S = 0.05
_SQL = statements("commands", package="lifeline.http")


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
    address, role, how
        Where the request came from, what its account may do, and how it came in (for the audit log).
    """

    actor: str
    note: str
    via: str
    person: str = ""
    address: str = ""
    role: str = ""
    how: str = ""

    @classmethod
    def of(cls, who: Who, note: str, via: str) -> Said:
        """What an account says."""
        return cls(who.name, note, via, who.person, who.address, who.role.word, who.how)


def nonce() -> str:
    """A form's own mark: two submissions of the same form are one command."""
    return secrets.token_urlsafe(9)


def record(
    data: Data, clock: Clock, said: Said, incident: str, kind: CommandKind, mark: str = "", expected: int | None = None,
    beside: Beside | None = None,
) -> int:  # fmt: skip
    """Append a command and give the watcher up to 2 s to handle it; the number of its journal row.

    Parameters
    ----------
    mark
        The form's nonce: the same form with the same words again is the same command, and its first row is the answer.
    expected
        The incident's version that the person saw; the engine refuses the command when it has moved on.
    beside
        Writes what belongs to the command (photos), in its transaction; given the connection and the command's id.
    """
    command = _command(clock, said, kind, mark) | {"incident": incident}
    if expected is not None:
        command["expected"] = expected
    return _append(data, clock, said, command, mark, beside)


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
    return _append(data, clock, said, command)


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


def _append(
    data: Data, clock: Clock, said: Said, command: Mapping[str, Any], mark: str = "", beside: Beside | None = None
) -> int:
    form = _form(command) if mark else ""
    with data.connections.connection(timeout=WAIT_S) as conn, conn.transaction():
        seq = _sent_before(conn, form) if form else None
        if seq is None:
            if beside is not None:
                beside(conn, str(command["id"]))
            seq = journal.append(conn, "command", msgspec.json.encode(command), clock.now())
            audit.append(conn, _deed(said, command, seq))
            if form:
                conn.execute(_SQL["mark"], {"mark": form, "seq": seq})
    wall, began = SystemClock(), stopwatch_s()
    while not handled(data, seq) and stopwatch_s() - began < PATIENCE_S:
        wall.pause_s(_LOOK_EVERY_S)
    return seq


def _deed(said: Said, command: Mapping[str, Any], seq: int) -> audit.Deed:
    """The command as the audit log keeps it: whole, for the journal is trimmed."""
    told = {"actor", "kind", "target", "incident", "at_us"}
    detail = {key: value for key, value in command.items() if key not in told and value not in ("", None, False)}
    return audit.Deed(
        command["actor"], f"command.{command['kind']}", command.get("target", ""), command.get("incident", ""),
        said.role, said.how or said.via, said.address, {"seq": seq, **detail},
    )  # fmt: skip


def _form(command: Mapping[str, object]) -> str:
    """What makes a form's second submission the same: its mark, who sent it, about what, and the words in it."""
    said = "\0".join(str(command.get(key, "")) for key in ("id", "incident", "actor", "person", "note"))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _sent_before(conn: Connection, form: str) -> int | None:
    """The journal row of the same form, sent before; waits for one that is being sent now."""
    conn.execute(_SQL["lock_mark"], {"mark": form})
    row = conn.execute(_SQL["marked"], {"mark": form}).fetchone()
    return int(row[0]) if row else None


def handled(data: Data, seq: int) -> bool:
    """Whether the watcher has come past journal row `seq`."""
    with data.connections.connection(timeout=WAIT_S) as conn:
        return journal.checkpoint(conn, WATCHER) >= seq


def outcome(data: Data, incident: str, seq: int) -> Outcome:
    """What became of the command in journal row `seq`."""
    past = handled(data, seq)  # asked first: whatever the engine made of it is there by then
    event = data.row("command_outcome", incident=incident, seq=str(seq))
    if event is None:
        # The engine knows closed incidents no more, and so says nothing of them.
        closed = past and data.row("is_closed", incident=incident) is not None
        return Outcome("refused", because("incident_is", stage="closed")) if closed else Outcome("waiting")
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
