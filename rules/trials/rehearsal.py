"""Plays a drill on an engine alone, with nobody answering: what it will raise, and whom the chains will tell when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from city.levels import Level
from city.reading import Sample
from detectors.protocol import Detector
from rules.drillplan import DrillPlan, DrillSaid
from rules.effects import AlarmEvent, AlarmSet, Effect, NoticeQueued
from rules.engine import Engine
from rules.inputs import BundleIn, ExerciseIn, Input, ReadingsIn, TickIn
from rules.trials.scenario import Scenario

LOOK_US = 1_000_000  # what time alone makes due is seen within a second
NAME = "rehearsal"


@dataclass
class Rehearsal:
    """What comes of a storyline.

    Attributes
    ----------
    raised
        (instant after the beginning, `rule/scope`, level reached), in order.
    told
        Instant (after the beginning) of the first notice to a person by a channel.
    highest
        By `rule/scope`.
    """

    raised: list[tuple[int, str, Level]] = field(default_factory=list)
    told: dict[tuple[str, str], int] = field(default_factory=dict)
    highest: dict[str, Level] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)

    def take(self, effects: list[Effect], at_us: int) -> None:
        """What one step decided."""
        sets = [one.alarm for one in effects if isinstance(one, AlarmSet)]
        self._keys.update({alarm.id: alarm.key for alarm in sets if alarm.drill})  # the city around it is silent here
        for one in effects:
            if isinstance(one, NoticeQueued) and one.drill and one.kind != "exercise_over":
                self.told.setdefault((one.target, one.channel), at_us)
            elif isinstance(one, AlarmEvent) and one.to_level > one.from_level and one.alarm in self._keys:
                key = self._keys[one.alarm]
                self.raised.append((at_us, key, one.to_level))
                self.highest[key] = max(self.highest.get(key, Level.NONE), one.to_level)


def rehearse(
    make: Callable[[str], Detector], bundle: BundleIn, scenario: Scenario, now_us: int, plan: DrillPlan
) -> Rehearsal:
    """Play a storyline as if it began at `now_us`, up to its plan's end."""
    engine, found = Engine(make), Rehearsal()
    seq = 0

    def step(entry: Input, at_us: int) -> None:
        nonlocal seq
        seq += 1
        found.take(engine.step(seq, entry, at_us), at_us - now_us)

    step(bundle, now_us)
    step(DrillSaid(NAME, NAME, "", plan), now_us)
    at_us = now_us
    for due_us, samples in _arriving(scenario, now_us, plan.until_us):
        while at_us < due_us:
            at_us = min(at_us + LOOK_US, due_us)
            tick = TickIn(at_us, at_us, now_us)
            if engine.due(tick):
                step(tick, at_us)
        step(ExerciseIn(NAME, ReadingsIn(samples), due_us), due_us)
    return found


def _arriving(scenario: Scenario, now_us: int, until_us: int) -> Iterator[tuple[int, list[Sample]]]:
    """Readings by the instant at which they are played; what lies before the beginning comes at once."""
    measured = scenario.measured(until_us - now_us - 1)
    for due_us, batch in groupby(measured, lambda one: max(0, one.time_us)):
        at_us = now_us + due_us
        yield at_us, [Sample(one.sensor, now_us + one.time_us, one.value, one.flag, at_us) for one in batch]
