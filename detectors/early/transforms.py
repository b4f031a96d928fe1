"""The scale on which a quantity's noise is even, and the way back."""

from __future__ import annotations

from math import asinh, exp, log, sinh
from typing import Any

from detectors.early.layout import OFFSET, TRANSFORM

Row = Any


def transformed(value: float, p: Row) -> float:
    """A value on the even scale."""
    kind = p[TRANSFORM]
    if kind == 1.0:
        return log(max(value + p[OFFSET], 1e-3 * p[OFFSET]))
    if kind == 2.0:
        return asinh(value / p[OFFSET])
    return value


def back(x: float, p: Row) -> float:
    """The inverse of `transformed`."""
    kind = p[TRANSFORM]
    if kind == 1.0:
        return float(exp(min(x, 60.0)) - p[OFFSET])
    if kind == 2.0:
        return float(sinh(max(-60.0, min(x, 60.0))) * p[OFFSET])
    return x
