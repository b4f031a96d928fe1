"""What every source is: something that is read, take by take, until it fails or is told to stop.

A source never keeps readings itself. What it hands over in a take is safe once `kept` is called: the readings, and the
notes that say how far the source has come, are in the outbox in one transaction. Only then does a source tell the other
end (an acknowledgement, an answer), so a kill at any moment repeats or loses nothing where the other end can wait.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from city.clock import Clock
from city.errors import OutsideError
from gateway.envelope import Row


class SourceFailed(OutsideError):
    """The device, file, address or line cannot be read now; it is tried again later."""


@dataclass(frozen=True, slots=True)
class Take:
    """What a source has read at one go.

    Parameters
    ----------
    rows
        Readings; may be empty (then only the notes are kept, or only what is bad is counted).
    bad
        How much of it could not be a reading, and the latest reason in `why`.
    notes
        Kept in the same transaction as the readings.
    kept
        Called in the event loop once all that is on disk.
    """

    rows: list[Row]
    bad: int = 0
    why: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    kept: Callable[[], None] | None = None


class Source(Protocol):
    """One source, made anew for each attempt to read it."""

    def takes(self) -> AsyncGenerator[Take, None]:
        """What it reads, as it comes.

        Raises
        ------
        SourceFailed
            It cannot be read (any more); another source made from the same configuration may try again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What sources may use.

    Parameters
    ----------
    gateway
        Who asks: part of client names.
    clock
        The time of readings that carry none.
    note
        The note kept in the outbox under a key, or None.
    """

    gateway: str
    clock: Clock
    note: Callable[[str], str | None]
