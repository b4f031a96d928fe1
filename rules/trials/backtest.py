"""Backtests: the live engine over what was heard, and what it tells.

Two ways. *As it was*: the city folders in force, the recorded ticks, nothing else; the alarms are then those of the
live log, to the last id. *Under other rules*: the recorded steps, and besides, what time alone would have made due
under those rules (a shorter silence, say), looked for as the watcher looks.

Nobody is told anything in a backtest: chains are left out, and incidents in which nothing stands are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from city.clock import stopwatch_s
from city.levels import Level
from detectors.registry import create
from rules.alarm.alarm import Alarm, Condition
from rules.desk.plan import Escalation
from rules.effects import AlarmEvent, AlarmSet, Effect, FindingMade
from rules.engine import Engine
from rules.inputs import BundleIn
from rules.trials.run import Run
from rules.trials.sources import Source, Span, Step

_CHECK_EVERY = 256  # steps between looks at incidents and at progress
_FORGET_US = 86_400_000_000
_PATIENCE_US = 1_000_000  # what time alone makes due is looked for when so much has passed

Progress = Callable[[int], None]
"""Takes how many readings have been given so far."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One alarm of a backtest, from raise to clear. Times in microseconds.

    Attributes
    ----------
    told_us
        When it was told first: the time of the step (with late data long after `raised_us`).
    levels
        (event time, level) from the raise on, one for every change; NONE at its end.
    """

    id: str
    rule: str
    rule_version: str
    scope: str
    sensor: str | None
    site: str
    district: str
    domain: str
    title: dict[str, str]
    level: Level
    peak: Level
    condition: str
    raised_us: int
    cleared_us: int | None
    late: bool
    diagnostic: bool
    told_us: int
    levels: tuple[tuple[int, Level], ...]

    @property
    def key(self) -> str:
        """`rule/scope`: what occurrences of the same alarm share."""
        return f"{self.rule}/{self.scope}"

    def reached_us(self, level: Level) -> int | None:
        """When it first stood at `level` or higher."""
        return next((at_us for at_us, its in self.levels if its >= level), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a backtest told.

    Attributes
    ----------
    occurrences
        Alarms raised in the span, by time; those that late data retracted are in `retracted`.
    late_detected
        Readings too late to be decided on that would have alarmed.
    readings, steps, missing
        What was run over; readings that were decided on live and are not there any more.
    seconds
        Wall time, and of it what the engine took.
    """

    occurrences: tuple[Occurrence, ...]
    retracted: tuple[Occurrence, ...]
    late_detected: int
    readings: int
    steps: int
    missing: int
    seconds: float
    engine_seconds: float


@dataclass
class _Log:
    """Keeps the last row of each alarm and its levels."""

    alarms: dict[str, Alarm] = field(default_factory=dict)
    levels: dict[str, list[tuple[int, Level]]] = field(default_factory=dict)
    told_us: dict[str, int] = field(default_factory=dict)
    late: int = 0

    def take(self, at_us: int, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case AlarmSet(alarm):
                    self.alarms[alarm.id] = alarm
                    self.told_us.setdefault(alarm.id, at_us)
                case AlarmEvent():
                    self._move(effect)
                case FindingMade(finding) if finding.channel == "late_detected":
                    self.late += 1
                case _:
                    pass

    def _move(self, event: AlarmEvent) -> None:
        levels = self.levels.setdefault(event.alarm, [])
        if event.kind == "revised":  # late data: what was told from there on is told anew
            levels[:] = [(at_us, level) for at_us, level in levels if at_us < event.at_us]
        if not levels or levels[-1][1] is not event.to_level:
            levels.append((event.at_us, event.to_level))

    def outcome(self, span: Span) -> tuple[tuple[Occurrence, ...], tuple[Occurrence, ...]]:
        found = sorted(
            (self._occurrence(a) for a in self.alarms.values() if span.from_us <= a.raised_us < span.to_us),
            key=lambda o: (o.raised_us, o.key, o.id),
        )
        retracted = tuple(o for o in found if o.condition == Condition.RETRACTED)
        return tuple(o for o in found if o.condition != Condition.RETRACTED), retracted

    def _occurrence(self, alarm: Alarm) -> Occurrence:
        return Occurrence(
            alarm.id, alarm.rule, alarm.rule_version, alarm.scope, alarm.sensor, alarm.site, alarm.district,
            alarm.domain, dict(alarm.title), alarm.level, alarm.peak_level, str(alarm.condition), alarm.raised_us,
            alarm.cleared_us, alarm.late, alarm.diagnostic, self.told_us[alarm.id], tuple(self.levels[alarm.id]),
        )  # fmt: skip


def as_it_was(source: Source, span: Span, folder: Callable[[str], BundleIn], progress: Progress) -> Outcome:
    """Decide on a span again as it was decided on live. `folder` gives the city folder of a hash."""
    engine, log = Engine(create), _Log()

    def step(step: Step) -> None:
        entry = step.entry if step.entry is not None else _quiet(folder(step.bundle))
        log.take(step.at_us, engine.step(step.seq, entry, step.at_us))

    if source.bundle:
        engine.step(0, _quiet(folder(source.bundle)), source.start_us)
    return _over(source, span, log, step, lambda: engine, progress)


def under(source: Source, span: Span, bundle: BundleIn, progress: Progress) -> Outcome:
    """Decide on a span under one city folder, whatever was in force."""
    log, given = _Log(), _Given()
    run = Run(_quiet(bundle), source.start_us, log.take, hearing=lambda at_us: source.hearing(at_us, given.us))

    def step(step: Step) -> None:
        if step.entry is None:
            return
        given.us = max(given.us, step.from_us - 1)
        if step.at_us - given.passed_us >= _PATIENCE_US:
            run.pass_to(step.at_us - 1)
            given.passed_us = step.at_us
        run.now_us = max(run.now_us, step.at_us)
        log.take(run.now_us, run.engine.step(step.seq, step.entry, run.now_us))

    return _over(source, span, log, step, lambda: run.engine, progress)


@dataclass
class _Given:
    """Up to when all that arrived has been given, and when it was last looked what time alone made due."""

    us: int = 0
    passed_us: int = 0


def _over(
    source: Source,
    span: Span,
    log: _Log,
    step: Callable[[Step], None],
    engine: Callable[[], Engine],
    progress: Progress,
) -> Outcome:
    began_s, engine_s = stopwatch_s(), 0.0
    readings = steps = missing = 0
    for one in source.steps():
        step_s = stopwatch_s()
        step(one)
        engine_s += stopwatch_s() - step_s
        readings, steps, missing = readings + one.readings, steps + 1, missing + one.missing
        if steps % _CHECK_EVERY == 0:
            _forget(engine())
            progress(readings)
    progress(readings)
    kept, retracted = log.outcome(span)
    return Outcome(kept, retracted, log.late, readings, steps, missing, stopwatch_s() - began_s, engine_s)


def _quiet(bundle: BundleIn) -> BundleIn:
    return replace(bundle, escalation=Escalation())


def _forget(engine: Engine) -> None:
    """Live, people close incidents; here nobody does, and an alarm looks at every open one."""
    state = engine.state
    over = [
        i.id for i in state.incidents.values()
        if i.standing() is Level.NONE and state.now_us - i.newest_us > _FORGET_US
    ]  # fmt: skip
    for name in over:
        del state.incidents[name]
