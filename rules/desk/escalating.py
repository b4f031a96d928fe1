"""Chains at work: whom the incident's own copy of its chain tells, when, and what follows when nobody is there.

Every step is a row with an absolute due time from the moment its round begins, and is settled once: fired, skipped or
cancelled. A step whose people are not there (nobody on duty, or whoever is cannot go) makes the next one fire now, and
after the last one the fallback; so does a clock that runs out. When the fallback reaches nobody either, everybody who
was told before is told again; a red incident that reaches nobody at all is tried again every `TRY_AGAIN_US`.

Steps due together tell a person once by each channel; those found overdue (after downtime) once, marked late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from city.clock import from_us
from city.levels import Level
from rules.desk.incidents import Due, Incident
from rules.desk.notices import LATE_US
from rules.desk.plan import Chain, ChainStep, Escalation, Person
from rules.desk.sight import Sight
from rules.desk.stamp import Stamp
from rules.desk.telling import Telling, in_digests
from rules.effects import Effect, EscalationSet, IncidentEvent
from rules.reasons import also, because

DAY_US = 24 * 3600 * 1_000_000
TRY_AGAIN_US = 5 * 60 * 1_000_000


@dataclass
class Calling:
    """One handling of one incident: nobody is told the same twice in it. `late_us`: since when it should have happened.

    `told` has each person with the channel by which they were told; `overdue`: they should have been told before.
    """

    stamp: Stamp
    late_us: int | None = None
    kind: str = ""
    forced: bool = False
    overdue: bool = False
    told: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Escalating:
    """The chains of all incidents."""

    escalation: Escalation
    sight: Sight
    telling: Telling

    def begin(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """Begin a new round of the chain: from step one on, also for those who could not go."""
        effects = self.cancel(incident, stamp, because("new_round"))
        incident.round += 1
        incident.extras, incident.cannot, incident.owners, incident.quiet = 0, (), (), False
        incident.nobody, incident.missed = (), ()
        chain = incident.chain
        if chain is None:
            return [*effects, event(incident, stamp, "no_chain", because("no_chain"))]
        incident.due = [Due(incident.round, at, 0, stamp.now_us + s.after_us) for at, s in enumerate(chain.steps)]
        return effects + [_row(incident, due, "due", "") for due in incident.due]

    def cancel(self, incident: Incident, stamp: Stamp, why: str) -> list[Effect]:
        """Nothing of this round is to happen any more."""
        ended, incident.due = incident.due, []
        return [_row(incident, due, "cancelled", why, stamp) for due in ended]

    def fire_due(self, incident: Incident, calling: Calling) -> list[Effect]:
        """Fire what is due, the earliest first."""
        effects: list[Effect] = []
        while incident.chain is not None and (ready := [d for d in incident.due if d.due_us <= calling.stamp.now_us]):
            due = min(ready, key=lambda d: (d.due_us, d.step))
            effects += self._fire(incident, incident.chain, due, calling)
        return effects

    def hurry(self, incident: Incident, calling: Calling, why: str) -> list[Effect]:
        """The next step that has not fired does so now; the fallback when there is none left."""
        chain = incident.chain
        if chain is None:
            return []
        waiting = [d for d in incident.due if d.repeat == 0 and self._is_step_for(incident, chain, d)]
        if waiting:
            return self._fire(incident, chain, min(waiting, key=lambda d: d.step), calling, why)
        again = next((d for d in incident.due if d.step == len(chain.steps)), None)
        if again is None:
            again = self._extra(incident, chain, calling.stamp.now_us)
        return self._fall_back(incident, chain, again, calling, why)

    def _is_step_for(self, incident: Incident, chain: Chain, due: Due) -> bool:
        if due.step >= len(chain.steps):
            return False
        levels = chain.steps[due.step].levels
        return not levels or incident.level in levels

    def _fire(self, incident: Incident, chain: Chain, due: Due, calling: Calling, why: str = "") -> list[Effect]:
        if due.step >= len(chain.steps):
            return self._fall_back(incident, chain, due, calling, why or because("tried_again"))
        incident.due.remove(due)
        step, effects = chain.steps[due.step], []
        skip = self._skip(incident, step, due, calling)
        if skip:
            effects += self.quieten(incident, calling.stamp) if skip == because("quiet_step") else []
            return [*effects, _row(incident, due, "skipped", skip, calling.stamp)]
        people = self._reachable(incident, step.notify, calling.stamp)
        if people:
            kind = calling.kind or ("repeat" if due.repeat else "raise")
            told = self._tell(incident, people, step.via, step.notify, kind, due, calling)
            reason = because("told_because" if why else "told", notify=step.notify, why=why)
            effects += [*told, _row(incident, due, "fired", in_digests(reason, told), calling.stamp)]
        else:
            effects += self._nobody(incident, step.notify, due, calling)
        return effects + self._again(incident, step, due, calling.stamp)

    def _skip(self, incident: Incident, step: ChainStep, due: Due, calling: Calling) -> str:
        if step.levels and incident.level not in step.levels:
            return because("not_for", level=incident.level.word)
        ends = step.until if due.repeat else step.unless
        if ends and incident.met(ends) and not calling.forced:
            return because("already", stage=ends)
        return because("quiet_step") if due.repeat and self.is_dead(incident, calling.stamp) else ""

    def _again(self, incident: Incident, step: ChainStep, due: Due, stamp: Stamp) -> list[Effect]:
        """The step's next repeat, if it has one."""
        capped = step.times and due.repeat >= step.times and incident.level is not Level.RED
        if not step.repeat_us or capped or (step.until and incident.met(step.until)):
            return []
        again = Due(due.round, due.step, due.repeat + 1, stamp.now_us + step.repeat_us)
        incident.due.append(again)
        return [_row(incident, again, "due", "")]

    def _nobody(self, incident: Incident, target: str, due: Due, calling: Calling) -> list[Effect]:
        stamp = calling.stamp
        key = "nobody_can_go" if self._who(target, stamp) else "nobody_on_duty"
        incident.nobody = tuple(dict.fromkeys((*incident.nobody, target)))
        return [
            event(incident, stamp, "nobody_on_duty", because(key, notify=target)),
            _row(incident, due, "fired", because("next_now", notify=target), stamp),
            *self.hurry(incident, replace(calling, told=calling.told), because("nobody_behind", notify=target)),
        ]

    def _extra(self, incident: Incident, chain: Chain, due_us: int) -> Due:
        """A call of the fallback, beyond the chain's own steps."""
        due = Due(incident.round, len(chain.steps), incident.extras, due_us)
        incident.extras += 1
        incident.due.append(due)
        return due

    def _fall_back(self, incident: Incident, chain: Chain, due: Due, calling: Calling, why: str) -> list[Effect]:
        """Tell the fallback; when that is nobody, all who were told before; a red one is tried again for ever."""
        incident.due.remove(due)
        stamp, via = calling.stamp, chain.fallback
        people = self._reachable(incident, via, stamp) if via else []
        kind = calling.kind or ("no_duty" if incident.nobody else "raise")
        reason = also(why, because("told_fallback", notify=via))
        if not people:
            people, via = self._anybody(incident, chain, stamp), "everybody"
            reason = also(why, because("told_everybody"))
        if people:
            told = self._tell(incident, people, self._ways(chain, via), via, kind, due, calling)
            return [*told, _row(incident, due, "fired", in_digests(reason, told), stamp)]
        reason = also(why, because("nobody_to_tell"))
        effects: list[Effect] = [
            event(incident, stamp, "nobody_left", reason),
            _row(incident, due, "fired", reason, stamp),
        ]
        if incident.level is Level.RED:
            again = self._extra(incident, chain, stamp.now_us + TRY_AGAIN_US)
            effects.append(_row(incident, again, "due", because("nobody_reached")))
        return effects

    def _anybody(self, incident: Incident, chain: Chain, stamp: Stamp) -> list[Person]:
        """Who is left to tell: those told before, else whoever is behind any step or the fallback, even if unable."""
        known = self.escalation.people
        told = [known[name] for name in incident.told if name in known]
        able = [person for person in told if person.id not in incident.cannot]
        targets = [*(step.notify for step in chain.steps), chain.fallback]
        others = {p.id: p for target in targets if target for p in self._who(target, stamp)}
        return able or list(others.values()) or told

    def _who(self, target: str, stamp: Stamp) -> list[Person]:
        return self.escalation.who(target, from_us(stamp.now_us))

    def _reachable(self, incident: Incident, target: str, stamp: Stamp) -> list[Person]:
        """Who is behind a target and can go."""
        return [person for person in self._who(target, stamp) if person.id not in incident.cannot]

    def _ways(self, chain: Chain, via: str) -> tuple[str, ...]:
        """The channels for a call that no step describes: those of the chain's steps, in their order."""
        own = [step.via for step in chain.steps if step.notify == via] or [step.via for step in chain.steps]
        return tuple(dict.fromkeys(channel for ways in own for channel in ways))

    def _usable(self, incident: Incident, ways: Sequence[str]) -> tuple[str, ...]:
        """Those channels that there are; a channel that fails does not tell of it. Rather any channel than none."""
        failing = self.sight.failing() if incident.alone else frozenset()
        known = [channel for channel in ways if channel in self.escalation.channels]
        every = known or list(self.escalation.channels)
        others = [channel for channel in self.escalation.channels if channel not in failing]
        return tuple([channel for channel in every if channel not in failing] or others or every or ways)

    def _tell(
        self, incident: Incident, people: Sequence[Person], ways: Sequence[str], via: str, kind: str, due: Due,
        calling: Calling,
    ) -> list[Effect]:  # fmt: skip
        """Tell those who were not told in this handling; each hears who else is."""
        stamp, channels = calling.stamp, self._usable(incident, ways)
        late_us = min(due.due_us, calling.late_us if calling.late_us is not None else due.due_us)
        due = replace(due, due_us=late_us)
        calling.overdue = calling.overdue or stamp.now_us - late_us > LATE_US
        told = {name for name, channel in calling.told if calling.overdue or channel == channels[0]}
        new = [person for person in people if person.id not in told]
        for person in new:
            if all(name != person.id for name, _ in calling.told):  # updates go by the first of several channels
                incident.told[person.id] = (person.name.get("en", person.id), channels[0], via)
            calling.told.add((person.id, channels[0]))
            incident.told_us[person.id] = stamp.now_us
            incident.owes_clear = True
        return [e for p in new for e in self.telling.tell(incident, p, channels, via, kind, due, stamp)]

    # -- incidents nobody hears of any more ------------------------------------------------------------------------

    def is_dead(self, incident: Incident, stamp: Stamp) -> bool:
        """Whether there is no new reading for a day, and it is not red."""
        heard_us = max((self.sight.heard_us(a) for a in incident.alarms.values() if a.stands), default=stamp.now_us)
        return incident.level is not Level.RED and stamp.now_us - heard_us >= DAY_US

    def quieten(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """Say once that it is listed and not told again."""
        if incident.quiet:
            return []
        incident.quiet = True
        return [event(incident, stamp, "quiet", because("quiet"))]


def event(incident: Incident, stamp: Stamp, kind: str, note: str, actor: str = "", person: str = "") -> IncidentEvent:
    """One thing that happened to an incident."""
    return IncidentEvent(stamp.next_id(), incident.id, stamp.now_us, kind, actor, note, person)


def _row(incident: Incident, due: Due, state: str, reason: str, stamp: Stamp | None = None) -> EscalationSet:
    settled_us = stamp.now_us if stamp is not None else None
    return EscalationSet(incident.id, due.round, due.step, due.repeat, due.due_us, state, reason, settled_us)
