"""Holds expectations against what an engine says at an instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from city.levels import Level
from city.reading import Sample
from rules.alarm.alarm import Alarm
from rules.alarm.ladder import Phase
from rules.effects import IncidentSet
from rules.trials.casefile import Case
from rules.trials.expectfile import Check
from rules.trials.post import Post, Posted
from rules.trials.run import Run
from rules.trials.story import Story
from rules.trials.tale import event_line, number, since

LINES = 12  # of an alarm's story that a failure tells


@dataclass(frozen=True)
class Failure:
    """An expectation that did not hold: where it stands, what it says, and the story around it."""

    file: str
    line: int
    column: int
    what: str
    story: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.file}:{self.line}:{self.column}: {self.what}", *(f"    {it}" for it in self.story)])


@dataclass(frozen=True)
class Look:
    """A test under way, at an instant."""

    case: Case
    run: Run
    story: Story
    post: Post
    at_us: int

    def judge(self, check: Check) -> list[Failure]:
        """What of an expectation does not hold."""
        match check.form:
            case "alarm":
                return self._alarm(check)
            case "alarms" | "at_least":
                return self._standing(check)
            case "no_alarms":
                return self._never(check)
            case "incident":
                return self._incident(check)
            case "incidents":
                got, wanted = len(self.story.incidents), check.wanted["incidents"]
                rows = [f"{i.id} at {i.site}: {i.level.word}, {i.stage}" for i in self.story.incidents.values()]
                return (
                    [] if got == wanted else [self._failure(check, "", f"expected {wanted} incidents, got {got}", rows)]
                )
            case _:
                return self._notices(check)

    # -- alarms --------------------------------------------------------------------------------------------------

    def alarm(self, key: str) -> Alarm | None:
        """The alarm that stands under a key, or else the last one that did."""
        rule, _, scope = key.partition("/")
        fold = self.run.engine.state.folds.get(key)
        if fold is not None and fold.alarm is not None:
            return fold.alarm
        found = self.story.of(rule, scope)
        return next((alarm for alarm in found if alarm.stands), found[-1] if found else None)

    def pending(self, key: str) -> Level:
        """The highest level that is waiting for its time to be up; NONE when there is none."""
        fold = self.run.engine.state.folds.get(key)
        rungs = fold.state.rungs if fold is not None else {}
        return max((level for level, own in rungs.items() if own.phase is Phase.PENDING), default=Level.NONE)

    def condition(self, key: str) -> str:
        """Of the alarm under a key; `pending` when none stands and a level waits for its time."""
        alarm = self.alarm(key)
        if alarm is not None and alarm.stands:
            return str(alarm.condition)
        return "normal" if self.pending(key) is Level.NONE else "pending"

    def _alarm(self, check: Check) -> list[Failure]:
        key = check.about
        wanted = check.wanted or {"condition": "standing"}
        failures = []
        for name, value in wanted.items():
            got = self._got(name, key, check)
            if name == "evidence" and isinstance(value, tuple):
                right = set(value) <= set(got)
            elif name == "reason":
                right = str(value) in got
            elif value == "standing":
                right = got not in ("normal", "pending")
            else:
                right = got == value
            if not right:
                said = "it to stand" if value == "standing" else self._shown(name, value)
                what = f"alarm {key}: {name}: expected {said}, got {self._shown(name, got)}"
                failures.append(self._failure(check, name, what, self.tale(key)))
        return failures

    def _got(self, name: str, key: str, check: Check) -> Any:  # noqa: ANN401 - as various as the fields are
        alarm, condition = self.alarm(key), self.condition(key)
        match name:
            case "condition":
                return condition
            case "level":
                waits = check.wanted.get("condition") == "pending"
                return self.pending(key) if waits else alarm.level if alarm and alarm.stands else Level.NONE
            case "pending":
                return self.pending(key)
            case "flag":
                return "unknown" if condition == "unknown" else "none"
            case "occurrences":
                return len(self.story.of(*key.split("/", 1)))
            case "evidence":
                return tuple(sorted({fact.sensor for fact in alarm.evidence})) if alarm else ()
            case "reason":
                return self._reason(alarm)
            case _:
                return _FIELDS[name](alarm) if alarm else None

    def _reason(self, alarm: Alarm | None) -> str:
        events = self.story.of_alarm(alarm.id) if alarm else []
        return events[-1][1].reason if events else ""

    def _standing(self, check: Check) -> list[Failure]:
        wanted = check.alarms
        got = {alarm.key: alarm for alarm in self.story.standing()}
        failures = []
        for key, level in wanted.items():
            now = got.get(key)
            if now is None:
                what = f"{key}: expected {level.word if level else 'it'} to stand, got {self.condition(key)}"
                failures.append(self._failure(check, "", what, self.tale(key)))
            elif level is not None and now.level is not level:
                what = f"{key}: expected {level.word}, got {now.level.word}"
                failures.append(self._failure(check, "", what, self.tale(key)))
        for key in sorted(got.keys() - wanted.keys()) if check.form == "alarms" else []:
            what = f"{key} stands at {got[key].level.word}, and is not expected"
            failures.append(self._failure(check, "", what, self.tale(key)))
        return failures

    def _never(self, check: Check) -> list[Failure]:
        wanted = check.names
        found = [a for a in self.story.of() if not wanted or a.rule in wanted or a.key in wanted]
        failures = []
        for key in dict.fromkeys(alarm.key for alarm in found):
            what = f"expected no alarm, got {key} ({len(self.story.of(*key.split('/', 1)))} so far)"
            failures.append(self._failure(check, "no_alarms", what, self.tale(key)))
        return failures

    # -- incidents and notices -----------------------------------------------------------------------------------

    def incident(self, key: str) -> IncidentSet | None:
        """The incident of the alarm under a key."""
        alarm = self.alarm(key)
        return self.story.incidents.get(alarm.incident) if alarm else None

    def _incident(self, check: Check) -> list[Failure]:
        incident = self.incident(check.about)
        if incident is None:
            what = f"incident of {check.about}: there is none"
            return [self._failure(check, "", what, self.tale(check.about))]
        own = [alarm for alarm in self.story.of() if alarm.incident == incident.id]
        first = self.story.alarms.get(incident.first_alarm)
        got: dict[str, Any] = {
            "level": incident.level, "peak": incident.peak_level, "stage": incident.stage,
            "acknowledged": incident.acknowledged, "open": incident.closed_us is None,
            "alarms": dict.fromkeys(sorted({alarm.key for alarm in own})),
            "first": f"{first.rule}/{first.scope}" if first else "",
            "missed": tuple(self.story.missed.get(incident.id, ())),
        }  # fmt: skip
        failures = []
        for name, value in check.wanted.items():
            right = value == got[name]
            if name == "missed" and isinstance(value, tuple):
                right = set(value) == set(got[name])
            if name == "alarms" and isinstance(value, Mapping):
                right = got[name].keys() == value.keys() and all(
                    level is None or any(a.level is level for a in own if a.key == key) for key, level in value.items()
                )
            if not right:
                what = f"incident of {check.about}: {name}: expected {self._shown(name, value)}, "
                what += f"got {self._shown(name, got[name])}"
                failures.append(self._failure(check, name, what, self._incident_tale(incident)))
        return failures

    def _incident_tale(self, incident: IncidentSet) -> list[str]:
        clock = since(self.case.start_us)
        said = [(at_us, event) for at_us, event in self.story.said if event.incident == incident.id][-LINES:]
        return [f"{clock(at_us)}  {event.kind} {event.actor} {event.note}".rstrip() for at_us, event in said]

    def _notices(self, check: Check) -> list[Failure]:
        self.post.work(self.at_us)
        found = [posted for posted in self.post.posted if self._meant(posted, check.wanted)]
        count = check.wanted.get("count")
        if (count is None and found) or len(found) == count:
            return []
        clock = since(self.case.start_us)
        said = ", ".join(f"{k}: {self._shown(k, v)}" for k, v in check.wanted.items() if k != "count")
        expected = "at least one" if count is None else str(count)
        rows = [
            f"{clock(p.created_us)}  {p.notice.kind} {p.notice.level.word} to {p.notice.target} (as {p.notice.via}) "
            f"via {p.channel}: {p.state} {clock(p.sent_us) if p.sent_us else p.answer}"
            for p in self.post.posted[-LINES:]
        ] or ["no notice so far"]
        return [self._failure(check, "count", f"notices ({said}): expected {expected}, got {len(found)}", rows)]

    def _meant(self, posted: Posted, wanted: Mapping[str, object]) -> bool:
        notice = posted.notice
        incident = self.incident(str(wanted["about"])) if "about" in wanted else None
        state = wanted.get("state", "sent")
        since_us = wanted.get("since", 0)
        told_us = posted.sent_us or posted.created_us
        return (
            wanted.get("to", notice.target) == notice.target
            and wanted.get("target", notice.via) in (notice.via, notice.target)
            and wanted.get("via", posted.channel) == posted.channel
            and wanted.get("kind", notice.kind) == notice.kind
            and wanted.get("level", notice.level) is notice.level
            and ("about" not in wanted or (incident is not None and incident.id == notice.incident))
            and (state in ("any", posted.state))
            and isinstance(since_us, int) and told_us >= since_us
        )  # fmt: skip

    # -- telling -------------------------------------------------------------------------------------------------

    def tale(self, key: str) -> list[str]:
        """What happened to the alarms under a key, how its levels stand, and what its sensor said last."""
        clock = since(self.case.start_us)
        own = {alarm.id for alarm in self.story.alarms.values() if alarm.key == key}
        events = [(at_us, event) for at_us, event in self.story.events if event.alarm in own][-LINES:]
        lines = [event_line(at_us, event, clock) for at_us, event in events] or [f"{key} has never been raised"]
        fold = self.run.engine.state.folds.get(key)
        for level, rung in sorted((fold.state.rungs if fold else {}).items(), reverse=True):
            lines.append(f"now: {level.word} {rung.phase.value} since {clock(rung.since_us)}")
        scope = key.partition("/")[2]
        last = [f"{clock(s.time_us)} {number(s.value)}" for s in self._last(scope)]
        return [*lines, f"last of {scope}: {', '.join(last)}"] if last else lines

    def _last(self, sensor: str) -> list[Sample]:
        track = self.run.engine.state.tracks.get(sensor)
        return track.between(self.at_us - 3_600_000_000, self.at_us)[-5:] if track is not None else []

    def _shown(self, name: str, value: object) -> str:
        """A field's value as people write it."""
        if name in ("raised_at", "cleared_at", "since") and isinstance(value, int):
            return since(self.case.start_us)(value)
        if isinstance(value, Level):
            return value.word
        if isinstance(value, tuple | Mapping):
            return ", ".join(map(str, value)) or "none"
        if value is None:
            return "nothing"
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _failure(self, check: Check, name: str, what: str, story: list[str]) -> Failure:
        at = since(self.case.start_us)(check.at_us)
        line, column = check.places.get(name, check.places[""])
        return Failure(self.case.file, line, column, f"at {at}: {what}", tuple(story))


_FIELDS: Mapping[str, Callable[[Alarm], Any]] = {
    "peak": lambda alarm: alarm.peak_level,
    "acknowledged": lambda alarm: alarm.acknowledged,
    "hold": lambda alarm: str(alarm.hold) or "none",
    "latched": lambda alarm: alarm.latched,
    "late": lambda alarm: alarm.late,
    "raised_at": lambda alarm: alarm.raised_us,
    "cleared_at": lambda alarm: alarm.cleared_us,
}
