"""The catalogue speaks both languages, and they say the same."""

from __future__ import annotations

import pytest

from city.levels import Flag, Level
from city.quantity import DOMAINS
from city.words import catalogue, languages, places, say


@pytest.mark.parametrize("key", sorted(catalogue()))
def test_every_sentence_has_both_languages_and_the_same_places(key: str) -> None:
    sentences = catalogue()[key]
    assert set(sentences) == set(languages)
    assert all(text.strip() for text in sentences.values())
    assert places(sentences["en"]) == places(sentences["zh"])


def test_levels_flags_and_domains_have_words() -> None:
    for key in [*(f"levels.{level.word}" for level in Level), *(f"flags.{flag.name.lower()}" for flag in Flag)]:
        assert say(key, "zh")
    assert all(say(f"domains.{domain}", "en") for domain in DOMAINS)


def test_places_are_filled() -> None:
    assert say("units.minutes", "en", n=5) == "5 min"
    assert say("units.minutes", "zh", n=5) == "5 分钟"


def test_a_language_nobody_wrote_falls_back_to_english() -> None:
    assert say("levels.red", "fr") == "red"


def test_an_unknown_key_or_an_empty_place_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("levels.purple", "en")
    with pytest.raises(KeyError):
        say("units.minutes", "en")
