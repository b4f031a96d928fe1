"""A notice in brief, for text messages: at most 300 characters, the link and the code always whole."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from city.words import say
from rules.notify.display import at, moment, plain, zone_of
from rules.notify.outbox import Notice
from rules.notify.wording import GATHERED, amount, mapping, threshold

LONGEST = 300
_ROOM_FOR_WORDS = 60


def brief(notice: Notice, subject: str, language: str, zone: ZoneInfo, link: str, code: str) -> str:
    """The subject, the value against its threshold, since when and what to do, so far as there is room.

    A link that would leave no room for words is left out: the code finds the notice, too.
    """
    end = f"{code} {link}" if len(link) <= LONGEST - _ROOM_FOR_WORDS - len(code) - 2 else code
    room = LONGEST - len(end) - 1
    text = clip(subject, room)
    for part in _parts(notice, language, zone):
        longer = f"{text}{say('notice.semicolon', language)}{part}"
        if len(longer) <= room:
            text = longer
    return f"{text} {end}"


def _parts(notice: Notice, language: str, zone: ZoneInfo) -> list[str]:
    facts = mapping(notice.content.get("facts"))
    if notice.kind in GATHERED:
        return []
    zone = zone_of(facts["timezone"]) if facts.get("timezone") else zone
    value, limit, began = amount(facts, language), threshold(facts, language), moment(facts.get("since"))
    against = f"{value} ({limit})" if value and limit else value
    since = say("notice.short_since", language, at=at(began, zone, seconds=False, day=False)) if began else ""
    return [part for part in (against, since, plain(facts.get("guidance"), language)) if part]


def clip(text: str, most: int) -> str:
    """A text of at most `most` characters (1 or more), cut with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
