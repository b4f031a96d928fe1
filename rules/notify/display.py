"""How values, times, names and conditions are written for people, under one roof for notices and pages."""

from __future__ import annotations

from city.display import (
    at,
    language_of,
    level_word,
    measured,
    moment,
    names,
    number,
    placed,
    plain,
    span,
    unit_name,
    utc,
    zone_of,
)
from rules.language.retelling import retell
from rules.language.saying import say_reason, say_test

__all__ = [
    "at", "language_of", "level_word", "measured", "moment", "names", "number", "placed", "plain", "retell",
    "say_reason", "say_test", "span", "unit_name", "utc", "zone_of",
]  # fmt: skip
