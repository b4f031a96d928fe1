"""What an engine told in a trial, kept so that it can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from detectors.protocol import Finding
from rules.alarm.alarm import Alarm, Condition
from rules.effects import (
    AlarmEvent,
    AlarmSet,
    ClockSet,
    Effect,
    FindingMade,
    HoldEvent,
    IncidentEvent,
    IncidentSet,
    NoticeQueued,
)


@dataclass
class Story:
    """Everything told so far. Use `take` as the sink of a `Run`.

    Attributes
    ----------
    alarms, incidents
        The last row of each, by id, in the order in which they began.
    events, said, holds, notices, findings
        (time of the row in microseconds, what was told), in the order told.
    missed
        By incident: the clocks that ran out.
    """

    alarms: dict[str, Alarm] = field(default_factory=dict)
    incidents: dict[str, IncidentSet] = field(default_factory=dict)
    events: list[tuple[int, AlarmEvent]] = field(default_factory=list)
    said: list[tuple[int, IncidentEvent]] = field(default_factory=list)
    holds: list[tuple[int, HoldEvent]] = field(default_factory=list)
    notices: list[tuple[int, NoticeQueued]] = field(default_factory=list)
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    missed: dict[str, dict[str, None]] = field(default_factory=dict)

    def take(self, at_us: int, effects: Sequence[Effect]) -> None:
        """Add what was told at a time."""
        for effect in effects:
            match effect:
                case AlarmSet(alarm):
                    self.alarms[alarm.id] = alarm
                case AlarmEvent():
                    self.events.append((at_us, effect))
                case IncidentSet():
                    self.incidents[effect.id] = effect
                case IncidentEvent():
                    self.said.append((at_us, effect))
                case ClockSet(state="missed"):
                    self.missed.setdefault(effect.incident, {})[effect.clock] = None
                case HoldEvent():
                    self.holds.append((at_us, effect))
                case NoticeQueued():
                    self.notices.append((at_us, effect))
                case FindingMade(finding):
                    self.findings.append((at_us, finding))
                case _:
                    pass

    def of(self, rule: str = "", scope: str = "") -> list[Alarm]:
        """Alarms of a rule, a scope, or both, by the time they were raised; without those that never were."""
        found = [
            alarm for alarm in self.alarms.values()
            if (not rule or alarm.rule == rule) and (not scope or alarm.scope == scope)
            and alarm.condition is not Condition.RETRACTED
        ]  # fmt: skip
        return sorted(found, key=lambda alarm: (alarm.raised_us, alarm.rule, alarm.scope))

    def standing(self) -> list[Alarm]:
        """Alarms that are neither cleared nor retracted."""
        return [alarm for alarm in self.of() if alarm.stands]

    def of_alarm(self, name: str) -> list[tuple[int, AlarmEvent]]:
        """What happened to one alarm."""
        return [(at_us, event) for at_us, event in self.events if event.alarm == name]
