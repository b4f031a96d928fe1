"""The files of the Numenta Anomaly Benchmark: labelled series from `data/<category>/*.csv` beside `labels/`."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from city.clock import to_us
from city.errors import InputError

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

_PROBATION = 0.15  # of a file's rows are for learning and never scored,
_PROBATION_ROWS = 750  # but at most so many


@dataclass(frozen=True, slots=True)
class Series:
    """One labelled file.

    Attributes
    ----------
    name, category
        File and folder, as the label file writes them (`category/file.csv`).
    time_us, value
        (n,) local time read as if UTC (the files name no zone), and the value.
    windows
        First and last row of each labelled window, both inside it.
    """

    name: str
    category: str
    time_us: Longs
    value: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows at the start that are never scored."""
        return min(int(_PROBATION * len(self.value)), _PROBATION_ROWS)


def read_corpus(folder: Path) -> list[Series]:
    """All files of the corpus that are labelled, in the order of their names.

    Raises
    ------
    InputError
        No labels, no files, or a window that does not lie in its file.
    """
    labels = folder / "labels" / "combined_windows.json"
    if not labels.is_file():
        raise InputError(f"{labels}: not there, try the corpus' own folder (with data/ and labels/)")
    windows: dict[str, list[list[str]]] = json.loads(labels.read_text(encoding="utf-8"))
    found = [
        _series(folder / "data" / name, name, windows[name])
        for name in sorted(windows)
        if (folder / "data" / name).is_file()
    ]
    if not found:
        raise InputError(f"{folder}: none of the {len(windows)} labelled files is in data/, try the whole corpus")
    return found


def unread(folder: Path) -> list[str]:
    """What is labelled without a file, and what is a file without a label: told in the report, not scored."""
    labelled = set(json.loads((folder / "labels" / "combined_windows.json").read_text(encoding="utf-8")))
    there = {path.relative_to(folder / "data").as_posix() for path in (folder / "data").glob("*/*.csv")}
    return [f"{name}: no such file" for name in sorted(labelled - there)] + [
        f"{name}: no labels" for name in sorted(there - labelled)
    ]


def _series(path: Path, name: str, windows: list[list[str]]) -> Series:
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    time_us = np.array([_us(row[0]) for row in rows], np.int64)
    value = np.array([float(row[1]) for row in rows])
    first_row = {int(at): i for i, at in reversed(list(enumerate(time_us)))}
    try:
        spans = sorted((first_row[_us(start)], first_row[_us(end)]) for start, end in windows)
    except KeyError as error:
        raise InputError(f"{name}: a labelled window starts or ends at a time that is no row's") from error
    return Series(name, name.rpartition("/")[0], time_us, value, tuple(spans))


def _us(text: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))
