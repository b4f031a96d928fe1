"""Running drills: each has an engine of its own, over the same rules and only its own readings.

A drill's engine sees nothing of the city and the city's engine nothing of the drill: tracks, timers, incidents, holds
and floods are its own, and real neighbours do not answer. What a drill decides bears its mark: alarms `AX-…`,
incidents `IX-…`, and the drill's id on each. The mark is made where alarms get their ids (`rules.alarm.alarm.alarm_id`)
and checked here, on the way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from city.clock import from_us
from rules.book import Book, Rule
from rules.desk.stamp import Stamp
from rules.drillplan import LONGEST_US, MOST_DRILLS, MOST_SENSORS, Drill, DrillPlan, DrillSaid
from rules.effects import (
    Annunciated,
    DrillSet,
    Effect,
    FindingMade,
    FloodSet,
    IncidentEvent,
    NoticeQueued,
    ShelfEnded,
    ShelfSet,
)
from rules.inputs import BundleIn, CommandIn, ExerciseIn, HoldKind, Input, TickIn
from rules.narrow import narrow_book
from rules.reasons import because
from rules.state import State

if TYPE_CHECKING:
    from rules.engine import Engine

_OF_DRILLS = ("AX-", "IX-")


class Drills:
    """The drills of a city that run.

    Parameters
    ----------
    state
        Where they are remembered: `drills` and their own states in `exercises`.
    engine
        Makes an engine for a state and a drill's id.
    """

    def __init__(self, state: State, engine: Callable[[State, str], Engine]) -> None:
        self._state, self._engine = state, engine
        self._engines: dict[str, Engine] = {}
        self._bundle: BundleIn | None = None

    def use(self, bundle: BundleIn) -> None:
        """Go on with what a snapshot remembers: nothing changes, nothing is told."""
        self._bundle = bundle
        for name, drill in self._state.drills.items():
            self._engines[name] = self._engine(self._state.exercises[name], name)
            self._engines[name].use(narrowed(bundle, drill))

    def rebook(self, bundle: BundleIn, seq: int, now_us: int) -> list[Effect]:
        """From here on another book is in force, also for what runs."""
        self._bundle = bundle
        return self._each(lambda drill: self._engines[drill.id].step(seq, narrowed(bundle, drill), now_us), now_us)

    def said(self, entry: DrillSaid, seq: int, stamp: Stamp) -> list[Effect]:
        """Begin or end a drill."""
        drill = self._state.drills.get(entry.drill)
        if entry.plan is not None and drill is None and self._bundle is not None:
            return self._begin(entry, entry.plan, self._bundle, seq, stamp.now_us)
        if entry.plan is None and drill is not None:
            key = "drill_ended_because" if entry.note.strip() else "drill_ended"
            why = because(key, actor=entry.actor, note=entry.note)
            return self._finish(drill, why, seq, stamp.now_us)
        return []

    def exercise(self, entry: ExerciseIn, seq: int, now_us: int) -> list[Effect]:
        """Readings of a drill; those of one that does not run are nobody's."""
        drill = self._state.drills.get(entry.drill)
        if drill is None:
            return []
        drill = self._state.drills[drill.id] = drill.heard(entry.received_us)
        return self._out(self._engines[drill.id].step(seq, entry.readings, now_us), drill, now_us)

    def again(self, entry: Input, seq: int, now_us: int) -> None:
        """Step through a row that was decided on before, for what is remembered of it."""
        match entry:
            case BundleIn():
                self.rebook(entry, seq, now_us)
            case TickIn():
                self.tick(entry, seq, now_us)
            case DrillSaid():
                self.said(entry, seq, Stamp(now_us, str))
            case ExerciseIn():
                self.exercise(entry, seq, now_us)
            case CommandIn() if (drill := self.owner(entry)) is not None:
                self.command(drill, entry, seq, now_us)
            case _:
                return

    def owner(self, command: CommandIn) -> Drill | None:
        """The drill that a command is about; of holds only a reset can be."""
        if command.kind is HoldKind.RESET:
            about = command.target
            inside = (name for name in self._state.drills if about in self._state.exercises[name].holds.listed)
        else:
            about = command.incident
            inside = (name for name in self._state.drills if about in self._state.exercises[name].incidents)
        return self._state.drills.get(next(inside, "")) if about.startswith(_OF_DRILLS) else None

    def command(self, drill: Drill, command: CommandIn, seq: int, now_us: int) -> list[Effect]:
        """What a person says about one of a drill's incidents or alarms."""
        return self._out(self._engines[drill.id].step(seq, command, now_us), drill, now_us)

    def tick(self, tick: TickIn, seq: int, now_us: int) -> list[Effect]:
        """Time passed; what is out of time ends."""
        effects = self._each(lambda drill: self._engines[drill.id].step(seq, _own(tick, drill), now_us), now_us)
        for drill in list(self._state.drills.values()):
            if drill.plan.until_us <= tick.now_us:
                effects += self._finish(drill, because("drill_time_up"), seq, now_us)
        return effects

    def due(self, tick: TickIn) -> bool:
        """Whether a tick would change anything of theirs."""
        return any(
            drill.plan.until_us <= tick.now_us or self._engines[drill.id].due(_own(tick, drill))
            for drill in self._state.drills.values()
        )

    def _each(self, step: Callable[[Drill], Iterable[Effect]], now_us: int) -> list[Effect]:
        return [told for drill in self._state.drills.values() for told in self._out(step(drill), drill, now_us)]

    def _out(self, effects: Iterable[Effect], drill: Drill, now_us: int) -> list[Effect]:
        return list(_marked(effects, drill, self._bundle, now_us))

    def _begin(self, entry: DrillSaid, plan: DrillPlan, bundle: BundleIn, seq: int, now_us: int) -> list[Effect]:
        drill = Drill(entry.drill, plan, entry.actor, seq, now_us, now_us)
        why = _refusal(plan, bundle, len(self._state.drills), now_us)
        if why:
            return [_row(drill, bundle.book, "refused", now_us, why)]
        own = State(now_us=now_us)
        own.hearing.listening_us = now_us
        engine = self._engine(own, drill.id)
        engine.step(seq, narrowed(bundle, drill), now_us)
        self._state.drills[drill.id], self._state.exercises[drill.id] = drill, own
        self._engines[drill.id] = engine
        return [_row(drill, bundle.book, "running")]

    def _finish(self, drill: Drill, why: str, seq: int, now_us: int) -> list[Effect]:
        effects = self._out(self._engines[drill.id].wind_up(seq, now_us, why), drill, now_us)
        del self._state.drills[drill.id], self._state.exercises[drill.id], self._engines[drill.id]
        book = self._bundle.book if self._bundle else None
        return [*effects, _row(drill, book, "ended", now_us, why)]


def narrowed(bundle: BundleIn, drill: Drill) -> BundleIn:
    """The book of a drill: its sensors and their gateways only, every rule bearing its mark."""
    rules: dict[int, Rule] = {}

    def mark(rule: Rule) -> Rule:
        if id(rule) not in rules:
            rules[id(rule)] = replace(rule, drill=drill.id)
        return rules[id(rule)]

    book = narrow_book(bundle.book, set(drill.plan.sensors), lambda _: True)
    instances = {key: replace(instance, rule=mark(instance.rule)) for key, instance in book.instances.items()}
    watches = {key: replace(watch, rule=mark(watch.rule)) for key, watch in book.watches.items()}
    return replace(bundle, book=replace(book, instances=instances, watches=watches))


def _refusal(plan: DrillPlan, bundle: BundleIn, running: int, now_us: int) -> str:
    """Why a drill cannot begin (empty: it can)."""
    city, people = bundle.book.city, bundle.escalation.people
    if running >= MOST_DRILLS:
        return because("drill_many", n=running, most=MOST_DRILLS)
    if unknown := [name for name in plan.sensors if name not in city.sensors]:
        return because("drill_unknown", place="sensor", quoted=repr(unknown[0]))
    if unknown := [name for name in plan.people if name not in people]:
        return because("drill_unknown", place="person", quoted=repr(unknown[0]))
    if not 0 < len(plan.sensors) <= MOST_SENSORS:
        return because("drill_sensors", n=len(plan.sensors), most=MOST_SENSORS)
    if not 0 < plan.until_us - now_us <= LONGEST_US:
        return because("drill_end", time=from_us(plan.until_us).isoformat(), most=LONGEST_US // 3_600_000_000)
    return ""


def _own(tick: TickIn, drill: Drill) -> TickIn:
    return TickIn(tick.now_us, min(tick.heard_us, drill.heard_us), drill.began_us)


def _row(drill: Drill, book: Book | None, state: str, ended_us: int | None = None, why: str = "") -> DrillSet:
    city = book.city if book else None
    sites = [city.sensors[name].site for name in drill.plan.sensors if city and name in city.sensors]
    districts = sorted({city.sites[site].district for site in sites if city and site in city.sites})
    return DrillSet(drill, state, tuple(districts), ended_us, why)


def _marked(effects: Iterable[Effect], drill: Drill, bundle: BundleIn | None, now_us: int) -> Iterator[Effect]:
    """What a drill leaves behind: no findings, no holds, nothing unmarked, and no notice to who takes no part."""
    people = bundle.escalation.people if bundle else {}
    part = [people[name].name.get("en", name) for name in drill.plan.people if name in people]
    for effect in effects:
        if isinstance(effect, NoticeQueued):
            yield _notice(effect, drill, part, now_us)
        elif isinstance(effect, FloodSet | Annunciated):
            yield replace(effect, drill=drill.id)
        elif not isinstance(effect, FindingMade | ShelfSet | ShelfEnded):
            yield effect


def _notice(notice: NoticeQueued, drill: Drill, part: Sequence[str], now_us: int) -> Effect:
    """A notice with the drill's mark; for somebody who takes no part, the remark that nobody told them."""
    if not drill.plan.people:
        return replace(notice, drill=drill.id)
    if notice.target not in drill.plan.people:  # (a digest is of many incidents: each says it of its own notices)
        told = {"target": notice.target, "via_target": notice.via, "channel": notice.channel}
        note = because("drill_not_told", **told, ids=", ".join(drill.plan.people))
        return IncidentEvent(f"{notice.id}.not_told", notice.incident, now_us, "not_told", "", note)
    facts = dict(notice.content.get("facts", {}))
    facts["told"] = [name for name in facts.get("told", ()) if name in part]
    return replace(notice, drill=drill.id, content={**notice.content, "facts": facts})
