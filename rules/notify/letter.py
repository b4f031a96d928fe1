"""What a channel is handed, and the three things it may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from city.clock import Clock
from city.levels import Level


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
    body
        UTF-8 JSON for machines. The same bytes on every attempt.
    created_at
        When the decision was made (aware UTC, the city's clock).
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
    """It will never work like this; a person has to mend what `reason` says."""

    reason: str


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


class MissingSecret(Exception):
    """A setting names an environment variable that is not set."""


def secret(settings: Mapping[str, object], name: str, tools: Tools) -> str:
    """The secret that setting `name` points at (an environment variable); empty when the setting is absent.

    Raises
    ------
    MissingSecret
        When the variable is not set: sending without it would be refused, or worse, be accepted unsigned.
    """
    variable = settings.get(name)
    if not variable:
        return ""
    value = tools.environ.get(str(variable), "")
    if not value:
        raise MissingSecret(f"{name}: environment variable {variable} is not set where the notifier runs")
    return value
