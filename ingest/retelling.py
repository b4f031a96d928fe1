"""What was refused, said in the reader's language: the reason, what to try, and the detail.

Details are kept in English, as decoders and admission write them. Here they are recognised by the templates of the same
catalogue (`city/words/refused.toml`), and each place is said by what its name tells. What was sent stays as it is; a
detail that is not recognised, such as the words of a fault, is shown whole and marked as the original.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from city.retelling import Templates
from city.words import catalogue, say
from ingest.reasons import Reason

_DEEPEST: Final = 4  # details within details
_TEMPLATES: Final = Templates(
    "refused",
    {
        **dict.fromkeys(("n", "at", "left", "most"), r"-?\d+"),
        **dict.fromkeys(("reason", "part"), "[a-z_]+"),
        "drill": r"\S+",
        "file": r"\S+\.ya?ml",
        "hash": "[0-9a-f]{64}",
        "quoted": "'.*'|\".*\"",
    },
    first=("cut", "left_out", "drill_reason", "drill", "mapped_time", "mapped"),
    apart=("name_", "try_", "original"),
)


def name(reason: str, language: str) -> str:
    """What a reason is called; its own word when the catalogue has none."""
    return _said(f"refused.name_{reason}", language) or reason


def advice(reason: str, language: str = "en") -> str:
    """What to try about a reason, for a person; empty for a word that is none."""
    return _said(f"refused.try_{reason}", language) or ""


@lru_cache(maxsize=4096)
def retell(detail: str, language: str) -> str:
    """A detail as it was kept, in `language`; marked as the original when it is not recognised."""
    if language == "en" or not detail:
        return detail
    return _known(detail, language, 0) or say("refused.original", language, text=detail)


def _known(text: str, language: str, depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    for key, places in _TEMPLATES.fits(text):
        if (values := _values(places, language, depth)) is not None:
            return say(key, language, **values)
    return None


def _values(places: dict[str, str], language: str, depth: int) -> dict[str, str] | None:
    """What stands in each place; None when it cannot stand there."""
    values = {}
    for place, own in places.items():
        if place == "detail":
            said = _known(own, language, depth + 1)
        elif place == "reason":
            said = name(own, language) if own in set(Reason) else None
        else:
            listed = place in ("what", "part", "hint", "installed", "removed")
            said = _TEMPLATES.word(own, language) if listed else own
        if said is None:
            return None
        values[place] = said
    return values


def _said(key: str, language: str) -> str | None:
    return say(key, language) if key in catalogue() else None
