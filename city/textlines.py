"""Lines of a text that somebody else wrote, none longer than it may be.

A packed file of a few kilobytes can hold a line of gigabytes, which would be in memory before anybody looked at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from city.errors import InputError

LONGEST = 1 << 20


def bounded_lines(text: TextIO, what: str, longest: int = LONGEST) -> Iterator[str]:
    """The lines that are left of a text, with their ends.

    Parameters
    ----------
    what
        How the error calls the text.
    longest
        Characters of a line, its end included.

    Raises
    ------
    InputError
        At a line that is longer; no more than `longest` characters of it are read.
    """
    while line := text.readline(longest + 1):
        if len(line) > longest:
            raise InputError(f"{what}: a line of more than {longest} characters, try a file with line ends")
        yield line
