"""Reads the recorded sets: any file of the same kind in their folders; what cannot be read is told in the report."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.detection.nabcorpus import Floats, Longs
from city.clock import to_us

_CM_PER_INCH = 2.54
_DAY_MIN = 1440
csv.field_size_limit(64 << 20)  # a flood's whole profile stands in one cell


@dataclass(frozen=True, slots=True)
class Record:
    """One sensor's record: times in rising order; NaN where there is no value."""

    name: str
    time_us: Longs
    value: Floats
    other: Floats = field(default_factory=lambda: np.zeros(0))
    """A second column, where the set has one (corrected stage)."""

    @property
    def days(self) -> float:
        """Time covered."""
        return float(self.time_us[-1] - self.time_us[0]) / 86_400e6 if len(self.time_us) else 0.0


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood: seconds from its start and depths in cm, and whether the sea reaches the place."""

    tidal: bool
    time_s: Floats
    depth_cm: Floats


@dataclass(slots=True)
class Folder:
    """One set's folder, and what in it could not be read."""

    path: Path
    skipped: list[str] = field(default_factory=list)

    def skip(self, name: str, why: str) -> None:
        """Remember what is told in the report."""
        self.skipped.append(f"{name}: {why}")


def stage(folder: Folder) -> list[Record]:
    """River stage (cm) as logged, with the corrected value beside."""
    return [
        record
        for path in sorted(folder.path.glob("*.csv*"))
        if (record := _table(folder, path, "datetime", "stage", "stage_cor")) is not None
    ]


def gnss(folder: Folder) -> list[Record]:
    """Daily vertical positions (mm)."""
    return [
        record
        for path in sorted(folder.path.glob("*.csv*"))
        if (record := _table(folder, path, "time", "ver", "")) is not None
    ]


def bridge(folder: Folder) -> list[Record]:
    """One-second medians of strain (um/m)."""
    found = []
    for path in sorted(folder.path.glob("*.csv*")):
        try:
            moments, values = zip(*_strain_rows(path), strict=True)
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            folder.skip(path.name, str(error))
            continue
        second, value = np.array(moments) // 1_000_000, np.array(values)
        edges = np.flatnonzero(np.diff(second, prepend=second[0] - 1))
        middle = np.array([np.median(part) for part in np.split(value, edges[1:])])
        found.append(Record(path.name.partition(".")[0], second[edges] * 1_000_000, middle))
    return found


def methane(folder: Folder) -> list[Record]:
    """Street methane (ppm) from drives."""
    found = []
    for path in sorted(folder.path.glob("*.dat*")):
        header, *rows = (line.split() for line in _text(path))
        if not {"EPOCH_TIME", "CH4"} <= set(header):
            folder.skip(path.name, "no columns EPOCH_TIME and CH4")
            continue
        at, ppm = header.index("EPOCH_TIME"), header.index("CH4")
        good = [(float(row[at]), float(row[ppm])) for row in rows if len(row) == len(header) and float(row[ppm]) > 0]
        times, values = np.array([one[0] for one in good]), np.array([one[1] for one in good])
        found.append(Record(path.name.partition(".")[0], (times * 1e6).astype(np.int64), values))
    return found


def floods(folder: Folder) -> list[Flood]:
    """Street floods whose profile can be read and whose place is known."""
    tides = {}
    for path in sorted(folder.path.glob("*metadata*.csv*")):
        tides.update({row["sensor_id"]: row["tidally_influenced"] == "Yes" for row in csv.DictReader(_text(path))})
    found = []
    for path in sorted(set(folder.path.glob("*.csv*")) - set(folder.path.glob("*metadata*"))):
        for line, row in enumerate(csv.DictReader(_text(path)), 2):
            try:
                found.append(_flood(row, tides))
            except (KeyError, ValueError, TypeError) as error:
                folder.skip(f"{path.name}:{line}", f"{type(error).__name__} {error}")
    return found


def _flood(row: dict[str, str], tides: dict[str, bool]) -> Flood:
    times = np.array(json.loads(row["flood_profile_time_secs"]), np.float64)
    depths = np.array(json.loads(row["flood_profile_depth_inches"]), np.float64) * _CM_PER_INCH
    if len(times) != len(depths) or len(times) < 2 or (np.diff(times) <= 0).any():
        raise ValueError("a profile without rising times")
    if float(row["onset_time_mins"]) > _DAY_MIN * 30:
        raise ValueError(f"an onset of {row['onset_time_mins']} minutes")
    return Flood(tides[row["sensor_id"]], times, depths)


def _table(folder: Folder, path: Path, time: str, value: str, other: str) -> Record | None:
    rows = list(csv.DictReader(_text(path)))
    if not rows or not {time, value, *({other} if other else ())} <= set(rows[0]):
        folder.skip(path.name, f"no columns {time}, {value}, {other}".rstrip(", "))
        return None
    times = np.array([_us(row[time]) for row in rows], np.int64)
    keep = np.append(True, np.diff(np.maximum.accumulate(times)) > 0)
    if not keep.all():
        folder.skip(path.name, f"{int((~keep).sum())} rows that are not newer than those before")
    values = np.array([_number(row[value]) for row in rows])[keep]
    others = np.array([_number(row[other]) for row in rows])[keep] if other else np.zeros(0)
    return Record(path.name.partition(".")[0], times[keep], values, others)


def _strain_rows(path: Path) -> Iterator[tuple[int, float]]:
    lines = _text(path)
    next(lines)
    for line in lines:
        moment, _, value = line.strip().partition(",")
        yield _us(moment), float(value)


def _text(path: Path) -> Iterator[str]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as inner:
            yield from io.TextIOWrapper(inner, encoding="utf-8")
    else:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            yield from lines


def _us(text: str) -> int:
    return to_us(datetime.fromisoformat(text.strip()).replace(tzinfo=UTC))


def _number(text: str) -> float:
    return math.nan if text in ("", "NULL", "-9999", "NaN") else float(text)
