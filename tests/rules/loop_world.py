"""The small city with clocks on every level, three people, a roster, a group and a fallback."""

from __future__ import annotations

from rules.effects import ClockSet, EscalationSet, IncidentEvent, NoticeQueued
from rules.inputs import CommandKind
from tests.rules.small_city import Desk, city_files, desk_of

ESCALATION = """
people:
  li: {name: {en: Li Na, zh: 李娜}, language: zh, webhook: "http://127.0.0.1:9/li"}
  bo: {name: Bo, webhook: "http://127.0.0.1:9/bo", email: bo@example.org}
  wu: {name: Wu, webhook: "http://127.0.0.1:9/wu", email: wu@example.org}
rosters:
  day: {timezone: Asia/Shanghai, shifts: [{person: li, days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}]}
groups: {ops: [bo], bosses: [wu]}
channels:
  webhook: {type: webhook, secret_env: X}
  mail: {type: smtp, host: mail.example.org, from: desk@example.org}
chains:
  drainage:
    steps:
      - {notify: roster/day, via: [webhook]}
      - after: 4m
        unless: acknowledged
        notify: group/ops
        via: [webhook, mail]
        repeat: {every: 5m, until: dispatched, times: 2}
      - {after: 40m, unless: on_site, notify: person/wu, via: [webhook], levels: [red]}
    fallback: group/bosses
  platform:
    steps:
      - {notify: group/ops, via: [webhook, mail]}
platform: platform
incidents: {falls_after: 5m}
clocks:
  red: {acknowledge: 3m, confirm: 5m, dispatch: 10m, on_site: 30m, report: 2h, close: 4h, acknowledgement_expires: 15m}
  orange: {acknowledge: 5m, confirm: 10m, dispatch: 20m, close: 8h, acknowledgement_expires: 30m}
  yellow: {acknowledge: 15m, dispatch: 60m, acknowledgement_expires: 2h}
"""
RED, ORANGE, YELLOW, DRY = 50.0, 30.0, 20.0, 0.0


def loop_city(escalation: str = ESCALATION) -> dict[str, str]:
    """The city folder with another escalation.yaml, and without rules of silence."""
    return city_files(escalation=escalation, rules__platform=None)


def red_desk(escalation: str = ESCALATION) -> tuple[Desk, str]:
    """A desk at 60 s, when a red incident has just opened and Li was told; and the incident's name."""
    desk = desk_of(loop_city(escalation))
    desk.series("wl-1", [RED, RED])
    (incident,) = desk.incidents()
    return desk, incident.id


def say(desk: Desk, kind: str, incident: str, at_s: float, actor: str = "Li Na", note: str = "") -> str:
    """A command; the kind of the event that it became, with the engine's words when it was refused."""
    done = desk.command(CommandKind(kind), incident, at_s, note, actor)
    event = next(effect for effect in done if isinstance(effect, IncidentEvent))
    return f"{event.kind}: {event.note}" if event.kind.startswith("refused") else event.kind


def clocks(desk: Desk) -> dict[str, tuple[str, float]]:
    """State and due time (seconds from the start) of each clock of the last beginning."""
    found = {e.clock: e for e in desk.effects if isinstance(e, ClockSet)}
    return {name: (clock.state, (clock.due_us - clock.began_us) / 1e6) for name, clock in found.items()}


def steps(desk: Desk) -> dict[tuple[int, int, int], str]:
    """State of each step, by round, step and repeat."""
    return {(e.round, e.step, e.repeat): e.state for e in desk.effects if isinstance(e, EscalationSet)}


def told(desk: Desk, since: int = 0) -> list[tuple[str, str]]:
    """(person, kind) of the notices, from the `since`th effect on."""
    return [(e.target, e.kind) for e in desk.effects[since:] if isinstance(e, NoticeQueued)]


def notes(desk: Desk, kind: str) -> list[str]:
    """The words of all events of a kind."""
    return [e.note for e in desk.effects if isinstance(e, IncidentEvent) and e.kind == kind]
