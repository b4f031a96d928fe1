"""Tracks made by hand, to ask conditions about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from city.levels import Flag
from city.reading import Sample
from rules.alarm.track import Track
from rules.alarm.tracks import Tracks
from rules.conditions.condition import Condition, Memory, Moment, holds
from rules.conditions.truth import Evidence, Truth

T0_US = 1_782_900_000_000_000
DAY_US = 86_400_000_000

Rows = Iterable[tuple[float, float]]  # (seconds from the start, value)


def at_us(seconds: float) -> int:
    return T0_US + round(seconds * 1e6)


def world(series: Mapping[str, Rows], flags: Mapping[tuple[str, float], Flag] | None = None) -> Tracks:
    """Tracks by sensor; all samples pass unless `flags` says otherwise (by sensor and seconds)."""
    tracks = Tracks(DAY_US * 365)
    for name, rows in series.items():
        track = tracks.add(name, "water_depth", "cm", 0)
        for seconds, value in rows:
            flag = (flags or {}).get((name, seconds), Flag.PASS)
            track.insert(Sample(name, at_us(seconds), value, flag, at_us(seconds)), ())
    return tracks


def moment(tracks: Tracks, seconds: float, sensor: str = "own", memory: dict[int, Memory] | None = None) -> Moment:
    """The moment of a sensor's sample."""
    track: Track = tracks[sensor]
    (sample,) = track.between(at_us(seconds), at_us(seconds))
    return Moment(sample, track, tracks, memory=memory)


def answer(condition: Condition, rows: Sequence[tuple[float, float]], deadband: float = 0.0) -> Truth:
    """What a condition says at the last of a sensor's samples."""
    return holds(condition, moment(world({"own": rows}), rows[-1][0]), deadband)


def seen(condition: Condition, rows: Sequence[tuple[float, float]]) -> list[Evidence]:
    """The same, as evidence."""
    found: list[Evidence] = []
    holds(condition, moment(world({"own": rows}), rows[-1][0]), 0.0, found)
    return found
