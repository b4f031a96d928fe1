"""What the engine has written, said again in the reader's language.

Reasons are kept in English (`rules.reasons`). Here they are recognised by the templates of the same catalogue, the one
with the most words of its own first, and each place is said by what its name tells: a level, a command, a time, a
sentence within the sentence. What people typed stands in places of its own and stays as it is; so does every text that
is not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from string import Formatter
from zoneinfo import ZoneInfo

from city.display import at, moment
from city.levels import COLOURS, Level
from city.words import catalogue, say

LONGEST = 4000  # characters; longer texts are nobody's reasons, and stay as they are
_DEEPEST = 6  # sentences within sentences
_TOPIC = "reasons."
_NOT_ALONE = ("both", "also", "comma", "target")  # any text with an "and" or a semicolon would be one
_LEVELS = "|".join((Level.NONE.word, *(colour.word for colour in COLOURS)))
_NUMBER = r"[-+]?\d[\d.]*(?:e[-+]?\d+)?"
_ID = r"[^\s,]{1,140}"
_TARGET = r"(?:roster|person|group)/\S{1,100}|everybody"
_FREE = ("actor", "by", "told", "until", "why")
# What can stand in a place, by its name. Each is bounded, or ends where the words after it begin.
_CAN_BE: Mapping[str, str] = {
    **dict.fromkeys(("level", "was", "now", "cap"), _LEVELS),
    **dict.fromkeys(
        ("seconds", "minutes", "hours", "metres", "n", "most", "sensors", "alarms", "version", "seen", "status"),
        _NUMBER,
    ),
    **dict.fromkeys(("kind", "stage", "hold", "condition", "clock", "place", "what"), "[a-z][a-z_ ]{1,30}"),
    **dict.fromkeys(("rule", "target", "desk", "channel", "old", "new"), r"\S{1,200}"),
    **dict.fromkeys(("notify", "via_target"), _TARGET),
    **dict.fromkeys(("person", "address"), r"\S{1,500}"),
    "alarm": r"AX?-\S{1,140}",
    "clocks": "[a-z_]{1,30}(?:, [a-z_]{1,30})*",
    "ids": f"{_ID}(?:, {_ID})*",
    "lacking": "[a-z_ ]{1,100}",
    "note": ".+",
    "shown": "later data|late data|silence",
    "quoted": "'.*'|\".*\"",
    "time": r"\d{4}-\d\d-\d\dT\S{5,30}",
    "via": r"[^\s()]{1,40}",
}


@lru_cache(maxsize=8192)
def retell(text: str, language: str, zone: ZoneInfo | None = None) -> str:
    """What the engine wrote, in `language`; as it stands when it is not recognised.

    Parameters
    ----------
    zone
        By whose clock times are told; None: as they are written.
    """
    return text if not text or len(text) > LONGEST else _Speaker(language, zone).any(text, 0)


@dataclass(frozen=True, slots=True)
class _Form:
    """One template: what it looks like, and the words that must be in a text for it to be worth a look."""

    key: str
    pattern: re.Pattern[str]
    words: str


@cache
def _forms() -> tuple[_Form, ...]:
    """All templates by how much they say themselves; first what ends with where a person's note came from.

    Last what begins with another sentence, which may end with what a person typed.
    """
    found = []
    for key, sentence in catalogue().items():
        name = key.removeprefix(_TOPIC)
        if key.startswith(_TOPIC) and not name.startswith("word_") and name not in _NOT_ALONE:
            parts = [(own, place) for own, place, _, _ in Formatter().parse(sentence["en"])]
            words = [own for own, _ in parts]
            noted = sentence["en"].endswith(" (by {via})")
            form = _Form(key, re.compile("".join(_pattern(parts)), re.DOTALL), max(words, key=len))
            rank = 0 if noted else 2 if parts[0] == ("", "told") else 1
            found.append((rank, -sum(map(len, words)), key, form))
    return tuple(form for *_, form in sorted(found, key=lambda one: one[:3]))


def _pattern(parts: list[tuple[str, str | None]]) -> Iterator[str]:
    for at_, (own, place) in enumerate(parts):
        yield re.escape(own)
        if place is None:
            continue
        after = parts[at_ + 1][0] if at_ + 1 < len(parts) else ""
        if place in _FREE:  # up to the first of the words that follow: no second try, so the time is linear
            yield f"(?P<{place}>" + (f"(?:(?!{re.escape(after)}).)+" if after else ".+") + ")"
        else:
            yield f"(?P<{place}>{_CAN_BE[place]})"


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Says texts in one language."""

    language: str
    zone: ZoneInfo | None

    def any(self, text: str, depth: int) -> str:
        """One sentence, or several with semicolons between; from the first unknown one on it is what people typed."""
        said, rest = self._known(text, depth)
        *before, last = [*said, "; ".join(rest)] if rest else said
        for one in reversed(before):
            last = say("reasons.also", self.language, one=one, other=last)
        return last

    def _known(self, text: str, depth: int) -> tuple[list[str], list[str]]:
        """The sentences that a text begins with, and the parts between semicolons that are left of it."""
        if (said := self._whole(text, depth)) is not None:
            return [said], []
        parts, told, begin = text.split("; "), [], 0
        while begin < len(parts) and (known := self._first(parts, begin, depth)) is not None:
            told.append(known[0])
            begin = known[1]
        return told, parts[begin:]

    def _first(self, parts: list[str], begin: int, depth: int) -> tuple[str, int] | None:
        """The sentence that begins with this part, and where the next begins; some have a semicolon themselves."""
        for end in range(begin + 1, min(begin + 3, len(parts)) + 1):
            if (said := self._whole("; ".join(parts[begin:end]), depth)) is not None:
                return said, end
        return None

    def _whole(self, text: str, depth: int) -> str | None:
        if depth > _DEEPEST:
            return None
        for form in _forms():
            match = form.pattern.fullmatch(text) if form.words in text else None
            if match is not None and (values := self._values(match, depth)) is not None:
                return say(form.key, self.language, **values)
        return None

    def _values(self, match: re.Match[str], depth: int) -> dict[str, str] | None:
        values = {}
        for name, own in match.groupdict().items():
            said = self._place(name, own, depth)
            if said is None:
                return None
            values[name] = said
        return values

    def _place(self, name: str, text: str, depth: int) -> str | None:
        """What stands in a place; None when it cannot stand there."""
        match name:
            case "level" | "was" | "now" | "cap":
                return say(f"levels.{text}", self.language)
            case "kind" | "stage" | "hold" | "condition" | "clock" | "shown" | "place":
                return self._word(text)
            case "what":
                return self._word(text) or (
                    say(f"levels.{text}", self.language) if text in _LEVELS.split("|") else None
                )
            case "via":
                return self._word(text) or text
            case "notify" | "via_target":
                return self._target(text)
            case "clocks":
                comma = say("reasons.comma", self.language)
                return comma.join(self._word(one) or one for one in text.split(", "))
            case "why" | "until":
                return self.any(text, depth + 1)
            case "told":
                return None if self._known(text, depth + 1)[1] else self.any(text, depth + 1)
            case "by":
                one, both, other = text.partition(" and ")
                return say("reasons.both", self.language, one=one, other=other) if both else text
            case "time":
                when = moment(text) if self.zone is not None else None
                return at(when, self.zone) if when is not None and self.zone is not None else text
            case _:
                return text

    def _target(self, text: str) -> str:
        """Whom a step tells: `roster/day` and the like, or everybody."""
        kind, slash, name = text.partition("/")
        word = self._word(kind) or kind
        return say("reasons.target", self.language, kind=word, name=name) if slash else word

    def _word(self, text: str) -> str | None:
        key = f"{_TOPIC}word_{text.replace(' ', '_')}"
        return say(key, self.language) if key in catalogue() else None
