"""What all channels say together is held against how often they said it; a pause is no stillness."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import ABNORMAL, Columns, Floats, Longs
from detectors.early import layout, together
from detectors.early.channels import CONTEXT, RARITY, SPIKE
from detectors.early.fleet import Fleet
from detectors.early.natures import parameters
from detectors.subject import Subject

TICK_Y = 6 / (24 * 365.25)


def _row(age_d: float = 100.0) -> tuple[Floats, Floats]:
    row = np.zeros(layout.WIDTH)
    row[layout.TOGETHER_THRESHOLD], row[layout.SEEN_D] = together.START, age_d
    return row, parameters("series", 1.0, frozenset())


@pytest.mark.parametrize("age_d", [3.0, 40.0, 100.0])
@pytest.mark.parametrize("years", [0.001, 0.02, 1.0, 40.0])
def test_a_settled_return_period_can_be_traced_back(years: float, age_d: float) -> None:
    f, p = _row(age_d)
    raw = together.unsettled(f, p, years, TICK_Y, SPIKE)
    assert together.settled(f, p, raw, TICK_Y, SPIKE) == pytest.approx(years)


@pytest.mark.parametrize(
    ("quantity", "alone", "channel", "until_d"),
    [
        ("nobody knows", True, RARITY, 56.0),
        ("methane", False, SPIKE, 42.0),
        ("strain", False, SPIKE, 0.0),
    ],
)
def test_a_young_sensor_is_believed_less_the_younger_it_is(
    quantity: str, alone: bool, channel: int, until_d: float
) -> None:
    p, told = parameters(quantity, 1.0, frozenset(), alone=alone), []
    for age_d in (10.0, 35.0, until_d, 300.0):
        f, _ = _row(age_d)
        f[layout.REST_D] = -1.0 if alone else min(age_d, 60.0)
        told.append(together.settled(f, p, 2.0, TICK_Y, channel))
    assert told[2] == told[3]
    assert told[0] < 0.8 * told[1] < 0.6 * told[2] if until_d else told[0] == told[2]


def test_of_puffs_only_what_listens_to_neighbours_is_young_beside_a_late_one() -> None:
    f, _ = _row()
    p = parameters("methane", 1.0, frozenset(), alone=False)
    for days, least in ((10.0, True), (45.0, False)):
        f[layout.REST_D] = days
        own, heard = (together.settled(f, p, 2.0, TICK_Y, channel) for channel in (SPIKE, CONTEXT))
        assert heard < own / 3 if least else heard == own


@pytest.mark.parametrize(("every", "louder"), [(2, False), (400, True)])
def test_who_cries_often_is_believed_less_and_who_never_does_more(every: int, *, louder: bool) -> None:
    f, p = _row()
    before = together.settled(f, p, 1.0, TICK_Y, SPIKE)
    for tick in range(800):
        together.raise_together(f, 0.2 if tick % every == 0 else 0.0005, TICK_Y)
        f[layout.TICKS] = tick
        together.learn_together(f, p)
    after = together.settled(f, p, 1.0, TICK_Y, SPIKE)
    assert after > 1.5 * before if louder else after < before / 1.5


def test_where_a_sensor_starts_is_worth_less_when_nobody_knows_its_kind() -> None:
    moved = []
    for quantity in ("strain", "nobody knows"):
        f, p = np.zeros(layout.WIDTH), parameters(quantity, 1.0, frozenset())
        f[layout.TOGETHER_THRESHOLD] = together.START
        for tick in range(28):
            f[layout.TICKS] = tick
            together.learn_together(f, p)
        moved.append(np.log(together.START / f[layout.TOGETHER_THRESHOLD]) / p[layout.TOGETHER_EXCESS])
    assert 1.5 < moved[1] / moved[0] < 2.0, "of a week of calm"


def _columns(time_us: Longs, value: Floats) -> Columns:
    n = len(value)
    return Columns(np.zeros(n, np.int64), time_us, time_us, value, np.ones(n, np.uint8), np.full((n, 4), np.nan))


def test_a_sensor_that_goes_on_where_it_stopped_did_not_stand_still() -> None:
    dice = np.random.default_rng(5)
    value = np.round(20 + dice.normal(0, 0.3, 60 * 1440), 1)
    time_us = np.arange(len(value), dtype=np.int64) * 60_000_000
    at = 59 * 1440
    time_us[at:] += 50 * 60_000_000  # the pause
    value[at] = value[at - 1]
    found = Fleet([Subject("a", "temperature")]).update(_columns(time_us, value))
    assert not (found.verdict[at : at + 60] == ABNORMAL).any()
