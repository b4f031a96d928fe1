"""What the engine assumes of each quantity before it has seen a sensor: the one frozen configuration.

The tails every sensor starts with (threshold, mean excess, shape of each channel) are set by hand and checked on
simulated sensors; the tail of all channels together is fitted to 100 and more fault-free years of simulated sensors of
each kind (18 of the kind nobody knows), by the alarms a year at budgets from 12 to 0.1. They are not learned across a
running fleet: a sensor must not depend on which others are watched, nor on the order in which their samples came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from detectors.columns import Floats
from detectors.early import layout
from detectors.early.channels import CHANNELS
from detectors.early.sources import digest

PLAIN, LOG, ASINH = 0, 1, 2  # transforms

# Channel: share of the false-alarm budget, then where its tail starts: threshold, mean excess, shape.
_CHANNELS: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "spike": (0.18, 4.0, 0.6, 0.12),
    "rate": (0.12, 4.0, 0.6, 0.15),
    "level_4": (0.10, 3.3, 0.5, 0.10),
    "level_16": (0.10, 3.0, 0.5, 0.10),
    "level_64": (0.12, 2.6, 0.5, 0.10),
    "level_256": (0.15, 2.2, 0.5, 0.10),
    "drift": (0.15, 2.0, 0.5, 0.10),
    "variance_up": (0.05, 0.4, 0.10, 0.10),
    "variance_down": (0.06, 0.4, 0.10, 0.10),
    "flat": (0.15, 2.5, 0.3, 0.05),
    "rarity": (0.20, 5.5, 0.7, 0.05),
    "daily_cycle": (0.05, 2.2, 0.5, 0.10),
    "context_spike": (0.12, 4.0, 0.6, 0.12),
    "context_level_4": (0.10, 3.3, 0.5, 0.10),
    "context_level_16": (0.15, 3.0, 0.5, 0.10),
    "context_level_64": (0.15, 2.6, 0.5, 0.10),
    "context_level_256": (0.20, 2.2, 0.5, 0.10),
    "context_drift": (0.25, 2.0, 0.5, 0.10),
}

_SLOW: Final = ("level_4", "level_16", "level_64", "level_256", "drift", "variance_up", "daily_cycle")


@dataclass(frozen=True, slots=True)
class Nature:
    """How a quantity behaves.

    Attributes
    ----------
    transform, offset
        PLAIN, LOG of (value + offset), or ASINH of value / offset: the scale on which its noise is even.
    clip
        How many spreads of one sample may enter an average: small where short plumes are part of life.
    slow, slow_alone
        What part of their budget the own channels of level, drift, restlessness and day keep beside neighbours, and
        without: little where weather moves the level.
    gap_s
        A pause longer than this (and than five usual intervals) makes it warm up again.
    gate
        Whether rain at a neighbour explains what it does, so that it is judged and learns in dry weather only.
    hourly
        Whether its noise has hours, as that of flow has: small in the night, and much of what then flows.
    back
        Whether a jump is news only once the next reading has jumped back: where puffs that come at once and fade
        slowly are part of life. Nor does one reading move what its neighbours leave over an hour far.
    unknown
        Whether nobody knows the quantity: how rare it is is looked at on more scales, and without neighbours what else
        speaks, but `flat`, is believed only once its own tails are known. Jumps and shifts may be its life.
    together, together_shape
        Tail of the logarithm of what all channels say together. Its mean excess is 1 where they are right, less where
        they are shy; its shape is 0 where that stays so, more where what is rarest has causes of its own.
    """

    transform: int = PLAIN
    offset: float = 1.0
    clip: float = 20.0
    slow: float = 1.0
    slow_alone: float = 1.0
    gap_s: float = 3600.0
    gate: bool = False
    hourly: bool = False
    back: bool = False
    unknown: bool = False
    together: float = 1.0
    together_shape: float = 1.0 / 14.0


GENERIC: Final = Nature(unknown=True, together=0.5, together_shape=1.0 / 28.0)
NATURES: Final[Mapping[str, Nature]] = MappingProxyType(
    {
        "gas_pressure": Nature(slow=0.02, slow_alone=0.05, together=0.48, together_shape=0.14),
        "gas_flow": Nature(ASINH, 2.0, slow=0.02, slow_alone=0.05, hourly=True, together=0.59, together_shape=0.18),
        "methane": Nature(LOG, 1.0, back=True, together=0.62, together_shape=0.14),
        "water_depth": Nature(ASINH, 2.0, gate=True, together=0.38, together_shape=0.26),
        "strain": Nature(slow_alone=0.1, together=0.44, together_shape=0.14),
        "settlement": Nature(together=0.44, together_shape=0.06),
    }
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is frozen."""

    version: int = 3
    channels: Mapping[str, tuple[float, float, float, float]] = field(default_factory=lambda: _CHANNELS)
    natures: Mapping[str, Nature] = field(default_factory=lambda: NATURES)
    generic: Nature = GENERIC

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change when any number here does, or any number or step of the engine."""
        return _digits(
            {
                "version": self.version,
                "engine": digest(),
                "channels": {name: list(row) for name, row in self.channels.items()},
                "natures": {name: asdict(one) for name, one in self.natures.items()},
                "generic": asdict(self.generic),
            }
        )

    @property
    def rows(self) -> str:
        """Twelve that change when a sensor's row would mean something else, or a nature has one number more.

        So what a city learned in weeks outlives an upgrade that turns a number.
        """
        scales = {name: (one.transform, one.offset) for name, one in {**self.natures, "": self.generic}.items()}
        places = {name: place for name, place in vars(layout).items() if isinstance(place, int)}
        return _digits({"version": self.version, "layout": places, "channels": list(CHANNELS), "scales": scales})


def _digits(parts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


FROZEN: Final = Configuration()


def parameters(quantity: str, budget_per_year: float, off: frozenset[str], *, alone: bool = True) -> Floats:
    """The (layout.NATURE_WIDTH,) row of parameters of a quantity (unknown: generic), `alone` without neighbours."""
    nature = FROZEN.natures.get(quantity, FROZEN.generic)
    row = np.zeros(layout.NATURE_WIDTH)
    row[layout.TRANSFORM], row[layout.OFFSET], row[layout.CLIP] = nature.transform, nature.offset, nature.clip
    row[layout.BUDGET], row[layout.GAP_S], row[layout.GATE] = budget_per_year, nature.gap_s, nature.gate
    row[layout.NEIGHBOURS] = 0.0 if alone else 1.0
    row[layout.HOURLY], row[layout.BACK], row[layout.UNKNOWN] = nature.hourly, nature.back, nature.unknown
    row[layout.TOGETHER_EXCESS], row[layout.TOGETHER_SHAPE] = nature.together, nature.together_shape
    for at, name in enumerate(CHANNELS):
        weight, threshold, excess, shape = FROZEN.channels[name]
        kept = (nature.slow_alone if alone else nature.slow) if name in _SLOW else 1.0
        row[layout.WEIGHT + at] = 0.0 if name in off else kept * weight
        row[layout.START_THRESHOLD + at] = threshold
        row[layout.START_EXCESS + at] = excess
        row[layout.START_SHAPE + at] = shape
    return row
