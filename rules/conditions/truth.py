"""Three truth values and the evidence behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Truth(Enum):
    """Kleene's three values: silence is not calm, so what cannot be seen is UNKNOWN, never FALSE."""

    FALSE = 0
    TRUE = 1
    UNKNOWN = 2

    @classmethod
    def of(cls, held: bool) -> Truth:
        """TRUE or FALSE."""
        return cls.TRUE if held else cls.FALSE


def all_of(truths: Iterable[Truth]) -> Truth:
    """FALSE wins, then UNKNOWN, then TRUE; asks no further than it must."""
    answer = Truth.TRUE
    for truth in truths:
        if truth is Truth.FALSE:
            return truth
        if truth is Truth.UNKNOWN:
            answer = truth
    return answer


def any_of(truths: Iterable[Truth]) -> Truth:
    """TRUE wins, then UNKNOWN, then FALSE; asks no further than it must."""
    answer = Truth.FALSE
    for truth in truths:
        if truth is Truth.TRUE:
            return truth
        if truth is Truth.UNKNOWN:
            answer = truth
    return answer


def negation(truth: Truth) -> Truth:
    """TRUE and FALSE change places; UNKNOWN stays."""
    return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(truth, Truth.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation a decision rests on.

    Attributes
    ----------
    sensor, quantity, unit
        Whose value, of what, in which (canonical) unit; `sensor` may name a gateway.
    value
        The value judged (NaN is never one); None when there was nothing to see.
    time_us
        Event time of the newest reading behind `value`, microseconds since 1970; 0 when there was none.
    flag
        Worst quality flag among them (0 when there was none).
    test
        What it was held against, as the rule says it: `above 40 cm`.
    truth
        `true`, `false` or `unknown`.
    """

    sensor: str
    quantity: str
    unit: str
    value: float | None
    time_us: int
    flag: int
    test: str
    truth: str
