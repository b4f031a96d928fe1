"""What a city may say to the fleet engine; sane without a word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType

from city.errors import InputError
from detectors.early.channels import CHANNELS
from detectors.early.natures import FROZEN

_NONE: Mapping[str, Wish] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wish:
    """For one quantity.

    Attributes
    ----------
    false_alarms_per_year
        Per sensor, > 0; None: as `Settings` has it.
    off
        Channels not to listen to.
    """

    false_alarms_per_year: float | None = None
    off: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settings:
    """Budgets and channels.

    Attributes
    ----------
    false_alarms_per_year
        Per sensor, > 0: a sample is ABNORMAL when its like comes by chance no more often.
    off
        Channels of `CHANNELS` not to listen to, for any quantity.
    quantities
        What is different for a quantity, by its id.
    tags
        False alarms per year of sensors with a tag: before the quantity's; of several, the smallest counts.

    Raises
    ------
    InputError
        A budget that is not a number above 0, an unknown channel, or every channel off.

    Examples
    --------
    >>> Settings(false_alarms_per_year=0.1).budget("methane")
    0.1
    """

    false_alarms_per_year: float = 1.0
    off: frozenset[str] = frozenset()
    quantities: Mapping[str, Wish] = field(default_factory=lambda: _NONE)
    tags: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        tags = ((tag, Wish(budget)) for tag, budget in self.tags.items())
        own = Wish(self.false_alarms_per_year, self.off)
        for where, wish in (("settings", own), *self.quantities.items(), *tags):
            budget = wish.false_alarms_per_year
            if budget is not None and not (isfinite(budget) and budget > 0):
                raise InputError(f"{where}: false_alarms_per_year must be a number above 0, got {budget!r}")
            if unknown := sorted(wish.off - set(CHANNELS)):
                raise InputError(f"{where}: unknown channel, got {unknown[0]!r}, try one of {', '.join(CHANNELS)}")
            if len(wish.off | self.off) == len(CHANNELS):
                raise InputError(f"{where}: every channel is off, try leaving the quantity out")

    def budget(self, quantity: str, tags: Iterable[str] = ()) -> float:
        """False alarms per sensor and year that are accepted for a quantity, of a sensor with these tags."""
        tagged = [self.tags[tag] for tag in tags if tag in self.tags]
        if tagged:
            return min(tagged)
        wish = self.quantities.get(quantity)
        own = wish.false_alarms_per_year if wish else None
        return self.false_alarms_per_year if own is None else own

    def silent(self, quantity: str) -> frozenset[str]:
        """Channels that are off for a quantity."""
        wish = self.quantities.get(quantity)
        return self.off | wish.off if wish else self.off

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any setting and with the frozen configuration."""
        return self._digits(FROZEN.hash)

    @property
    def rows(self) -> str:
        """The same of what sensors' rows mean, and under which settings they were learned."""
        return self._digits(FROZEN.rows)

    def _digits(self, frozen: str) -> str:
        rows = {q: [w.false_alarms_per_year, sorted(w.off)] for q, w in self.quantities.items()}
        mine = [
            frozen,
            self.false_alarms_per_year,
            sorted(self.off),
            rows,
            *([dict(self.tags)] if self.tags else ()),
        ]
        text = json.dumps(mine, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
