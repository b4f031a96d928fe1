"""What a sensor does by the hour of working days and of weekends, as deviation from its level."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.early.layout import HABIT, HOUR, SEEN_D, TICK_S

Row = Any
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
APART_D = 7.0  # until then weekends are taken for working days
SLOWEST = 1.0 / 14.0  # part of a pass's deviation that is learned, at least


def place_of(local_us: int) -> tuple[float, int]:
    """Hours since the middle of the first hour of the day, in [0, 24), and 1 on weekends."""
    day = local_us // DAY_US
    place = (local_us - day * DAY_US) / HOUR_US - 0.5
    return (place + 24.0 if place < 0.0 else place), (1 if (day + 3) % 7 >= 5 else 0)


def between(f: Row, place: float, weekend: int) -> float:
    """What is usual there, between the two nearest hours."""
    hour = int(place)
    following = hour + 1 if hour < 23 else 0
    part = place - hour
    at = HABIT + 24 * weekend
    return float((1.0 - part) * np.float64(f[at + hour]) + part * np.float64(f[at + following]))


def habit_at(f: Row, place: float, weekend: int) -> float:
    """What is usual there; in the first day hours never seen are like the one before."""
    hour = int(place)
    if f[SEEN_D] < 1.0 and f[HOUR] >= 0.0 and int(f[HOUR]) % 24 != hour:
        following = hour + 1 if hour < 23 else 0
        carried = f[HABIT + hour]
        f[HABIT + following] = carried
        f[HABIT + 24 + following] = carried
    return between(f, place, weekend)


def turn_of(f: Row, place: float, weekend: int) -> float:
    """Where a weekend begins or ends: by how much its habits lie below those of the day before, at this very moment."""
    if f[HOUR] < 0.0 or int(f[HOUR]) // 24 == weekend:
        return 0.0
    return between(f, place, 1 - weekend) - between(f, place, weekend)


def learn_habit(f: Row, place: float, weekend: int, dt_s: float, pull: float) -> None:
    """Move the two nearest hours towards the sample."""
    days = np.float64(f[SEEN_D]) + np.float64(f[TICK_S]) / 86_400.0
    hour = int(place)
    following = hour + 1 if hour < 23 else 0
    part = place - hour
    if days < APART_D:
        gain = min(0.5, dt_s / 3600.0 / (1.0 + days))
        for at in (HABIT, HABIT + 24):
            f[at + hour] = np.float64(f[at + hour]) + gain * (1.0 - part) * pull
            f[at + following] = np.float64(f[at + following]) + gain * part * pull
        return
    passes = days * (2.0 / 7.0 if weekend else 5.0 / 7.0)
    gain = min(0.5, dt_s / 3600.0 * max(SLOWEST, 1.0 / (1.0 + passes)))
    at = HABIT + 24 * weekend
    f[at + hour] = np.float64(f[at + hour]) + gain * (1.0 - part) * pull
    f[at + following] = np.float64(f[at + following]) + gain * part * pull
