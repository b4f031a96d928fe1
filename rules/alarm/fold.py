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
from rules.alarm.alarm import Alarm, Condition, Move, Moved, alarm_id
from rules.alarm.ladder import LadderState, Step
from rules.alarm.track import Track
from rules.book import Instance
from rules.conditions.condition import USABLE, Moment

CHECK_EVERY_US = 300_000_000


@dataclass(frozen=True, slots=True)
class _Told:
    """A step of the story, the alarm it belongs to, and that alarm's highest level so far."""

    step: Step
    alarm: str
    peak: Level


@dataclass(frozen=True, slots=True)
class _Check:
    """The ladder after all samples up to `at_us`, when `told` steps of the story had been told.

    `peak`: the highest level so far of the alarm that stood then.
    """

    at_us: int
    state: LadderState
    told: int
    peak: Level


_IDLE = LadderState()  # shared by all check points at which nothing stood: most of them, most of the time
_BEGINNING = _Check(0, _IDLE, 0, Level.NONE)


def _kept(state: LadderState) -> LadderState:
    """A copy to keep in a check point; nobody moves it there."""
    return _IDLE if state.idle else state.copy()


@dataclass(slots=True)
class Fold:
    """State of one rule on one sensor.

    Attributes
    ----------
    state, evaluated_us
        The ladder after the sample of that event time.
    story, recent
        The steps since the oldest check point, oldest first, and the alarms they belong to.
    silences
        Proven silences: (event time of the last sample before, until when silence was proven), for refolding.
    alarm, unknown
        The alarm that stands, and whether its data are lost.
    """

    state: LadderState = field(default_factory=LadderState)
    evaluated_us: int = 0
    story: list[_Told] = field(default_factory=list)
    recent: dict[str, Alarm] = field(default_factory=dict)
    checks: list[_Check] = field(default_factory=lambda: [_BEGINNING])
    silences: list[tuple[int, int]] = field(default_factory=list)
    alarm: Alarm | None = None
    unknown: bool = False

    @classmethod
    def taking_over(cls, alarm: Alarm, instance: Instance, evaluated_us: int) -> Fold:
        """Start with an alarm that stood under an older version of the rule: only the new conditions clear it."""
        state = instance.ladder.standing(alarm.level)
        check = _Check(evaluated_us, state.copy(), 0, alarm.peak_level)
        return cls(state, evaluated_us, checks=[check], alarm=alarm, recent={alarm.id: alarm})

    def advance(self, instance: Instance, tracks: Mapping[str, Track], from_us: int, now_us: int) -> list[Moved]:
        """Take in what came into the tracks with event time from `from_us` on."""
        track = tracks[instance.sensor.id]
        moves: list[Moved] = []
        if from_us <= self.evaluated_us:
            moves += self._refold(instance, tracks, from_us, now_us)
        for sample in track.after(self.evaluated_us):
            if sample.flag in USABLE:
                moves += self._back(sample.time_us)
                if not (self.state.idle and instance.quiet(sample.value)):
                    steps = instance.ladder.sample(self.state, Moment(sample, track, tracks))
                    moves += [self._tell(instance, step, now_us) for step in steps]
            self.evaluated_us = sample.time_us
            if sample.time_us - self.checks[-1].at_us >= CHECK_EVERY_US:
                peak = self.alarm.peak_level if self.alarm else Level.NONE
                self.checks.append(_Check(sample.time_us, _kept(self.state), len(self.story), peak))
        if self.alarm is not None and not self.unknown:
            self.alarm.condition = Condition.CLEARING if self.state.clearing else Condition.ACTIVE
        return moves

    def silence(self, instance: Instance, last_us: int, until_us: int, now_us: int) -> list[Moved]:
        """Nothing came for long enough, proven up to `until_us` (the last sample was received at `last_us`)."""
        steps = instance.ladder.silence(self.state, until_us)
        if steps:
            self.silences.append((self.evaluated_us, until_us))
        moves = [self._tell(instance, step, now_us) for step in steps]
        if self.alarm is not None and not self.unknown:
            self.unknown = True
            was, self.alarm.condition = self.alarm.condition, Condition.UNKNOWN
            reason = f"no data for {(until_us - last_us) / 1e6:.0f} s; the level is kept"
            moves.append(Moved(self.alarm, Move.DATA_LOST, until_us, self.alarm.level, was, reason))
        return moves

    def silence_due_us(self, instance: Instance, last_us: int) -> int | None:
        """Up to when silence must be proven to change anything (the last sample was received at `last_us`)."""
        due_us = instance.ladder.silence_due_us(self.state)
        proof_us = last_us + instance.ladder.stale_after_us + 1
        if self.alarm is not None and not self.unknown:
            return proof_us
        return None if due_us is None else max(due_us, proof_us)

    def _back(self, at_us: int) -> list[Moved]:
        if not self.unknown or self.alarm is None:
            return []
        self.unknown = False
        self.alarm.condition = Condition.ACTIVE
        return [Moved(self.alarm, Move.DATA_BACK, at_us, self.alarm.level, Condition.UNKNOWN, "data are back")]

    def _tell(self, instance: Instance, step: Step, now_us: int, again: str = "") -> Moved:
        """Turn one step into a move of the alarm, and remember it. `again`: the id of an alarm to take up anew."""
        if step.from_level is Level.NONE or self.alarm is None:
            name = again or self._new_id(instance, step.at_us)
            alarm = self.alarm = self.recent[name] = instance.alarm(name, step, now_us)
            self.unknown = False
            move, was = Move.RAISED, Condition.NORMAL
        else:
            alarm = self.alarm
            was, move = alarm.condition, Move.ROSE if step.to_level > step.from_level else Move.FELL
            alarm.level, alarm.peak_level = step.to_level, max(alarm.peak_level, step.to_level)
            alarm.evidence = step.evidence or alarm.evidence
        if step.to_level is Level.NONE:
            move, alarm.condition, alarm.cleared_us, self.alarm = Move.CLEARED, Condition.NORMAL, step.at_us, None
        self.story.append(_Told(step, alarm.id, alarm.peak_level))
        return Moved(alarm, move, step.at_us, step.from_level, was, step.reason, step.evidence)

    def _new_id(self, instance: Instance, raised_us: int) -> str:
        """An id that no alarm has, not even one that was raised at this instant before late data moved it."""
        ids = (alarm_id(instance.rule.id, instance.sensor.id, raised_us + extra) for extra in count())
        return next(name for name in ids if name not in self.recent)

    def _refold(self, instance: Instance, tracks: Mapping[str, Track], from_us: int, now_us: int) -> list[Moved]:
        at = max((i for i, c in enumerate(self.checks) if c.at_us < from_us), default=0)
        check = self.checks[at]
        del self.checks[at + 1 :]
        self.state, steps = self._replay(instance, tracks)
        return self._revise(instance, check, steps, now_us)

    def _revise(self, instance: Instance, check: _Check, steps: list[Step], now_us: int) -> list[Moved]:
        """Compare the new steps with those told since the check point; tell only what is different."""
        same = check.told
        while same < len(self.story) and same - check.told < len(steps):
            if not _same(self.story[same].step, steps[same - check.told]):
                break
            same += 1
        old, new = self.story[same:], steps[same - check.told :]
        if not old and not new:
            return []
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
            moves.append(self._once_more(self._tell(instance, step, now_us, again), before))
        for name in pool:
            alarm = self.recent[name]
            was, alarm.condition, alarm.cleared_us = alarm.condition, Condition.RETRACTED, alarm.raised_us
            reason = "late data show that it never was"
            moves.append(Moved(alarm, Move.RETRACTED, alarm.raised_us, before[name].level, was, reason))
        stands = self.alarm
        if stands is not None and all(moved.alarm is not stands for moved in moves):
            told = before[stands.id]
            reason = "late data: it stands on, a later step did not happen"
            moves.append(Moved(stands, Move.REVISED, now_us, told.level, told.condition, reason))
        return moves

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
            self.alarm.peak_level = max(peak, level)

    def _once_more(self, moved: Moved, before: Mapping[str, Alarm]) -> Moved:
        """An alarm raised anew under its old id was revised, and keeps what people did with it."""
        old, alarm = before.get(moved.alarm.id), moved.alarm
        if moved.move is not Move.RAISED or old is None:
            return moved
        alarm.acknowledged, alarm.incident, alarm.late = old.acknowledged, old.incident, old.late
        return replace(moved, move=Move.REVISED, from_condition=old.condition, reason=f"late data: {moved.reason}")

    def settle(self, before_us: int) -> None:
        """Nothing older than `before_us` will change any more: keep one check point before it, and what came since."""
        keep = max((i for i, c in enumerate(self.checks) if c.at_us < before_us), default=0)
        told = self.checks[keep].told
        self.checks = [replace(c, told=c.told - told) for c in self.checks[keep:]]
        del self.story[:told]
        self.silences = [s for s in self.silences if s[0] >= self.checks[0].at_us]
        named = {told.alarm for told in self.story} | ({self.alarm.id} if self.alarm else set())
        self.recent = {name: alarm for name, alarm in self.recent.items() if name in named}

    def needs_from_us(self, instance: Instance) -> int:
        """From which event time on the tracks it looks at must be kept, for it to be able to refold."""
        return self.checks[0].at_us - instance.reach_us

    def _replay(self, instance: Instance, tracks: Mapping[str, Track]) -> tuple[LadderState, list[Step]]:
        """Go over the track again from the newest check point, making those after it anew; the state and the steps."""
        check = self.checks[-1]
        state, track = check.state.copy(), tracks[instance.sensor.id]
        steps: list[Step] = []
        silences = [s for s in self.silences if s[0] >= check.at_us]
        for sample in track.between(check.at_us + 1, self.evaluated_us):
            while silences and silences[0][0] < sample.time_us:
                steps += instance.ladder.silence(state, silences.pop(0)[1])
            if sample.flag in USABLE and not (state.idle and instance.quiet(sample.value)):
                steps += instance.ladder.sample(state, Moment(sample, track, tracks))
            if sample.time_us - self.checks[-1].at_us >= CHECK_EVERY_US:
                peak = _peak(check.peak, steps)
                self.checks.append(_Check(sample.time_us, _kept(state), check.told + len(steps), peak))
        for _, until_us in silences:
            steps += instance.ladder.silence(state, until_us)
        return state, steps


def _peak(peak: Level, steps: list[Step]) -> Level:
    """The highest level of the alarm that stands after `steps`, when `peak` was that of the one before them."""
    for step in steps:
        peak = max(Level.NONE if step.from_level is Level.NONE else peak, step.to_level)
        if step.to_level is Level.NONE:
            peak = Level.NONE
    return peak


def _same(one: Step, other: Step) -> bool:
    return (one.at_us, one.from_level, one.to_level) == (other.at_us, other.from_level, other.to_level)
