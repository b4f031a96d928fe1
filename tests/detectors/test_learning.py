"""How long early signs say that they learn a sensor, and that the engine does."""

from __future__ import annotations

import random

import numpy as np
import pytest

from detectors.columns import Columns
from detectors.early import layout
from detectors.early.fleet import Fleet
from detectors.early.learning import MOST_D, Learning, learning
from detectors.subject import Neighbour, Subject

BESIDE = (Neighbour("beside", "temperature", 5.0),)
RAIN = (Neighbour("gauge", "rainfall", 5.0),)


@pytest.mark.parametrize(
    ("quantity", "context", "told"),
    [
        ("strain", BESIDE, Learning(28.0, "gross")),
        ("wind_speed", BESIDE, Learning(28.0, "gross")),
        ("strain", (), Learning(42.0, "seldom")),
        ("water_depth", RAIN, Learning(42.0, "seldom")),
        ("wind_speed", (), Learning(84.0, "values")),
    ],
)
def test_who_stands_beside_a_sensor_and_its_kind_say_how_long(
    quantity: str, context: tuple[Neighbour, ...], told: Learning
) -> None:
    assert learning(Subject("s", quantity, context=context)) == pytest.approx(told)
    assert told.days <= MOST_D


@pytest.mark.parametrize("quantity", ["strain", "wind_speed"])
def test_the_engine_holds_to_what_is_said(quantity: str) -> None:
    subject = Subject("s", quantity, 600.0)
    days, dice = learning(subject).days, random.Random(5)

    def years(age_d: float) -> float:
        """How rare its spike channel calls a reading four noises out, at that age."""
        f = fleet.rows_at(np.array([0]))
        f[0, layout.SEEN_D], f[0, layout.TICK_S] = age_d, 0.0
        young.put_rows(np.array([0]), f)
        at_us = int(f.view(np.int64)[0, layout.LAST_US]) + 600_000_000
        at = np.array([at_us])
        sample = Columns(np.zeros(1, np.int64), at, at, np.array([14.0]), np.ones(1, np.uint8), np.full((1, 4), np.nan))
        spike = young.explain(0, sample).channels[0]
        assert spike.statistic > spike.threshold
        return spike.return_period_years

    fleet, young = Fleet([subject]), Fleet([subject])
    n = 100 * 144
    times = np.arange(n, dtype=np.int64) * 600_000_000
    values = np.array([10 + dice.gauss(0, 1) for _ in range(n)])
    fleet.update(Columns(np.zeros(n, np.int64), times, times, values, np.ones(n, np.uint8), np.full((n, 4), np.nan)))
    assert years(days + 0.5) == pytest.approx(years(99.0), rel=0.2)
    assert years(days - 7.0) < 0.5 * years(99.0)
