"""The statistics of the fleet engine, and why it may be blind; both by number, as its columns give them."""

from __future__ import annotations

from typing import Final

CHANNELS: Final[tuple[str, ...]] = (
    "spike",
    "rate",
    "level_4",
    "level_16",
    "level_64",
    "level_256",
    "drift",
    "variance_up",
    "variance_down",
    "flat",
    "rarity",
    "daily_cycle",
    "context_spike",
    "context_level_4",
    "context_level_16",
    "context_level_64",
    "context_level_256",
    "context_drift",
)
"""Names by number. Levels average over so many intervals: those over 4 and 16 against those over 64 and 256 (what came
just now), the longer ones against what is expected. `context` ones look at what neighbours do not explain."""

BLIND_REASONS: Final[tuple[str, ...]] = (
    "",
    "reading cannot be used",
    "not newer than the last reading",
    "warming up",
    "warming up after a pause",
    "rain explains it",
)
"""Why a sample has no verdict, by number; 0 when it has one."""

SPIKE, RATE, LEVEL, DRIFT, VARIANCE_UP, VARIANCE_DOWN, FLAT, RARITY, DAILY = 0, 1, 2, 6, 7, 8, 9, 10, 11
CONTEXT, CONTEXT_DRIFT = 12, 17
UNUSABLE, NOT_NEWER, WARMING, PAUSED, RAIN = 1, 2, 3, 4, 5
