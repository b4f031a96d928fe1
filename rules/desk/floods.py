"""Floods: when more alarms come than people can take in, all but the gravest are gathered into digests.

A flood begins at a desk when more than `FLOOD_STARTS` alarms are told there within ten minutes of the desk's clock, and
ends when fewer than `FLOOD_ENDS` are left of them. While it lasts, notices of red incidents and the first word of each
zone's first alarm go singly and at once; every other one waits, at most a minute, for one digest for its person and
zone. Nothing is dropped: what is gathered is recorded as such, a digest lists every alarm, and when the flood ends
everybody who was told of it gets the list of all of it.

A zone is a district and a domain. Exercises have floods of their own; diagnostic alarms do not count, but are digested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from city.levels import Level
from rules.alarm.alarm import Alarm, fill
from rules.desk.incidents import Due, Incident
from rules.desk.plan import Escalation, Person
from rules.desk.stamp import Stamp
from rules.effects import Annunciated, Effect, FloodSet, NoticeGathered
from rules.statistics import BIN_US, FLOOD_ENDS, FLOOD_STARTS, MINUTE_US

DIGEST_US = MINUTE_US
PLATFORM = "platform-"  # rules of what Lifeline says of itself: a failing channel is no part of a flood

Zone = tuple[str, str]  # district, domain


@dataclass
class Seen:
    """An alarm that was told at a desk, and when (the desk's clock)."""

    at_us: int
    alarm: Alarm

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)


@dataclass
class Entry:
    """One incident in a digest that waits: what was to be said (`raise`, `clear`, …), and of which alarms."""

    kinds: list[str] = field(default_factory=list)
    alarms: dict[str, Alarm] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)


@dataclass
class Waiting:
    """A digest that waits: one person's, of one zone, with its entries by incident."""

    id: str
    person: Person
    zone: Zone
    opened_us: int
    channels: tuple[str, ...]
    via: str
    entries: dict[str, Entry] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)

    @property
    def due_us(self) -> int:
        """When it goes out."""
        return self.opened_us + DIGEST_US


@dataclass
class Flood:
    """One flood at one desk.

    Attributes
    ----------
    since_us, started_us
        When the first of its alarms was told, and when there were too many of them.
    alarms
        All of them by id, in the order in which they were told; diagnostic ones too, from its start on.
    zones, firsts
        Zones that had their first word, and the alarms that bring it.
    told
        By person: who, the channels and on whose behalf, when they were last told.
    said
        By person: the alarms they were told of already.
    waiting
        Digests by person, district and domain.
    """

    id: str
    desk: str
    drill: str
    since_us: int
    started_us: int
    peak: int = 0
    digests: int = 0
    alarms: dict[str, Alarm] = field(default_factory=dict)
    zones: set[Zone] = field(default_factory=set)
    firsts: dict[str, None] = field(default_factory=dict)
    told: dict[str, tuple[Person, tuple[str, ...], str]] = field(default_factory=dict)
    said: dict[str, set[str]] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)

    def row(self, ended_us: int | None = None) -> FloodSet:
        """Its row now."""
        return FloodSet(
            self.id, self.desk, self.drill, self.since_us, self.started_us, ended_us, len(self.alarms), self.peak,
            self.digests,
        )  # fmt: skip

    def singly(self, incident: Incident, person: Person, kind: str) -> bool:
        """Whether a notice goes out by itself: red, the first word of a zone, or what Lifeline says of itself."""
        level = incident.peak_level if kind == "clear" else incident.level
        if level is Level.RED or any(alarm.rule.startswith(PLATFORM) for alarm in incident.alarms.values()):
            return True
        said = self.said.get(person.id, ())
        return kind != "clear" and any(first in incident.alarms and first not in said for first in self.firsts)

    def spoke(self, alarms: Iterable[Alarm], person: Person, channels: tuple[str, ...], via: str) -> list[str]:
        """A person is told of alarms by a notice of its own; those that are new to them."""
        self.told[person.id] = (person, channels, via)
        said = self.said.setdefault(person.id, set())
        new = [alarm.id for alarm in alarms if alarm.id not in said]
        said.update(new)
        return new

    def gather(
        self, incident: Incident, person: Person, channels: tuple[str, ...], via: str, kind: str, due: Due,
        alarms: Iterable[Alarm], stamp: Stamp,
    ) -> NoticeGathered:  # fmt: skip
        """Let a notice wait for the digest of its person and zone."""
        zone = zone_of(incident)
        key = "/".join((person.id, *zone))
        waiting = self.waiting.get(key)
        if waiting is None:
            name = digest_of(self.id, person.id, *zone, stamp.now_us)
            waiting = self.waiting[key] = Waiting(name, person, zone, stamp.now_us, channels, via)
        self.told[person.id] = (person, channels, via)
        entry = waiting.entries.setdefault(incident.id, Entry())
        if kind not in entry.kinds:
            entry.kinds.append(kind)
        named = {alarm.id: alarm for alarm in alarms}
        entry.alarms.update(named)
        level = max((alarm.level for alarm in named.values() if alarm.stands), default=Level.NONE)
        return NoticeGathered(
            stamp.next_id(), waiting.id, self.id, person.id, *zone, incident.id, kind, due.round, due.step, due.repeat,
            tuple(named), channels, via, level, stamp.now_us,
        )  # fmt: skip

    def waits(self, incident: Incident, person: str, alarm: str) -> bool:
        """Whether an alarm is in a digest that waits for a person."""
        waiting = self.waiting.get("/".join((person, *zone_of(incident))))
        entry = waiting.entries.get(incident.id) if waiting else None
        return entry is not None and alarm in entry.alarms

    def revise(self, alarm: Alarm) -> None:
        """Late data made a new object of an alarm."""
        if alarm.id in self.alarms:
            self.alarms[alarm.id] = alarm
        for waiting in self.waiting.values():
            entry = waiting.entries.get(alarm.incident)
            if entry is not None and alarm.id in entry.alarms:
                entry.alarms[alarm.id] = alarm


@dataclass
class Flow:
    """What comes in at one desk: the alarms of the last ten minutes, and the flood while there is one."""

    desk: str
    drill: str
    recent: list[Seen] = field(default_factory=list)
    flood: Flood | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)

    def ebbs_us(self) -> int:
        """When, if nothing else comes, fewer than `FLOOD_ENDS` alarms are left of the last ten minutes."""
        return 0 if len(self.recent) < FLOOD_ENDS else self.recent[-FLOOD_ENDS].at_us + BIN_US

    def arrive(
        self, arrivals: list[tuple[Alarm, Incident]], incidents: Mapping[str, Incident], escalation: Escalation,
        stamp: Stamp,
    ) -> list[Effect]:  # fmt: skip
        """Alarms are about to be told here: note them, and begin a flood when they are too many."""
        now_us = stamp.now_us
        gone = next((at for at, seen in enumerate(self.recent) if seen.at_us > now_us - BIN_US), len(self.recent))
        del self.recent[:gone]
        before = list(self.recent)
        self.recent.extend(Seen(now_us, alarm) for alarm, _ in arrivals if not alarm.diagnostic)
        effects: list[Effect] = []
        begins = self.flood is None and len(self.recent) > FLOOD_STARTS
        if begins:
            self.flood = _begun(self, before, incidents, escalation, now_us)
        for alarm, incident in arrivals:
            first = self.flood is not None and self._take(self.flood, alarm)
            effects.append(
                Annunciated(
                    stamp.next_id(), self.desk, self.drill, alarm.id, incident.id, alarm.district, alarm.domain,
                    not alarm.diagnostic, first, now_us,
                )
            )  # fmt: skip
        if self.flood is not None:
            self.flood.peak = max(self.flood.peak, len(self.recent))
            effects.append(self.flood.row())
        return effects

    def _take(self, flood: Flood, alarm: Alarm) -> bool:
        """An alarm is part of the flood; whether it is the first of its zone."""
        flood.alarms[alarm.id] = alarm
        zone = (alarm.district, alarm.domain)
        if alarm.diagnostic or zone in flood.zones:
            return False
        flood.zones.add(zone)
        flood.firsts[alarm.id] = None
        return True


@dataclass
class Floods:
    """All desks' floods; `flows` by desk (and exercise)."""

    flows: dict[str, Flow] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        fill(self, state)

    def flow(self, incident: Incident, escalation: Escalation) -> Flow:
        """Where an incident is told."""
        district, domain = zone_of(incident)
        desk = escalation.desk(district, domain, incident.chain.id if incident.chain else "").id
        return self.of(desk, incident.drill)

    def of(self, desk: str, drill: str) -> Flow:
        """What comes in at a desk."""
        return self.flows.setdefault(f"{desk}/{drill}" if drill else desk, Flow(desk, drill))

    def due_us(self) -> int | None:
        """When the next digest goes out or the next flood ends."""
        dues = []
        for flow in self.flows.values():
            if flow.flood is not None:
                dues += [flow.ebbs_us(), *(waiting.due_us for waiting in flow.flood.waiting.values())]
        return min(dues, default=None)

    def revise(self, alarm: Alarm) -> None:
        """Late data made a new object of an alarm."""
        for flow in self.flows.values():
            if flow.flood is not None:
                flow.flood.revise(alarm)


def zone_of(incident: Incident) -> Zone:
    """The district and domain of an incident: of the alarm that came first."""
    alarm = incident.alarms.get(incident.first_alarm) or next(iter(incident.alarms.values()), None)
    return incident.district, alarm.domain if alarm else ""


def digest_of(flood: str, person: str, district: str, domain: str, opened_us: int) -> str:
    """A digest's id: the same whenever it is computed again."""
    place = "|".join((flood, person, district, domain, str(opened_us)))
    return hashlib.sha256(f"digest|{place}".encode()).hexdigest()[:32]


def _begun(
    flow: Flow, before: list[Seen], incidents: Mapping[str, Incident], escalation: Escalation, now_us: int
) -> Flood:
    """A flood begins. `before`: of its alarms, those whose notices went out singly."""
    place = f"{flow.desk}|{flow.drill}|{now_us}|{flow.recent[0].alarm.id}"
    flood = Flood(
        "F-" + hashlib.sha256(place.encode()).hexdigest()[:12], flow.desk, flow.drill, flow.recent[0].at_us, now_us
    )
    for seen in before:
        alarm = seen.alarm
        flood.alarms[alarm.id] = alarm
        flood.zones.add((alarm.district, alarm.domain))
        incident = incidents.get(alarm.incident)
        own = incident.alarms.values() if incident else ()
        for name, (_, channel, via) in incident.told.items() if incident else ():
            if name in escalation.people:
                flood.spoke(own, escalation.people[name], (channel,), via)
    return flood
