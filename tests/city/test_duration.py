"""Durations as people write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.duration import parse_s, write
from city.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1.5h", 5400),
        ("1h 5m", 3900),
        ("0s", 0),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("5", "5s, 5m or 5h"),
        ("5 minutes", "5s, 5m or 5h"),
        ("", "30s, 5m, 1h30m or 2d"),
        ("-5m", "30s, 5m, 1h30m or 2d"),
        ("5m1h", "5s, 5m or 5h"),
        ("1m1m", "1s, 1m or 1h"),
        ("5M", "5s, 5m or 5h"),
    ],
)
def test_what_is_no_duration_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_s(text)
    assert str(caught.value) == f"not a duration, got {text!r}, try {hint}"


def test_more_than_a_century_is_a_slip() -> None:
    with pytest.raises(InputError, match="more than a hundred years"):
        parse_s("99999999h")


@pytest.mark.parametrize(("seconds", "text"), [(300, "5m"), (0, "0s"), (90, "1m30s"), (86_400, "1d"), (0.25, "250ms")])
def test_a_duration_is_written_largest_unit_first(seconds: float, text: str) -> None:
    assert write(seconds) == text


@given(st.integers(0, 10**12))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert round(parse_s(write(milliseconds / 1000)) * 1000) == milliseconds


@given(st.text(max_size=10))
def test_no_text_fails_in_another_way(text: str) -> None:
    with contextlib.suppress(InputError):
        assert parse_s(text) >= 0
