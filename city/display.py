"""How values, times and names are written for people, in notices and on pages alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from city.clock import from_us
from city.levels import Level
from city.words import catalogue, say


def language_of(text: object) -> str:
    """The catalogue's language nearest to a tag such as `zh-CN`; English when there is none."""
    return "zh" if str(text).lower().startswith("zh") else "en"


def number(value: float) -> str:
    """A number with six significant digits and no exponent: close enough to never cross a threshold in print."""
    text = f"{value:.6g}"
    return text if "e" not in text else f"{value:.0f}" if abs(value) >= 1 else f"{value:.9f}".rstrip("0")


def unit_name(unit: str, language: str) -> str:
    """A unit as people write it, where files write another: `µε` for `um/m`, `°C` for `Cel`."""
    key = f"symbols.{unit}"
    return say(key, language) if key in catalogue() else unit


def measured(value: float, unit: str | None, language: str) -> str:
    """A value with its unit: `15 cm`, `21.5 °C`."""
    return f"{number(value)} {unit_name(unit or '', language)}".strip()


_WRITTEN = re.compile(r"(?<=\d )[^\s,\]]+")


def units_named(text: str, language: str) -> str:
    """A text such as `-400 um/m` with the units behind its numbers as people write them."""
    return _WRITTEN.sub(lambda match: unit_name(match[0], language), text)


_LETTER = r"[^\W\u2e80-\uffff]"  # of a script that parts its words


def names(text: str, place: str) -> bool:
    """Whether a text already says the name of a place: as words of its own, in Chinese anywhere."""
    pattern = rf"(?<!{_LETTER}){re.escape(place)}(?!{_LETTER})"
    return bool(place) and re.search(pattern, text, re.IGNORECASE) is not None


def placed(text: str, place: str) -> str:
    """A text and its place, said once."""
    return text if names(text, place) else " · ".join(filter(None, (text, place)))


def level_word(level: Level, language: str) -> str:
    """`Red`, `红色`."""
    word = say(f"levels.{level.word}", language)
    return word[:1].upper() + word[1:]


def moment(value: object) -> datetime | None:
    """An aware datetime from ISO text, microseconds since 1970, or a datetime; None when it is none of these."""
    if isinstance(value, int) and not isinstance(value, bool):
        return from_us(value)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo else None


def at(when: datetime, zone: ZoneInfo, *, seconds: bool = True, day: bool = True) -> str:
    """Local time with its offset: `2026-07-01 16:00:05 +08:00`."""
    local = when.astimezone(zone)
    text = local.strftime(("%Y-%m-%d " if day else "") + ("%H:%M:%S" if seconds else "%H:%M"))
    if not day:
        return text
    offset = local.utcoffset() or timedelta()
    sign, minutes = ("-" if offset < timedelta() else "+"), abs(offset) // timedelta(minutes=1)
    return f"{text} {sign}{minutes // 60:02}:{minutes % 60:02}" if minutes else f"{text} UTC"


def span(seconds: float, language: str) -> str:
    """A length of time in its largest sensible unit: `45 s`, `12 min`, `5 h`, `3 d`."""
    seconds = max(0.0, seconds)
    if seconds < 120:
        return say("units.seconds", language, n=round(seconds))
    if seconds < 7200:
        return say("units.minutes", language, n=round(seconds / 60))
    if seconds < 48 * 3600:
        return say("units.hours", language, n=round(seconds / 3600))
    return say("units.days", language, n=round(seconds / 86400))


def plain(value: object, language: str) -> str:
    """Anything a fact may hold, as text: text in several languages, numbers, value and unit, lists."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return say("notice.yes" if value else "notice.no", language)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        if "value" in value and "unit" in value:
            return f"{plain(value['value'], language)} {unit_name(plain(value['unit'], language), language)}".strip()
        for key in (language, "en", *value):
            if value.get(key):
                return plain(value[key], language)
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(plain(item, language) for item in value)
    return str(value)


def zone_of(name: object) -> ZoneInfo:
    """The time zone named so, or UTC: a wrong zone name must not hold a notice back."""
    try:
        return ZoneInfo(str(name))
    except (KeyError, OSError, ValueError):
        return ZoneInfo("UTC")


def utc(when: datetime) -> str:
    """ISO 8601 in UTC, for machines."""
    return when.astimezone(UTC).isoformat()
