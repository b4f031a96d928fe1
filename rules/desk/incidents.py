"""Incidents: alarms of one place and time, grouped, with a stage, a level, and the people's commands.

An alarm joins an open incident of the same class (hazard or platform) at the same site or within `GROUP_M` of it, when
the incident's newest alarm is at most `GROUP_US` of event time away; otherwise it opens one and is marked as the first.
The incident's level is the highest standing one. Stages follow `STAGES`; a command that does not fit is refused with a
reason and recorded all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from math import floor
from typing import TYPE_CHECKING, Any

from city.geo import Place
from city.levels import Level
from rules.alarm.alarm import Alarm, Condition, Hold, Move, Moved, by_name, fill, happen
from rules.desk.plan import Chain
from rules.effects import IncidentSet
from rules.inputs import CommandIn, CommandKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GROUP_M = 200.0
GROUP_LAT = GROUP_M / 110_000  # more degrees of latitude than that are farther
GROUP_US = 60 * 60 * 1_000_000
STAGES: Mapping[CommandKind, tuple[frozenset[str], str]] = {
    CommandKind.CONFIRM: (frozenset({"raised"}), "confirmed"),
    CommandKind.FALSE_ALARM: (frozenset({"raised", "confirmed"}), "false_alarm"),
    CommandKind.ANALYSE: (frozenset({"raised", "confirmed"}), "analysed"),
    CommandKind.DISPATCH: (frozenset({"raised", "confirmed", "analysed"}), "dispatched"),
    CommandKind.ON_SITE: (frozenset({"raised", "confirmed", "analysed", "dispatched"}), "on_site"),
    CommandKind.REPORT: (frozenset({"dispatched", "on_site"}), "reported"),
    CommandKind.CLOSE: (
        frozenset({"raised", "confirmed", "false_alarm", "analysed", "dispatched", "on_site", "reported"}),
        "closed",
    ),
}
NEEDS_NOTE = frozenset({CommandKind.FALSE_ALARM, CommandKind.REPORT, CommandKind.CANNOT_GO, CommandKind.NOTE})
ONLY_SAID = frozenset({CommandKind.CANNOT_GO, CommandKind.NOTE})  # nobody has taken it on by that
UNDER_WAY = frozenset({"dispatched", "on_site", "reported", "closed"})


@dataclass(frozen=True, slots=True)
class Due:
    """A stored escalation step: repeat 0 is the step itself. `due_us` is absolute."""

    round: int
    step: int
    repeat: int
    due_us: int


@dataclass(slots=True)
class Incident:
    """One incident.

    Attributes
    ----------
    round
        How often its chain began.
    told
        Person id -> (name, channel, via) of the last notice.
    owes_clear
        Whether somebody was told of something that has not been told to be over.
    released
        The alarms whose holds ended when the round began, and which: they have stood for longer.
    drill
        The exercise it belongs to; empty for a real one.
    """

    id: str
    site: str
    district: str
    place: Place
    title: Mapping[str, str]
    first_alarm: str
    diagnostic: bool
    opened_us: int
    newest_us: int
    chain: Chain | None
    stage: str = "raised"
    level: Level = Level.NONE
    peak_level: Level = Level.NONE
    acknowledged: bool = False
    acknowledged_us: int = 0
    closed_us: int | None = None
    round: int = 0
    due: list[Due] = field(default_factory=list)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    told: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    owes_clear: bool = False
    released: dict[str, Hold] = field(default_factory=dict)
    drill: str = ""

    def __setstate__(self, state: tuple[Any, Any]) -> None:
        fill(self, by_name(state))

    @property
    def open(self) -> bool:
        """Whether nobody has closed it yet."""
        return self.closed_us is None

    @property
    def stands(self) -> bool:
        """Whether any of its alarms stands, held or not."""
        return any(alarm.stands for alarm in self.alarms.values())

    def standing(self) -> Level:
        """The highest level of its alarms that stand now and are not held."""
        return max((alarm.level for alarm in self.alarms.values() if alarm.tells), default=Level.NONE)

    def gravest(self) -> Alarm:
        """The alarm to speak of: the highest standing one that is not held, the earliest among equals."""
        return max(self.alarms.values(), key=lambda a: (a.tells, a.stands, a.level, a.peak_level, -a.raised_us))

    def met(self, what: str) -> bool:
        """Whether the incident is `acknowledged` or `dispatched`."""
        return (what == "acknowledged" and self.acknowledged) or (what == "dispatched" and self.stage in UNDER_WAY)

    def row(self) -> IncidentSet:
        """Its row now."""
        return IncidentSet(
            self.id, self.site, self.district, self.level, self.peak_level, self.stage, self.acknowledged,
            self.opened_us, self.closed_us, dict(self.title), self.first_alarm,
            self.chain.id if self.chain else "", self.chain.version if self.chain else "", self.drill,
        )  # fmt: skip


class Nearby:
    """Where the incidents are, so that an alarm is held against few of them: in a storm most are far away.

    Parameters
    ----------
    incidents
        All there are, by id. Of later ones `note` is told, and of those that were taken out `forget`.
    """

    def __init__(self, incidents: Mapping[str, Incident]) -> None:
        self._incidents = incidents
        self._numbers = count()
        self._at_site: dict[str, dict[str, int]] = {}  # id -> its place in the order in which they opened
        self._in_strip: dict[int, dict[str, int]] = {}  # strips of equal latitudes, as wide as a group
        for incident in incidents.values():
            self.note(incident)

    def note(self, incident: Incident) -> None:
        """An incident is new."""
        number = next(self._numbers)
        self._at_site.setdefault(incident.site, {})[incident.id] = number
        self._in_strip.setdefault(_strip(incident.place), {})[incident.id] = number

    def forget(self, incident: Incident) -> None:
        """An incident was taken out."""
        self._at_site.get(incident.site, {}).pop(incident.id, None)
        self._in_strip.get(_strip(incident.place), {}).pop(incident.id, None)

    def closest(self, alarm: Alarm, place: Place) -> tuple[Incident, str] | None:
        """The open incident an alarm belongs to, and why; None when it opens its own."""
        numbers, strip = dict(self._at_site.get(alarm.site, {})), _strip(place)
        for beside in (strip - 1, strip, strip + 1):
            numbers.update(self._in_strip.get(beside, {}))
        names = sorted(numbers, key=numbers.__getitem__)
        return closest((self._incidents[name] for name in names if name in self._incidents), alarm, place)


def _strip(place: Place) -> int:
    return floor(place.lat / GROUP_LAT)


def closest(incidents: Iterable[Incident], alarm: Alarm, place: Place) -> tuple[Incident, str] | None:
    """The one of these incidents an alarm belongs to: the closest, the first of equals."""
    best: tuple[float, Incident, str] | None = None
    for incident in incidents:
        if not incident.open or incident.diagnostic != alarm.diagnostic:
            continue
        if abs(alarm.raised_us - incident.newest_us) > GROUP_US:
            continue
        if incident.site != alarm.site and abs(incident.place.lat - place.lat) > GROUP_LAT:
            continue  # no need to know how far
        away_m = 0.0 if incident.site == alarm.site else incident.place.distance_m(place)
        if away_m <= GROUP_M and (best is None or away_m < best[0]):
            where = "the same site" if incident.site == alarm.site else f"{away_m:.0f} m away"
            minutes = abs(alarm.raised_us - incident.newest_us) / 60e6
            best = (away_m, incident, f"{where}, {minutes:.0f} min after its newest alarm")
    return (best[1], best[2]) if best else None


def refusal(incident: Incident | None, command: CommandIn) -> str:
    """Why a command does not fit (empty: it does)."""
    if incident is None:
        return "there is no such incident"
    if not incident.open:
        return "the incident is closed"
    if command.kind in NEEDS_NOTE and not command.note.strip():
        return f"{command.kind} needs a note"
    if not isinstance(command.kind, CommandKind) or command.kind not in STAGES:
        return ""
    stages, _ = STAGES[command.kind]
    if incident.stage not in stages:
        return f"{command.kind} does not follow {incident.stage}"
    if command.kind is CommandKind.CLOSE and (latched := [a.id for a in incident.alarms.values() if a.latched]):
        return f"latched until somebody resets it with a note: {', '.join(latched)}"
    if command.kind is CommandKind.CLOSE and not command.note.strip():
        if incident.stands:
            return "something still stands: close it with a note that says why"
        if incident.stage not in ("reported", "false_alarm"):
            return "nobody has reported: close it with a note that says why"
    return ""


def close_alarms(incident: Incident, now_us: int) -> list[Moved]:
    """Orphaned alarms end with their incident: no rule is left that could clear them."""
    return [
        happen(alarm, Move.CLOSED, now_us, "closed with its incident")
        for alarm in incident.alarms.values()
        if alarm.stands and alarm.condition is Condition.ORPHANED
    ]
