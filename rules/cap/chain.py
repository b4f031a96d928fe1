"""Which CAP message a change of an incident asks for, and how it refers to those before it.

A first message is an Alert; each later change is an Update that refers to all that stand. An end (closed, or a false
alarm) is a Cancel: every reader of CAP drops what it cancels, while one that does not know AllClear would go on showing
an Update. The Cancel says AllClear as well when the danger is over, and why when there never was one. What nobody
released needs no Cancel: its draft is taken back.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

from city.levels import Level

_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_LEVEL = re.compile(r"(?:\w+ to )?(none|blue|yellow|orange|red)\b")


class Ask(StrEnum):
    """What a change asks for."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    WITHDRAW = "withdraw"  # no message, and none of the drafts before it either


CHANGES = ("level", "close", "false_alarm", "reopened")
_ENDS = frozenset({"close", "false_alarm"})


def ask(change: str, level: Level, told: bool, from_level: Level) -> Ask:
    """What a change asks for.

    Parameters
    ----------
    change
        The kind of the incident's event, one of `CHANGES`.
    level
        The incident's level after it.
    told
        Whether a released message about the incident stands, not cancelled.
    from_level
        From which level on there is a first message.
    """
    if change in _ENDS:
        return Ask.CANCEL if told else Ask.WITHDRAW
    if told:
        return Ask.UPDATE
    return Ask.ALERT if level >= max(from_level, Level.BLUE) else Ask.WITHDRAW


def level_after(note: str, now: Level) -> Level:
    """The level that an event of kind `level` speaks of: `yellow to red`; `now` when it cannot be read."""
    found = _LEVEL.match(note)
    return Level.of(found[1]) if found else now


def identifier(incident: str, change: str) -> str:
    """The name of the one message for a change of an incident, without anything that CAP forbids in it."""
    digest = hashlib.sha256(f"{incident}|{change}".encode()).hexdigest()[:10]
    return f"{_ODD.sub('-', incident)[:120]}-{digest}"


def reference(sender: str, name: str, sent: str) -> str:
    """One message as others refer to it."""
    return f"{sender},{name},{sent}"
