"""One rule on one sensor, folded over the sensor's track; refolded when late data change what had been decided.

The fold keeps check points of its ladder. New samples at the end move the ladder on. A sample (its own, or a
neighbour's) that arrives with an older event time takes the fold back to the check point before it and over the track
again; the new story of steps is then compared with the one already told, and only the difference becomes moves of
alarms. So the alarms do not depend on the order of arrival inside the reorder window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from city.levels import Level
from rules.alarm.alarm import Alarm, Condition, Move, Moved, alarm_id, happen
from rules.alarm.ladder import LadderState, NearMiss, Step, Turn, steps_of
from rules.alarm.track import Track
from rules.book import Instance
from rules.conditions.condition import Moment
from rules.reasons import because

CHECK_EVERY_US = 300_000_000


@dataclass(frozen=True, slots=True)
class _Told:
    """A step of the story, the alarm it belongs to, and that alarm's highest level so far."""

    step: Step
    alarm: str
    peak: Level


@dataclass(frozen=True, slots=True)
class _Check:
    """The ladder after all samples up to `at_us`, when so many `turns` were known.

    `peak`: the highest level so far of the alarm that stood then.
    """

    at_us: int
    state: LadderState
    turns: int
    peak: Level


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known about a sensor's silence, in arrival time.

    Attributes
    ----------
    last_us
        From when on its silence counts: its last sample, or when we began to listen.
    until_us
        Up to when it is proven.
    speaking_us
        How long its gateway has spoken meanwhile without it.
    """

    last_us: int
    until_us: int
    speaking_us: int


_IDLE = LadderState()  # shared by all check points at which nothing stood: most of them, most of the time
_BEGINNING = _Check(0, _IDLE, 0, Level.NONE)


def _kept(state: LadderState) -> LadderState:
    """A copy to keep in a check point; nobody moves it there."""
    return _IDLE if state.blank else state.copy()


@dataclass(slots=True)
class Fold:
    """State of one rule on one sensor.

    Attributes
    ----------
    state, evaluated_us
        The ladder after the sample of that event time.
    story, recent
        The steps since the oldest check point, oldest first, and the alarms they belong to.
    turns
        What the ladder's levels did since the oldest check point, in the order in which it became known: the story is
        made of them in the order of their instants.
    proof
        A silence that told steps: (event time of the last usable sample before it, until when it is proven). It counts
        until a usable sample after that one shows when the data really stopped, if they did.
    alarm, unknown
        The alarm that stands, and whether its data are lost.
    stirred_us
        Up to this event time the ladder may not have been idle.
    """

    state: LadderState = field(default_factory=LadderState)
    evaluated_us: int = 0
    story: list[_Told] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    recent: dict[str, Alarm] = field(default_factory=dict)
    checks: list[_Check] = field(default_factory=lambda: [_BEGINNING])
    proof: tuple[int, int] | None = None
    alarm: Alarm | None = None
    unknown: bool = False
    stirred_us: int = 0

    @classmethod
    def resting(cls, idle_since_us: int, evaluated_us: int) -> Fold:
        """A fold of which nothing is remembered: its ladder was idle from one event time up to another."""
        since = _Check(max(idle_since_us, 0), _IDLE, 0, Level.NONE)
        checks = [since] if evaluated_us <= since.at_us else [since, _Check(evaluated_us, _IDLE, 0, Level.NONE)]
        return cls(evaluated_us=evaluated_us, checks=checks)

    @classmethod
    def beginning(cls, at_us: int) -> Fold:
        """A fold of a rule that is new: what came before `at_us` is not decided on."""
        return cls(evaluated_us=at_us, checks=[_Check(at_us, _IDLE, 0, Level.NONE)], stirred_us=at_us)

    @classmethod
    def settled(cls, state: LadderState, at_us: int, alarm: Alarm | None = None, *, unknown: bool = False) -> Fold:
        """A fold of which only the present is known: what came before `at_us` cannot be decided on again."""
        check = _Check(at_us, state.copy(), 0, alarm.peak_level if alarm else Level.NONE)
        recent = {alarm.id: alarm} if alarm else {}
        return cls(state, at_us, [], [], recent, [check], None, alarm, unknown, at_us)

    @classmethod
    def taking_over(cls, old: Fold, alarm: Alarm, instance: Instance, evaluated_us: int) -> Fold:
        """Start with an alarm that stood under an older version of the rule: only the new conditions clear it."""
        level = old.state.level if alarm.lost else alarm.level
        state = instance.ladder.standing(level)
        check = _Check(evaluated_us, state.copy(), 0, alarm.peak_level)
        recent = {alarm.id: alarm}
        return cls(state, evaluated_us, [], [], recent, [check], None, alarm, old.unknown, evaluated_us)

    def advance(
        self, instance: Instance, tracks: Mapping[str, Track], from_us: int, now_us: int,
        near: list[NearMiss] | None = None,
    ) -> list[Moved]:  # fmt: skip
        """Take in what came into the tracks with event time from `from_us` on.

        `near` is given the near misses; those of a stretch that late data make it go over again come again.
        """
        track = tracks[instance.sensor.id]
        moves: list[Moved] = []
        if self.proof is not None and (next_us := _next_usable_us(instance, track, self.proof[0])):
            moves += self._back(next_us)
            from_us, self.proof, self.evaluated_us = min(from_us, self.proof[0] + 1), None, track.newest_us
        if from_us <= self.evaluated_us:
            moves += self._refold(instance, tracks, from_us, now_us, near)
        for sample in track.after(self.evaluated_us):
            if sample.flag in instance.ladder.flags.usable:
                moves += self._back(sample.time_us)
                if not (self.state.idle and instance.quiet(sample.value)):
                    turns = self._sample(instance, self.state, Moment(sample, track, tracks), near)
                    moves += self._revise(instance, now_us, because("word_later_data")) if turns else []
            self.evaluated_us = sample.time_us
            if sample.time_us - self.checks[-1].at_us >= CHECK_EVERY_US:
                peak = self.alarm.peak_level if self.alarm else Level.NONE
                self.checks.append(_Check(sample.time_us, _kept(self.state), len(self.turns), peak))
        if self.alarm is not None and not self.unknown:
            self.alarm.follow(self.state.clearing)
        return moves

    def silence(self, instance: Instance, tracks: Mapping[str, Track], heard: Heard, now_us: int) -> list[Moved]:
        """Nothing came for long enough: what was pending may stand, and what stands has lost its data."""
        turns = _quiet(instance, self.state, tracks, heard.until_us)
        if turns:
            self.proof = (_last_usable_us(instance, tracks[instance.sensor.id]), heard.until_us)
            self.turns += turns
        moves = self._revise(instance, now_us, because("word_silence")) if turns else []
        alarm, after_s = self.alarm, f"{(heard.until_us - heard.last_us) / 1e6:.0f}"
        if alarm is not None and not self.unknown:
            self.unknown = True
            reason = because("data_lost", seconds=after_s)
            moves.append(happen(alarm, Move.DATA_LOST, heard.until_us, reason))
        if alarm is not None and self._falls_lost(instance, heard):
            alarm.lost = True
            level = _above(self.state.level)
            reason = because("lost_after", seconds=after_s)
            moves.append(happen(alarm, Move.LOST_AFTER, heard.until_us, reason, level=level))
        return moves

    def _falls_lost(self, instance: Instance, heard: Heard) -> bool:
        """Whether the sensor of a standing alarm fell silent by itself: its gateway speaks on without it."""
        return self.alarm is not None and not self.alarm.lost and heard.speaking_us > instance.ladder.stale_after_us

    def silence_due_us(self, instance: Instance, heard: Heard) -> int | None:
        """Up to when silence must be proven to change anything."""
        due_us = instance.ladder.silence_due_us(self.state)
        proof_us = heard.last_us + instance.ladder.stale_after_us + 1
        if self.alarm is not None and (not self.unknown or self._falls_lost(instance, heard)):
            return proof_us
        return None if due_us is None else max(due_us, proof_us)

    def _back(self, at_us: int) -> list[Moved]:
        alarm = self.alarm
        if not self.unknown or alarm is None:
            return []
        self.unknown = False
        moves = [happen(alarm, Move.DATA_BACK, at_us, because("data_back"))]
        if alarm.lost:
            alarm.lost = False
            reason = because("data_back_level")
            if alarm.level is not self.state.level:
                moves.append(happen(alarm, Move.FOUND, at_us, reason, level=self.state.level))
        return moves

    def _tell(self, instance: Instance, step: Step, now_us: int, again: str = "") -> Moved:
        """Turn one step into a move of the alarm, and remember it. `again`: the id of an alarm to take up anew."""
        peak = step.to_level
        if step.from_level is Level.NONE or self.alarm is None:
            name = again or self._new_id(instance, step.at_us)
            alarm = self.alarm = self.recent[name] = instance.alarm(name, step, now_us)
            self.unknown = False
            move, level = Move.RAISED, step.to_level
        else:
            alarm, peak = self.alarm, max(self.alarm.peak_level, step.to_level)
            alarm.rule_version = instance.rule.version
            move = Move.ROSE if step.to_level > step.from_level else Move.FELL
            level = _above(step.to_level) if alarm.lost else step.to_level
        if step.to_level is Level.NONE:
            move, level, self.alarm = Move.CLEARED, Level.NONE, None
        self.story.append(_Told(step, alarm.id, peak))
        return happen(alarm, move, step.at_us, step.reason, step.evidence, level=level)

    def _new_id(self, instance: Instance, raised_us: int) -> str:
        """An id that no alarm has, not even one that was raised at this instant before late data moved it."""
        rule, scope = instance.rule, instance.sensor.id
        ids = (alarm_id(rule.id, scope, raised_us + extra, rule.drill) for extra in count())
        return next(name for name in ids if name not in self.recent)

    def _refold(
        self, instance: Instance, tracks: Mapping[str, Track], from_us: int, now_us: int, near: list[NearMiss] | None
    ) -> list[Moved]:
        at = max((i for i, c in enumerate(self.checks) if c.at_us < from_us), default=0)
        del self.checks[at + 1 :]
        del self.turns[self.checks[at].turns :]
        self.state = self._replay(instance, tracks, near)
        return self._revise(instance, now_us, because("word_late_data"))

    def _revise(self, instance: Instance, now_us: int, why: str) -> list[Moved]:
        """Compare what the turns say with the story told; tell only what is different. `why`: what showed it."""
        steps = steps_of(self.checks[0].state.standing, self.turns)
        same = 0
        while same < min(len(self.story), len(steps)) and _same(self.story[same].step, steps[same]):
            same += 1
        old, new = self.story[same:], steps[same:]
        if not old:
            return [self._tell(instance, step, now_us) for step in new]
        blind = self.alarm.id if self.alarm is not None and self.unknown else ""
        pool = [told.alarm for told in old if told.step.from_level is Level.NONE]
        before = {name: replace(alarm) for name, alarm in self.recent.items()}
        del self.story[same:]
        self._stand_where_told(old)
        moves: list[Moved] = []
        raises = [step.at_us for step in new if step.from_level is Level.NONE]
        unmoved = {at_us: name for name in pool for at_us in raises if before[name].raised_us == at_us}
        pool = [name for name in pool if name not in unmoved.values()]
        for step in new:
            again = ""
            if step.from_level is Level.NONE:
                again = unmoved.get(step.at_us) or (pool.pop(0) if pool else "")
            moves.append(self._once_more(self._tell(instance, step, now_us, again), before, why))
        for name in pool:
            alarm = self.recent[name]
            moves.append(happen(alarm, Move.RETRACTED, alarm.raised_us, because("never_was", shown=why)))
        stands = self.alarm
        if stands is not None and all(moved.alarm is not stands for moved in moves):
            reason = because("stands_on", shown=why)
            moves.append(_from(happen(stands, Move.REVISED, now_us, reason), before[stands.id]))
        if stands is not None and stands.id == blind:
            self._still_blind(stands, before[blind].lost)
        return moves

    def _still_blind(self, alarm: Alarm, lost: bool) -> None:
        """What silence said of the alarm that stands, late data of before it do not take back."""
        self.unknown, alarm.lost, alarm.condition = True, lost, Condition.UNKNOWN
        if lost:
            alarm.level = _above(self.state.level)

    def _stand_where_told(self, old: list[_Told]) -> None:
        """Bring the alarm back to where the kept story (or, without one, the oldest check point) leaves it."""
        if self.story:
            level, name, peak = self.story[-1].step.to_level, self.story[-1].alarm, self.story[-1].peak
        else:
            level, peak = self.checks[0].state.level, self.checks[0].peak
            name = old[0].alarm if old else self.alarm.id if self.alarm else ""
        self.alarm = None if level is Level.NONE else self.recent.get(name)
        if self.alarm is not None:
            self.alarm.level, self.alarm.cleared_us, self.alarm.condition = level, None, Condition.ACTIVE
            self.alarm.peak_level, self.alarm.latched = max(peak, level, self.alarm.lost_peak), False

    def _once_more(self, moved: Moved, before: Mapping[str, Alarm], why: str) -> Moved:
        """An alarm raised anew under its old id was revised, and keeps what people did with it."""
        old, alarm = before.get(moved.alarm.id), moved.alarm
        if moved.move is not Move.RAISED or old is None:
            return moved
        alarm.keep(old)
        return _from(replace(moved, move=Move.REVISED, reason=because("revised", shown=why, why=moved.reason)), old)

    def over(self, before_us: int) -> bool:
        """Whether it has nothing to remember: idle since before an event time, and nothing stands.

        Such a fold may be let go; `resting` makes it again.
        """
        return self.stirred_us < before_us and self.state.blank and self.alarm is None

    def _sample(
        self, instance: Instance, state: LadderState, moment: Moment, near: list[NearMiss] | None
    ) -> list[Turn]:
        was_blank = state.blank
        turns = instance.ladder.sample(state, moment, near)
        self.turns += turns
        if turns or not (was_blank and state.blank):
            self.stirred_us = max(self.stirred_us, moment.sample.time_us)
        return turns

    def settle(self, before_us: int) -> None:
        """Nothing older than `before_us` will change any more: keep one check point before it, and what came since."""
        keep = max((i for i, c in enumerate(self.checks) if c.at_us < before_us), default=0)
        while keep and not self._parts_at(self.checks[keep].turns):
            keep -= 1
        gone = self.checks[keep].turns
        told = len(steps_of(self.checks[0].state.standing, self.turns[:gone]))
        self.checks = [replace(c, turns=c.turns - gone) for c in self.checks[keep:]]
        del self.story[:told], self.turns[:gone]
        named = {told.alarm for told in self.story} | ({self.alarm.id} if self.alarm else set())
        self.recent = {name: alarm for name, alarm in self.recent.items() if name in named}

    def _parts_at(self, turns: int) -> bool:
        """Whether all turns from a place on come after all before it in event time too."""
        until_us = max((turn.at_us for turn in self.turns[:turns]), default=-1)
        return all(turn.at_us > until_us for turn in self.turns[turns:])

    def _replay(self, instance: Instance, tracks: Mapping[str, Track], near: list[NearMiss] | None) -> LadderState:
        """Go over the track again from the newest check point, making those after it anew; the state at its end."""
        check = self.checks[-1]
        state, track = check.state.copy(), tracks[instance.sensor.id]
        for sample in track.between(check.at_us + 1, self.evaluated_us):
            if sample.flag in instance.ladder.flags.usable and not (state.idle and instance.quiet(sample.value)):
                self._sample(instance, state, Moment(sample, track, tracks), near)
            if sample.time_us - self.checks[-1].at_us >= CHECK_EVERY_US:
                peak = _peak(self.checks[0].peak, steps_of(self.checks[0].state.standing, self.turns))
                self.checks.append(_Check(sample.time_us, _kept(state), len(self.turns), peak))
        if self.proof is not None:
            self.turns += _quiet(instance, state, tracks, self.proof[1])
        return state


def _last_usable_us(instance: Instance, track: Track) -> int:
    """Event time of the newest sample that the rule may take an answer from (0: none)."""
    usable = instance.ladder.flags.usable
    return next((sample.time_us for sample in reversed(track.after(0)) if sample.flag in usable), 0)


def _next_usable_us(instance: Instance, track: Track, after_us: int) -> int:
    """Event time of the first such sample after an event time (0: none)."""
    usable = instance.ladder.flags.usable
    return next((sample.time_us for sample in track.after(after_us) if sample.flag in usable), 0)


def _quiet(instance: Instance, state: LadderState, tracks: Mapping[str, Track], until_us: int) -> list[Turn]:
    """Move a ladder on proven silence; what it was last sure of is the evidence."""
    seen_us = max((rung.seen_us for rung in state.rungs.values()), default=0)
    track = tracks[instance.sensor.id]
    last = track.between(seen_us, seen_us)
    return instance.ladder.silence(state, until_us, Moment(last[0], track, tracks) if last else None)


def _above(level: Level) -> Level:
    return Level(min(level + 1, Level.RED))


def _from(moved: Moved, old: Alarm) -> Moved:
    """The move as it looks to those who were told of the alarm as it was."""
    return replace(moved, from_level=old.level, from_condition=old.condition, from_hold=old.hold)


def _peak(peak: Level, steps: list[Step]) -> Level:
    """The highest level of the alarm that stands after `steps`, when `peak` was that of the one before them."""
    for step in steps:
        peak = max(Level.NONE if step.from_level is Level.NONE else peak, step.to_level)
        if step.to_level is Level.NONE:
            peak = Level.NONE
    return peak


def _same(one: Step, other: Step) -> bool:
    return (one.at_us, one.from_level, one.to_level) == (other.at_us, other.from_level, other.to_level)
