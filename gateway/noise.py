"""Randomness without state: every number is a hash of (key, counter), so any moment can be asked for in any order.

Counter-based generators in the manner of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), with
the finaliser of SplitMix64 (Steele, Lea, Flood 2014) as the hash. All functions are element-wise over numpy arrays.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(shift) for shift in (30, 27, 31, 11))
_TO_UNIT = 2.0**-53


def key(*parts: object) -> int:
    """A 64-bit key of anything that prints, the same on every machine and run."""
    return int.from_bytes(blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest(), "little")


def _hash(keys: Keys, counter: Ints) -> Keys:
    x: Keys = keys + _GOLDEN * counter.astype(np.uint64)  # wraps, as it should
    x = (x ^ (x >> _S30)) * _MIX_1
    x = (x ^ (x >> _S27)) * _MIX_2
    return x ^ (x >> _S31)


def uniform(keys: Keys, counter: Ints) -> Floats:
    """Numbers in [0, 1)."""
    return (_hash(keys, counter) >> _S11).astype(np.float64) * _TO_UNIT


def normal(keys: Keys, counter: Ints, limit: float = 4.0) -> Floats:
    """Standard normal numbers, cut at ±`limit` so that calm can promise to stay calm."""
    first = uniform(keys, 2 * counter) + _TO_UNIT  # above 0, for the logarithm
    second = uniform(keys, 2 * counter + 1)
    drawn: Floats = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return np.clip(drawn, -limit, limit)


def smooth(keys: Keys, time_s: Floats, period_s: float) -> Floats:
    """Value noise: standard normal numbers every `period_s`, joined smoothly; within ±4, variance 0.5 to 1."""
    place = time_s / period_s
    left = np.floor(place)
    inside = place - left
    weight = inside * inside * (3.0 - 2.0 * inside)
    counter = left.astype(np.int64)
    return normal(keys, counter) * (1.0 - weight) + normal(keys, counter + 1) * weight


def wander(keys: Keys, time_s: Floats, period_s: float) -> Floats:
    """Slow irregular change: three octaves of `smooth`, the longest of `period_s`; within ±7, spread about 0.9."""
    other = keys ^ _MIX_1
    third = keys ^ _MIX_2
    return (
        smooth(keys, time_s, period_s)
        + 0.5 * smooth(other, time_s, period_s / 3.1)
        + 0.25 * smooth(third, time_s, period_s / 9.7)
    )
