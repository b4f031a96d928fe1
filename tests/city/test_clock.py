"""Clocks that move on, never back, and never ahead of the wall."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.clock import FastClock, ManualClock, from_us, to_us
from city.errors import InputError

WALL = datetime(2026, 7, 1, tzinfo=UTC)
_MOMENTS_US = st.integers(0, 4 * 10**15)
_SPEEDS = st.floats(0.01, 1e5)


def _fast(origin_us: int, wall_us: int, speed: float) -> tuple[FastClock, ManualClock]:
    wall = ManualClock(from_us(wall_us))
    return FastClock(origin_us, wall_us, speed, wall), wall


@given(_MOMENTS_US, _MOMENTS_US, _SPEEDS)
def test_a_clock_spelled_is_the_clock_read(origin_us: int, wall_us: int, speed: float) -> None:
    clock = FastClock(origin_us, wall_us, speed)
    again = FastClock.read(clock.spell())
    assert (again.origin_us, again.wall_us, again.speed) == (origin_us, wall_us, speed)


@given(st.integers(0, 10**15), st.integers(0, 10**13), _SPEEDS, st.lists(st.floats(0, 1e6), max_size=6))
def test_it_never_goes_back_and_never_passes_the_wall(
    origin_us: int, behind_us: int, speed: float, steps_s: list[float]
) -> None:
    clock, wall = _fast(origin_us, origin_us + behind_us, speed)
    previous_us = clock.now_us()
    assert previous_us == origin_us
    for step_s in steps_s:
        wall.advance(step_s)
        assert previous_us <= clock.now_us() <= wall.now_us()
        previous_us = clock.now_us()


def test_it_catches_up_and_then_keeps_the_walls_pace() -> None:
    wall_us = to_us(WALL)
    clock, wall = _fast(wall_us - 3_600_000_000, wall_us, 61)
    wall.advance(30)
    assert clock.now() == WALL - timedelta(hours=1) + timedelta(seconds=30 * 61)
    wall.advance(31)
    assert clock.now() == wall.now()


def test_a_pause_is_counted_in_its_own_seconds_until_it_has_caught_up() -> None:
    wall_us = to_us(WALL)
    clock, wall = _fast(wall_us - 3_600_000_000, wall_us, 60)
    clock.pause_s(60)
    assert wall.now() == WALL + timedelta(seconds=1)
    wall.advance(3600)
    clock.pause_s(60)
    assert wall.now() == WALL + timedelta(seconds=3661)


def test_an_event_ends_a_pause() -> None:
    stop = threading.Event()
    stop.set()
    clock = ManualClock(WALL)
    assert clock.pause_s(60, until=stop)
    assert clock.now() == WALL


@pytest.mark.parametrize("text", ["", "1@2", "1@2*x", "a@2*3", "1@2*0", "1@2*-3", "1@2*nan"])
def test_what_spells_no_clock_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        FastClock.read(text)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - zones follow
def test_a_moment_there_and_back_is_the_same(moment: datetime, offset_h: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=offset_h)))
    assert from_us(to_us(aware)) == aware


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        to_us(datetime(2026, 7, 1))  # noqa: DTZ001 - that is the point
