"""What happens in a rule test besides readings that come when they should."""

from __future__ import annotations

from dataclasses import dataclass

from city.levels import Flag, Level
from rules.trials.post import Down


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that befalls the readings of `sensors` taken in [from_us, to_us).

    Attributes
    ----------
    kind
        `gap` (never sent), `late` (arrive `by_us` later), `duplicate` (arrive again `by_us` later, with `value` if it
        is given), `skew` (stamped `by_us` ahead of the time they were taken), `flag` (carry `flag`), `offline` (kept
        by the gateway until `to_us`, or lost).
    """

    kind: str
    sensors: frozenset[str]
    from_us: int
    to_us: int
    by_us: int = 0
    value: float | None = None
    flag: Flag = Flag.PASS
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A gateway says that it is online, or its broker that it is not."""

    at_us: int
    gateway: str
    online: bool


@dataclass(frozen=True, slots=True)
class Restart:
    """The engine goes on from a snapshot."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Reload:
    """From here on another book is in force: its number among the case's books."""

    at_us: int
    book: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A person's command, and whether it is to be refused.

    Attributes
    ----------
    kind
        As in `rules.inputs`.
    about
        The alarm (`rule/scope`) or the sensor it is about.
    until_us, one_shot, level
        How long a hold lasts, whether it ends with the condition, and up to which level it holds.
    """

    at_us: int
    kind: str
    about: str
    actor: str
    note: str
    line: int
    column: int
    until_us: int | None = None
    one_shot: bool = False
    level: Level | None = None
    refused: bool = False


Happening = Mishap | Said | Restart | Reload | Ask | Down
