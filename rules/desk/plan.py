"""What `escalation.yaml` says, as values: people, rosters, groups, channels, chains, clocks, desks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from city.levels import Level
from rules.desk.roster import Roster

MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be told.

    `reach` has the addresses (`email`, `webhook`, `phone`, `mqtt`, `apprise`); `account` is their name in the console.
    """

    id: str
    name: Mapping[str, str]
    language: str
    reach: Mapping[str, str]
    account: str = ""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """Tell `notify` through the first of `via` (the rest stand by) `after_us` after the round began.

    `unless`: skipped when the incident has come so far by then (`acknowledged`, `confirmed`, `dispatched`, `on_site`).
    Repeats every `repeat_us` until `until`, at most `times` times (0: no cap; a red incident never has one).
    `levels`: only these; empty means all.
    """

    notify: str
    via: tuple[str, ...]
    after_us: int = 0
    unless: str = ""
    levels: frozenset[Level] = frozenset()
    repeat_us: int = 0
    until: str = ""
    times: int = 0


@dataclass(frozen=True, slots=True)
class Chain:
    """An escalation chain; `version` is a hash of what it says."""

    id: str
    version: str
    steps: tuple[ChainStep, ...]
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Clocks:
    """How long people have at one level, from the incident's opening (or its last rise) on; None: no such clock.

    `expires_us`: how long an acknowledgement holds.
    """

    acknowledge_us: int | None = None
    confirm_us: int | None = None
    dispatch_us: int | None = None
    on_site_us: int | None = None
    report_us: int | None = None
    close_us: int | None = None
    expires_us: int | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """What makes alarms one incident: how near, how close in event time; and how long a lower level must hold."""

    within_m: float = 200.0
    window_us: int = 60 * MINUTE_US
    falls_after_us: int = 5 * MINUTE_US


@dataclass(frozen=True, slots=True)
class DeskPlan:
    """One operator's position: the incidents of these districts, domains and chains (empty: all of them)."""

    id: str
    name: Mapping[str, str] = field(default_factory=dict)
    districts: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    chains: frozenset[str] = frozenset()

    def takes(self, district: str, domain: str, chain: str) -> bool:
        """Whether an incident is this desk's."""
        return all(
            not own or has in own
            for own, has in ((self.districts, district), (self.domains, domain), (self.chains, chain))
        )


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life that leaves the house: a request to the address in the environment variable `url_env`."""

    url_env: str
    every_us: int = MINUTE_US


ONLY_DESK = DeskPlan("city")


@dataclass(frozen=True)
class Escalation:
    """All of `escalation.yaml`.

    Attributes
    ----------
    desks
        In their order: an incident belongs to the first that takes it, to `ONLY_DESK` when none does.
    platform
        The chain for what Lifeline says of itself (a channel that fails); empty: nobody is told, only shown.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    rosters: Mapping[str, Roster] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    clocks: Mapping[Level, Clocks] = field(default_factory=dict)
    grouping: Grouping = field(default_factory=Grouping)
    desks: tuple[DeskPlan, ...] = ()
    platform: str = ""
    heartbeat: Heartbeat | None = None

    def desk(self, district: str, domain: str, chain: str) -> DeskPlan:
        """Whose incident it is."""
        return next((desk for desk in self.desks if desk.takes(district, domain, chain)), ONLY_DESK)

    def who(self, target: str, now: datetime) -> list[Person]:
        """The people behind `person/x`, `group/x` or `roster/x` at an aware time; empty when nobody is on duty."""
        kind, _, name = target.partition("/")
        match kind:
            case "roster":
                ids = self.rosters[name].on_duty(now) if name in self.rosters else []
            case "group":
                members = self.groups.get(name, ())
                return list(
                    {p.id: p for m in members for p in self.who(m if "/" in m else f"person/{m}", now)}.values()
                )
            case _:
                ids = [name]
        return [self.people[person] for person in ids if person in self.people]
