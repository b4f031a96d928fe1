"""The closed loop: which stage may follow which, who may say so, and when an incident may be closed.

`raised → confirmed | false_alarm → analysed → dispatched → on_site → reported → closed`, going forward by any number of
stages. A second crew says `dispatch` or `on_site` too: that is recorded and changes no stage. Notes and `cannot_go`
change none either. What does not fit is refused with the reason, and the refusal is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from city.levels import Level
from rules.alarm.alarm import Condition, Move, Moved, happen
from rules.desk.incidents import RANKS, SETTLED, Incident
from rules.desk.plan import Person
from rules.inputs import CommandIn, CommandKind
from rules.reasons import because

_BEFORE = ("raised", "confirmed", "analysed")
STAGES: Mapping[CommandKind, tuple[frozenset[str], str]] = {
    CommandKind.CONFIRM: (frozenset({"raised"}), "confirmed"),
    CommandKind.FALSE_ALARM: (frozenset({*_BEFORE, "dispatched", "on_site"}), "false_alarm"),
    CommandKind.ANALYSE: (frozenset({"raised", "confirmed"}), "analysed"),
    CommandKind.DISPATCH: (frozenset({*_BEFORE, "dispatched"}), "dispatched"),
    CommandKind.ON_SITE: (frozenset({*_BEFORE, "dispatched", "on_site"}), "on_site"),
    CommandKind.REPORT: (frozenset({"dispatched", "on_site"}), "reported"),
    CommandKind.CLOSE: (frozenset({*RANKS, "false_alarm"} - {"closed"}), "closed"),
}
NEEDS_NOTE = frozenset({CommandKind.FALSE_ALARM, CommandKind.REPORT, CommandKind.CANNOT_GO, CommandKind.NOTE})
ONLY_SAID = frozenset({CommandKind.CANNOT_GO, CommandKind.NOTE})  # nobody has taken it on by that
_GOES = frozenset({CommandKind.DISPATCH, CommandKind.ON_SITE, CommandKind.REPORT})


def plain(name: str) -> str:
    """A name without spaces and capitals, to compare."""
    return "".join(name.split()).casefold()


def speaker(command: CommandIn, people: Iterable[Person]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every (plain) name of whoever speaks, and who of `people` that is (ids).

    Somebody may speak once by a link, as a person of `escalation.yaml`, and once by the console, as an account.
    """
    said = {plain(command.person or command.actor), plain(command.actor)}
    ids = []
    for person in people:
        own = {plain(person.id), plain(person.account), *map(plain, person.name.values())} - {""}
        if own & said if not command.person else person.id == command.person:
            ids.append(person.id)
            said |= own
    return tuple(sorted(said - {""})) or ("?",), tuple(ids)


def refusal(incident: Incident | None, command: CommandIn, names: Iterable[str]) -> str:
    """Why a command does not fit (empty: it does). `names`: of whoever speaks."""
    if incident is None:
        return because("no_incident")
    if not incident.open:
        return because("incident_is", stage=incident.stage)
    if command.expected is not None and command.expected != incident.version:
        return because("moved_on", version=incident.version, seen=command.expected)
    if command.kind in NEEDS_NOTE and not command.note.strip():
        return because("needs_note", kind=command.kind)
    if not isinstance(command.kind, CommandKind) or command.kind not in STAGES:
        return ""
    stages, stage = STAGES[command.kind]
    if incident.stage not in stages:
        return because("does_not_follow", kind=command.kind, stage=incident.stage)
    if incident.stage == stage and any(incident.crew.get(name) == command.kind for name in names):
        return because("said_already", actor=command.actor, kind=command.kind)
    return _not_closed(incident, command, names) if command.kind is CommandKind.CLOSE else ""


def _not_closed(incident: Incident, command: CommandIn, names: Iterable[str]) -> str:
    """All that speaks against closing an incident."""
    whys = []
    if latched := [alarm.id for alarm in incident.alarms.values() if alarm.latched]:
        whys.append(because("latched", ids=", ".join(latched)))
    if incident.peak_level is Level.RED and any(name in incident.crew for name in names):
        whys.append(because("not_of_the_crew", actor=command.actor))
    if not command.note.strip():
        if incident.stands:
            whys.append(because("still_stands"))
        if incident.stage not in SETTLED:
            whys.append(because("not_reported"))
    return "; ".join(whys)


def carry_out(incident: Incident, command: CommandIn, names: Iterable[str], now_us: int) -> None:
    """Let a command that fits take effect on the stage, the crew and the acknowledgement."""
    if command.kind in ONLY_SAID or not isinstance(command.kind, CommandKind):
        return
    if command.kind in STAGES:
        incident.stage = STAGES[command.kind][1]
        incident.by, incident.note = command.actor, command.note
    if command.kind in _GOES:
        incident.crew.update(dict.fromkeys(names, str(command.kind)))
    if command.kind is CommandKind.CLOSE:
        incident.closed_us, incident.falls_us, incident.lower = now_us, None, Level.NONE
    incident.acknowledged, incident.acknowledged_us = True, now_us
    incident.owners = tuple(sorted({*incident.owners, *names}))
    for alarm in incident.alarms.values():
        alarm.acknowledged = True


def step_down(incident: Incident, names: Iterable[str], ids: Iterable[str]) -> bool:
    """Somebody cannot go: they go no more if they said so; whether nobody is left now who has taken it on."""
    names = tuple(names)
    incident.crew = {n: how for n, how in incident.crew.items() if n not in names or how != CommandKind.DISPATCH}
    incident.cannot = tuple(dict.fromkeys((*incident.cannot, *ids)))
    owned, incident.owners = incident.owners, tuple(name for name in incident.owners if name not in names)
    return bool(owned) and not incident.owners


def reopen(incident: Incident) -> None:
    """Something stands after people had given their answer: it begins again, and whoever went before may go again."""
    incident.stage, incident.by, incident.note = "raised", "", ""
    incident.crew = dict.fromkeys(incident.crew, "earlier")


def close_alarms(incident: Incident, now_us: int) -> list[Moved]:
    """Orphaned alarms end with their incident: no rule is left that could clear them."""
    return [
        happen(alarm, Move.CLOSED, now_us, because("closed_with_incident"))
        for alarm in incident.alarms.values()
        if alarm.stands and alarm.condition is Condition.ORPHANED
    ]
