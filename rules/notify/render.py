"""The words of a notice, from its facts.

`content["facts"]` holds what `rules.desk.notices.facts` puts there: what, where, district, lon, lat, since and cleared
(ISO 8601), timezone, value and unit, threshold, level, peak_level, late, was_held, released, lost, guidance, evidence
(as mappings of `rules.conditions.truth.Evidence`), alarms (how many the incident has), told (names). Missing facts have
no line.
A notice is never held back because its words fail: then it goes out as plain facts (`fallback_text`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from city.levels import Level
from city.words import say
from rules.notify.display import at, language_of, level_word, moment, plain, say_test, utc, zone_of
from rules.notify.letter import Letter
from rules.notify.outbox import Notice
from rules.notify.policy import short_code

_log = logging.getLogger(__name__)

Line = tuple[str, str]  # label (may be empty), text


class Words(NamedTuple):
    """Subject, and the lines of the body as (label, text)."""

    subject: str
    lines: list[Line]


def render(notice: Notice, link: str, zone: ZoneInfo) -> Letter:
    """The letter for a notice; `link` is the person's signed page, `zone` the city's."""
    language = language_of(notice.content.get("language", "en"))
    code = short_code(str(notice.content.get("root", notice.notice)))
    try:
        words = compose(notice, language, zone, link, code)
        subject, text = words.subject, "\n".join(_text_line(line, language) for line in words.lines)
        page = _html(words, link)
    except Exception:  # noqa: BLE001 - whatever is wrong with the facts, the warning goes out
        _log.exception("words_failed notice=%s", notice.notice, extra={"action": "words_failed"})
        subject, text = fallback_text(notice, link, code)
        page = f"<pre>{escape(text)}</pre>"
    return Letter(
        key=notice.notice,
        to={str(key): str(value) for key, value in _mapping(notice.content.get("to")).items() if value},
        subject=subject,
        text=text,
        html=page,
        body=_body(notice, language, subject, text, link, code),
        language=language,
        level=notice.level,
        created_at=notice.created_at,
    )


def compose(notice: Notice, language: str, zone: ZoneInfo, link: str, code: str) -> Words:
    """The words of a notice in one language."""
    facts = _mapping(notice.content.get("facts"))
    zone = zone_of(facts["timezone"]) if facts.get("timezone") else zone
    calm = notice.level is Level.NONE
    subject = _subject(notice, facts, language)
    lines: list[Line] = [
        ("", subject),
        *_what(notice, facts, language, zone),
        *_remarks(notice, facts, language),
        *(("evidence", _evidence(item, language, zone)) for item in _list(facts.get("evidence"))),
        ("guidance", "" if calm else plain(facts.get("guidance"), language)),
        ("told", plain(facts.get("told"), language)),
        ("look" if calm else "link", link),
        ("code", code),
    ]
    said = [(say(f"notice.{key}", language) if key else "", text) for key, text in lines if text]
    return Words(subject, said)


def _subject(notice: Notice, facts: Mapping[str, object], language: str) -> str:
    what = plain(facts.get("what"), language) or str(notice.content.get("subject") or notice.incident)
    head = "combined" if "raised" in notice.content else notice.kind if notice.kind in _HEADS else "raise"
    subject = say(f"notice.head_{head}", language, level=level_word(notice.level, language), what=what)
    if where := _where(facts, language):
        subject = say("notice.at_place", language, subject=subject, where=where)
    return say("notice.exercise", language, subject=subject) if notice.drill else subject


def _what(notice: Notice, facts: Mapping[str, object], language: str, zone: ZoneInfo) -> list[Line]:
    """What was seen, where and when, as (key of the label, text)."""
    calm = notice.level is Level.NONE
    peak = Level.of(str(facts["peak_level"])) if facts.get("peak_level") else notice.level
    return [
        ("where", _where(facts, language)),
        ("district", plain(facts.get("district"), language)),
        ("coordinates", _place(facts)),
        ("since", _when(facts.get("since"), zone)),
        ("cleared", _when(facts.get("cleared"), zone) if notice.kind == "clear" else ""),
        ("sensor", plain(facts.get("sensor"), language)),
        ("value", _amount(facts, language)),
        ("threshold", _threshold(facts, language)),
        ("highest" if calm else "level", level_word(peak if calm else notice.level, language)),
    ]


def _remarks(notice: Notice, facts: Mapping[str, object], language: str) -> list[Line]:
    """What changes how the rest is to be read."""
    found: list[Line] = []
    if notice.late or facts.get("late"):
        found.append(("", say("notice.late", language)))
    if (held := facts.get("was_held")) in ("shelved", "suppressed", "out_of_service"):
        found.append(("", say(f"notice.was_{held}", language)))
    if released := plain(facts.get("released"), language):
        found.append(("", say("notice.released", language, what=released)))
    if facts.get("lost"):
        found.append(("", say("notice.lost", language)))
    if "raised" in notice.content:
        found.append(("", say("notice.combined_why", language)))
        found.append(("raised_value", _amount(_mapping(notice.content["raised"]), language)))
    if isinstance(alarms := facts.get("alarms"), int) and alarms > 1:
        found.append(("", say("notice.alarms", language, n=alarms)))
    return found


def _where(facts: Mapping[str, object], language: str) -> str:
    return plain(facts.get("where") or facts.get("site"), language)


_HEADS = ("raise", "update", "clear", "repeat", "no_duty")


def fallback_text(notice: Notice, link: str, code: str) -> tuple[str, str]:
    """Subject and text when the words failed: what the notice holds, as it stands."""
    subject = f"{notice.level.word.upper()} {notice.kind} {notice.content.get('subject') or notice.incident}"
    if notice.drill:
        subject = f"EXERCISE 演习 {subject}"
    facts = msgspec.json.format(msgspec.json.encode(notice.content.get("facts"), enc_hook=str), indent=1).decode()
    return " ".join(subject.split()), f"{subject}\n{notice.content.get('text') or ''}\n{facts}\n{link}\n{code}"


def _body(notice: Notice, language: str, subject: str, text: str, link: str, code: str) -> bytes:
    content = {
        "notice": notice.notice,
        "incident": notice.incident,
        "kind": notice.kind,
        "level": notice.level.word,
        "exercise": notice.drill,
        "late": notice.late,
        "created_at": utc(notice.created_at),
        "language": language,
        "subject": subject,
        "text": text,
        "link": link,
        "code": code,
        "to": notice.target,
        "facts": notice.content.get("facts"),
    }
    if "raised" in notice.content:
        content["raised"] = notice.content["raised"]
    return msgspec.json.encode(content, enc_hook=str)


def _evidence(item: object, language: str, zone: ZoneInfo) -> str:
    seen = _mapping(item)
    if not seen.get("sensor"):
        return plain(item, language)
    value = plain({"value": seen.get("value"), "unit": seen.get("unit", "")}, language)
    if seen.get("value") is None:
        value = say("notice.not_seen", language)
    time = moment(seen.get("time") or seen.get("time_us"))
    test = plain(seen.get("test") or seen.get("threshold"), language)
    parts = [value, at(time, zone) if time else "", say_test(test, language), plain(seen.get("source"), language)]
    return f"{seen['sensor']}: {', '.join(part for part in parts if part)}"


def _amount(facts: Mapping[str, object], language: str) -> str:
    value = facts.get("value")
    return "" if value is None else plain({"value": value, "unit": facts.get("unit") or ""}, language)


def _threshold(facts: Mapping[str, object], language: str) -> str:
    return say_test(plain(facts.get("threshold"), language), language)


def _place(facts: Mapping[str, object]) -> str:
    lon, lat = facts.get("lon"), facts.get("lat")
    if not isinstance(lon, int | float) or not isinstance(lat, int | float):
        return ""
    return f"{lat:.5f}, {lon:.5f} geo:{lat:.5f},{lon:.5f}"


def _when(value: object, zone: ZoneInfo) -> str:
    when = moment(value)
    return at(when, zone) if isinstance(when, datetime) else plain(value, "en")


def _text_line(line: Line, language: str) -> str:
    return say("notice.line", language, label=line[0], text=line[1]) if line[0] else line[1]


def _html(words: Words, link: str) -> str:
    rows = []
    for label, text in words.lines[1:]:
        shown = escape(text)
        if text == link:
            shown = f'<a href="{escape(link)}">{shown}</a>'
        elif " geo:" in text:
            place, geo = text.split(" geo:")
            shown = f'<a href="geo:{escape(geo)}">{escape(place)}</a>'
        rows.append(f"<p>{f'<b>{escape(label)}</b>: ' if label else ''}{shown}</p>")
    return f"<!doctype html><html><body><h2>{escape(words.subject)}</h2>{''.join(rows)}</body></html>"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
