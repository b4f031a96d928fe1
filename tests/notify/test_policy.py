"""The table of when to try again, hand on, and stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.levels import Level
from rules.notify.letter import Answer, GiveUp, Retry, Sent
from rules.notify.policy import after, delay_s, fallback_key, short_code

T0 = datetime(2026, 7, 1, 8, tzinfo=UTC)
HOURS_4 = 4 * 3600


@pytest.mark.parametrize(
    ("answer", "level", "age_s", "state", "hand_on"),
    [
        (Sent(), Level.RED, 0, "sent", False),
        (Sent(), Level.BLUE, HOURS_4, "sent", False),
        (Retry("x"), Level.RED, 59, "queued", False),
        (Retry("x"), Level.RED, 60, "queued", True),
        (Retry("x"), Level.RED, 100 * HOURS_4, "queued", True),
        (Retry("x"), Level.ORANGE, 60, "queued", False),
        (Retry("x"), Level.ORANGE, HOURS_4 - 1, "queued", False),
        (Retry("x"), Level.ORANGE, HOURS_4, "failed", True),
        (GiveUp("x"), Level.RED, 0, "failed", True),
        (GiveUp("x"), Level.NONE, 0, "failed", True),
    ],
)
def test_what_follows_an_answer(answer: Answer, level: Level, age_s: float, state: str, *, hand_on: bool) -> None:
    then = after(answer, "key", level, T0, 3, T0 + timedelta(seconds=age_s))
    assert (then.state, then.hand_on) == (state, hand_on)


def test_delays_double_from_one_second_to_five_minutes_with_a_seeded_jitter() -> None:
    delays = [delay_s("key", attempt) for attempt in range(1, 40)]
    for attempt, delay in enumerate(delays, start=1):
        base = min(300.0, 2.0 ** (attempt - 1))
        assert 0.75 * base <= delay <= min(300.0, 1.25 * base)
    assert delays == [delay_s("key", attempt) for attempt in range(1, 40)]
    assert delays != [delay_s("other", attempt) for attempt in range(1, 40)]


def test_what_the_endpoint_asks_for_is_kept_within_an_hour() -> None:
    assert delay_s("key", 1, 120.0) == 120.0
    assert delay_s("key", 12, 2.0) > 200.0
    assert delay_s("key", 1, 1e9) == 3600.0


def test_keys_and_codes_depend_on_nothing_else() -> None:
    assert fallback_key("a", "email") == fallback_key("a", "email") != fallback_key("a", "sms")
    assert short_code("a") == short_code("a") != short_code("b")
    assert len(short_code("a")) == 6


ANSWERS = st.one_of(
    st.just(Sent()), st.builds(GiveUp, st.just("x"), st.booleans()),
    st.builds(Retry, st.just("x"), st.none() | st.floats(0, 1e7)),
)  # fmt: skip


@given(ANSWERS, st.sampled_from(Level), st.floats(0, 1e6), st.integers(1, 10_000), st.text(max_size=5))
def test_nothing_is_ever_forgotten_and_nothing_is_ever_hammered(
    answer: Answer, level: Level, age_s: float, attempt: int, key: str
) -> None:
    now = T0 + timedelta(seconds=age_s)
    then = after(answer, key, level, T0, attempt, now)
    wait_s = (then.next_try_at - now).total_seconds()
    assert then == after(answer, key, level, T0, attempt, now)
    if isinstance(answer, Sent):
        assert (then.state, then.hand_on) == ("sent", False)
    elif isinstance(answer, GiveUp) or (level is not Level.RED and age_s >= HOURS_4):
        assert (then.state, then.hand_on) == ("failed", True)  # somebody else takes over
    else:
        assert then.state == "queued"
        assert 0.75 <= wait_s <= 3600
        assert wait_s >= min(answer.after_s or 0, 3600) - 1e-3
        assert wait_s <= max(300, answer.after_s or 0)
        assert then.hand_on == (level is Level.RED and age_s >= 60)
