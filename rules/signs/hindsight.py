"""What the watch for early signs makes of one sensor's past: its readings through the engine, channel by channel.

The engine begins anew at the oldest reading given, so it knows the sensor by these alone: give it weeks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from city.errors import InputError
from city.levels import Flag
from city.reading import Sample
from detectors.columns import CONTEXTS, Columns, Floats, Found, Longs
from detectors.early.channels import CHANNELS
from detectors.early.explain import Explanation
from detectors.early.fleet import Fleet
from detectors.early.settings import Settings
from detectors.subject import Subject
from rules.signs.around import local_us
from rules.signs.watch import PATIENCE_INTERVALS, PATIENCE_LEAST_US

MOST_LOOKS = 400  # samples of the shown span whose channels are looked at one by one


@dataclass(frozen=True, slots=True)
class Hindsight:
    """One sensor's past as the engine sees it.

    Attributes
    ----------
    columns, found
        All samples (n,) in event-time order, and the answer to each.
    shown
        Place of the first sample of the span that was asked for.
    places, years
        (m,), (m, channels): samples of that span, and each channel's return period there; NaN below its threshold.
    explanation
        Of the last sample, by what was known before it.
    """

    subject: Subject
    columns: Columns
    found: Found
    shown: int
    places: Longs
    years: Floats
    explanation: Explanation


def look_back(
    subject: Subject, intervals_s: Mapping[str, float], settings: Settings, samples: Iterable[Sample], *, shown_us: int
) -> Hindsight:
    """Run a sensor's samples, and those of its neighbours, through an engine of their own.

    Parameters
    ----------
    intervals_s
        How often each neighbour is meant to speak.
    samples
        Of all of them, in any order; of two for one instant the first counts.
    shown_us
        From this event time on every channel is looked at.

    Raises
    ------
    InputError
        No reading of the sensor among the samples.
    """
    known = _by_sensor(samples)
    if subject.sensor not in known:
        raise InputError(f"{subject.sensor}: no readings in that span, try a longer --since or another --at")
    columns = _columns(subject, known, intervals_s)
    fleet = Fleet([subject], settings)
    times = columns.time_us
    shown = min(int(times.searchsorted(shown_us)), len(times) - 1)
    places = np.unique(np.linspace(shown, len(times) - 1, MOST_LOOKS).round().astype(np.int64))
    years = np.full((len(places), len(CHANNELS)), np.nan)
    parts, done = [], 0
    explanation = fleet.explain(0)
    for n, place in enumerate(places.tolist()):
        parts.append(fleet.update(_cut(columns, done, place)))
        done = place
        sample = _cut(columns, place, place + 1)
        if sample.flag[0] <= Flag.SUSPECT:
            explanation = fleet.explain(0, sample)
            years[n] = [heard.return_period_years for heard in explanation.channels]
    parts.append(fleet.update(_cut(columns, done, len(times))))
    found = Found._make(np.concatenate(column) for column in zip(*parts, strict=True))
    return Hindsight(subject, columns, found, shown, places, years, explanation)


def _by_sensor(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Samples of each sensor in event-time order, one for each instant."""
    known: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        known.setdefault(sample.sensor, {}).setdefault(sample.time_us, sample)
    return {sensor: [at[time_us] for time_us in sorted(at)] for sensor, at in known.items()}


def _columns(subject: Subject, known: Mapping[str, list[Sample]], intervals_s: Mapping[str, float]) -> Columns:
    own = known[subject.sensor]
    times = np.array([sample.time_us for sample in own], np.int64)
    context = np.full((len(own), CONTEXTS), np.nan)
    for place, other in enumerate(subject.context[:CONTEXTS]):
        usable = [sample for sample in known.get(other.sensor, ()) if sample.flag <= Flag.SUSPECT]
        if not usable:
            continue
        patience_us = max(PATIENCE_INTERVALS * intervals_s.get(other.sensor, 0.0) * 1e6, PATIENCE_LEAST_US)
        when = np.array([sample.time_us for sample in usable], np.int64)
        before = when.searchsorted(times) - 1
        fresh = (before >= 0) & (times - when[before] <= patience_us)
        context[fresh, place] = np.array([sample.value for sample in usable])[before[fresh]]
    return Columns(
        np.zeros(len(own), np.int64),
        times,
        local_us(times, subject.zone or ZoneInfo("UTC")),
        np.array([sample.value for sample in own], np.float64),
        np.array([sample.flag for sample in own], np.uint8),
        context,
    )


def _cut(columns: Columns, start: int, stop: int) -> Columns:
    return Columns._make(column[start:stop] for column in columns)
