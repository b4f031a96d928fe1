"""The desk: takes what happened to alarms, keeps the incidents, and lets their chains and clocks run.

A round of the chain begins when an incident opens and whenever its level rises, acknowledged or not, when what was held
stands again, and when an acknowledgement expires. The level goes up at once. It goes down to a lower one that still
stands only when that has held for `Grouping.falls_after_us`; to none at once, since each alarm's own `clear_after` has
held already.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

from city.display import placed
from city.levels import Level
from city.model import City
from rules.alarm.alarm import UP, Alarm, Hold, Move, Moved
from rules.alarm.platform import of_platform
from rules.desk import clocks
from rules.desk.agenda import Agenda
from rules.desk.escalating import Calling, Escalating, event
from rules.desk.floods import Floods
from rules.desk.grouping import Nearby
from rules.desk.incidents import SETTLED, UNDER_WAY, Due, Incident
from rules.desk.loop import ONLY_SAID, carry_out, close_alarms, refusal, reopen, speaker, step_down
from rules.desk.plan import Escalation
from rules.desk.sight import Sight
from rules.desk.stamp import Stamp
from rules.desk.telling import Telling
from rules.effects import AlarmSet, Effect
from rules.inputs import CommandIn, CommandKind
from rules.reasons import because

_REOPENS = UP | {Move.RELEASED}
_SHOWS = UP | {Move.REVISED}


def _was_red(alarm: Alarm) -> bool:
    """Whether an alarm was red, is over already, and was not held meanwhile."""
    return not alarm.stands and alarm.peak_level is Level.RED and alarm.hold is Hold.NONE


@dataclass
class Desk:
    """All incidents of a city."""

    city: City
    escalation: Escalation
    sight: Sight
    incidents: dict[str, Incident]
    floods: Floods = field(default_factory=Floods)
    telling: Telling = field(init=False)
    escalating: Escalating = field(init=False)
    _nearby: Nearby = field(init=False)
    _agenda: Agenda = field(default_factory=Agenda)
    _closed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.telling = Telling(self.city, self.escalation, self.floods, self.sight)
        self.escalating = Escalating(self.escalation, self.sight, self.telling)
        self._nearby = Nearby(self.incidents, self.escalation.grouping)
        self.look_again()

    # -- alarms ----------------------------------------------------------------------------------------------------

    def take(self, moves: list[Moved], stamp: Stamp) -> list[Effect]:
        """Group newly raised (and newly released) alarms, follow the levels of the others; held ones count nowhere."""
        effects: list[Effect] = []
        touched: dict[str, Incident] = {}
        over: dict[str, Incident] = {}
        released: dict[str, dict[str, Hold]] = {}
        back: set[str] = set()
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
                    released.setdefault(incident.id, {})[moved.alarm.id] = moved.was_held
                if moved.move is Move.DATA_BACK:
                    back.add(incident.id)
        effects += self.telling.arrive(moves, self.incidents, stamp)
        for incident in over.values():
            effects += self._tell_over(incident, stamp)
        for incident in touched.values():
            if incident.open:
                effects += self._follow_level(incident, released.get(incident.id, {}), stamp)
                effects += self._wake(incident, stamp) if incident.id in back else []
            effects.append(incident.row())
            self._note(incident)
        return effects + self.telling.rest(stamp)

    def _admit(self, moved: Moved, stamp: Stamp, effects: list[Effect]) -> Incident:
        """Let an alarm join the incident it belongs to, or open one for it."""
        alarm, place = moved.alarm, self.sight.where(moved.alarm)
        found = self._nearby.closest(alarm, place)
        if found is not None:
            incident, why = found
            kind, note = "joined", because("joined", alarm=alarm.id, why=why)
            if incident.chain is None:  # what came first had nobody to tell
                incident.chain = self.escalation.chains.get(alarm.escalate)
        else:
            chain = self.escalation.chains.get(alarm.escalate)
            incident = Incident(
                self._new_id(alarm), alarm.site, alarm.district, place, self._title(alarm), alarm.id, alarm.diagnostic,
                alarm.raised_us, alarm.raised_us, chain, drill=alarm.drill, alone=of_platform(alarm),
            )  # fmt: skip
            self.incidents[incident.id] = incident
            self._nearby.note(incident)
            kind, note = "opened", because("opened", alarm=alarm.id, why=moved.reason)
        if not alarm.incident:
            alarm.acknowledged = False  # it may have passed, so far as was known, before late data came
        alarm.incident = incident.id
        incident.alarms[alarm.id] = alarm
        incident.newest_us = max(incident.newest_us, alarm.raised_us)
        incident.version += 1
        effects.append(event(incident, stamp, kind, note))
        return incident

    def _new_id(self, alarm: Alarm) -> str:
        """The incident's name is its first alarm's, numbered when that alarm had one before, closed meanwhile."""
        base = "I" + alarm.id[1:]
        names = (base if n == 1 else f"{base}-{n}" for n in count(1))
        return next(name for name in names if name not in self.incidents and name != alarm.incident)

    def _title(self, alarm: Alarm) -> dict[str, str]:
        """What and where, by language."""
        site = self.city.sites.get(alarm.site)
        where = {language: site.name.in_(language) if site else alarm.site for language in alarm.title}
        return {language: placed(text, where[language]) for language, text in alarm.title.items()}

    # -- levels ----------------------------------------------------------------------------------------------------

    def _follow_level(self, incident: Incident, released: dict[str, Hold], stamp: Stamp) -> list[Effect]:
        """Follow the highest level that is not held. `released`: its alarms whose holds just ended."""
        was, stands = incident.level, incident.stands
        now = self._holding(incident, incident.standing(), stamp)
        effects: list[Effect] = []
        if now is not was:
            key = "level_held" if stands and now is Level.NONE else "level"
            effects += self._move(incident, now, key, stamp)
        if now > was or (released and now):
            incident.title = self._title(incident.gravest())  # speak of the worst; `first_alarm` keeps what came first
            incident.released = released
            for alarm, hold in released.items():
                effects.append(event(incident, stamp, "released", because("released", alarm=alarm, hold=hold)))
            effects += self._begin(incident, stamp)
        elif now is Level.NONE and now is not was:
            why = because("what_stands_is_held" if stands else "all_clear")
            effects += self.escalating.cancel(incident, stamp, why)
            effects += clocks.rest(incident, stamp, why)
        if not stands and incident.owes_clear:
            incident.owes_clear = False
            effects += self._tell_all(incident, "clear", Due(incident.round, 0, 0, stamp.now_us), stamp)
        return effects

    def _holding(self, incident: Incident, standing: Level, stamp: Stamp) -> Level:
        """The level that an incident is to have now: a lower one that stands must hold for a while."""
        after_us = self.escalation.grouping.falls_after_us
        if standing is Level.NONE or standing >= incident.level or not after_us:
            incident.falls_us, incident.lower = None, Level.NONE
            return standing
        if incident.falls_us is None:
            incident.falls_us, incident.lower = stamp.now_us + after_us, standing
        incident.lower = max(incident.lower, standing)
        return incident.level

    def _move(self, incident: Incident, now: Level, key: str, stamp: Stamp, **more: str) -> list[Effect]:
        was, incident.level = incident.level, now
        incident.peak_level = max(incident.peak_level, now)
        incident.version += 1
        return [event(incident, stamp, "level", because(key, was=was.word, now=now.word, **more))]

    def _fall(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """The lower level has held: tell whoever was told, without calling anybody else."""
        if incident.falls_us is None or incident.falls_us > stamp.now_us:
            return []
        now, incident.falls_us = incident.lower, None
        minutes = self.escalation.grouping.falls_after_us / 60e6
        effects = self._move(incident, now, "level_waited", stamp, minutes=f"{minutes:g}")
        self._holding(incident, incident.standing(), stamp)
        return effects if incident.stage == "false_alarm" else effects + self._update(incident, stamp)

    def _begin(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """What stands calls people: a new round, from step one, and the clocks of the level."""
        incident.acknowledged = False
        effects: list[Effect] = []
        if incident.stage in SETTLED:
            reopen(incident)
            incident.version += 1
            effects.append(event(incident, stamp, "reopened", because("reopened", level=incident.level.word)))
        effects += self.escalating.begin(incident, stamp)
        if incident.chain is not None or not incident.diagnostic:  # of what is only listed nobody is asked for anything
            effects += clocks.begin(incident, self.escalation.clocks.get(incident.level), stamp)
        return effects + self.escalating.fire_due(incident, Calling(stamp))

    def _tell_over(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """Late data show a red alarm that was over before anybody could be told: tell it now, and that it is over."""
        if incident.level is not Level.NONE:
            return []
        return [*self._move(incident, Level.RED, "level_over", stamp), *self._begin(incident, stamp)]

    def _wake(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """Readings are back of something that was only listed any more, and it still stands."""
        if not incident.quiet or incident.level is Level.NONE:
            return []
        incident.quiet = False
        effects: list[Effect] = [event(incident, stamp, "readings_back", because("readings_back"))]
        return effects if incident.acknowledged else effects + self._begin(incident, stamp)

    # -- commands --------------------------------------------------------------------------------------------------

    def command(self, command: CommandIn, stamp: Stamp) -> tuple[list[Effect], list[Moved]]:
        """Carry out (or refuse, with a reason) what a person said."""
        incident = self.incidents.get(command.incident)
        if incident is None or not isinstance(command.kind, CommandKind):
            return [], []
        names, ids = speaker(command, self.escalation.people.values())
        why = refusal(incident, command, names)
        if why:
            note = because("also", one=why, other=command.note) if command.note else why
            return [event(incident, stamp, f"refused_{command.kind}", note, command.actor, command.person)], []
        note = because("noted" if command.note else "noted_bare", note=command.note, via=command.via)
        effects: list[Effect] = [event(incident, stamp, command.kind, note, command.actor, command.person)]
        incident.version += 1
        was = incident.stage
        carry_out(incident, command, names, stamp.now_us)
        if command.kind is CommandKind.CANNOT_GO:
            effects += self._cannot_go(incident, names, ids, stamp)
        elif command.kind not in ONLY_SAID:
            effects += clocks.settle(incident, stamp, because("said_by", kind=command.kind, actor=command.actor))
        if incident.stage != was and incident.stage in ("false_alarm", "closed"):
            effects += self.escalating.cancel(incident, stamp, because("incident_is", stage=incident.stage))
            effects += self._update(incident, stamp, but=ids)
        moves = close_alarms(incident, stamp.now_us) if not incident.open else []
        effects.append(incident.row())
        self._note(incident)
        return effects, moves

    def _cannot_go(
        self, incident: Incident, names: tuple[str, ...], ids: tuple[str, ...], stamp: Stamp
    ) -> list[Effect]:
        """Somebody else must: unless others go already, the next step fires now."""
        nobody_has_it = step_down(incident, names, ids)
        effects: list[Effect] = []
        if incident.met("dispatched") or incident.stage == "false_alarm" or incident.level is Level.NONE:
            return effects
        if nobody_has_it and incident.acknowledged:
            effects += self._unacknowledge(incident)
            effects.append(event(incident, stamp, "acknowledgement_lapsed", because("lapsed")))
        calling = Calling(stamp, forced=True)
        return effects + self.escalating.hurry(incident, calling, because("cannot_go"))

    def end(self, incident: Incident, kind: str, note: str, stamp: Stamp) -> list[Effect]:
        """Close an incident, whatever stands and whoever has not reported: only a drill's end does that."""
        incident.stage, incident.closed_us, incident.falls_us = "closed", stamp.now_us, None
        incident.version += 1
        effects: list[Effect] = [event(incident, stamp, kind, note)]
        effects += self.escalating.cancel(incident, stamp, note) + clocks.cancel(incident, stamp, note)
        self._note(incident)
        return [*effects, incident.row()]

    def _unacknowledge(self, incident: Incident) -> list[Effect]:
        incident.acknowledged, incident.released = False, {}
        effects: list[Effect] = []
        for alarm in incident.alarms.values():
            if alarm.stands:
                alarm.acknowledged = False
                effects.append(AlarmSet(replace(alarm)))
        return effects

    # -- telling people again --------------------------------------------------------------------------------------

    def _update(self, incident: Incident, stamp: Stamp, but: tuple[str, ...] = ()) -> list[Effect]:
        """Whoever was told hears how it stands now, but for those who said so themselves."""
        return self._tell_all(incident, "update", Due(incident.round, 0, incident.version, stamp.now_us), stamp, but)

    def _tell_all(
        self, incident: Incident, kind: str, due: Due, stamp: Stamp, but: tuple[str, ...] = ()
    ) -> list[Effect]:
        """Tell everybody who was told, by the channel they were told by."""
        effects: list[Effect] = []
        for name, (_, channel, via) in incident.told.items():
            person = self.escalation.people.get(name)
            if person is not None and name not in but:
                effects += self.telling.tell(incident, person, (channel,), via, kind, due, stamp)
        return effects

    # -- time ------------------------------------------------------------------------------------------------------

    def forget_closed(self) -> None:
        """Closed incidents stay in the database; here they are needed only while their alarms stand."""
        for incident in [self.incidents[name] for name in sorted(self._closed)]:
            if not incident.stands:
                del self.incidents[incident.id]
                self._closed.discard(incident.id)
                self._nearby.forget(incident)

    def due_us(self) -> int | None:
        """When the next step, clock, fall of level or expiry is due."""
        return min((at for at in (self._agenda.due_us(), self.telling.due_us()) if at is not None), default=None)

    def next_us(self, incident: Incident) -> int | None:
        """When something of an incident is due."""
        if not incident.open:
            return None
        dues = [due.due_us for due in incident.due]
        dues += [clock.due_us for clock in incident.clocks]
        waits = (incident.falls_us, self._expiry_us(incident), self._realarm_us(incident))
        dues += [at for at in waits if at is not None]
        return min(dues, default=None)

    def look_again(self) -> None:
        """What is due may have changed everywhere: rules did."""
        for incident in self.incidents.values():
            self._note(incident)

    def _note(self, incident: Incident) -> None:
        """An incident has changed."""
        self._agenda.put(incident.id, self.next_us(incident))
        if not incident.open:
            self._closed.add(incident.id)

    def tick(self, stamp: Stamp) -> list[Effect]:
        """Let happen what is due."""
        effects: list[Effect] = []
        due = [self.incidents[name] for name in self._agenda.due_by(stamp.now_us)]
        for incident in sorted(due, key=lambda incident: (incident.opened_us, incident.id)):
            found = [*self._expire(incident, stamp), *self._fall(incident, stamp), *self._run_clocks(incident, stamp)]
            if found:
                effects += [*found, incident.row()]
            self._note(incident)
        return effects + self.telling.tick(stamp)

    def _run_clocks(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """Clocks that ran out call further people, and steps that are due their own; each person once."""
        late, effects = clocks.missed(incident, stamp)
        calling = Calling(stamp)
        for clock in late:
            minutes = f"{(clock.due_us - clock.began_us) / 60e6:g}"
            note = because("clock_missed", clock=clock.name, minutes=minutes, level=clock.level.word)
            effects.append(event(incident, stamp, "clock_missed", note))
        if late:
            incident.missed = (*incident.missed, *((clock.name, clock.due_us) for clock in late))
            calling = Calling(stamp, late[0].due_us, "clock_missed", forced=True)
            names = ", ".join(clock.name for clock in late)
            effects += self.escalating.hurry(incident, calling, because("clocks_missed", clocks=names))
        return effects + self.escalating.fire_due(incident, Calling(stamp, told=calling.told))

    def _expire(self, incident: Incident, stamp: Stamp) -> list[Effect]:
        """Nobody has done anything since it was acknowledged, or it stands for too long: it calls people again."""
        expiry_us, realarm_us = self._expiry_us(incident), self._realarm_us(incident)
        due_us = min((at for at in (expiry_us, realarm_us) if at is not None), default=None)
        if due_us is None or due_us > stamp.now_us:
            return []
        if self.escalating.is_dead(incident, stamp):
            return self.escalating.quieten(incident, stamp)
        incident.version += 1
        effects = self._unacknowledge(incident)
        kind = "acknowledgement_expired" if due_us == expiry_us else "realarmed"
        effects.append(event(incident, stamp, kind, because("at_level", level=incident.level.word)))
        return effects + self.escalating.begin(incident, stamp)

    def _realarm_us(self, incident: Incident) -> int | None:
        """When an alarm that stands acknowledged calls people again, whatever they do about it, as its rule wants."""
        if not incident.open or not incident.acknowledged or incident.quiet or incident.stage == "false_alarm":
            return None
        spans = (alarm.realarm_us.get(alarm.level) for alarm in incident.alarms.values() if alarm.tells)
        span_us = min((span for span in spans if span is not None), default=None)
        return None if span_us is None else incident.acknowledged_us + span_us

    def _expiry_us(self, incident: Incident) -> int | None:
        spans = self.escalation.clocks.get(incident.level)
        hold_us = spans.expires_us if spans else None
        idle = not incident.open or not incident.acknowledged or incident.quiet or incident.stage in UNDER_WAY
        if hold_us is None or idle or incident.stage == "false_alarm":
            return None
        return incident.acknowledged_us + hold_us
