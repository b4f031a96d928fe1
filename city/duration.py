"""Lengths of time as people write them: `500ms`, `30s`, `5m`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from fractions import Fraction

from city.errors import InputError

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)(?![a-z])\s*|(\d+(?:\.\d+)?)(ms|s|m|h|d)(?=\d)")
_LONGEST_MS = 36_525 * 86_400_000  # a hundred years: more is a slip of the pen


def parse_s(text: str) -> float:
    """Seconds of a duration such as `5m` or `1h30m`.

    Parameters
    ----------
    text
        Numbers with the units `ms s m h d`, largest first, each at most once; spaces are allowed between parts.

    Returns
    -------
    float
        Seconds, 0 to a hundred years.

    Raises
    ------
    InputError
        When it is anything else; the message says what was got and what to try.
    """
    total_ms, place, smallest = Fraction(0), 0, 1 << 62
    stripped = text.strip()
    while place < len(stripped):
        part = _PART.match(stripped, place)
        if part is None:
            break
        number, unit = (part[1], part[2]) if part[1] else (part[3], part[4])
        if _UNITS_MS[unit] >= smallest:
            break
        smallest, place = _UNITS_MS[unit], part.end()
        total_ms += Fraction(number) * smallest
    if not stripped or place < len(stripped):
        raise InputError(f"not a duration, got {text!r}, try {_hint(stripped)}")
    if total_ms > _LONGEST_MS:
        raise InputError(f"a duration of more than a hundred years, got {text!r}, try 30d")
    return float(total_ms / 1000)


_YEARS = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*y")
_YEAR_S = 365.25 * 86_400


def parse_years(text: str) -> float:
    """Years of `10y`, `0.5y` or any other duration, above 0; InputError when it is none."""
    years = _YEARS.fullmatch(text.strip())
    try:
        found = float(years[1]) if years else parse_s(text) / _YEAR_S
    except InputError as error:
        raise InputError(f"not a length of time, got {text!r}, try 10y or 90d") from error
    if found <= 0:
        raise InputError(f"expected more than nothing, got {text!r}, try 10y or 90d")
    return found


def _hint(text: str) -> str:
    number = re.match(r"\d+(\.\d+)?", text)
    return f"{number[0]}s, {number[0]}m or {number[0]}h" if number else "30s, 5m, 1h30m or 2d"


def write(seconds: float) -> str:
    """A duration as `parse_s` reads it, largest units first (`300.0` is `5m`), to the nearest millisecond."""
    rest_ms = round(seconds * 1000)
    if rest_ms < 0:
        return "-" + write(-seconds)
    parts = []
    for unit, unit_ms in _UNITS_MS.items():
        count, rest_ms = divmod(rest_ms, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
