"""The desk: takes what happened to alarms, keeps the incidents, and runs their escalation chains.

Every step of a chain is a row with an absolute due time from the moment its round begins. A round begins when an
incident opens and whenever its level rises, acknowledged or not; an acknowledgement that expires begins one too. Steps
found overdue together (after downtime) tell each person once, marked late. Nobody on duty: the next step fires now,
after the last one the fallback.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from city.clock import from_us
from city.geo import Place
from city.levels import Level
from city.model import City
from rules.alarm.alarm import UP, Alarm, Hold, Move, Moved
from rules.desk.floods import Floods
from rules.desk.incidents import ONLY_SAID, STAGES, UNDER_WAY, Due, Incident, Nearby, close_alarms, refusal
from rules.desk.plan import Chain, ChainStep, Escalation
from rules.desk.stamp import Stamp
from rules.desk.telling import Telling, in_digests
from rules.effects import AlarmSet, Effect, EscalationSet, IncidentEvent
from rules.inputs import CommandIn, CommandKind

_REOPENS = UP | {Move.RELEASED}
_SHOWS = UP | {Move.REVISED}


def _was_red(alarm: Alarm) -> bool:
    """Whether an alarm was red, is over already, and was not held meanwhile."""
    return not alarm.stands and alarm.peak_level is Level.RED and alarm.hold is Hold.NONE


@dataclass
class Desk:
    """All incidents of a city. `where` gives an alarm's place."""

    city: City
    escalation: Escalation
    where: Callable[[Alarm], Place]
    incidents: dict[str, Incident]
    floods: Floods = field(default_factory=Floods)
    telling: Telling = field(init=False)
    _nearby: Nearby = field(init=False)

    def __post_init__(self) -> None:
        self.telling = Telling(self.city, self.escalation, self.floods)
        self._nearby = Nearby(self.incidents)

    def take(self, moves: list[Moved], stamp: Stamp) -> list[Effect]:
        """Group newly raised (and newly released) alarms, follow the levels of the others; held ones count nowhere."""
        effects: list[Effect] = []
        touched: dict[str, Incident] = {}
        over: dict[str, Incident] = {}
        released: dict[str, dict[str, Hold]] = {}
        for moved in moves:
            incident = self.incidents.get(moved.alarm.incident)
            if moved.alarm.tells and (incident is None or (moved.move in _REOPENS and not incident.open)):
                incident = self._admit(moved, stamp, effects)
            elif not moved.alarm.incident and moved.move in _SHOWS and _was_red(moved.alarm):
                incident = self._admit(moved, stamp, effects)
                over[incident.id] = incident
            if incident is not None:
                incident.alarms[moved.alarm.id] = moved.alarm  # a revised alarm is a new object
                touched[incident.id] = incident
                if moved.move is Move.RELEASED and moved.alarm.tells:
                    released.setdefault(incident.id, {})[moved.alarm.id] = moved.from_hold
        effects += self.telling.arrive(moves, self.incidents, stamp)
        for incident in over.values():
            self._tell_over(incident, stamp, effects)
        for incident in touched.values():
            if incident.open:
                self._follow_level(incident, released.get(incident.id, {}), stamp, effects)
            effects.append(incident.row())
        return effects + self.telling.rest(stamp)

    def command(self, command: CommandIn, stamp: Stamp) -> tuple[list[Effect], list[Moved]]:
        """Carry out (or refuse, with a reason) what a person said."""
        incident = self.incidents.get(command.incident)
        if incident is None or not isinstance(command.kind, CommandKind):
            return [], []
        why = refusal(incident, command)
        if why:
            note = f"{why}; {command.note}" if command.note else why
            return [self._event(incident, stamp, f"refused_{command.kind}", command.actor, note)], []
        note = f"{command.note} (by {command.via})" if command.note else f"by {command.via}"
        effects: list[Effect] = [self._event(incident, stamp, command.kind, command.actor, note)]
        moves: list[Moved] = []
        if command.kind in ONLY_SAID:
            return effects, moves
        if command.kind in STAGES:
            incident.stage = STAGES[command.kind][1]
        if command.kind is CommandKind.CLOSE:
            incident.closed_us = stamp.now_us
            moves = close_alarms(incident, stamp.now_us)
        incident.acknowledged, incident.acknowledged_us = True, stamp.now_us
        for alarm in incident.alarms.values():
            alarm.acknowledged = True
        if incident.stage in ("false_alarm", "closed"):
            self._cancel(incident, effects, f"the incident is {incident.stage}")
        effects.append(incident.row())
        return effects, moves

    def end(self, incident: Incident, kind: str, note: str, stamp: Stamp) -> list[Effect]:
        """Close an incident, whatever stands and whoever has not reported: only a drill's end does that."""
        incident.stage, incident.closed_us = "closed", stamp.now_us
        effects: list[Effect] = [self._event(incident, stamp, kind, "", note)]
        self._cancel(incident, effects, note)
        return [*effects, incident.row()]

    def forget_closed(self) -> None:
        """Closed incidents stay in the database; here they are needed only while their alarms stand."""
        for incident in [i for i in self.incidents.values() if not i.open and not i.stands]:
            del self.incidents[incident.id]
            self._nearby.forget(incident)

    def due_us(self) -> int | None:
        """When the next escalation step or expiry is due."""
        dues = [due.due_us for incident in self.incidents.values() if incident.open for due in incident.due]
        dues += [at for incident in self.incidents.values() if (at := self._expiry_us(incident)) is not None]
        dues += [at] if (at := self.telling.due_us()) is not None else []
        return min(dues, default=None)

    def tick(self, stamp: Stamp) -> list[Effect]:
        """Fire what is due."""
        effects: list[Effect] = []
        for incident in [i for i in self.incidents.values() if i.open]:
            expiry_us = self._expiry_us(incident)
            if expiry_us is not None and expiry_us <= stamp.now_us:
                self._unacknowledge(incident, effects)
                effects.append(self._event(incident, stamp, "acknowledgement_expired", "", f"at {incident.level.word}"))
                self._begin(incident, stamp, effects)
                effects.append(incident.row())
            self._fire_due(incident, stamp, effects)
        return effects + self.telling.tick(stamp)

    def _expiry_us(self, incident: Incident) -> int | None:
        clocks = self.escalation.clocks.get(incident.level)
        hold_us = clocks.expires_us if clocks else None
        if not incident.open or not incident.acknowledged or hold_us is None or incident.stage in UNDER_WAY:
            return None
        return incident.acknowledged_us + hold_us

    def _admit(self, moved: Moved, stamp: Stamp, effects: list[Effect]) -> Incident:
        """Let an alarm join the incident it belongs to, or open one for it."""
        alarm, place = moved.alarm, self.where(moved.alarm)
        found = self._nearby.closest(alarm, place)
        if found is not None:
            incident, why = found
            kind, note = "joined", f"{alarm.id}: {why}"
            if incident.chain is None:  # what came first had nobody to tell
                incident.chain = self.escalation.chains.get(alarm.escalate)
        else:
            chain = self.escalation.chains.get(alarm.escalate)
            incident = Incident(
                self._new_id(alarm), alarm.site, alarm.district, place, self._title(alarm), alarm.id, alarm.diagnostic,
                alarm.raised_us, alarm.raised_us, chain, drill=alarm.drill,
            )  # fmt: skip
            self.incidents[incident.id] = incident
            self._nearby.note(incident)
            kind, note = "opened", f"first alarm {alarm.id}: {moved.reason}"
        if not alarm.incident:
            alarm.acknowledged = False  # it may have passed, so far as was known, before late data came
        alarm.incident = incident.id
        incident.alarms[alarm.id] = alarm
        incident.newest_us = max(incident.newest_us, alarm.raised_us)
        effects.append(self._event(incident, stamp, kind, "", note))
        return incident

    def _new_id(self, alarm: Alarm) -> str:
        """The incident's name is its first alarm's, numbered when that alarm had one before, closed meanwhile."""
        base = "I" + alarm.id[1:]
        names = (base if n == 1 else f"{base}-{n}" for n in count(1))
        return next(name for name in names if name not in self.incidents and name != alarm.incident)

    def _title(self, alarm: Alarm) -> dict[str, str]:
        """What and where, by language."""
        site = self.city.sites.get(alarm.site)
        return {
            language: f"{text} · {site.name.in_(language) if site else alarm.site}"
            for language, text in alarm.title.items()
        }

    def _follow_level(self, incident: Incident, released: dict[str, Hold], stamp: Stamp, effects: list[Effect]) -> None:
        """Follow the highest level that is not held. `released`: its alarms whose holds just ended."""
        was, now, stands = incident.level, incident.standing(), incident.stands
        if now is not was:
            incident.level, incident.peak_level = now, max(incident.peak_level, now)
            held = ", what stands is held" if stands and now is Level.NONE else ""
            effects.append(self._event(incident, stamp, "level", "", f"{was.word} to {now.word}{held}"))
        if now > was or (released and now):
            incident.title = self._title(incident.gravest())  # speak of the worst; `first_alarm` keeps what came first
            incident.acknowledged, incident.released = False, released
            for alarm, hold in released.items():
                effects.append(self._event(incident, stamp, "released", "", f"{alarm}: no longer {hold}, it stands"))
            self._begin(incident, stamp, effects)
            self._fire_due(incident, stamp, effects)
        elif now is Level.NONE and now is not was:
            self._cancel(incident, effects, "what stands is held" if stands else "all clear")
        if not stands and incident.owes_clear:
            self._tell_clear(incident, stamp, effects)

    def _tell_over(self, incident: Incident, stamp: Stamp, effects: list[Effect]) -> None:
        """Late data show a red alarm that was over before anybody could be told: tell it now, and that it is over."""
        if incident.level is Level.NONE:
            incident.level = incident.peak_level = Level.RED
            effects.append(self._event(incident, stamp, "level", "", "red, and over since"))
            self._begin(incident, stamp, effects)
            self._fire_due(incident, stamp, effects)

    def _tell_clear(self, incident: Incident, stamp: Stamp, effects: list[Effect]) -> None:
        """Whoever was told of something is told that nothing stands any more, also when it was held by then."""
        incident.owes_clear = False
        for person, (_, channel, via) in incident.told.items():
            if person in self.escalation.people:
                target = self.escalation.people[person]
                due = Due(incident.round, 0, 0, stamp.now_us)
                effects += self.telling.tell(incident, target, (channel,), via, "clear", due, stamp)

    def _unacknowledge(self, incident: Incident, effects: list[Effect]) -> None:
        incident.acknowledged, incident.released = False, {}
        for alarm in incident.alarms.values():
            if alarm.stands:
                alarm.acknowledged = False
                effects.append(AlarmSet(replace(alarm)))

    def _begin(self, incident: Incident, stamp: Stamp, effects: list[Effect]) -> None:
        """Begin a new round of the chain."""
        self._cancel(incident, effects, "a new round began")
        incident.round += 1
        chain = incident.chain
        if chain is None:
            note = "no escalation chain: add `escalate:` to the rule and the chain to escalation.yaml"
            effects.append(self._event(incident, stamp, "no_chain", "", note))
            return
        incident.due = [Due(incident.round, at, 0, stamp.now_us + s.after_us) for at, s in enumerate(chain.steps)]
        effects += [self._due(incident, due, "due", "") for due in incident.due]

    def _fire_due(self, incident: Incident, stamp: Stamp, effects: list[Effect]) -> None:
        told_now: set[str] = set()
        while incident.chain is not None and (ready := [d for d in incident.due if d.due_us <= stamp.now_us]):
            due = min(ready, key=lambda d: (d.due_us, d.step))
            incident.due.remove(due)
            effects += self._fire(incident, incident.chain, due, told_now, stamp)

    def _fire(self, incident: Incident, chain: Chain, due: Due, told_now: set[str], stamp: Stamp) -> list[Effect]:
        step = chain.steps[due.step]
        skip = self._skip(incident, step)
        if skip:
            return [self._due(incident, due, "skipped", skip)]
        effects: list[Effect] = []
        now = from_us(stamp.now_us)
        people, via, reason = self.escalation.who(step.notify, now), step.notify, f"told {step.notify}"
        if not people:
            effects.append(self._event(incident, stamp, "nobody_on_duty", "", step.notify))
            reason = f"nobody behind {step.notify}; the next step fires now"
            later = [d for d in incident.due if d.step == due.step + 1 and d.repeat == 0]
            incident.due = [replace(d, due_us=stamp.now_us) if d in later else d for d in incident.due]
            if not later and chain.fallback:
                people, via = self.escalation.who(chain.fallback, now), chain.fallback
                reason = f"nobody behind {step.notify}; told the fallback {chain.fallback}"
        kind = "repeat" if due.repeat else "raise"
        for person in people:
            if person.id not in told_now:
                told_now.add(person.id)
                effects += self.telling.tell(incident, person, step.via, via, kind, due, stamp)
                incident.told[person.id] = (person.name.get("en", person.id), step.via[0], via)
                incident.owes_clear = True
        effects.append(self._due(incident, due, "fired", reason + in_digests(effects)))
        if step.repeat_us and not incident.met(step.until):
            again = Due(due.round, due.step, due.repeat + 1, stamp.now_us + step.repeat_us)
            incident.due.append(again)
            effects.append(self._due(incident, again, "due", ""))
        return effects

    def _skip(self, incident: Incident, step: ChainStep) -> str:
        if step.levels and incident.level not in step.levels:
            return f"not for {incident.level.word}"
        if step.unless and incident.met(step.unless):
            return f"already {step.unless}"
        return ""

    def _cancel(self, incident: Incident, effects: list[Effect], why: str) -> None:
        effects += [self._due(incident, due, "cancelled", why) for due in incident.due]
        incident.due = []

    def _due(self, incident: Incident, due: Due, state: str, reason: str) -> EscalationSet:
        return EscalationSet(incident.id, due.round, due.step, due.repeat, due.due_us, state, reason)

    def _event(self, incident: Incident, stamp: Stamp, kind: str, actor: str, note: str) -> IncidentEvent:
        return IncidentEvent(stamp.next_id(), incident.id, stamp.now_us, kind, actor, note)
