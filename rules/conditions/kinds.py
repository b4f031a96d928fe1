"""The kinds of conditions, as frozen values: numbers in canonical units, times in microseconds, sensors by name.

`written` is how the rule says it; evidence and explanations quote it. What each of them means stands with the function
that answers it (`own`, `series`, `vicinity`, `logic`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class Calendar(Protocol):
    """Anything that says whether an instant lies inside it."""

    def holds(self, time_us: int) -> bool:
        """Whether event time `time_us` (microseconds since 1970) lies inside."""
        ...


@dataclass(frozen=True, slots=True)
class Compare:
    """Value at or above `high`, at or below `low`; with both, outside the band."""

    low: float | None
    high: float | None
    written: str

    def test(self, value: float, deadband: float) -> bool:
        """Whether `value` meets it; `deadband` (canonical unit, above 0 once raised) makes leaving harder."""
        return (self.high is not None and value >= self.high - deadband) or (
            self.low is not None and value <= self.low + deadband
        )


@dataclass(frozen=True, slots=True)
class CountOf:
    """At least `need` of the last `of` usable samples, none older than `span_us`, meet `compare`."""

    compare: Compare
    need: int
    of: int
    span_us: int
    written: str


@dataclass(frozen=True, slots=True)
class Window:
    """An aggregate over the usable samples of the last `window_us` meets `compare`.

    `aggregate`: sum, mean, min, max, last, range, count (a number of samples), or `extreme`: any sample meets it.
    """

    aggregate: str
    window_us: int
    compare: Compare
    written: str


@dataclass(frozen=True, slots=True)
class Trend:
    """A change of at least `by` (signed: negative means falling) inside the last `within_us`, by a robust line."""

    by: float
    within_us: int
    written: str


@dataclass(frozen=True, slots=True)
class Reaches:
    """The value is at `level` or past it (`rising`: from below), or a robust line over `over_us` will take it there.

    It must get there within `within_us`, and the slope must be certain (about 90 %) of its sign.
    """

    level: float
    rising: bool
    within_us: int
    over_us: int
    written: str


@dataclass(frozen=True, slots=True)
class Detect:
    """A detector finds the sample abnormal with at least `score`, in `direction` if one is given.

    `years`: it must also be so rare that chance brings its like once in so many years; `channels`: and be found by one
    of these (none given: any).
    """

    detector: str
    score: float
    direction: str
    written: str
    years: float = 0.0
    channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """What `detect` asks holds for some usable sample of the last `window_us`."""

    detect: Detect
    window_us: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """No sample at all has its event time inside the last `window_us`."""

    window_us: int


Ask = Window | Trend | Found | Quiet


@dataclass(frozen=True, slots=True)
class Near:
    """At least `need` of `sensors` meet `ask`; unknown while fewer than `min_valid` (or `need`) of them can answer."""

    sensors: tuple[str, ...]
    ask: Ask
    need: int
    min_valid: int
    written: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A fact of the register: `site` (the nearest of its kind) stands `away_m` metres away; none when it is empty."""

    site: str
    away_m: float
    within_m: float
    kind: str
    written: str


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; what is unknown stays unknown."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Presumed:
    """The part holds, or cannot be judged: what a confirmation asks, so that missing neighbours keep nobody calm."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Only:
    """The part holds and the instant lies inside the calendar; outside it the answer is FALSE."""

    calendar: Calendar
    part: Condition
    written: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """The parts held one after the other (at the same or at later samples), all inside `within_us`, the last one now.

    `slot` names its memory in the ladder's state.
    """

    parts: tuple[Condition, ...]
    within_us: int
    slot: int
    written: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing was received for `after_us` of arrival time. Judged by `rules.alarm.silence`, not by readings."""

    after_us: int
    written: str


Condition = (
    Compare | CountOf | Window | Trend | Reaches | Detect | Near | Beside | All | Any_ | Not | Presumed | Only
    | Sequence | Silent
)  # fmt: skip


def inner(condition: Condition) -> tuple[Condition, ...]:
    """The conditions directly inside a condition."""
    match condition:
        case All(parts) | Any_(parts) | Sequence(parts):
            return parts
        case Not(part) | Presumed(part) | Only(part=part):
            return (part,)
        case _:
            return ()


def parts_of(condition: Condition) -> list[Condition]:
    """A condition and everything inside it, from the outside in."""
    return [condition, *(deeper for part in inner(condition) for deeper in parts_of(part))]


def _span_us(part: Condition | Ask) -> int:
    match part:
        case Near(ask=ask):
            return _span_us(ask)
        case Window(window_us=span_us) | Found(window_us=span_us) | Quiet(span_us):
            return span_us
        case CountOf(span_us=span_us) | Trend(within_us=span_us) | Reaches(over_us=span_us):
            return span_us
        case _:
            return 0


def looks(conditions: Iterable[Condition]) -> tuple[int, frozenset[str]]:
    """How far back in event time conditions look into any track, and at which other sensors.

    A sequence remembers; it does not look back.
    """
    span_us, names = 0, frozenset[str]()
    seen: dict[int, Condition] = {}
    waiting = list(conditions)
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:  # levels share parts: what confirms them, above all
            seen[id(part)] = part
            span_us = max(span_us, _span_us(part))
            if isinstance(part, Near):
                names = names.union(part.sensors) if names else frozenset(part.sensors)
            else:
                waiting += inner(part)
    return span_us, names


def reach_us(condition: Condition) -> int:
    """How far back in event time a condition looks into any track; a sequence remembers, it does not look back."""
    return looks([condition])[0]


def neighbours(condition: Condition) -> frozenset[str]:
    """The other sensors a condition looks at."""
    return looks([condition])[1]
