"""How long early signs learn a sensor before they have their whole say, and what alone they say of it until then."""

from __future__ import annotations

from typing import Literal, NamedTuple

from detectors.early.natures import NATURES
from detectors.early.tails import GROWN_Y, KNOWN_D, YOUNG_D
from detectors.subject import Subject

MOST_D = KNOWN_D  # the longest that any sensor takes


class Learning(NamedTuple):
    """What people are told of a young sensor.

    Attributes
    ----------
    days
        That it must have been heard.
    until_then
        What is said of it before: `gross` signs; `seldom`: these, and values it hardly ever had; `values`: such values
        and standing still alone, because jumps and shifts may be the life of what nobody knows.
    """

    days: float
    until_then: Literal["gross", "seldom", "values"]


def stands_alone(subject: Subject) -> bool:
    """Whether nobody stands beside a sensor whose readings explain its own: rain only excuses them."""
    return all(one.quantity == "rainfall" for one in subject.context)


def learning(subject: Subject) -> Learning:
    """How a sensor is learned, by its quantity and by who stands beside it."""
    if not stands_alone(subject):
        return Learning(YOUNG_D, "gross")
    if subject.quantity not in NATURES:
        return Learning(KNOWN_D, "values")
    return Learning(GROWN_Y * 365.25, "seldom")
