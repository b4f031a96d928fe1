"""Tables of the keys that a file may have: what readers check files by, and what their JSON Schemas are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a key's value is."""

    MEASURE = "measure"  # a number with a unit of the quantity: 15 cm
    DIFFERENCE = "difference"  # the same, where only a difference counts: a rise, a deadband
    BAND = "band"  # a list of two measures, the lower one first
    DISTANCE = "distance"  # a number with a unit of length: 300 m
    DURATION = "duration"  # 5m, 1h30m
    COUNT = "count"  # a whole number, 1 or more
    NUMBER = "number"  # a number above 0
    PLAIN = "plain"  # any number
    TEXT = "text"
    ID = "id"  # a short name
    NAMED = "named"  # a mapping from ids (of `words`, if there are any) to mappings of `keys`
    LISTS = "lists"  # a mapping from ids to lists of texts
    MOMENT = "moment"  # a time with its offset
    LOCAL = "local"  # a time by the local clock, or with its offset
    DATE = "date"  # one day: 2026-10-01
    WORD = "word"  # one of `words`
    WORDS = "words"  # a list of texts (of `words`, if there are any)
    SOME = "some"  # one of `words`, or a list of them
    NAME = "name"  # a text, or one for each language
    FLAGS = "flags"  # a list of quality flags, by name or number
    YES = "yes"  # true or false
    CONDITION = "condition"
    CONDITIONS = "conditions"  # a list of them
    MAPPING = "mapping"  # of `keys`
    MAPPINGS = "mappings"  # a list of mappings of `keys`
    CALENDAR = "calendar"  # a calendar's name, or its keys
    HOUR = "hour"  # a time of day in quotes: "08:00"
    MONTHS = "months"  # a list of months, 1 to 12
    DATES = "dates"  # a list of days: 2026-10-01


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its kind of value, and a sentence on what it means."""

    kind: Kind
    says: str
    required: bool = False
    words: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)


def required(keys: Mapping[str, Key]) -> list[str]:
    """The keys of a table that must be there."""
    return [name for name, key in keys.items() if key.required]


def optional(keys: Mapping[str, Key]) -> list[str]:
    """The keys of a table that may be missing."""
    return [name for name, key in keys.items() if not key.required]
