"""The four warning colours and the quality flags, in their order."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """Warning colours, blue < yellow < orange < red; NONE stands below all of them."""

    NONE = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4

    @property
    def word(self) -> str:
        """The colour as written in rule books, views and the API (`none`, `blue`, … `red`)."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Level:
        """The level named `word` (KeyError if there is none)."""
        return cls[word.upper()]


COLOURS = (Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED)


class Flag(IntEnum):
    """Quality of a reading (the QARTOD primary flags)."""

    PASS = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9
