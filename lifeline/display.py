"""Text of others made harmless where lines are read: nothing in it moves a cursor, colours, or begins a line."""

from __future__ import annotations

import json
import re
from typing import Final

# Control characters of ASCII and Latin-1, other line ends, and what turns the direction of writing or cannot be seen.
_UNSAFE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def harmless(text: str) -> str:
    """The text on one line, with unsafe characters written by their codes."""
    return _UNSAFE.sub(lambda found: _written(found[0]), text)


def _written(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


def readable(line: str) -> str:
    """A line of a log file as a person reads it."""
    try:
        said = json.loads(line)
        first = f"{said['time']} {said['level']} {said['logger']}: {said['message']}"
        return f"{first}\n{said['error']}" if "error" in said else first
    except (ValueError, KeyError, TypeError):
        return line
