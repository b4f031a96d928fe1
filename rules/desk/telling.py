"""The one road by which notices leave the desk: singly, or in a flood gathered into digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from city.levels import Level
from city.model import City
from rules.alarm.alarm import UP, Alarm, Move, Moved
from rules.desk.digests import digest, ending
from rules.desk.floods import Flood, Floods, Flow
from rules.desk.incidents import Due, Incident
from rules.desk.notices import notice
from rules.desk.plan import Escalation, Person
from rules.desk.sight import Sight
from rules.desk.stamp import Stamp
from rules.effects import Effect, IncidentEvent, NoticeGathered
from rules.reasons import because

_COUNTS = frozenset({Move.RAISED, Move.RELEASED})


@dataclass
class Telling:
    """Every notice about an incident goes through `tell`.

    Around the notices of what happened to alarms, `arrive` says which of them are told now, and `rest` tells in a flood
    what no notice has told by then: alarms that joined an incident whose level they did not move.
    """

    city: City
    escalation: Escalation
    floods: Floods = field(default_factory=Floods)
    sight: Sight = field(default_factory=Sight)
    _new: list[tuple[Alarm, Incident]] = field(default_factory=list)

    def tell(
        self,
        incident: Incident,
        person: Person,
        channels: Sequence[str],
        via: str,
        kind: str,
        due: Due,
        stamp: Stamp,
        about: Alarm | None = None,
    ) -> list[Effect]:
        """Tell a person, through the first of `channels` (the rest stand by), on behalf of `via` (`roster/day`).

        In a flood that may be an entry of a digest. `about`: of this alarm, not of the incident as it stands.
        """
        ways, flood = tuple(channels), self.floods.flow(incident, self.escalation).flood
        alarms = [about] if about else list(incident.alarms.values())
        if flood is not None and about is None and not flood.singly(incident, person, kind):
            return [flood.gather(incident, person, ways, via, kind, due, alarms, stamp)]
        made = notice(self.city, self.escalation, incident, person, ways, via, kind, due, stamp, self.sight, about)
        if flood is None:
            return [made]
        new = flood.spoke(alarms, person, ways, via)
        return [replace(made, content={**made.content, "new": new})]

    def arrive(self, moves: Sequence[Moved], incidents: Mapping[str, Incident], stamp: Stamp) -> list[Effect]:
        """What happened to alarms is about to be told: count what is new at its desk, where a flood may begin."""
        arrivals: dict[str, tuple[Flow, list[tuple[Alarm, Incident]]]] = {}
        self._new = []
        for moved in moves:
            alarm, incident = moved.alarm, incidents.get(moved.alarm.incident)
            self.floods.revise(alarm)
            told = alarm.tells or alarm.peak_level is Level.RED
            if incident is None or not told or moved.move not in (_COUNTS | UP):
                continue
            if moved.move in _COUNTS or alarm.level is Level.RED:
                self._new.append((alarm, incident))
            if moved.move in _COUNTS:
                flow = self.floods.flow(incident, self.escalation)
                arrivals.setdefault(f"{flow.desk}/{flow.drill}", (flow, []))[1].append((alarm, incident))
        effects: list[Effect] = []
        for flow, new in arrivals.values():
            effects += self._ebb(flow, stamp)
            was = flow.flood
            effects += flow.arrive(new, incidents, self.escalation, stamp)
            if flow.flood is not None and flow.flood is not was:
                note = because("flood_began", ids=flow.flood.id, n=len(flow.recent), desk=flow.desk)
                effects.append(IncidentEvent(stamp.next_id(), new[-1][1].id, stamp.now_us, "flood_began", "", note))
        return effects

    def rest(self, stamp: Stamp) -> list[Effect]:
        """Tell whoever was told of an incident of the alarms that joined it in a flood and that no notice named."""
        effects: list[Effect] = []
        for alarm, incident in self._new:
            flood = self.floods.flow(incident, self.escalation).flood
            for name, (_, channel, via) in incident.told.items() if flood else ():
                person = self.escalation.people.get(name)
                if flood is not None and person is not None:
                    effects += self._join(flood, alarm, incident, person, channel, via, stamp)
        self._new = []
        return effects

    def _join(
        self, flood: Flood, alarm: Alarm, incident: Incident, person: Person, channel: str, via: str, stamp: Stamp
    ) -> list[Effect]:
        said = flood.said.get(person.id, set())
        if alarm.id in said or flood.waits(incident, person.id, alarm.id):
            return []
        due = Due(incident.round, 0, list(incident.alarms).index(alarm.id), stamp.now_us)
        if alarm.level is Level.RED or alarm.id in flood.firsts:
            return self.tell(incident, person, (channel,), via, "update", due, stamp, alarm)
        return [flood.gather(incident, person, (channel,), via, "update", due, [alarm], stamp)]

    def due_us(self) -> int | None:
        """When the next digest goes out or the next flood ends."""
        return self.floods.due_us()

    def tick(self, stamp: Stamp) -> list[Effect]:
        """Send the digests that are due, and end the floods that are over."""
        effects: list[Effect] = []
        for flow in self.floods.flows.values():
            effects += self._ebb(flow, stamp)
            if flow.flood is not None:
                effects += self._send(flow.flood, stamp.now_us)
        return effects

    def finish(self, stamp: Stamp) -> list[Effect]:
        """End every flood now: nothing comes any more."""
        return [effect for flow in self.floods.flows.values() for effect in self._end(flow, stamp.now_us)]

    def _ebb(self, flow: Flow, stamp: Stamp) -> list[Effect]:
        """End a flood if it is over."""
        over = flow.flood is not None and flow.ebbs_us() <= stamp.now_us
        return self._end(flow, max(flow.ebbs_us(), flow.flood.started_us)) if over and flow.flood else []

    def _end(self, flow: Flow, over_us: int) -> list[Effect]:
        """What waits goes out, then everybody who was told of the flood gets the whole list."""
        flood = flow.flood
        if flood is None:
            return []
        effects = self._send(flood, None)
        effects += [ending(self.city, self.escalation, flood, told, over_us) for told in flood.told.values()]
        flow.flood = None
        return [*effects, flood.row(over_us)]

    def _send(self, flood: Flood, by_us: int | None) -> list[Effect]:
        """The digests that are due (None: all), each with the flood's row."""
        effects: list[Effect] = []
        for key, waiting in list(flood.waiting.items()):
            if by_us is None or waiting.due_us <= by_us:
                del flood.waiting[key]
                flood.digests += 1
                effects.append(digest(self.city, self.escalation, flood, waiting))
        return [*effects, flood.row()] if effects else []


def in_digests(reason: str, effects: Sequence[Effect]) -> str:
    """The reason of an escalation step, with the digests that its notices wait for if they did not go out singly."""
    names = dict.fromkeys(effect.digest for effect in effects if isinstance(effect, NoticeGathered))
    return because("in_digest", told=reason, ids=", ".join(names)) if names else reason
