"""Through which channels a person can be told: which of their addresses each one takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rules.desk.escalationkeys import REACH
from rules.desk.plan import Escalation, Person

FILLED = (*REACH, "name", "person")  # what may stand in braces in a channel's address
_PLACE = re.compile(r"\{([^{}]*)\}")


def places(text: str) -> list[str]:
    """The words in braces."""
    return _PLACE.findall(text)


def needs(channel: Mapping[str, Any]) -> frozenset[str]:
    """Which of a person's addresses a channel takes; none when everybody's notices go to one place."""
    match channel.get("type"):
        case "webhook":
            return frozenset({"webhook"})
        case "smtp":
            return frozenset({"email"})
        case "mqtt":
            return frozenset(places(str(channel.get("topic", "")))) & frozenset(REACH)
        case "apprise":
            written = channel.get("needs", [])
            said = [written] if isinstance(written, str) else written
            return frozenset([*said, *places(str(channel.get("url", "")))]) & frozenset(REACH)
        case _:
            return frozenset()


def reaches(channel: Mapping[str, Any], person: Person) -> bool:
    """Whether a person has the addresses a channel takes."""
    return needs(channel) <= person.reach.keys()


def by_any(escalation: Escalation, person: str, via: Iterable[str]) -> bool:
    """Whether one of several channels reaches a person of `escalation.yaml`."""
    found = escalation.people.get(person)
    return found is not None and any(reaches(escalation.channels[c], found) for c in via if c in escalation.channels)
