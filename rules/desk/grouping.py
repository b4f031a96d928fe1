"""Which incident an alarm belongs to: by site, distance and time.

An alarm joins an open incident of the same class (hazard or platform) at the same site or within `Grouping.within_m` of
it, when the incident's newest alarm is at most `Grouping.window_us` of event time away; otherwise it opens one and is
marked as the first. What Lifeline says of itself joins nothing but what it said of the same part before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from math import floor

from city.geo import Place
from rules.alarm.alarm import Alarm
from rules.alarm.platform import of_platform
from rules.desk.incidents import Incident
from rules.desk.plan import Grouping
from rules.reasons import because

_METRES_A_DEGREE = 110_000  # of latitude, at least: more degrees than that are farther


class Nearby:
    """Where the incidents are, so that an alarm is held against few of them: in a storm most are far away.

    Parameters
    ----------
    incidents
        All there are, by id. Of later ones `note` is told, and of those that were taken out `forget`.
    grouping
        How near, and how close in time.
    """

    def __init__(self, incidents: Mapping[str, Incident], grouping: Grouping) -> None:
        self._incidents, self._grouping = incidents, grouping
        self._strip_lat = max(grouping.within_m, 1.0) / _METRES_A_DEGREE
        self._numbers = count()
        self._at_site: dict[str, dict[str, int]] = {}  # id -> its place in the order in which they opened
        self._in_strip: dict[int, dict[str, int]] = {}  # strips of equal latitudes, as wide as a group
        for incident in incidents.values():
            self.note(incident)

    def note(self, incident: Incident) -> None:
        """An incident is new."""
        number = next(self._numbers)
        self._at_site.setdefault(incident.site, {})[incident.id] = number
        self._in_strip.setdefault(self._strip(incident.place), {})[incident.id] = number

    def forget(self, incident: Incident) -> None:
        """An incident was taken out."""
        self._at_site.get(incident.site, {}).pop(incident.id, None)
        self._in_strip.get(self._strip(incident.place), {}).pop(incident.id, None)

    def closest(self, alarm: Alarm, place: Place) -> tuple[Incident, str] | None:
        """The open incident an alarm belongs to, and why; None when it opens its own."""
        numbers, strip = dict(self._at_site.get(alarm.site, {})), self._strip(place)
        for beside in (strip - 1, strip, strip + 1):
            numbers.update(self._in_strip.get(beside, {}))
        names = sorted(numbers, key=numbers.__getitem__)
        found = (self._incidents[name] for name in names if name in self._incidents)
        return closest(found, alarm, place, self._grouping)

    def _strip(self, place: Place) -> int:
        return floor(place.lat / self._strip_lat)


def closest(
    incidents: Iterable[Incident], alarm: Alarm, place: Place, grouping: Grouping
) -> tuple[Incident, str] | None:
    """The one of these incidents an alarm belongs to: the closest, the first of equals."""
    best: tuple[float, Incident, str] | None = None
    for incident in incidents:
        if not incident.open or incident.diagnostic != alarm.diagnostic:
            continue
        if abs(alarm.raised_us - incident.newest_us) > grouping.window_us or not _may_join(incident, alarm):
            continue
        if incident.site != alarm.site and abs(incident.place.lat - place.lat) * _METRES_A_DEGREE > grouping.within_m:
            continue  # no need to know how far
        away_m = 0.0 if incident.site == alarm.site else incident.place.distance_m(place)
        near = incident.site == alarm.site or away_m <= grouping.within_m
        if near and (best is None or away_m < best[0]):
            best = (away_m, incident, _why(incident, alarm, away_m))
    return (best[1], best[2]) if best else None


def _may_join(incident: Incident, alarm: Alarm) -> bool:
    if incident.alone or of_platform(alarm):
        return incident.alone and any(other.key == alarm.key for other in incident.alarms.values())
    return True


def _why(incident: Incident, alarm: Alarm, away_m: float) -> str:
    minutes = f"{abs(alarm.raised_us - incident.newest_us) / 60e6:.0f}"
    if incident.site == alarm.site:
        return because("same_site", minutes=minutes)
    return because("near", metres=f"{away_m:.0f}", minutes=minutes)
