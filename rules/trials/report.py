"""What two backtests of a span say beside each other: counts, what changed, the load on operators, hits and misses.

`Report.shape` is the documented JSON; tables and pages are made of it and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from city.clock import from_us
from city.levels import COLOURS, Level
from rules import statistics
from rules.statistics import Load, Raise
from rules.trials.backtest import Occurrence, Outcome
from rules.trials.scores import Event, Score, Scored
from rules.trials.sources import Span

VERSION = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One alarm that is not the same: `only_new`, `only_old`, or `moved` in time or level (then both are given)."""

    kind: str
    old: Occurrence | None
    new: Occurrence | None

    @property
    def any(self) -> Occurrence:
        """The new one, or the old one when there is no new one."""
        found = self.new or self.old
        if found is None:
            raise ValueError("a change has an old or a new alarm")
        return found


@dataclass(frozen=True, slots=True)
class Counted:
    """What a rule did at a level: alarms that reached it, minutes that it stood, and at how many scopes."""

    alarms: int
    minutes: float
    scopes: int


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its name (`new`, `old`), what it told, and its events' scores when there are labelled ones."""

    name: str
    rules: str
    outcome: Outcome
    scored: Scored | None = None

    def load(self, span: Span) -> Load:
        """The operators' load, by the times at which alarms were raised; diagnostic ones are not for them."""
        raises = [Raise(o.key, o.peak, o.raised_us, o.cleared_us) for o in self.outcome.occurrences if not o.diagnostic]
        return statistics.load(raises, span.from_us, span.to_us)


@dataclass(frozen=True, slots=True)
class Report:
    """A new side, and an old one to compare it with."""

    span: Span
    new: Side
    old: Side | None
    source: str

    @property
    def sides(self) -> tuple[Side, ...]:
        """The old one first, as time goes."""
        return (self.new,) if self.old is None else (self.old, self.new)

    def changes(self) -> list[Change]:
        """What changed from old to new, by time; empty without an old side."""
        return compare(self.old.outcome.occurrences, self.new.outcome.occurrences) if self.old else []

    def shape(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        span = self.span
        return {
            "version": VERSION,
            "from": _iso(span.from_us), "to": _iso(span.to_us), "source": self.source,
            "warm_up_s": span.warm_up_us / 1e6, "run_on_s": span.run_on_us / 1e6,
            "runs": {side.name: _run(side) for side in self.sides},
            "rules": self._rules(),
            "changes": [_change(change) for change in self.changes()],
            "load": {side.name: _load(side.load(span)) for side in self.sides},
            "events": {s.name: _scored(s.scored) for s in self.sides if s.scored} or None,
        }  # fmt: skip

    def _rules(self) -> list[dict[str, Any]]:
        counted = {side.name: count(side.outcome.occurrences, self.span) for side in self.sides}
        rows = sorted({row for found in counted.values() for row in found}, key=lambda row: (row[0], -row[1]))
        return [
            {"rule": rule, "level": level.word}
            | {name: _counted(found.get((rule, level))) for name, found in counted.items()}
            for rule, level in rows
        ]


def compare(old: Sequence[Occurrence], new: Sequence[Occurrence]) -> list[Change]:
    """What is not the same, by time. Alarms of one rule and scope belong together when they stood at the same time."""
    left, right = _by_key(old), _by_key(new)
    changes: list[Change] = []
    for key in left.keys() | right.keys():
        before, after = left.get(key, []), right.get(key, [])
        while before or after:
            match _turn(before, after):
                case "old":
                    changes.append(Change("only_old", before.pop(0), None))
                case "new":
                    changes.append(Change("only_new", None, after.pop(0)))
                case _:
                    one, other = before.pop(0), after.pop(0)
                    if _told(one) != _told(other):
                        changes.append(Change("moved", one, other))
    return sorted(changes, key=lambda change: (change.any.raised_us, change.any.key, change.kind))


def _turn(before: Sequence[Occurrence], after: Sequence[Occurrence]) -> str:
    """Whose first one stands alone: `old`, `new`, or neither (they overlap)."""
    if not after:
        return "old"
    if not before:
        return "new"
    one, other = before[0], after[0]
    if one.cleared_us is not None and one.cleared_us < other.raised_us:
        return "old"
    return "new" if other.cleared_us is not None and other.cleared_us < one.raised_us else ""


def _told(alarm: Occurrence) -> tuple[Any, ...]:
    return alarm.raised_us, alarm.cleared_us, alarm.peak, alarm.levels


def count(alarms: Iterable[Occurrence], span: Span) -> dict[tuple[str, Level], Counted]:
    """By rule and level."""
    reached: dict[tuple[str, Level], set[str]] = {}
    scopes: dict[tuple[str, Level], set[str]] = {}
    stood_us: dict[tuple[str, Level], int] = {}
    for alarm in alarms:
        ends = [*(at_us for at_us, _ in alarm.levels[1:]), alarm.cleared_us or span.to_us]
        for (at_us, level), end_us in zip(alarm.levels, ends, strict=True):
            if level is not Level.NONE:
                row = (alarm.rule, level)
                reached.setdefault(row, set()).add(alarm.id)
                scopes.setdefault(row, set()).add(alarm.scope)
                stood_us[row] = stood_us.get(row, 0) + max(0, min(end_us, span.to_us) - at_us)
    return {row: Counted(len(found), stood_us[row] / 60e6, len(scopes[row])) for row, found in reached.items()}


def _by_key(alarms: Iterable[Occurrence]) -> dict[str, list[Occurrence]]:
    found: dict[str, list[Occurrence]] = {}
    for alarm in sorted(alarms, key=lambda o: o.raised_us):
        found.setdefault(alarm.key, []).append(alarm)
    return found


def _iso(time_us: int | None) -> str | None:
    return None if time_us is None else from_us(time_us).isoformat().replace("+00:00", "Z")


def _run(side: Side) -> dict[str, Any]:
    outcome = side.outcome
    return {
        "rules": side.rules, "readings": outcome.readings, "steps": outcome.steps, "missing": outcome.missing,
        "alarms": len(outcome.occurrences), "retracted": len(outcome.retracted),
        "late_detected": outcome.late_detected, "seconds": round(outcome.seconds, 2),
        "engine_seconds": round(outcome.engine_seconds, 2),
    }  # fmt: skip


def _counted(counted: Counted | None) -> dict[str, Any]:
    found = counted or Counted(0, 0.0, 0)
    return {"alarms": found.alarms, "minutes": round(found.minutes, 1), "scopes": found.scopes}


def alarm_shape(alarm: Occurrence | None) -> dict[str, Any] | None:
    """One alarm as JSON-ready values."""
    if alarm is None:
        return None
    return {
        "alarm": alarm.id, "raised_at": _iso(alarm.raised_us), "cleared_at": _iso(alarm.cleared_us),
        "peak_level": alarm.peak.word, "late": alarm.late,
        "levels": [{"at": _iso(at_us), "level": level.word} for at_us, level in alarm.levels],
    }  # fmt: skip


def _change(change: Change) -> dict[str, Any]:
    alarm = change.any
    return {
        "kind": change.kind, "rule": alarm.rule, "scope": alarm.scope, "site": alarm.site,
        "old": alarm_shape(change.old), "new": alarm_shape(change.new),
    }  # fmt: skip


def _load(load: Load) -> dict[str, Any]:
    return {
        "raises": load.raises, "per_hour": round(load.per_hour, 3), "per_10_minutes": round(load.per_bin, 4),
        "rating": load.rating, "peak_10_minutes": load.peak, "bins_over_10": round(load.bins_over, 5),
        "floods": [
            {"from": _iso(f.from_us), "to": _iso(f.to_us), "count": f.count, "peak": f.peak} for f in load.floods
        ],
        "flood_minutes": round(sum(f.to_us - f.from_us for f in load.floods) / 60e6, 1),
        "flood_share": round(load.flood_share, 5),
        "top": [{"alarm": key, "raises": n} for key, n in load.top], "top_share": round(load.top_share, 4),
        "chattering": list(load.chattering), "fleeting": load.fleeting,
        "standing_over_a_day": load.standing, "standing_over_a_day_peak": load.standing_peak,
        "shares": {level.word: round(load.shares[level], 4) for level in COLOURS},
        "off_target": [level.word for level in load.off_target],
    }  # fmt: skip


def _score(score: Score) -> dict[str, Any]:
    lead = dict(zip(("median", "p10", "p90"), score.lead_s, strict=True)) if score.lead_s else None
    return {
        "level": score.level.word, "hits": score.hits, "misses": score.misses, "right_alarms": score.right,
        "false_alarms": score.false, "false_per_sensor_year": round(score.false_per_sensor_year, 4), "lead_s": lead,
    }  # fmt: skip


def _scored(scored: Scored) -> Mapping[str, Any]:
    def missed(event: Event) -> dict[str, Any]:
        return {"start": _iso(event.start_us), "end": _iso(event.end_us), "place": event.place, "kind": event.kind}

    return {
        "events": scored.events, "levels": [_score(score) for score in scored.scores],
        "missed": [missed(event) for event in scored.missed],
    }  # fmt: skip
