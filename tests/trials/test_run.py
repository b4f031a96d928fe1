"""The driver: the same story as feeding an engine by hand and looking every second, at the exact instants."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Flag, Level
from city.reading import Sample
from rules.check import load_files
from rules.inputs import BundleIn, StatusIn
from rules.trials.run import Run
from rules.trials.story import Story
from tests.rules.small_city import FILES, T0_US

MINUTE_US = 60_000_000


def begin() -> tuple[Run, Story]:
    checked, story = load_files(FILES), Story()
    return Run(BundleIn("b", checked.book, checked.escalation), T0_US, story.take), story


def one(sensor: str, minute: float, value: float) -> tuple[list[Sample], int]:
    at_us = T0_US + round(minute * MINUTE_US)
    return [Sample(sensor, at_us, value, Flag.PASS, at_us)], at_us


def test_what_time_makes_due_happens_at_its_instant() -> None:
    run, story = begin()
    run.take(*one("wl-1", 0, 50.0))
    run.take(*one("wl-1", 1, 50.0))
    run.pass_to(T0_US + 20 * MINUTE_US)
    [depth] = story.of("depth")
    assert (depth.level, depth.raised_us) == (Level.RED, T0_US + MINUTE_US)
    told = [(at_us - T0_US) / 60e6 for at_us, notice in story.notices if notice.incident == depth.incident]
    assert told[:4] == [1, 4, 9, 14]  # at once, after 3 minutes, then every 5
    silent = story.of("gateway-silent", "g1")[0]
    assert silent.raised_us == T0_US + 6 * MINUTE_US
    assert {at_us for at_us, event in story.events if event.alarm == silent.id} == {silent.raised_us + 1}


def test_a_restart_between_any_two_rows_changes_nothing() -> None:
    stories = []
    for restarts in (False, True):
        run, story = begin()
        for minute, value in enumerate([3, 20, 30, 45, 45, 45, 28, 20, 12, 3, 3, 3]):
            run.take(*one("wl-1", minute, value))
            if restarts:
                run.restart()
        run.pass_to(T0_US + 60 * MINUTE_US)
        stories.append((story.events, story.notices, story.said))
    assert stories[0] == stories[1]
    assert len(stories[0][0]) > 3


def test_nobody_is_silent_before_we_listen() -> None:
    run, story = begin()
    run.hearing = lambda at_us: (at_us, T0_US + 30 * MINUTE_US)
    run.feed(StatusIn("g1", True, T0_US, T0_US), T0_US)
    run.pass_to(T0_US + 34 * MINUTE_US)
    assert not story.of("gateway-silent")
    run.pass_to(T0_US + 36 * MINUTE_US)
    assert {alarm.scope for alarm in story.of("gateway-silent")} == {"g1", "g2"}


SPELLS = st.lists(
    st.tuples(st.sampled_from([0.0, 3.0, 14.9, 15.0, 28.0, 41.0]), st.integers(1, 60), st.integers(0, 4)), max_size=6
)


@given(SPELLS, SPELLS, SPELLS, st.sampled_from([0, 0, 0, 1200]))
@settings(max_examples=10, deadline=None)
def test_many_instants_in_one_go_tell_what_each_alone_tells(
    one: list[tuple[float, int, int]],
    two: list[tuple[float, int, int]],
    rain: list[tuple[float, int, int]],
    late_s: int,
) -> None:
    arriving: dict[int, list[Sample]] = {}
    for sensor, spells in (("wl-1", one), ("wl-2", two), ("rain-1", rain)):
        minute = 0
        for value, minutes, pause in spells:
            for _ in range(minutes):
                time_us = T0_US + minute * MINUTE_US
                at_us = time_us + (late_s * 1_000_000 if minute % 50 == 49 else 0)
                arriving.setdefault(at_us, []).append(Sample(sensor, time_us, value, Flag.PASS, at_us))
                minute += 1
            minute += pause * 4
    moments = sorted(arriving.items())
    stories = []
    for glides in (False, True):
        run, story = begin()
        if glides:
            run.take_all(moments)
        else:
            for at_us, samples in moments:
                run.take(samples, at_us)
        run.pass_to(max(arriving, default=T0_US) + 30 * MINUTE_US)
        stories.append((story.events, story.notices, story.said, story.findings, run.seq))
    assert stories[0] == stories[1]
