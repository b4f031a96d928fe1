"""River stage as logged against stage as corrected by technicians: how many of their corrections are seen at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from bench.detection import nabfloors
from bench.detection.engines import return_periods, run
from bench.detection.nabcorpus import Floats, Longs
from bench.detection.nabfloors import Scorer
from bench.detection.recordedsets import Folder, Record, stage
from bench.detection.report import Section, Table

BUDGETS_PER_DAY: Final = (1 / 365.25, 0.01, 0.02, 0.05, 0.1)
_CM_PER_M = 100.0
_STEP_CM = 1.0  # a correction that changes by so much from one row to the next was a jump; drift changes by hundredths
_MERGE_US: Final = 2 * 3_600_000_000  # jumps so near are one event
_AFTER_US: Final = 3_600_000_000  # an alarm so soon after an event still belongs to it
_CALM_US: Final = 6 * 3_600_000_000  # alarms so near are one
_LEVELS = 400  # thresholds tried


class Event(NamedTuple):
    """Rows first to last inside; `missing` when some had no value at all, which needs no detector to be seen."""

    first: int
    last: int
    missing: bool


def events(record: Record) -> list[Event]:
    """Where technicians had to step in: the correction jumps, the corrected value was rejected, or nothing came."""
    gone, rejected = np.isnan(record.value), np.isnan(record.other)
    correction = record.other - record.value
    jump = np.abs(np.diff(correction, prepend=correction[0])) >= _STEP_CM  # NaN is no jump
    ends = (gone | rejected)[:-1] & ~(gone | rejected)[1:]
    marked = np.flatnonzero(jump | gone | rejected | np.append(False, ends))
    if not len(marked):
        return []
    breaks = np.flatnonzero(np.diff(record.time_us[marked]) > _MERGE_US) + 1
    return [Event(int(part[0]), int(part[-1]), bool(gone[part].any())) for part in np.split(marked, breaks)]


class Counted(NamedTuple):
    """At one threshold: events seen, and alarms that belong to none."""

    seen: int
    false_alarms: int


def count(record: Record, happened: Sequence[Event], scores: Floats, threshold: float) -> Counted:
    """Alarms are rows at or over the threshold, those within `_CALM_US` one; one that touches an event is not false."""
    above = np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) >= threshold)
    starts = record.time_us[[one.first for one in happened]] if happened else np.zeros(0, np.int64)
    ends = record.time_us[[one.last for one in happened]] + _AFTER_US if happened else np.zeros(0, np.int64)
    times = record.time_us[above]
    seen = sum(
        one.missing or bool(((times >= start) & (times <= end)).any())
        for one, start, end in zip(happened, starts, ends, strict=True)
    )
    return Counted(seen, _false(times, starts, ends))


def _false(times: Longs, starts: Longs, ends: Longs) -> int:
    if not len(times):
        return 0
    parts = np.split(times, np.flatnonzero(np.diff(times) > _CALM_US) + 1)
    return sum(not ((starts <= part[-1]) & (ends >= part[0])).any() for part in parts)


def recall_at(
    records: Sequence[Record], happened: Sequence[Sequence[Event]], scores: Sequence[Floats], budget_per_day: float
) -> tuple[float, float]:
    """Recall at the lowest threshold whose false alarms stay within a budget, and that threshold."""
    every = np.concatenate([one[np.isfinite(one)] for one in scores])
    days, total = sum(one.days for one in records), sum(len(one) for one in happened)
    best = (sum(e.missing for one in happened for e in one) / max(total, 1), float("inf"))
    if not len(every):
        return best
    places = np.append(0, np.geomspace(1, len(every), _LEVELS).astype(int))
    for threshold in np.unique(np.sort(every)[::-1][np.minimum(places, len(every) - 1)])[::-1]:
        made = [count(*each, float(threshold)) for each in zip(records, happened, scores, strict=True)]
        if sum(one.false_alarms for one in made) > budget_per_day * days:
            break
        best = (sum(one.seen for one in made) / max(total, 1), float(threshold))
    return best


def _engine(time_us: Longs, value: Floats) -> Floats:
    return return_periods(run(time_us, value / _CM_PER_M, quantity="water_level"))


def _on_values(scorer: Scorer, time_us: Longs, value: Floats) -> Floats:
    """A scorer that knows no missing values, on those that are there."""
    there = ~np.isnan(value)
    told = np.full(len(value), np.nan)
    told[there] = scorer(time_us[there], value[there])
    return told


def detectors() -> Mapping[str, Scorer]:
    """The engine, and what it stands beside."""
    floors = {
        "random": nabfloors.chance(7),
        "static limit": nabfloors.static_limit,
        "|diff| / its mean": nabfloors.jump,
        "seasonal z": nabfloors.seasonal_z,
        "histogram rarity": nabfloors.rarity(),
    }
    return {
        "null": nabfloors.silent,
        **{name: partial(_on_values, scorer) for name, scorer in floors.items()},
        "Lifeline early_sign": _engine,
    }


def section(folder: Folder) -> Section:
    """Recall at budgets of false alarms, for every station in the folder."""
    records = stage(folder)
    happened = [events(one) for one in records]
    rows, figures = [], dict[str, object]()
    for name, scorer in detectors().items():
        scores = [scorer(one.time_us, one.value) for one in records]
        recalls = [recall_at(records, happened, scores, budget)[0] for budget in BUDGETS_PER_DAY]
        rows.append((name, *(f"{recall:.2f}" for recall in recalls)))
        figures[name] = dict(zip(map(str, BUDGETS_PER_DAY), recalls, strict=True))
        if name.startswith("Lifeline"):
            made = [count(*each, 1.0) for each in zip(records, happened, scores, strict=True)]
    years = sum(one.days for one in records) / 365.25
    total = sum(len(one) for one in happened)
    missing = sum(e.missing for one in happened for e in one)
    seen, false = sum(one.seen for one in made), sum(one.false_alarms for one in made)
    figures |= {"events": total, "missing": missing, "sensor_years": years, "at_one_year": [seen, false]}
    words = (
        f"{len(records)} stations, {years:.1f} sensor-years, {total} events, {missing} of which with missing values "
        "(they count as seen by every detector, null too). An event is where the technicians' correction jumps by 1 cm "
        "or more from one row to the next, or a value was rejected or missing; jumps within 2 h are one. An alarm "
        "belongs to an event until 1 h after it; alarms within 6 h are one.",
        f"Taken at its word (return period of a year or more) the engine sees {seen} of {total} events with {false} "
        f"false alarms, {false / years if years else 0:.1f} a sensor-year.",
        "What the labels cannot tell: they are what technicians edited. Real storms and ice are no events, so some "
        "false alarms are true; slow drift has no onset and is not scored.",
        *(f"SKIPPED: {one}." for one in folder.skipped),
    )
    head = ("detector", "1 a year", *(f"{budget:g} a day" for budget in BUDGETS_PER_DAY[1:]))
    table = Table("Stage: share of events seen, at false alarms per sensor of", head, tuple(rows))
    return Section("Recorded: river stage", words, (table,), (), figures)
