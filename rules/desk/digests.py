"""What digests and the word at a flood's end say: every alarm, in order of urgency or of raise, worded for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from city.clock import from_us
from city.display import measured, names
from city.levels import Level
from city.model import City
from city.words import catalogue, say
from rules.alarm.alarm import Alarm
from rules.desk.floods import Entry, Flood, Waiting, digest_of
from rules.desk.notices import addressed
from rules.desk.plan import Escalation, Person
from rules.effects import NoticeQueued

Said = dict[str, Any]


def digest(city: City, escalation: Escalation, flood: Flood, waiting: Waiting) -> NoticeQueued:
    """The digest that waited: incidents with the gravest first, each with its alarms; new ones are marked as such."""
    person, (district, domain) = waiting.person, waiting.zone
    said, language = flood.said.setdefault(person.id, set()), person.language
    entries = sorted(waiting.entries.items(), key=lambda item: (-_level(item[1]), _since(item[1]), item[0]))
    lines = [_incident(city, incident, entry, said, language) for incident, entry in entries]
    level = max((_level(entry) for _, entry in entries), default=Level.NONE)
    alarms = [alarm for line in lines for alarm in line["alarms"] if alarm["new"]]
    own = city.districts.get(district)
    subject = say(
        "flood.digest_subject", language, level=say(f"levels.{level.word}", language), n=sum(map(_counted, lines)),
        where=own.name.in_(language) if own else district, domain=_domain(domain, language),
    )  # fmt: skip
    words = [text for line in lines for text in _words(city, line, language)]
    facts = {"district": own.name.in_(language) if own else district, "timezone": city.timezone, "lines": lines}
    content = _content(escalation, flood, person, waiting.channels, subject, words, facts)
    content |= {"district": district, "domain": domain, "new": [alarm["alarm"] for alarm in alarms]}
    return _queued(waiting.id, "digest", person, waiting.via, waiting.channels, level, content, flood)


def ending(
    city: City, escalation: Escalation, flood: Flood, told: tuple[Person, tuple[str, ...], str], ended_us: int
) -> NoticeQueued:
    """What a person who was told of a flood is told when it is over: the list of all of it, in order of raise."""
    person, channels, via = told
    language, lines = person.language, replay(city, flood, person.language)
    standing = [alarm for alarm in flood.alarms.values() if alarm.stands]
    subject = say(
        "flood.end_subject", language, n=len(lines), standing=len(standing),
        minutes=max(1, round((ended_us - flood.since_us) / 60e6)),
    )  # fmt: skip
    words = [say("flood.peak", language, peak=flood.peak, digests=flood.digests)]
    words += [_line(city, line, language) for line in lines]
    facts = {
        "timezone": city.timezone, "lines": lines, "count": len(lines), "standing": len(standing), "peak": flood.peak,
        "digests": flood.digests, "since": from_us(flood.since_us).isoformat(),
        "started": from_us(flood.started_us).isoformat(), "ended": from_us(ended_us).isoformat(),
    }  # fmt: skip
    content = _content(escalation, flood, person, channels, subject, words, facts)
    districts = {alarm.district for alarm in flood.alarms.values()}
    content["district"] = next(iter(districts)) if len(districts) == 1 else ""
    level = max((alarm.level for alarm in standing), default=Level.NONE)
    name = digest_of(flood.id, person.id, "", "", ended_us)
    return _queued(name, "flood_end", person, via, channels, level, content, flood)


def replay(city: City, flood: Flood, language: str) -> list[Said]:
    """All alarms of a flood in order of raise, whether they still stand or not."""
    order = sorted(flood.alarms.values(), key=lambda alarm: (alarm.raised_us, alarm.id))
    return [_alarm(city, alarm, language) for alarm in order]


def _incident(city: City, incident: str, entry: Entry, said: set[str], language: str) -> Said:
    """One incident of a digest: its new alarms and its gravest one in full, the others by id."""
    order = sorted(entry.alarms.values(), key=lambda a: (-_now(a), a.raised_us, a.id))
    full = [alarm for at, alarm in enumerate(order) if at == 0 or alarm.id not in said]
    line = {
        "incident": incident,
        "kinds": list(entry.kinds),
        "level": _level(entry).word,
        "alarms": [{**_alarm(city, alarm, language), "new": alarm.id not in said} for alarm in full],
        "also": [alarm.id for alarm in order if alarm not in full],
    }
    said.update(entry.alarms)  # it may have gone on to another incident of the same digest
    return line


def _alarm(city: City, alarm: Alarm, language: str) -> Said:
    site, seen = city.sites.get(alarm.site), alarm.evidence[0] if alarm.evidence else None
    return {
        "alarm": alarm.id,
        "incident": alarm.incident,
        "level": _now(alarm).word,
        "peak_level": alarm.peak_level.word,
        "title": alarm.title.get(language) or alarm.rule,
        "where": site.name.in_(language) if site else alarm.site,
        "sensor": alarm.scope,
        "value": seen.value if seen else None,
        "unit": seen.unit if seen else "",
        "threshold": seen.test if seen else "",
        "since": from_us(alarm.raised_us).isoformat(),
        "stands": alarm.stands,
    }


def _now(alarm: Alarm) -> Level:
    """Its level; of one that is over, the highest it had."""
    return alarm.level if alarm.stands else alarm.peak_level


def _level(entry: Entry) -> Level:
    """The highest level that stands in it; none when everything is over."""
    return max((alarm.level for alarm in entry.alarms.values() if alarm.stands), default=Level.NONE)


def _since(entry: Entry) -> int:
    return min((alarm.raised_us for alarm in entry.alarms.values()), default=0)


def _counted(line: Mapping[str, Any]) -> int:
    return len(line["alarms"]) + len(line["also"])


def _words(city: City, line: Mapping[str, Any], language: str) -> list[str]:
    """The lines of one incident of a digest."""
    words = [_line(city, alarm, language) for alarm in line["alarms"]]
    if "repeat" in line["kinds"]:
        words[0] += f" ({say('flood.repeat', language)})"
    if "clear" in line["kinds"]:
        words[-1] += f" ({say('flood.all_over', language)})"
    return words + [say("flood.line_also", language, alarms=", ".join(line["also"]))] * bool(line["also"])


def _line(city: City, alarm: Mapping[str, Any], language: str) -> str:
    at = datetime.fromisoformat(alarm["since"]).astimezone(ZoneInfo(city.timezone))
    value = alarm["value"]
    return say(
        "flood.line", language, level=say(f"levels.{alarm['level']}", language), title=alarm["title"],
        where=alarm["sensor"] if names(alarm["title"], alarm["where"]) else f"{alarm['where']} {alarm['sensor']}",
        value=say("flood.no_value", language) if value is None else measured(value, alarm["unit"], language),
        since=at.strftime("%m-%d %H:%M:%S"), state=say("flood.stands" if alarm["stands"] else "flood.over", language),
        alarm=alarm["alarm"], incident=alarm["incident"],
    )  # fmt: skip


def _domain(domain: str, language: str) -> str:
    key = f"domains.{domain}"
    return say(key, language) if key in catalogue() else domain


def _content(
    escalation: Escalation, flood: Flood, person: Person, channels: tuple[str, ...], subject: str, words: list[str],
    facts: Said,
) -> Said:  # fmt: skip
    return {
        "subject": subject, "text": "\n".join([subject, *words]), "words": words, "language": person.language,
        "incident": "", "flood": flood.id, "facts": {"what": subject, "flood": flood.id, **facts},
        **addressed(escalation, person, channels),
    }  # fmt: skip


def _queued(
    name: str, kind: str, person: Person, via: str, channels: tuple[str, ...], level: Level, content: Said, flood: Flood
) -> NoticeQueued:
    return NoticeQueued(name, "", kind, 0, 0, person.id, via, channels[0], level, content, False, flood.drill)
