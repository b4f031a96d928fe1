"""A first neighbour comes, or the last one goes: what is known stays, what listens to something else begins anew."""

from __future__ import annotations

import numpy as np

from detectors.columns import ABNORMAL, Columns, Floats, Found
from detectors.early import layout
from detectors.early.fleet import Fleet
from detectors.early.surprise import BINS, LEAST_HELD, UNIT
from detectors.subject import Neighbour, Subject

STEP_US, DAY = 600_000_000, 144
BESIDE = (Neighbour("warmth", "temperature", 5.0),)
SENSORS = 8


def _readings(days: int) -> tuple[Floats, Floats]:
    """Strain (SENSORS, n) that follows a warmth (n,) of the day and of the weather, with coloured noise of its own."""
    dice, n = np.random.default_rng(11), days * DAY
    weather, own = np.zeros(n), np.zeros((SENSORS, n))
    for i in range(1, n):
        weather[i] = 0.999 * weather[i - 1] + dice.normal(0, 0.1)
        own[:, i] = 0.9 * own[:, i - 1] + dice.normal(0, 0.3, SENSORS)
    warmth = 20 + 5 * np.sin(np.arange(n) / DAY * 2 * np.pi) + weather + dice.normal(0, 0.05, n)
    return 3 * warmth + own + dice.normal(0, 0.4, (SENSORS, n)), warmth


def _play(fleet: Fleet, strain: Floats, warmth: Floats, first: int, last: int) -> Found:
    """Every sensor's readings of [first, last) of the grid."""
    n = last - first
    context = np.full((n, 4), np.nan)
    context[:, 0] = warmth[first:last]
    time_us = np.arange(first, last, dtype=np.int64) * STEP_US
    return fleet.update(
        Columns(
            np.repeat(np.arange(SENSORS), n), np.tile(time_us, SENSORS), np.tile(time_us, SENSORS),
            strain[:, first:last].ravel(), np.ones(SENSORS * n, np.uint8), np.tile(context, (SENSORS, 1)),
        )
    )  # fmt: skip


def _subjects(context: tuple[Neighbour, ...], quantity: str = "strain") -> list[Subject]:
    return [Subject(f"s{n}", quantity, 600.0, context) for n in range(SENSORS)]


def _late(strain: Floats, first: int) -> Fleet:
    """Sensors that were alone up to a place of the grid, and now have a neighbour."""
    fleet = Fleet(_subjects(()))
    _play(fleet, strain, np.full(first, np.nan), 0, first)
    fleet.watch(_subjects(BESIDE))
    return fleet


def _bouts(found: Found) -> int:
    """Runs of abnormal readings."""
    told = (found.verdict == ABNORMAL).reshape(SENSORS, -1)
    return int((told[:, 1:] & ~told[:, :-1]).sum() + told[:, 0].sum())


def test_a_first_neighbour_that_comes_after_months_brings_no_false_alarms() -> None:
    alone, beside = 120, 42
    strain, warmth = _readings(alone + beside)
    fleet = _late(strain, alone * DAY)
    counted = fleet.rows_at(np.arange(SENSORS))[:, layout.HELD]
    _play(fleet, strain, warmth, alone * DAY, alone * DAY + 1)
    assert (fleet.rows_at(np.arange(SENSORS))[:, layout.HELD] == counted + 1).all(), "values it had are still known"
    found = _play(fleet, strain, warmth, alone * DAY + 1, (alone + beside) * DAY)
    assert _bouts(found) <= 3, "in nine tenths of a sensor-year, at one false alarm a year"


def test_what_a_late_neighbour_does_not_explain_is_found_all_the_same() -> None:
    alone, beside = 60, 60
    strain, warmth = _readings(alone + beside)
    fleet = _late(strain, alone * DAY)
    fault = (alone + beside - 1) * DAY
    strain[:, fault:] += 8.0  # half of what the day brings
    _play(fleet, strain, warmth, alone * DAY, fault)
    found = _play(fleet, strain, warmth, fault, fault + DAY // 2)
    assert (found.verdict == ABNORMAL).reshape(SENSORS, -1).any(axis=1).all()


def test_when_the_last_neighbour_goes_histograms_count_from_nought() -> None:
    strain, warmth = _readings(12)
    for quantity in ("strain", "nobody knows"):
        fleet = Fleet(_subjects(BESIDE, quantity))
        _play(fleet, strain, warmth, 0, 10 * DAY)
        fleet.watch(_subjects((), quantity))
        _play(fleet, strain, np.full_like(warmth, np.nan), 10 * DAY, 12 * DAY)
        rows = fleet.rows_at(np.arange(SENSORS))
        assert (rows[:, layout.HELD] == 2 * DAY).all()
        assert 2 * DAY > LEAST_HELD
        counts = rows.view(np.uint16)[:, layout.HISTOGRAM : layout.HISTOGRAM + BINS]
        assert (abs(counts.sum(axis=1) / UNIT - (2 * DAY - layout.SOUGHT)) < 1).all()


def test_a_sensor_alone_averages_its_very_first_reading_with_the_rest() -> None:
    fleet = Fleet([Subject("a", "nobody knows", 60.0)])
    time_us = np.arange(5, dtype=np.int64) * 60_000_000
    fleet.update(
        Columns(
            np.zeros(5, np.int64), time_us, time_us, np.full(5, 50.0), np.ones(5, np.uint8), np.full((5, 4), np.nan)
        )
    )
    assert fleet.rows_at(np.array([0]))[0, layout.SLOWER] == 50.0
