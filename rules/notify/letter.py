"""What a channel is handed, and the three things it may answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from city.clock import Clock
from city.levels import Level
from rules.reasons import because

_PLACE = re.compile(r"\{(person|name|email|webhook|phone|mqtt|apprise)\}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One rendered notice for one person on one channel.

    Attributes
    ----------
    key
        The notice's key: the same on every attempt, so that a receiver can drop repeats.
    to
        Addresses of the person by kind (`email`, `webhook`, `phone`, `name`).
    subject, text, html
        One line; plain text; the same as simple HTML.
    short
        All that matters in at most 300 characters, for text messages.
    body
        UTF-8 JSON for machines. The same bytes on every attempt.
    created_at
        When the decision was made (aware UTC, the city's clock).
    person
        Who it is for, by their id.
    picture
        A PNG of the last 24 hours; empty when there is none. Where `html` shows it, `cid:picture` stands.
    trace
        Id of the readings that led to it (32 hexadecimal digits); empty when that is not known.
    """

    key: str
    to: Mapping[str, str]
    subject: str
    text: str
    html: str
    body: bytes
    language: str
    level: Level
    created_at: datetime
    short: str = ""
    person: str = ""
    picture: bytes = b""
    trace: str = ""

    @property
    def traceparent(self) -> str:
        """The trace in the words of W3C Trace Context, with the notice as its span; empty without a trace."""
        span = hashlib.sha256(self.key.encode()).hexdigest()[:16]
        return f"00-{self.trace}-{span}-01" if self.trace else ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side took it."""

    answer: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It may work later; `after_s` (wall seconds) when the other side said when."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It will never work like this; a person has to mend what `reason` says.

    `broken`: it is the channel itself, whoever is told (a secret is missing, we are not let in).
    """

    reason: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class NoAddress(GiveUp):
    """The person has no address for this channel, which says nothing of the channel."""


Answer = Sent | Retry | GiveUp


@dataclass(frozen=True, slots=True)
class Tools:
    """What channels need from outside.

    Attributes
    ----------
    http
        Shared by all workers.
    environ
        Where secrets named by `…_env` settings are looked up.
    wall
        The real clock: signatures and `Retry-After` speak of the real world even in a city on a faster clock.
    timeout_s
        Longest silence of the other side.
    """

    http: httpx.Client
    wall: Clock
    environ: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 10.0


Send = Callable[[Letter, Mapping[str, object], Tools], Answer]


def fill(template: str, letter: Letter, spell: Callable[[str], str]) -> str | NoAddress:
    """A channel's address for a person: `{person}`, `{name}` and their addresses filled in, as `spell` writes each."""
    known = {**letter.to, "person": letter.person}
    if lacking := sorted({name for name in _PLACE.findall(template) if not known.get(name)}):
        return NoAddress(because("no_way", person=letter.person, lacking=" and no ".join(lacking)))
    return _PLACE.sub(lambda place: spell(known[place[1]]), template)
