"""The ladder: four levels with on-delay, deadband and off-delay, exact in event time.

Theory. Each level of a rule is a small machine of its own; the alarm's level is the highest one that stands. A machine
moves on good samples of the watched sensor, in event-time order, and on proven silence; it never looks at a clock.

Rules of the machine (T: the level's condition holds, F: it does not; the deadband applies while it stands):

=========  =======================================  =========  ==============================================
phase      what comes                               becomes    instant
=========  =======================================  =========  ==============================================
IDLE       T at t                                   PENDING    first true = t
PENDING    T at t, t - first true >= for            STANDING   first true + for (so also at once with for = 0)
PENDING    F                                        IDLE       a near miss
STANDING   F at t                                   CLEARING   first false = t
CLEARING   F at t, t - first false >= clear_after   IDLE       first false + clear_after
CLEARING   T                                        STANDING   the same occurrence goes on
any        UNKNOWN                                  as it was  silence never raises by itself and never clears
=========  =======================================  =========  ==============================================

A gap is event time without an answer for longer than `stale_after`. In PENDING it follows `on_gap`: `complete` lets
the time count (a sensor that screams and then dies still alarms), `hold` stops the watch during the gap, `reset`
starts over. In CLEARING the watch starts anew after the gap. The same happens, at the same instants, whether the gap is
noticed by the next sample, whatever it says, or, before one comes, by `silence`.

Quality flags: a rule says which samples may raise and which may clear. T of a sample that may not raise, and F of one
that may not clear, count as UNKNOWN; a sample that may do neither is no sample. Usually flags 1, 2 and 3 raise, and
only 1 and 2 cancel or clear.

What sequences remember is part of the state, so that a ladder put back to a check point goes on exactly as it did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

from city.levels import Flag, Level
from rules.conditions.calm import Calm, calm_of_all
from rules.conditions.condition import (
    USABLE,
    Condition,
    Memory,
    Moment,
    Sequence,
    holds,
    looks,
    parts_of,
    remember,
)
from rules.conditions.truth import Evidence, Truth
from rules.reasons import because

CLEARING_FLAGS = frozenset({Flag.PASS, Flag.NOT_EVALUATED})


@dataclass(frozen=True)
class Flags:
    """Which samples may raise a level, and which may cancel or clear one."""

    raising: frozenset[Flag] = USABLE
    clearing: frozenset[Flag] = CLEARING_FLAGS

    @cached_property
    def usable(self) -> frozenset[Flag]:
        """Samples that may do either: all others are no samples."""
        return self.raising | self.clearing


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a rule.

    Attributes
    ----------
    level, condition
        The colour, and what it asks.
    for_us, clear_after_us
        On-delay and off-delay, microseconds.
    deadband
        Canonical unit.
    on_gap
        `complete`, `hold` or `reset`.
    """

    level: Level
    condition: Condition
    for_us: int
    deadband: float
    on_gap: str
    clear_after_us: int


class Phase(Enum):
    """Where one level's machine stands."""

    IDLE = "idle"
    PENDING = "pending"
    STANDING = "standing"
    CLEARING = "clearing"


@dataclass(slots=True)
class RungState:
    """One level's machine: its phase, since when, and the last instant its condition gave an answer."""

    phase: Phase = Phase.IDLE
    since_us: int = 0
    seen_us: int = 0


@dataclass(slots=True)
class LadderState:
    """The machines of one rule on one sensor, by level, and what its sequences remember, by slot."""

    rungs: dict[Level, RungState] = field(default_factory=dict)
    memory: dict[int, Memory] = field(default_factory=dict)

    @property
    def standing(self) -> frozenset[Level]:
        """The levels that stand (also while they are clearing)."""
        return frozenset(lv for lv, r in self.rungs.items() if r.phase in (Phase.STANDING, Phase.CLEARING))

    @property
    def level(self) -> Level:
        """The highest level that stands."""
        return max(self.standing, default=Level.NONE)

    @property
    def idle(self) -> bool:
        """Whether nothing is pending, standing or clearing."""
        return not self.rungs

    @property
    def blank(self) -> bool:
        """Whether it is as at the beginning: idle, and with nothing remembered."""
        return not self.rungs and not self.memory

    @property
    def clearing(self) -> bool:
        """Whether the highest standing level is on its way down."""
        level = self.level
        return level is not Level.NONE and self.rungs[level].phase is Phase.CLEARING

    def copy(self) -> LadderState:
        """An independent copy."""
        return LadderState({level: replace(rung) for level, rung in self.rungs.items()}, dict(self.memory))


@dataclass(frozen=True, slots=True)
class Step:
    """The alarm's level moved at `at_us` (event time), with the reason and what was seen."""

    at_us: int
    from_level: Level
    to_level: Level
    reason: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One level began (or ceased) to stand at `at_us`, with the reason and what was seen.

    A level that stands because a gap counts began to before the sample that shows the gap: turns need not come in the
    order of their instants.
    """

    at_us: int
    level: Level
    stands: bool
    reason: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A level whose condition held from `since_us` until before `until_us`, less than its delay; nothing stood then."""

    level: Level
    since_us: int
    until_us: int


def steps_of(standing: Iterable[Level], turns: Iterable[Turn]) -> list[Step]:
    """The moves of the highest standing level, in time order, when `standing` stood before the turns."""
    now = set(standing)
    before = max(now, default=Level.NONE)
    steps: list[Step] = []
    for turn in sorted(turns, key=lambda t: (t.at_us, not t.stands, t.level)):
        (now.add if turn.stands else now.discard)(turn.level)
        after = max(now, default=Level.NONE)
        if after is not before:
            if steps and steps[-1].at_us == turn.at_us:  # one move an instant: straight to where it ends
                before = steps.pop().from_level
            if after is not before:
                steps.append(Step(turn.at_us, before, after, turn.reason, turn.evidence))
            before = after
    return steps


@dataclass(frozen=True)
class Ladder:
    """The levels of one rule, highest first; sensors for which it reads the same share one. Times in microseconds."""

    rungs: tuple[Rung, ...]
    stale_after_us: int
    flags: Flags = Flags()

    @cached_property
    def looks(self) -> tuple[int, frozenset[str]]:
        """How far back its conditions look (microseconds), and at which other sensors."""
        return looks([rung.condition for rung in self.rungs])

    @cached_property
    def calm(self) -> Calm | None:
        """What suffices for an idle ladder to stay as it is, whatever it remembers."""
        return calm_of_all([rung.condition for rung in self.rungs])

    @cached_property
    def sequences(self) -> tuple[Sequence, ...]:
        """The sequences in its conditions, each once, inner ones first."""
        found = [part for rung in self.rungs for part in parts_of(rung.condition) if isinstance(part, Sequence)]
        return tuple({part.slot: part for part in reversed(found)}.values())

    def sample(self, state: LadderState, moment: Moment, near: list[NearMiss] | None = None) -> list[Turn]:
        """Move on one sample that may raise or clear (newer than the last one); `near` is given the near misses."""
        turns: list[Turn] = []
        moment = self._with_memory(state, moment)
        calm = near is not None and not state.standing
        for rung in self.rungs:
            own = state.rungs.get(rung.level)
            if own is not None:
                turns += self._complete(rung, own, moment.sample.time_us, moment)  # whatever the sample says
            stands = own is not None and own.phase in (Phase.STANDING, Phase.CLEARING)
            truth = holds(rung.condition, moment, rung.deadband if stands else 0.0)
            if moment.sample.flag not in (self.flags.raising if truth is Truth.TRUE else self.flags.clearing):
                truth = Truth.UNKNOWN
            if own is not None and truth is not Truth.UNKNOWN:
                self._gap(rung, own, moment.sample.time_us)
            if calm and near is not None and own and own.phase is Phase.PENDING and truth is Truth.FALSE:
                near.append(NearMiss(rung.level, own.since_us, moment.sample.time_us))
            if truth is not Truth.UNKNOWN:
                turns += self._seen(self._answer(rung, state, truth, moment.sample.time_us), moment)
        return turns

    def _with_memory(self, state: LadderState, moment: Moment) -> Moment:
        """The moment as this ladder sees it; its sequences take the sample in first."""
        if not self.sequences and self.flags.usable == moment.usable:
            return moment
        moment = replace(moment, usable=self.flags.usable, memory=state.memory)
        for sequence in self.sequences:
            remember(sequence, moment, state.memory, may_raise=moment.sample.flag in self.flags.raising)
        return moment

    def silence(self, state: LadderState, until_us: int, moment: Moment | None = None) -> list[Turn]:
        """Move on proven silence up to `until_us`: pending levels whose `on_gap` is complete and whose time is up.

        `moment`: the last one with an answer, for the evidence.
        """
        moment = replace(moment, usable=self.flags.usable, memory=state.memory) if moment else None
        found = [(rung, state.rungs.get(rung.level)) for rung in self.rungs]
        return [turn for rung, own in found if own is not None for turn in self._complete(rung, own, until_us, moment)]

    def silence_due_us(self, state: LadderState) -> int | None:
        """Until when silence must last for `silence` to change anything (None: it never will)."""
        dues = [
            max(own.since_us + rung.for_us, own.seen_us + self.stale_after_us + 1)
            for rung in self.rungs
            if (own := state.rungs.get(rung.level)) and own.phase is Phase.PENDING and rung.on_gap == "complete"
        ]
        return min(dues, default=None)

    def _gap(self, rung: Rung, own: RungState, at_us: int) -> None:
        if at_us - own.seen_us <= self.stale_after_us:
            return
        if own.phase is Phase.CLEARING:
            own.since_us = at_us
        elif own.phase is Phase.PENDING and rung.on_gap == "hold":
            own.since_us += at_us - own.seen_us
        elif own.phase is Phase.PENDING and rung.on_gap == "reset":
            own.since_us = at_us

    def _complete(self, rung: Rung, own: RungState, until_us: int, moment: Moment | None) -> list[Turn]:
        """A level pending through a gap up to `until_us` that counts for it, and whose time is up."""
        done_us = own.since_us + rung.for_us
        gap = until_us - own.seen_us > self.stale_after_us
        if not gap or own.phase is not Phase.PENDING or rung.on_gap != "complete" or done_us > until_us:
            return []
        own.phase = Phase.STANDING
        reason = because("true_when_stopped", level=rung.level.word)
        return self._seen([Turn(done_us, rung.level, True, reason)], moment, own.seen_us)

    def _answer(self, rung: Rung, state: LadderState, truth: Truth, at_us: int) -> list[Turn]:
        own = state.rungs.get(rung.level)
        if own is None:
            if truth is Truth.FALSE:
                return []
            own = state.rungs[rung.level] = RungState(Phase.PENDING, at_us, at_us)
        own.seen_us = at_us
        held_us = at_us - own.since_us
        match own.phase, truth:
            case Phase.PENDING, Truth.TRUE if held_us >= rung.for_us:
                reason = because("held", level=rung.level.word, seconds=f"{rung.for_us / 1e6:g}")
                turn = Turn(own.since_us + rung.for_us, rung.level, True, reason)
                own.phase = Phase.STANDING
                return [turn]
            case Phase.PENDING, Truth.FALSE:
                del state.rungs[rung.level]
            case Phase.STANDING, Truth.FALSE:
                own.phase, own.since_us = Phase.CLEARING, at_us
                return self._answer(rung, state, truth, at_us) if rung.clear_after_us == 0 else []
            case Phase.CLEARING, Truth.TRUE:
                own.phase = Phase.STANDING
            case Phase.CLEARING, Truth.FALSE if held_us >= rung.clear_after_us:
                del state.rungs[rung.level]
                reason = because("back", level=rung.level.word, seconds=f"{rung.clear_after_us / 1e6:g}")
                return [Turn(own.since_us + rung.clear_after_us, rung.level, False, reason)]
        return []

    def _seen(self, turns: list[Turn], moment: Moment | None, last_us: int = 0) -> list[Turn]:
        """The turns with their evidence; `last_us`: the last answer before the gap that made them."""
        if moment is None:
            return turns
        if last_us and (last := moment.track.between(last_us, last_us)):
            moment = replace(moment, sample=last[0])  # what it was true on, not what ended the gap
        shown = []
        for turn in turns:
            seen: list[Evidence] = []
            rung = next(r for r in self.rungs if r.level is turn.level)
            holds(rung.condition, moment, 0.0 if turn.stands else rung.deadband, seen)
            shown.append(replace(turn, evidence=tuple(seen)))
        return shown

    def standing(self, level: Level) -> LadderState:
        """The state in which `level` stands with all rungs below: how a changed rule takes over an active alarm.

        When no rung is so low, the lowest one stands, so that the new condition is what clears the alarm.
        """
        lowest = min(rung.level for rung in self.rungs)
        return LadderState({r.level: RungState(Phase.STANDING) for r in self.rungs if r.level <= max(level, lowest)})
