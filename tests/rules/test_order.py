"""The alarms do not depend on the order of arrival, on batching, on repeats or on restarts."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Level
from tests.rules.reference import Ladder, Rung, occurrences
from tests.rules.small_city import Desk, city_files, desk_of

DEPTH = Ladder(
    (Rung(Level.RED, 40.0, 60, 5.0), Rung(Level.ORANGE, 27.0, 120, 3.0), Rung(Level.YELLOW, 15.0, 180, 3.0)),
    clear_after=600,
    stale_after=300,
)


def told(desk: Desk) -> list[tuple[Level, int, int | None]]:
    return [(level, int(up), None if down is None else int(down)) for _, level, up, down in desk.story()]


@st.composite
def floods(draw: st.DrawFn) -> list[tuple[int, float]]:
    """Up to 60 samples of a depth that wanders about the thresholds, at irregular times with some gaps."""
    steps = draw(st.lists(st.sampled_from([20, 60, 60, 60, 61, 120, 299, 300, 301, 900]), min_size=1, max_size=60))
    levels = draw(
        st.lists(st.sampled_from([0.0, 11.9, 12.0, 14.9, 15.0, 24.0, 27.0, 35.0, 40.0, 60.0]), min_size=61, max_size=61)
    )
    holds = draw(st.lists(st.integers(1, 8), min_size=61, max_size=61))
    values = [level for level, hold in zip(levels, holds, strict=True) for _ in range(hold)]
    at, samples = 0, []
    for step, value in zip([0, *steps], values, strict=False):
        at += step
        samples.append((at, value))
    return samples


@settings(max_examples=200, deadline=None)
@given(floods())
def test_in_order_the_engine_equals_the_plain_reference(samples: list[tuple[int, float]]) -> None:
    desk = desk_of()
    for at, value in samples:
        desk.feed([("wl-1", at, value)])
    assert told(desk) == occurrences(samples, DEPTH)


@settings(max_examples=200, deadline=None)
@given(floods(), st.randoms(use_true_random=False))
def test_shuffled_repeated_and_restarted_it_still_does(samples: list[tuple[int, float]], chance: random.Random) -> None:
    """Order is broken by at most the reorder window (15 minutes of event time)."""
    desk = desk_of()
    order = sorted(samples, key=lambda s: s[0] + chance.uniform(0, 800))
    order += [chance.choice(samples) for _ in range(3)]
    while order:
        size = chance.randint(1, 5)
        batch, order = order[:size], order[size:]
        newest = max(at for at, _ in samples)
        desk.feed([("wl-1", at, value) for at, value in batch], at_s=newest)
        if chance.random() < 0.1:
            desk.restart()
    assert told(desk) == occurrences(samples, DEPTH)


def test_late_data_after_the_raise_was_settled_keep_the_highest_level() -> None:
    desk = desk_of()
    samples = [(481, 35.0), (662, 35.0), (1443, 14.9), (1503, 14.9), (1803, 14.9), (2102, 0.0), (2162, 0.0)]
    samples += [(3541, 0.0), (3242, 0.0), (3902, 0.0), (3602, 0.0)]
    for at, value in samples:
        desk.feed([("wl-1", at, value)], at_s=3902)
    assert told(desk) == occurrences(sorted(samples), DEPTH) == [(Level.ORANGE, 601, 3842)]


def test_late_data_within_the_window_moves_the_raise_and_is_told_as_a_revision() -> None:
    desk = desk_of()
    desk.feed([("wl-1", 120, 50.0)])
    desk.feed([("wl-1", 180, 50.0)])
    desk.feed([("wl-1", 0, 50.0), ("wl-1", 60, 50.0)], at_s=200)
    assert desk.story() == [("wl-1", Level.RED, 60, None)]
    assert [e.kind for e in desk.events()] == ["raised", "revised"]
    assert len(desk.incidents()) == 1


def test_late_data_that_show_an_alarm_never_was_retract_it() -> None:
    desk = desk_of()
    desk.feed([("wl-1", 0, 50.0)])
    desk.feed([("wl-1", 120, 50.0)])
    assert len(desk.alarms()) == 1
    desk.feed([("wl-1", 60, 0.0), ("wl-1", 180, 0.0)], at_s=200)
    assert desk.alarms() == []
    assert desk.events()[-1].kind == "retracted"
    assert desk.incidents()[0].level is Level.NONE


def test_a_buffer_uploaded_after_an_outage_raises_what_it_would_have_raised_marked_late() -> None:
    desk = desk_of()
    desk.feed([("wl-1", 0, 0.0)])
    desk.feed([("wl-1", 60 + 60 * at, 50.0 if 5 <= at < 10 else 0.0) for at in range(30)], at_s=3600)
    assert desk.story() == [("wl-1", Level.RED, 360 + 60, 660 + 600)]
    assert desk.alarms()[0].late


def test_data_older_than_the_window_are_recorded_as_late_detected() -> None:
    desk = desk_of()
    desk.feed([("wl-1", 7200, 0.0)])
    found = desk.feed([("wl-1", 60, 50.0)], at_s=7260)
    assert [e.finding.channel for e in found if hasattr(e, "finding")] == ["late_detected"]
    assert desk.story() == []


def test_a_long_buffer_of_a_sensor_that_a_detector_watches_is_decided_on_from_its_first_reading() -> None:
    book = """version: 1
rules:
  - id: onset
    watch: {quantity: water_depth}
    ladder: {blue: {sequence: [{range: 3m, above: 30 cm}, {detector: flood_onset}], within: 6h}}
"""
    values = [*[2.0] * 30, 60.0, *[2.0] * 300, *[2.0 + 2 * n for n in range(1, 11)]]
    rows = [("wl-1", 60.0 * at, value) for at, value in enumerate(values)]
    singly, whole = (desk_of(city_files(rules__depth=book, rules__platform=None)) for _ in range(2))
    for row in rows:
        singly.feed([row], at_s=86_400)
    whole.feed(rows, at_s=86_400)
    assert whole.story("onset") == singly.story("onset") != []
