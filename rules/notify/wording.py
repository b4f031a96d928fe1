"""The words of a notice, line by line, from its facts; missing facts have no line.

`content["facts"]` holds what `rules.desk.notices` puts there: what, where, district, lon, lat, since and cleared (ISO
8601), timezone, value and unit, threshold, trend, level, peak_level, late, was_held, released, lost; stage and by (how
far people are, and who said so); change and reason (what an update is about); clock and due_at (what a missed clock is
about); cannot (who cannot go), nobody (behind whom nobody is on duty); sure or confirmed_by (how many other sensors);
guidance, evidence (as mappings of `rules.conditions.truth.Evidence`), alarms (how many the incident has), told (names,
or who with `at` and `by`). What belongs to no incident (digests, the word at a flood's end, an empty roster) has its
lines in `content["words"]`, worded already.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from city.levels import Flag, Level
from city.words import catalogue, say
from rules.notify.display import at, level_word, moment, names, plain, say_test, zone_of
from rules.notify.outbox import Notice

Line = tuple[str, str]  # label (may be empty), text

HEADS = ("raise", "update", "clear", "repeat", "no_duty", "clock_missed", "platform", "roster_gap", "exercise_over")
CHANGES = ("stage", "level", "false_alarm", "closed", "joined")
GATHERED = ("digest", "flood_end")


class Links(NamedTuple):
    """Where a notice leads: the person's signed page, and the place on the console's map (empty: none)."""

    page: str
    map: str = ""


class Words(NamedTuple):
    """Subject, and the lines of the body as (label, text)."""

    subject: str
    lines: list[Line]


def compose(notice: Notice, language: str, zone: ZoneInfo, links: Links, code: str) -> Words:
    """The words of a notice in one language."""
    facts = mapping(notice.content.get("facts"))
    zone = zone_of(facts["timezone"]) if facts.get("timezone") else zone
    subject = _subject(notice, facts, language)
    lines: list[Line] = [
        ("", subject),
        *(("", text) for text in _list(notice.content.get("words")) if isinstance(text, str)),
        *([] if notice.kind in GATHERED else _about(notice, facts, language, zone, links)),
        ("look" if _calm(notice) else "link", links.page),
        ("code", code),
    ]
    said = [(say(f"notice.{key}", language) if key else "", text) for key, text in lines if text]
    return Words(subject, said)


def _calm(notice: Notice) -> bool:
    return notice.level is Level.NONE


def _about(notice: Notice, facts: Mapping[str, Any], language: str, zone: ZoneInfo, links: Links) -> list[Line]:
    return [
        *_what(notice, facts, language, zone, links),
        *_news(facts, language, zone),
        ("sure", sureness(facts, language)),
        *_remarks(notice, facts, language),
        *(("evidence", _evidence(item, language, zone)) for item in _list(facts.get("evidence"))),
        ("guidance", "" if _calm(notice) else plain(facts.get("guidance"), language)),
        ("told", ", ".join(_told(one, language, zone) for one in _list(facts.get("told")))),
    ]


def _subject(notice: Notice, facts: Mapping[str, Any], language: str) -> str:
    subject = str(notice.content.get("subject") or "")
    if notice.kind not in GATHERED:
        what = plain(facts.get("what"), language) or subject or notice.incident
        subject = say(
            f"notice.head_{_head(notice, facts)}", language, level=level_word(notice.level, language), what=what
        )
        if (place := where(facts, language)) and not names(what, place):
            subject = say("notice.at_place", language, subject=subject, where=place)
    if notice.drill:
        subject = say("notice.exercise", language, subject=subject)
    return " ".join(subject.split())


def _head(notice: Notice, facts: Mapping[str, Any]) -> str:
    if "raised" in notice.content:
        return "combined"
    change = facts.get("change")
    if notice.kind == "update" and change in CHANGES:
        return str(change)
    return notice.kind if notice.kind in HEADS else "raise"


def _what(notice: Notice, facts: Mapping[str, Any], language: str, zone: ZoneInfo, links: Links) -> list[Line]:
    """What was seen, where and when, as (key of the label, text)."""
    calm = _calm(notice)
    peak = Level.of(str(facts["peak_level"])) if facts.get("peak_level") else notice.level
    place = _place(facts)
    return [
        ("where", where(facts, language)),
        ("address", plain(facts.get("address"), language)),
        ("district", plain(facts.get("district"), language)),
        ("coordinates", place),
        ("map", links.map if place else ""),
        ("since", when(facts.get("since"), zone)),
        ("cleared", when(facts.get("cleared"), zone) if notice.kind == "clear" else ""),
        ("sensor", plain(facts.get("sensor"), language)),
        ("value", amount(facts, language)),
        ("threshold", threshold(facts, language)),
        ("trend", plain(facts.get("trend"), language)),
        ("highest" if calm else "level", level_word(peak if calm else notice.level, language)),
    ]


def _news(facts: Mapping[str, Any], language: str, zone: ZoneInfo) -> list[Line]:
    """What an update or a missed clock is about."""
    clock, stage = str(facts.get("clock") or ""), str(facts.get("stage") or "")
    due = when(facts.get("due_at"), zone)
    return [
        ("stage", with_more(_word("stage", stage, language), plain(facts.get("by"), language), language)),
        ("clock", with_more(_word("clock", clock, language), due, language)),
        ("reason", plain(facts.get("reason"), language)),
        ("cannot", plain(facts.get("cannot"), language)),
        ("nobody", plain(facts.get("nobody"), language)),
    ]


def with_more(text: str, more: str, language: str) -> str:
    """`text (more)`, or what there is of it; nothing without `text`."""
    return say("notice.told_how", language, name=text, how=more) if text and more else text


def _word(kind: str, key: object, language: str) -> str:
    """A stage or clock by its name in words; as it is written when there are none."""
    known = f"notice.{kind}_{key}"
    return say(known, language) if known in catalogue() else plain(key, language)


def sureness(facts: Mapping[str, Any], language: str) -> str:
    """How sure it is: as the facts say, or by what the evidence shows."""
    if facts.get("sure"):
        return plain(facts["sure"], language)
    seen = [item for item in _list(facts.get("evidence")) if isinstance(item, Mapping)]
    others = facts.get("confirmed_by")
    others = others if isinstance(others, int) else 0
    agree = {str(item.get("sensor")) for item in seen if item.get("truth") in ("true", True) and item.get("sensor")}
    sensors = max(len(agree), 1 + others if agree else 0)
    parts = [say("notice.sure_several", language, n=sensors)] if sensors > 1 else []
    if sensors == 1:
        parts.append(say("notice.sure_one", language))
    if any(item.get("flag") == Flag.SUSPECT for item in seen):
        parts.append(say("notice.sure_suspect", language))
    return say("notice.comma", language).join(parts)


def _remarks(notice: Notice, facts: Mapping[str, Any], language: str) -> list[Line]:
    """What changes how the rest is to be read."""
    found: list[Line] = []
    if facts.get("late"):
        found.append(("", say("notice.late", language)))
    if notice.late:
        found.append(("", say("notice.delayed", language)))
    if (held := facts.get("was_held")) in ("shelved", "suppressed", "out_of_service", "maintenance"):
        found.append(("", say(f"notice.was_{held}", language)))
    if released := plain(facts.get("released"), language):
        found.append(("", say("notice.released", language, what=released)))
    if facts.get("lost"):
        found.append(("", say("notice.lost", language)))
    if "raised" in notice.content:
        found.append(("", say("notice.combined_why", language)))
        found.append(("raised_value", amount(mapping(notice.content["raised"]), language)))
    if isinstance(alarms := facts.get("alarms"), int) and alarms > 1:
        found.append(("", say("notice.alarms", language, n=alarms)))
    return found


def where(facts: Mapping[str, Any], language: str) -> str:
    """The place's name."""
    return plain(facts.get("where") or facts.get("site"), language)


def _evidence(item: object, language: str, zone: ZoneInfo) -> str:
    seen = mapping(item)
    if not seen.get("sensor"):
        return plain(item, language)
    value = plain({"value": seen.get("value"), "unit": seen.get("unit", "")}, language)
    if seen.get("value") is None:
        value = say("notice.not_seen", language)
    time = moment(seen.get("time") or seen.get("time_us"))
    test = plain(seen.get("test") or seen.get("threshold"), language)
    parts = [
        value, at(time, zone) if time else "", say_test(test, language), _flag(seen.get("flag"), language),
        plain(seen.get("source"), language),
    ]  # fmt: skip
    return f"{seen['sensor']}: {', '.join(part for part in parts if part)}"


def _flag(flag: object, language: str) -> str:
    """A reading's quality, where it is not plainly good."""
    known = next((one for one in (Flag.SUSPECT, Flag.FAIL, Flag.MISSING) if one == flag), None)
    return "" if known is None else say("notice.flagged", language, flag=say(f"flags.{known.name.lower()}", language))


def _told(one: object, language: str, zone: ZoneInfo) -> str:
    """Who else was told: by name, and when and by what if that is known."""
    if not isinstance(one, Mapping):
        return plain(one, language)
    how = ", ".join(filter(None, (when(one.get("at"), zone), plain(one.get("by") or one.get("channel"), language))))
    return with_more(plain(one.get("name"), language), how, language)


def amount(facts: Mapping[str, Any], language: str) -> str:
    """The value with its unit."""
    value = facts.get("value")
    return "" if value is None else plain({"value": value, "unit": facts.get("unit") or ""}, language)


def threshold(facts: Mapping[str, Any], language: str) -> str:
    """What the value was held against."""
    return say_test(plain(facts.get("threshold"), language), language)


def _place(facts: Mapping[str, Any]) -> str:
    lon, lat = facts.get("lon"), facts.get("lat")
    if not isinstance(lon, int | float) or not isinstance(lat, int | float):
        return ""
    return f"{lat:.5f}, {lon:.5f} geo:{lat:.5f},{lon:.5f}"


def when(value: object, zone: ZoneInfo) -> str:
    """Local time; what is no time, as it is written."""
    found = moment(value)
    return at(found, zone) if isinstance(found, datetime) else plain(value, "en")


def mapping(value: object) -> Mapping[str, Any]:
    """A mapping, whatever it is."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
