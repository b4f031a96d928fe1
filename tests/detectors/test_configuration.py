"""What a configuration is called, and what becomes of what was learned under another one."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from detectors.columns import Columns
from detectors.early import layout
from detectors.early.channels import DRIFT, FLAT, LEVEL, RARITY, RATE, SPIKE, VARIANCE_UP
from detectors.early.fleet import Fleet
from detectors.early.natures import FROZEN, Nature, parameters
from detectors.early.settings import Settings
from detectors.early.sources import digest_of
from detectors.subject import Subject
from rules.signs.handover import hand_over, make_fleet
from rules.signs.memory import Signs

STEP = "MOST = 0.5\n\ndef step(x):\n    return min(x * 2.0, MOST)\n"
RETOLD = (
    '"""Words."""\n# why\nMOST = 0.5  # of it\ndef step(\n    x,\n):\n    """More."""\n    return min(x * 2.0, MOST)'
)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (RETOLD, True),
        (STEP.replace("0.5", "0.6"), False),
        (STEP.replace("2.0", "2.5"), False),
        (STEP.replace("min", "max"), False),
        (STEP.replace("*", "+"), False),
    ],
)
def test_a_number_or_a_step_of_the_engine_changes_its_name_and_words_do_not(text: str, *, same: bool) -> None:
    assert (digest_of(text) == digest_of(STEP)) is same


def test_a_turned_number_has_another_name_and_keeps_what_was_learned_but_another_scale_does_not() -> None:
    turned = replace(FROZEN, natures=MappingProxyType({**FROZEN.natures, "strain": Nature(together=0.5)}))
    scaled = replace(FROZEN, natures=MappingProxyType({**FROZEN.natures, "strain": Nature(transform=1)}))
    assert turned.hash != FROZEN.hash != scaled.hash
    assert turned.rows == FROZEN.rows != scaled.rows


def test_what_an_older_version_learned_is_left_and_the_watch_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    n, subjects, settings = 200, [Subject("a", "strain"), Subject("b", "strain")], Settings()
    time_us = np.arange(n, dtype=np.int64) * 60_000_000
    value = np.random.default_rng(1).normal(5, 0.1, n)
    columns = Columns(np.zeros(n, np.int64), time_us, time_us, value, np.ones(n, np.uint8), np.full((n, 4), np.nan))
    before = Fleet(subjects, settings)
    before.update(columns)
    kept = before.snapshot()
    older = kept.replace(settings.rows.encode(), b"0123456789ab")
    assert older != kept
    for snapshot, goes_on in ((kept, True), (older, False)):
        told = np.array([1, 0], np.uint8)
        signs = Signs(("a", "b"), ("strain", "strain"), told, np.array([7, 7], np.int64), kept=snapshot)
        with caplog.at_level(logging.WARNING):
            hand_over(signs, subjects, settings, make_fleet)
        fleet = signs.fleet
        assert isinstance(fleet, Fleet)
        assert fleet.has_begun(0) is goes_on
        assert signs.told.tolist() == ([1, 0] if goes_on else [0, 0])
        assert ("signs_forgotten" in caplog.text) is not goes_on
    assert isinstance(fleet, Fleet)
    assert (fleet.update(columns).reason == Fleet(subjects, settings).update(columns).reason).all()


@pytest.mark.parametrize("quantity", ["gas_pressure", "gas_flow", "strain"])
def test_who_has_nobody_to_explain_the_weather_is_believed_less_when_its_level_moves(quantity: str) -> None:
    alone = parameters(quantity, 1.0, frozenset())[layout.WEIGHT :]
    unknown = parameters("nobody knows", 1.0, frozenset())[layout.WEIGHT :]
    assert all(alone[c] < 0.5 * unknown[c] for c in (LEVEL, LEVEL + 3, DRIFT, VARIANCE_UP))
    assert all(alone[c] == unknown[c] for c in (SPIKE, RATE, FLAT, RARITY))
