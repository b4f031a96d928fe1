"""Plain scalars: what they mean by the YAML 1.2 core schema, and which of them another YAML reader takes differently.

Many tools still read YAML 1.1, where `NO` is false, `22:30` is 1350 and `012` is 10. A file that means one thing to
Lifeline and another to the editor or script beside it is a trap, so such values are to be written plainly or in quotes.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# What YAML 1.1 reads otherwise. `y` and `n` are booleans in its text and in some of its readers.
_WORDS = {
    form: meaning
    for word, meaning in (("y", "true"), ("yes", "true"), ("on", "true"), ("n", "false"), ("no", "false"),
                          ("off", "false"))
    for form in (word, word.capitalize(), word.upper())
}  # fmt: skip
_SIXTIES = re.compile(r"([-+]?)([0-9][0-9_]*(?::[0-5]?[0-9])+)(\.[0-9_]*)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_PREFIXED = re.compile(r"[-+]?(0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)")
_UNDERSCORES = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|[-+]?[0-9]+\.[0-9_]*_[0-9_]*")
_SAME_EXPONENT = re.compile(r"[-+]?[0-9]+\.[0-9]*[eE][-+][0-9]+")
_BASES = {"0o": 8, "0x": 16, "0b": 2}
_LONG = 40
_LONGEST_SIXTIES = 300  # characters; to reckon a megabyte of them would take a quarter of a minute


class Doubt(NamedTuple):
    """Why a scalar is refused, and what to write instead."""

    what: str
    hint: str


def resolve(text: str) -> object:
    """What a plain scalar is: None, a bool, an int, a float (perhaps not finite), or the text itself."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    return float(text) if _FLOAT.fullmatch(text) else text


def doubt(text: str) -> Doubt | None:
    """Why a plain scalar may surprise its writer; None when every YAML reader agrees about it."""
    if text in _WORDS:
        meaning = _WORDS[text]
        return Doubt(
            f"without quotes this is {meaning} to some YAML readers", f"{_quoted(text)} for text, or {meaning}"
        )
    if not text or text[-1] in " \t" or text[0] not in "+-.0123456789":
        return None  # no kind of number
    if match := _SIXTIES.fullmatch(text):
        meaning = _in_sixties(match) if len(text) <= _LONGEST_SIXTIES else "a number"
        return Doubt(f"without quotes this is {meaning} to some YAML readers", _quoted(text))
    if _PREFIXED.fullmatch(text):
        return _number(text, "a number in another base is not the same to every YAML reader", _prefixed(text))
    if _LEADING_ZERO.fullmatch(text):
        return _number(text, "a leading zero means base 8 to some YAML readers", int(text.replace("_", "") or "0"))
    if _UNDERSCORES.fullmatch(text):
        plain = text.replace("_", "")
        number: float = float(plain) if "." in plain else int(plain[:300])
        return _number(text, "with _ this is a number to some YAML readers and text to others", number)
    if ("e" in text or "E" in text) and _FLOAT.fullmatch(text):
        if not math.isfinite(float(text)) or _SAME_EXPONENT.fullmatch(text):
            return None
        return _number(text, "this is text to some YAML readers and a number to others", float(text))
    return None


def _number(text: str, what: str, number: float) -> Doubt:
    shown = repr(int(number)) if number == int(number) else repr(number)
    if "e" in shown or len(shown) > 20:
        return Doubt(what, f"{_quoted(text)} for text, or all its digits")
    return Doubt(what, f"{shown}, or {_quoted(text)} for text")


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= _LONG else "quotes around it"


def _in_sixties(match: re.Match[str]) -> str:
    """The number YAML 1.1 makes of `22:30`: 22 * 60 + 30."""
    total = 0
    for part in match[2].replace("_", "").split(":"):
        total = total * 60 + int(part[:12])
    text = str(total)
    return f"the number {match[1].replace('+', '')}{text}" if len(text) <= 20 else "a number"


def _prefixed(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "")
    return sign * int(digits[2:] or "0", _BASES[digits[:2]])
