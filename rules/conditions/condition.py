"""Conditions: what a level asks of the readings, answered TRUE, FALSE or UNKNOWN at an instant of event time.

A condition is a frozen value (`rules.conditions.kinds`) made by `rules.language`; all numbers in it are in canonical
units and microseconds. `holds` answers for the sample of the watched sensor at that instant; it looks only at readings
with event time up to it, so the answer does not depend on the order of arrival.
"""

from __future__ import annotations

# Each of these modules answers for its kinds; `holds` finds them once they are imported.
from rules.conditions import own, vicinity
from rules.conditions.kinds import (
    All,
    Any_,
    Beside,
    Compare,
    Condition,
    CountOf,
    Detect,
    Found,
    Near,
    Not,
    Only,
    Presumed,
    Quiet,
    Reaches,
    Sequence,
    Silent,
    Trend,
    Window,
    looks,
    neighbours,
    parts_of,
    reach_us,
)
from rules.conditions.logic import remember
from rules.conditions.moment import USABLE, Memory, Moment, holds

ANSWERED_IN = (own, vicinity)

__all__ = [
    "USABLE", "All", "Any_", "Beside", "Compare", "Condition", "CountOf", "Detect", "Found", "Memory", "Moment", "Near",
    "Not", "Only", "Presumed", "Quiet", "Reaches", "Sequence", "Silent", "Trend", "Window", "holds", "looks",
    "neighbours", "parts_of", "reach_us", "remember",
]  # fmt: skip
