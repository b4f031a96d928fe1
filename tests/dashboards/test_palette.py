"""Colours on the wall: told apart by everybody, legible in both rooms, each with one meaning."""

from __future__ import annotations

from itertools import combinations

import pytest

from dashboards.palette import (
    BAND,
    DRILL,
    HELD,
    LEVEL_COLOURS,
    LINE,
    PALETTES,
    QUIET,
    THEMES,
    UNKNOWN,
    Theme,
    paint,
)
from tests.dashboards.sight import EYES, contrast, difference, lab

STATES = (*LEVEL_COLOURS.values(), UNKNOWN, HELD, DRILL, QUIET)
LOUD = (*LEVEL_COLOURS.values(), UNKNOWN, DRILL)
APART = 12.0  # CIEDE2000; neighbours on one panel are told apart from 5 on


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # pairs published with the formula
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_is_the_published_one(
    one: tuple[float, float, float], other: tuple[float, float, float], expected: float
) -> None:
    assert difference(one, other) == pytest.approx(expected, abs=1e-4)
    assert difference(other, one) == pytest.approx(expected, abs=1e-4)


def test_contrast_is_that_of_the_web() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("theme", THEMES)
def test_every_two_states_are_told_apart(theme: Theme, eyes: str) -> None:
    colours = PALETTES[theme].colours
    for one, other in combinations(STATES, 2):
        apart = difference(lab(colours[one], eyes), lab(colours[other], eyes))
        assert apart >= APART, f"{one} {other}: {apart:.1f}"


@pytest.mark.parametrize("theme", THEMES)
def test_what_needs_a_person_stands_out_and_the_quiet_does_not(theme: Theme) -> None:
    palette = PALETTES[theme]
    for state in LOUD:
        assert contrast(palette.colours[state], palette.ground) >= 3, state
    assert contrast(palette.colours[QUIET], palette.ground) < 2
    assert contrast(palette.colours[BAND], palette.ground) < 2.2
    assert contrast(palette.colours[LINE], palette.ground) >= 3
    assert contrast(palette.text, palette.ground) >= 7


@pytest.mark.parametrize("theme", THEMES)
def test_words_on_every_state_can_be_read(theme: Theme) -> None:
    for state in STATES:
        colour = PALETTES[theme].colours[state]
        assert max(contrast(colour, "#000000"), contrast(colour, "#FFFFFF")) >= 4.5, state


def test_grey_is_grey_and_levels_are_not() -> None:
    for palette in PALETTES.values():
        chroma = {name: (lab(colour)[1] ** 2 + lab(colour)[2] ** 2) ** 0.5 for name, colour in palette.colours.items()}
        assert all(chroma[name] < 10 for name in (QUIET, HELD, LINE, BAND))
        assert all(chroma[name] > 35 for name in (*LEVEL_COLOURS.values(), UNKNOWN))


def test_every_meaning_has_a_colour_in_every_theme_and_nothing_else_is_one() -> None:
    assert {frozenset(palette.colours) for palette in PALETTES.values()} == {frozenset(PALETTES["dark"].colours)}
    assert paint({"a": [QUIET, "b", 1, None]}, "light") == {"a": [PALETTES["light"].colours[QUIET], "b", 1, None]}
    with pytest.raises(KeyError):
        paint(["@grey"], "dark")
