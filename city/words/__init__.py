"""Everything Lifeline says to people, in every language it speaks, one catalogue file a topic.

A file `city/words/<topic>.toml` holds tables `[key]` with one sentence per language and `{named}` places::

    [raised]
    en = "{level} at {site}"
    zh = "{site} {level}"

Topics are found by listing this folder, so that a room adds its own file and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Formatter

languages = ("en", "zh")


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Every sentence: `topic.key` to text by language."""
    found: dict[str, Mapping[str, str]] = {}
    for entry in sorted(files(__name__).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            topic = entry.name.removesuffix(".toml")
            for key, sentence in tomllib.loads(entry.read_text(encoding="utf-8")).items():
                found[f"{topic}.{key}"] = sentence
    return found


def say(key: str, language: str, **values: object) -> str:
    """The sentence `topic.key` in `language` (English if it is not spoken), with its places filled.

    Raises
    ------
    KeyError
        When the key is unknown or a place has no value.
    """
    sentences = catalogue()[key]
    return (sentences.get(language) or sentences["en"]).format_map(values)


def places(sentence: str) -> frozenset[str]:
    """The names in braces within a sentence."""
    return frozenset(name for _, name, _, _ in Formatter().parse(sentence) if name)
