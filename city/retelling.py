"""Recognises texts by the templates of a catalogue file, so that what is kept in English can be said again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from city.words import catalogue, say


@dataclass(frozen=True, slots=True)
class _Form:
    key: str
    pattern: re.Pattern[str]
    words: str  # the longest of its own: a text without them is not worth a look


class Templates:
    """The templates of one catalogue file, by their English.

    Parameters
    ----------
    topic
        The file's name.
    can_be
        What can stand in a place, as a pattern by the place's name; anything in those that are not named.
    first
        Keys that are tried before all others, in this order; the rest by how much they say themselves.
    apart
        Beginnings of keys that are no templates. Those of `word_` are words and phrases that may stand in a place.
    """

    def __init__(
        self, topic: str, can_be: Mapping[str, str], first: Sequence[str] = (), apart: tuple[str, ...] = ()
    ) -> None:
        self._topic, self._can_be, self._first = f"{topic}.", can_be, first
        self._apart = ("word_", *apart)

    def fits(self, text: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Each template that a text fits, with what stands in its places."""
        for form in self._forms:
            if form.words in text and (match := form.pattern.fullmatch(text)):
                yield form.key, match.groupdict()

    def word(self, text: str, language: str) -> str:
        """A word or phrase in `language`; as it stands when the file does not have it."""
        key = self._words.get(text)
        return say(key, language) if key else text

    @cached_property
    def _forms(self) -> tuple[_Form, ...]:
        found = []
        for key, sentence in catalogue().items():
            name = key.removeprefix(self._topic)
            if not key.startswith(self._topic) or name.startswith(self._apart):
                continue
            parts = [(own, place) for own, place, _, _ in Formatter().parse(sentence["en"])]
            rank = self._first.index(name) if name in self._first else len(self._first)
            words = [own for own, _ in parts]
            form = _Form(key, re.compile("".join(map(self._pattern, parts)), re.DOTALL), max(words, key=len))
            found.append((rank, -sum(map(len, words)), key, form))
        return tuple(form for *_, form in sorted(found, key=lambda one: one[:3]))

    @cached_property
    def _words(self) -> dict[str, str]:
        return {say(key, "en"): key for key in catalogue() if key.startswith(f"{self._topic}word_")}

    def _pattern(self, part: tuple[str, str | None]) -> str:
        own, place = part
        return re.escape(own) + (f"(?P<{place}>{self._can_be.get(place, '.*')})" if place else "")
