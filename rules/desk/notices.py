"""What a notice says, as facts: the notifier words them for the channel, in the person's language."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from city.clock import from_us
from city.display import measured
from city.model import City
from city.words import say
from rules.alarm.alarm import Alarm
from rules.alarm.platform import of_platform
from rules.desk.plan import Escalation, Person
from rules.desk.sight import Sight
from rules.effects import NoticeQueued

if TYPE_CHECKING:
    from rules.desk.incidents import Due, Incident
    from rules.desk.stamp import Stamp

LATE_US = 60_000_000


def notice(
    city: City,
    escalation: Escalation,
    incident: Incident,
    person: Person,
    channels: tuple[str, ...],
    via: str,
    kind: str,
    due: Due,
    stamp: Stamp,
    sight: Sight,
    about: Alarm | None = None,
) -> NoticeQueued:
    """A notice to `person` through the first of `channels`; the others stand by as fallbacks.

    It speaks of the alarm `about` (None: the gravest one).

    Its id is the same whenever the same decision is computed again, and is what receivers de-duplicate by.
    """
    place = (incident.id, due.round, due.step, due.repeat, kind, person.id, channels[0])
    key = hashlib.sha256("|".join(map(str, place)).encode()).hexdigest()[:32]
    late = stamp.now_us - due.due_us > LATE_US
    return NoticeQueued(
        key, incident.id, kind, due.round, due.step, person.id, via, channels[0], incident.level,
        content(city, escalation, incident, person, channels, kind, sight, about), late, incident.drill,
    )  # fmt: skip


def content(
    city: City, escalation: Escalation, incident: Incident, person: Person, channels: tuple[str, ...], kind: str,
    sight: Sight, about: Alarm | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Facts, addresses and channel settings, all that a notifier needs."""
    language, alarm = person.language, about or incident.gravest()
    told = facts(city, incident, alarm, language) | news(escalation, incident, person, kind, about)
    told["trend"] = trend(sight.trend(alarm), str(told["unit"]), language)
    if of_platform(alarm):
        told |= of_itself(alarm)
    word = say(f"levels.{alarm.peak_level.word if kind == 'clear' else alarm.level.word}", language)
    subject = f"[{word}] {incident.title.get(language) or next(iter(incident.title.values()))}"
    return {
        "subject": subject,
        "text": f"{subject} ({told['since']})",
        "language": language,
        "incident": incident.id,
        "facts": told,
        "alarms": list(incident.alarms),
        **addressed(escalation, person, channels),
    }


def addressed(escalation: Escalation, person: Person, channels: tuple[str, ...]) -> dict[str, Any]:
    """Where a notice goes: addresses, and the settings of its channels."""
    return {
        "to": {**person.reach, "name": person.name.get(person.language) or person.id},
        "settings": {name: dict(escalation.channels.get(name, {})) for name in channels},
        "fallback": list(channels[1:]),
    }


def facts(city: City, incident: Incident, alarm: Alarm, language: str) -> dict[str, Any]:
    """What, where, since when, how much against what, how sure, what to do, who else was told."""
    site = city.sites.get(alarm.site)
    district = city.districts.get(alarm.district)
    first = alarm.evidence[0] if alarm.evidence else None
    return {
        "what": alarm.title.get(language) or alarm.rule,
        "where": site.name.in_(language) if site else alarm.site,
        "address": site.address.in_(language) if site and site.address else "",
        "district": district.name.in_(language) if district else alarm.district,
        "site": alarm.site,
        "lon": incident.place.lon,
        "lat": incident.place.lat,
        "since": from_us(alarm.raised_us).isoformat(),
        "cleared": from_us(alarm.cleared_us).isoformat() if alarm.cleared_us is not None else None,
        "timezone": city.timezone,
        "level": alarm.level.word,
        "peak_level": alarm.peak_level.word,
        "sensor": alarm.scope,
        "value": first.value if first else None,
        "unit": first.unit if first else "",
        "threshold": first.test if first else "",
        "late": alarm.late,
        "was_held": str(incident.released.get(alarm.id, "")),
        "released": [
            f"{other.title.get(language) or other.rule}, {other.scope}"
            for other in incident.alarms.values()
            if other.id in incident.released and other.tells and other is not alarm
        ],
        "lost": alarm.lost,
        "guidance": alarm.guidance.get(language) or next(iter(alarm.guidance.values()), ""),
        "evidence": [
            asdict(e) | {"time": from_us(e.time_us).isoformat() if e.time_us else None} for e in alarm.evidence
        ],
        "flag": max((e.flag for e in alarm.evidence), default=0),
        "alarms": len(incident.alarms),
        "confirmed_by": len({a.scope for a in incident.alarms.values() if a.stands} - {alarm.scope}),
    }


def of_itself(alarm: Alarm) -> dict[str, Any]:
    """What differs in words about Lifeline itself: it lies nowhere, no sensor saw it, and there is a reason."""
    reason = alarm.evidence[0].test if alarm.evidence else ""
    return {"lon": None, "lat": None, "sensor": "", "threshold": "", "evidence": [], "reason": reason}


def trend(seen: Mapping[str, float] | None, unit: str, language: str) -> dict[str, Any] | None:
    """How the value moves, in figures and in words; None when that is not known."""
    if seen is None:
        return None
    slope, minutes = seen["per_hour"], max(1, round(seen["over_s"] / 60))
    key = "trend_up" if slope > 0 else "trend_down" if slope < 0 else "trend_steady"
    amount = measured(abs(slope), unit, language)
    return {**seen, language: say(f"incident.{key}", language, amount=amount, minutes=minutes)}


def news(escalation: Escalation, incident: Incident, person: Person, kind: str, about: Alarm | None) -> dict[str, Any]:
    """How far people are with it, what a notice is about beyond the alarm, and who else was told when by what."""
    answered = incident.stage in ("false_alarm", "closed")
    change = ("joined" if about else incident.stage if answered else "level") if kind == "update" else ""
    clock, due_us = incident.missed[-1] if kind == "clock_missed" and incident.missed else ("", None)
    known = escalation.people
    others = [(name, *how) for name, how in incident.told.items() if name != person.id]
    return {
        "stage": incident.stage,
        "by": incident.by,
        "change": change,
        "reason": incident.note if answered and change else "",
        "clock": clock,
        "due_at": from_us(due_us).isoformat() if due_us is not None else None,
        "nobody": list(incident.nobody),
        "cannot": [known[name].name.get(person.language) or name for name in incident.cannot if name in known],
        "told": [
            {
                "name": (known[name].name.get(person.language) if name in known else "") or shown,
                "at": from_us(incident.told_us[name]).isoformat() if name in incident.told_us else None,
                "by": channel,
                "via": via,
            }
            for name, shown, channel, via in others
        ],
    }
