"""Message numbers: what is missing, and what came late after all."""

from __future__ import annotations

import random

import pytest

from ingest.ledger import Numbering


def run(*numbers: int) -> tuple[Numbering, int]:
    state, missing = Numbering(numbers[0]), 0
    for number in numbers[1:]:
        state, change = state.after(number)
        missing += change
    return state, missing


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((1, 2, 3), 0),
        ((1, 2, 5), 2),
        ((1, 2, 5, 3), 1),
        ((1, 2, 5, 4, 3), 0),
        ((1, 2, 5, 5, 2), 2),
        ((500, 0, 1, 2), 0),
        ((0, *range(400, 500), *range(1, 400), 500), 0),  # what was sent again after a kill comes late
        ((5, 3_000_000, 3_000_001), 0),
    ],
)
def test_gaps_are_counted_and_fill(numbers: tuple[int, ...], missing: int) -> None:
    assert run(*numbers)[1] == missing


def test_any_order_ends_with_nothing_missing() -> None:
    numbers = list(range(2, 90))
    random.Random(7).shuffle(numbers)
    state, missing = run(1, *numbers)
    assert (state.last, state.gaps, missing) == (89, (), 0)
