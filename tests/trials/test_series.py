"""The notation of series: what each part means, that writing and reading agree, and that nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import InputError
from rules.trials.series import DAY_US, MOST, Daily, Mark, Value, parse, write

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.lists(NUMBERS | st.sampled_from(Mark), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("4", [4]),
        ("4x3", [4, 4, 4, 4]),
        ("4+2x3", [4, 6, 8, 10]),
        ("-2+4x3", [-2, 2, 6, 10]),
        ("1-2x4", [1, -1, -3, -5, -7]),
        ("0+0.1x3", [0, 0.1, 0.2, 0.3]),
        ("4x0", [4]),
        ("1e-3+1e-3x1", [0.001, 0.002]),
        ("_", [Mark.GAP]),
        ("1 _x3 stale", [1, Mark.GAP, Mark.GAP, Mark.GAP, Mark.STALE]),
        ("  0x1\n 5 ", [0, 0, 5]),
    ],
)
def test_each_part_means_what_promtool_means_by_it(text: str, values: list[Value]) -> None:
    assert parse(text) == values


@given(VALUES)
def test_what_is_written_reads_back_exactly(values: list[Value]) -> None:
    assert list(map(repr, parse(write(values)))) == list(map(repr, values))  # repr: -0.0 is not 0.0


@given(st.integers(-10_000, 10_000), st.integers(-500, 500), st.integers(0, 200), st.integers(0, 4))
def test_a_ramp_is_its_first_value_and_n_more_steps_in_decimals(first: int, step: int, more: int, digits: int) -> None:
    def spelt(number: int) -> str:
        sign, text = "-" if number < 0 else "", str(abs(number)).rjust(digits + 1, "0")
        return f"{sign}{text[: len(text) - digits]}.{text[len(text) - digits :]}" if digits else f"{sign}{text}"

    sign = "+" if step >= 0 else "-"
    values = parse(f"{spelt(first)}{sign}{spelt(abs(step))}x{more}")
    assert values == [float(spelt(first + step * at)) for at in range(more + 1)]


@pytest.mark.parametrize(
    "text", ["", "  ", "4xx3", "x3", "4+x3", "4 + 2x3", "_+1x2", "stalex2", "nan", "inf", "1e999", "4cm", "4,5", "٤x٣"]
)
def test_anything_else_is_refused_with_what_to_try(text: str) -> None:
    with pytest.raises(InputError, match="try"):
        parse(text)


@pytest.mark.parametrize("text", [f"1x{MOST}", "1x99999999999999999999", f"_x{MOST} 1", f"1x{MOST // 2} 1x{MOST // 2}"])
def test_a_bomb_is_refused_before_it_is_made(text: str) -> None:
    with pytest.raises(InputError, match="more than 1,000,000 values"):
        parse(text)


def test_a_day_swings_round_its_mean_and_comes_again() -> None:
    day = Daily(mean=10, swing=2, peak_us=DAY_US // 2)
    values = day.values(0, DAY_US // 24, 48)
    assert values[12] == pytest.approx(12)
    assert values[0] == pytest.approx(8)
    assert values[:24] == pytest.approx(values[24:])


@given(st.integers(0, 10_000), st.floats(0.01, 5))
def test_noise_is_the_same_for_a_seed_and_never_wild(seed: int, noise: float) -> None:
    day = Daily(mean=0, noise=noise, seed=seed)
    values = day.values(0, 60_000_000, 500)
    assert values == day.values(0, 60_000_000, 500)
    assert values != Daily(mean=0, noise=noise, seed=seed + 1).values(0, 60_000_000, 500)
    assert max(map(abs, values)) <= 3 * noise
