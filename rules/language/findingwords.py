"""What a finding rests on, for people: each piece of a detector's evidence in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from city.display import number
from city.words import catalogue, say
from rules.signs.telling import say_channel

_WEIGHED = "methane_onset"  # whose evidence are signs with weights for a leak, or against one
_SCORE, _KIND = "leak_score", "kind"


def say_evidence(detector: str, evidence: Sequence[Sequence[object]], language: str) -> list[str]:
    """Evidence as (name, number or word), each in words; as it is written where the name has none."""
    return list(_said(detector, evidence, language))


def _said(detector: str, evidence: Sequence[Sequence[object]], language: str) -> Iterator[str]:
    for name, value in evidence:
        key = f"findings.{name}"
        if key not in catalogue():
            yield f"{name} {value}"
        elif isinstance(value, str):
            open_ = f"{key}_open"  # such as a time that may never come
            word = say_channel(value, language) if name == _KIND else value
            yield say(open_ if open_ in catalogue() else key, language, value=word)
        elif isinstance(value, int | float):
            signed = detector == _WEIGHED and name != _SCORE
            yield say(key, language, value=f"{value:+g}" if signed else number(float(f"{value:.4g}")))
