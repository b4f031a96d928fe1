"""The clocks of an incident: how long people have at its level until each stage, as stored rows with a due time.

They begin at the opening and again with each rise of level (`again`: what was due already stays due then, for a rise
gives nobody more time), for the stages that are still ahead. A fall of level leaves them as they are: whoever promised
to be there in half an hour has. When all is clear nobody need go, so those run out that ask for it; `close`, and
`report` once a crew is out, go on. A false alarm and the closing end all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.desk.incidents import Clock, Incident
from rules.desk.plan import Clocks
from rules.desk.stamp import Stamp
from rules.effects import ClockSet, Effect
from rules.reasons import because

MEANS: Mapping[str, str] = {
    "acknowledge": "acknowledged", "confirm": "confirmed", "dispatch": "dispatched", "on_site": "on_site",
    "report": "reported", "close": "closed",
}  # fmt: skip
_AT_PEACE = ("close", "report")  # these go on when all is clear


def times(clocks: Clocks) -> Iterator[tuple[str, int]]:
    """The clocks that a level has, and how long each gives (microseconds)."""
    for name in MEANS:
        span_us = getattr(clocks, f"{name}_us")
        if span_us is not None:
            yield name, span_us


def begin(incident: Incident, clocks: Clocks | None, stamp: Stamp) -> list[Effect]:
    """Begin the clocks of the incident's level."""
    before = {clock.name: clock for clock in incident.clocks}
    effects = cancel(incident, stamp, because("clocks_anew", level=incident.level.word))
    incident.numbers += 1
    for name, span_us in times(clocks) if clocks else ():
        if name == "acknowledge" or not incident.met(MEANS[name]):
            due_us = stamp.now_us + span_us
            if name in before:
                due_us = min(due_us, before[name].due_us)
            clock = Clock(name, incident.numbers, incident.level, stamp.now_us, due_us)
            incident.clocks.append(clock)
            effects.append(_set(incident, clock, "running", None, ""))
    return effects


def settle(incident: Incident, stamp: Stamp, by: str) -> list[Effect]:
    """What was met by a command; all of them end with a false alarm and with the closing."""
    effects: list[Effect] = []
    over = incident.stage in ("false_alarm", "closed")
    for clock in list(incident.clocks):
        if incident.met(MEANS[clock.name]):
            incident.clocks.remove(clock)
            effects.append(_set(incident, clock, "met", stamp.now_us, by))
    return effects + (cancel(incident, stamp, because("incident_is", stage=incident.stage)) if over else [])


def missed(incident: Incident, stamp: Stamp) -> tuple[list[Clock], list[Effect]]:
    """The clocks that ran out, earliest first."""
    found = sorted((c for c in incident.clocks if c.due_us <= stamp.now_us), key=lambda c: (c.due_us, c.name))
    incident.clocks = [clock for clock in incident.clocks if clock not in found]
    return found, [_set(incident, clock, "missed", stamp.now_us, "") for clock in found]


def cancel(incident: Incident, stamp: Stamp, why: str) -> list[Effect]:
    """All clocks end."""
    ended, incident.clocks = incident.clocks, []
    return [_set(incident, clock, "cancelled", stamp.now_us, why) for clock in ended]


def rest(incident: Incident, stamp: Stamp, why: str) -> list[Effect]:
    """Nothing stands that people are told of: end the clocks that ask somebody to go."""
    going = incident.stage in ("dispatched", "on_site")
    stays = [c for c in incident.clocks if c.name in _AT_PEACE and (c.name == "close" or going)]
    ended = [c for c in incident.clocks if c not in stays]
    incident.clocks = stays
    return [_set(incident, clock, "cancelled", stamp.now_us, why) for clock in ended]


def _set(incident: Incident, clock: Clock, state: str, settled_us: int | None, reason: str) -> ClockSet:
    return ClockSet(
        incident.id, clock.number, clock.name, clock.level, clock.began_us, clock.due_us, state, settled_us, reason
    )
