"""What `city.health` says, in the reader's language.

Its rows are kept in English. Here they are recognised by the templates of the same catalogue
(`city/words/health.toml`); what people, servers and faults said stays as it is, as does a text that is not recognised.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from city.retelling import Templates
from city.words import catalogue, say

_NUMBER: Final = r"-?[\d,.]+"
_COUNT: Final = r"\d+ (?:sent|refused|to be tried again)"
_UNIT: Final = "health.unit_"
_WITHIN: Final = ("why", "clocks")  # places that hold another text of the catalogue
_TEMPLATES: Final = Templates(
    "health",
    {
        **dict.fromkeys(("n", "rows", "dead", "jobs", "off", "known", "skew", "unsure", "alarms", "gateways"), _NUMBER),
        **dict.fromkeys(("role", "tier", "table"), "[a-z_0-9]+"),
        "size": rf"{_NUMBER} [kMGT]?B",
        "lacks": "no TimescaleDB.*|TimescaleDB.*",
        "side": "behind|ahead",
        "gateway": r"\S+",
        "variable": r"\S+",
        "time": r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?Z",
        "counted": rf"{_COUNT}(?:, {_COUNT})*",
    },
    apart=("unit_",),
)


@lru_cache(maxsize=1024)
def retell(text: str, language: str) -> str:
    """A row's text or advice as it was kept, in `language`; as it stands when it is not recognised."""
    return text if language == "en" or not text else _said(text, language, within=False)


@cache
def unit(text: str, language: str) -> str:
    """What a row counts, in `language`; units of measure are no words, and stay."""
    keys = (key for key in catalogue() if key.startswith(_UNIT) and say(key, "en") == text)
    return next((say(key, language) for key in keys), text)


def _said(text: str, language: str, *, within: bool) -> str:
    for key, places in _TEMPLATES.fits(text):
        values = {
            place: _said(own, language, within=True)
            if place in _WITHIN and not within
            else _counted(own, language)
            if place == "counted"
            else _TEMPLATES.word(own, language)
            for place, own in places.items()
        }
        return say(key, language, **values)
    return text


def _counted(text: str, language: str) -> str:
    """`3 sent, 1 retry` and the like."""
    counts = (one.partition(" ") for one in text.split(", "))
    return say("reasons.comma", language).join(f"{_TEMPLATES.word(what, language)} {n}" for n, _, what in counts)
