"""The values of a series, as rule tests write them: promtool's notation, and a day that repeats.

=========  ==========================================================================================
written    means
=========  ==========================================================================================
`4`        one value
`4x3`      4, then three more: four values
`4+2x3`    4, then three more, each 2 above the last: 4 6 8 10 (`4-2x3`: 4 2 0 -2)
`_`        no reading
`_x3`      three times no reading
`stale`    a reading that says "missing": flag 9; the sensor is heard, but has no value
=========  ==========================================================================================

Parts are separated by spaces. Steps are added as decimals, so `0+0.1x3` ends at 0.3 and not beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

import numpy as np

from city.errors import InputError

MOST = 1_000_000  # values of one series: two years of minutes
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_STEP = r"[-+](?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_PART = re.compile(rf"(?P<first>{_NUMBER})(?:(?P<step>{_STEP})?x(?P<more>\d+))?", re.ASCII)
_GAPS = re.compile(r"_(?:x(?P<count>\d+))?", re.ASCII)
DAY_US = 86_400_000_000


class Mark(Enum):
    """What stands in a series in a value's place."""

    GAP = "_"
    STALE = "stale"


Value = float | Mark


def parse(text: str) -> list[Value]:
    """The values of a series.

    Raises
    ------
    InputError
        When a part is none of the table above, or the values are more than `MOST`.
    """
    values: list[Value] = []
    for part in text.split():
        values += _part(part, MOST - len(values))
    if not values:
        raise InputError(f"a series without values, got {text!r}, try '0x10 0+2x15 30x20 _x12'")
    return values


def _part(part: str, room: int) -> Sequence[Value]:
    if part == Mark.STALE.value:
        return [Mark.STALE]
    gaps, numbers = _GAPS.fullmatch(part), _PART.fullmatch(part)
    if gaps is not None:
        return [Mark.GAP] * _count(part, gaps["count"] or "1", 0, room)
    if numbers is None:
        raise InputError(f"not a part of a series, got {part!r}, try 4, 4x10, 4+2x10, 4-2x10, _, _x10 or stale")
    first, step = Decimal(numbers["first"]), Decimal(numbers["step"] or 0)
    count = _count(part, numbers["more"] or "0", 1, room)
    values = [float(first + step * at) for at in range(count)] if step else [float(first)] * count
    if not all(map(math.isfinite, values)):
        raise InputError(f"not a finite number, got {part!r}, try a smaller one")
    return values


def _count(part: str, more: str, own: int, room: int) -> int:
    if len(more) > 9 or int(more) + own > room:
        raise InputError(f"more than {MOST:,} values in one series, got {part[:40]!r}, try fewer")
    return int(more) + own


def write(values: Sequence[Value]) -> str:
    """Values in the notation, equal neighbours together: `parse` gives them back exactly."""
    return " ".join(_runs(values))


def _runs(values: Sequence[Value]) -> Iterator[str]:
    at = 0
    while at < len(values):
        value, end = values[at], at + 1
        while end < len(values) and _alike(value, values[end]) and value is not Mark.STALE:
            end += 1
        count = end - at
        if isinstance(value, Mark):
            yield value.value if count == 1 else f"_x{count}"
        else:
            yield _spelt(value) if count == 1 else f"{_spelt(value)}x{count - 1}"
        at = end


def _alike(one: Value, other: Value) -> bool:
    if isinstance(one, Mark) or isinstance(other, Mark):
        return one is other
    return one == other and math.copysign(1, one) == math.copysign(1, other)


def _spelt(value: float) -> str:
    return repr(value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Daily:
    """A quiet sensor's day, over and over.

    Attributes
    ----------
    mean, swing
        The value goes from `mean - swing` to `mean + swing` once a day, as a cosine.
    noise
        Standard deviation of what is added to each value, never more than three of them at once.
    seed
        Which noise: the same seed gives the same values.
    peak_us
        Time of day (microseconds after local midnight) of the highest value.
    """

    mean: float
    swing: float = 0.0
    noise: float = 0.0
    seed: int = 0
    peak_us: int = DAY_US * 15 // 24

    def values(self, from_us: int, every_us: int, count: int) -> list[float]:
        """`count` values, the first at `from_us` after a local midnight, one each `every_us`."""
        turn = (from_us + every_us * np.arange(count) - self.peak_us) / DAY_US * (2 * math.pi)
        noise = np.clip(np.random.default_rng(self.seed).standard_normal(count), -3, 3) * self.noise
        return [float(value) for value in self.mean + self.swing * np.cos(turn) + noise]
