"""What `cap:` of escalation.yaml says: who speaks, to whom, about what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from city.levels import Level

TAGS: Mapping[str, str] = {"en": "en-US", "zh": "zh-CN"}
SCOPES = ("Public", "Restricted", "Private")
STATUSES = ("Actual", "Test")
RELEASERS = ("operator", "engineer", "admin")
HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class CapPlan:
    """How a city speaks CAP.

    Attributes
    ----------
    sender
        A name of the city's own that nobody else in the world uses, such as `alerts@city.example`.
    sender_name
        What people call it, by language; empty: the city's name.
    status
        `Actual`, or `Test` while things are being set up. A drill's messages say `Exercise` whatever stands here.
    from_level
        From which level on a first message is drafted.
    radius_m
        Of the circle around a place that has no outline of its own.
    expires_us
        How long a message holds when no other one follows.
    release_role
        Who may release.
    geocodes
        Of each district that has one: what kind of code it is, and the code.
    """

    sender: str
    sender_name: Mapping[str, str] = field(default_factory=dict)
    contact: str = ""
    web: str = ""
    languages: tuple[str, ...] = ("zh", "en")
    scope: str = "Restricted"
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    status: str = "Actual"
    from_level: Level = Level.BLUE
    radius_m: float = 300.0
    expires_us: int = 6 * HOUR_US
    release_role: str = "operator"
    geocodes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
