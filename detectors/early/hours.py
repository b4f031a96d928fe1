"""How loud a sensor's noise is by the time of day, against its usual noise: traffic, demand and sun have hours.

Eight bytes stand for the middles of eight stretches of three hours, in sixteenths of an e-fold. Steps are smaller than
one of these, so each is rounded by the luck of its time: on average nothing is lost.
"""

from __future__ import annotations

from math import exp
from typing import Any

from detectors.early.layout import LOUD

Row = Any
STRETCH_H, STRETCHES = 3.0, 8
STEPS, USUAL = 16.0, 128  # in an e-fold; the byte of usual noise
WILD = 4.0  # times as loud as expected is the most that one sample counts
PASSES = 6.0  # of a stretch of the day are remembered
SLOT_S = 300.0
GOLDEN, SILVER = 0.6180339887498949, 0.4142135623730951


def start_hours(h: Row) -> None:
    """Every hour as loud as any."""
    for k in range(STRETCHES // 2):
        h[LOUD + k] = USUAL * 257


def byte_of(h: Row, k: int) -> int:
    """What stands for a stretch."""
    word = int(h[LOUD + k // 2])
    return word >> 8 if k % 2 == 1 else word & 255


def stretch_of(place: float) -> float:
    """Where a place of the day (hours since half past midnight, in [0, 24)) lies between the middles, in [0, 8)."""
    at = (place + 0.5) / STRETCH_H - 0.5
    return at + STRETCHES if at < 0.0 else at


def loudness(h: Row, at: float) -> float:
    """Times the usual noise."""
    k = int(at)
    part = at - k
    following = k + 1 if k < STRETCHES - 1 else 0
    steps = (1.0 - part) * byte_of(h, k) + part * byte_of(h, following) - USUAL
    return exp(steps / STEPS)


def learn_hour(h: Row, at: float, slot: int, dt_s: float, days: float, size: float) -> None:
    """Move a stretch towards how loud a sample was, `size` times what was expected of it."""
    k = int(at)
    luck = slot * GOLDEN
    if luck - int(luck) < at - k:
        k = k + 1 if k < STRETCHES - 1 else 0
    gain = min(0.5, max(dt_s, SLOT_S) / (3600.0 * STRETCH_H) * max(1.0 / PASSES, 1.0 / (1.0 + days)))
    luck = slot * SILVER
    moved = byte_of(h, k) + int(STEPS * gain * (min(size, WILD) - 1.0) + luck - int(luck) + STEPS) - int(STEPS)
    moved = max(1, min(255, moved))
    word = int(h[LOUD + k // 2])
    h[LOUD + k // 2] = (word & 255) + 256 * moved if k % 2 == 1 else (word & 0xFF00) + moved
