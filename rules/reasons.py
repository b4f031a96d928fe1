"""Why: what the engine writes beside everything it does, from the catalogue `city/words/reasons.toml`.

It is written in English, whoever reads it later: what is kept, replayed and compared stays the same. Pages and notices
say it again in the reader's language (`rules.language.retelling`).
"""

from __future__ import annotations

from city.words import say


def because(key: str, **values: object) -> str:
    """The sentence `reasons.key` as it is kept, with its places filled.

    Raises
    ------
    KeyError
        When the key is unknown or a place has no value.
    """
    return say(f"reasons.{key}", "en", **values)


def also(one: str, other: str) -> str:
    """Two sentences in one; the second may be what a person wrote, or nothing."""
    return because("also", one=one, other=other) if other.strip() else one
