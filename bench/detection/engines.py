"""The fleet engine on whole recorded series: what public corpora are measured with, and `lifeline detectors score`."""

from __future__ import annotations

from typing import Final

import numpy as np

from bench.detection.nabcorpus import Floats, Longs
from detectors.columns import BLIND, CONTEXTS, Columns, Found
from detectors.early.fleet import Fleet
from detectors.early.settings import Settings
from detectors.onset import Onsets
from detectors.subject import Neighbour, Subject

GENERIC: Final = "series"  # a quantity nobody knows


def usual_interval_s(time_us: Longs) -> float:
    """The median step of a series' first thousand rows, in seconds (60 where there is none)."""
    steps = np.diff(time_us[:1001])
    steps = steps[steps > 0]
    return float(np.median(steps)) / 1e6 if len(steps) else 60.0


def run(
    time_us: Longs,
    value: Floats,
    *,
    quantity: str = GENERIC,
    local_us: Longs | None = None,
    flag: Longs | None = None,
    context: Floats | None = None,
    neighbours: tuple[Neighbour, ...] = (),
    settings: Settings | None = None,
) -> Found:
    """One series through a fleet of one.

    Parameters
    ----------
    time_us, value
        (n,) in rising order of time.
    local_us
        The city's wall clock; `time_us` when not given.
    flag
        `city.levels.Flag`; all good when not given.
    context
        (n, k) of the k `neighbours`.
    """
    n = len(value)
    subject = Subject("series", quantity, usual_interval_s(time_us), neighbours)
    around = np.full((n, CONTEXTS), np.nan)
    if context is not None:
        around[:, : context.shape[1]] = context
    fleet = Fleet([subject]) if settings is None else Fleet([subject], settings)
    columns = Columns(
        np.zeros(n, np.int64),
        time_us,
        time_us if local_us is None else local_us,
        value,
        np.where(np.isnan(value), 9, 1).astype(np.uint8) if flag is None else flag.astype(np.uint8),
        around,
    )
    return fleet.update(columns)


def return_periods(found: Found) -> Floats:
    """(n,) years; NaN where blind or not yet known."""
    return np.where(found.verdict == BLIND, np.nan, found.return_period_years)


def early_sign(time_us: Longs, value: Floats) -> Floats:
    """The return period of every row, as the engine of no particular quantity says it."""
    return return_periods(run(time_us, value))


def early_sign_onsets(time_us: Longs, value: Floats) -> Floats:
    """The same as news: of each bout its first row alone (`detectors.onset`)."""
    news = Onsets()
    return np.array([news.take(years) for years in early_sign(time_us, value).tolist()])
