"""A drill is over: its incidents are closed, and everybody who was told of one hears once that the exercise is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from city.levels import Level
from rules.desk.incidents import Due, Incident
from rules.desk.stamp import Stamp
from rules.effects import Effect
from rules.reasons import because

if TYPE_CHECKING:
    from rules.desk.desk import Desk

KIND = "exercise_over"


def wind_up(desk: Desk, why: str, stamp: Stamp) -> list[Effect]:
    """Close every incident of a drill's desk, whatever stands, and tell who was told."""
    effects: list[Effect] = []
    told: dict[str, Incident] = {}
    for incident in desk.incidents.values():
        told.update(dict.fromkeys(incident.told, incident))
        if incident.open:
            incident.owes_clear, incident.level = False, Level.NONE
            effects += desk.end(incident, KIND, because("exercise_over", why=why), stamp)
    for name, incident in told.items():
        person = desk.escalation.people.get(name)
        if person is not None:
            _, channel, via = incident.told[name]
            due = Due(incident.round, 0, 0, stamp.now_us)
            effects += desk.telling.tell(incident, person, (channel,), via, KIND, due, stamp)
    return effects
