"""What can go wrong, as types.

::

    LifelineError
    ├── InputError        what the user gave is wrong            (exit code 1)
    │   └── FaultyInput   … with one Fault per mistake
    └── OutsideError      a database, broker, disk or endpoint failed (exit code 2)

A message says what, where, what it got, and what to try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class LifelineError(Exception):
    """Something went wrong that a person can act on."""

    exit_code = 2


class InputError(LifelineError):
    """What the user gave is wrong; the message says what to try."""

    exit_code = 1


class OutsideError(LifelineError):
    """A database, broker, disk or endpoint outside the program failed; try again once it is mended."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One mistake in a file people write.

    Parameters
    ----------
    file
        Path relative to the city folder.
    line, column
        One-based position.
    what, got, hint
        What is wrong; what stood there (empty when nothing did); what to try.
    """

    file: str
    line: int
    column: int
    what: str
    got: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.what}"
        if self.got:
            text += f", got {self.got}"
        return f"{text}, try {self.hint}" if self.hint else text


class FaultyInput(InputError):
    """Files people write have mistakes; all of them are in `faults`, in file order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))
