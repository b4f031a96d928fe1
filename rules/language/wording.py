"""Titles and guidance as templates: `Water at {site}: {value} {unit}`. Checked when read, filled at the raise.

A brace that is meant is doubled, `{{`. Nothing here can hold an alarm back: what cannot be filled is left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

from city.clock import from_us
from city.display import at, level_word, number, unit_name
from city.errors import Fault
from city.levels import Level
from city.model import City, Name, Sensor
from city.positions import Path, Positions, nearest_or_all
from city.words import say
from rules.conditions.truth import Evidence
from rules.language.saying import say_test

PLACES = ("site", "sensor", "district", "value", "unit", "threshold", "level", "since")
_PART = re.compile(r"\{\{|\}\}|\{(\w*)\}|\{[^{}]*\}?|\}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Where:
    """The names that templates of one sensor or gateway need, and whose clock `{since}` is told by."""

    site: Name
    district: Name
    sensor: str
    zone: ZoneInfo

    @classmethod
    def of(cls, city: City, site: str, district: str, sensor: Sensor | None, scope: str) -> Where:
        """The names of a scope; ids stand for names that there are none of."""
        place, area = city.sites.get(site), city.districts.get(district)
        named = sensor.name if sensor is not None and sensor.name else scope
        return cls(
            place.name if place else _name(site), area.name if area else _name(district), named,
            ZoneInfo(city.timezone),
        )  # fmt: skip


@cache
def _name(text: str) -> Name:
    return Name({"en": text})


def template_faults(text: str, path: Path, positions: Positions) -> list[Fault]:
    """What is wrong with a template that stands at `path`: unknown places, braces without their other half."""
    return [positions.fault(path, what, got, hint) for _, what, got, hint in _problems(text)]


def file_faults(text: str, file: str) -> list[Fault]:
    """What is wrong with a file of the city folder that is used as a template, at its own lines and columns."""
    found = []
    for start, what, got, hint in _problems(text):
        line, column = text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1) + 1
        found.append(Fault(file, line, column, what, got, hint))
    return found


def _problems(text: str) -> list[tuple[int, str, str, str]]:
    found = []
    for match in _PART.finditer(text):
        part, name = match[0], match[1]
        if part in ("{{", "}}") or name in PLACES:
            continue
        if name:
            found.append((match.start(), "unknown place in a template", repr(part), nearest_or_all(name, PLACES)))
        elif part in ("{", "}") or not part.endswith("}"):
            hint = f"'{part[0] * 2}' for the character itself"
            found.append((match.start(), "a brace without its other half", repr(part[:20]), hint))
        else:
            hint = "one of " + ", ".join(f"{{{place}}}" for place in PLACES)
            found.append((match.start(), "not a place in a template", repr(part[:30]), hint))
    return found


def has_places(text: str) -> bool:
    """Whether there is anything in a template to fill (or a doubled brace)."""
    return "{" in text or "}" in text


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with its places filled; what has no value is left out, and faulty braces stay as they are."""

    def one(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        return values.get(match[1] or "", "") if match[1] in PLACES else match[0]

    return _PART.sub(one, template)


@dataclass(frozen=True, slots=True)
class Seen:
    """What raised an alarm.

    Attributes
    ----------
    where
        The names of its place; without them those places stay empty.
    evidence
        The first one speaks for `{value}`, `{unit}` and `{threshold}`.
    level, since_us
        Its level, and the event time of the raise in microseconds since 1970.
    written
        What it was held against where there is no evidence.
    """

    where: Where | None
    evidence: Sequence[Evidence]
    level: Level
    since_us: int
    written: str = ""


def words(templates: Mapping[str, str], seen: Seen) -> Mapping[str, str]:
    """Templates by language, filled for an alarm that is being raised. Never raises: then the templates stay bare."""
    if not any(map(has_places, templates.values())):
        return templates
    try:
        return {language: fill(text, _values(language, seen)) for language, text in templates.items()}
    except Exception:  # noqa: BLE001 - whatever is wrong with the words, the alarm is raised
        _log.exception("template_failed", extra={"action": "template_failed"})
        return {language: _PART.sub("", text) for language, text in templates.items()}


def _values(language: str, seen: Seen) -> dict[str, str]:
    where, first = seen.where, seen.evidence[0] if seen.evidence else None
    found = {"level": level_word(seen.level, language), "threshold": say_test(seen.written, language)}
    if first is not None:
        found["value"] = number(first.value) if first.value is not None else say("notice.not_seen", language)
        found["unit"] = unit_name(first.unit, language) if first.value is not None else ""
        found["threshold"] = say_test(first.test, language)
    if where is not None:
        found["site"] = where.site.in_(language)
        found["district"] = where.district.in_(language)
        found["sensor"] = where.sensor
        found["since"] = at(from_us(seen.since_us), where.zone)
    return found
