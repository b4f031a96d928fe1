"""What a colour means on every page, and how each meaning looks in a dark and in a light control room.

Pages and the builder name meanings (`RED`, `UNKNOWN`, `QUIET` …); `paint` puts the colours of one theme in their place.
So no page knows a colour, and a meaning cannot have two of them.

The colours were sought by computer and are held by a test: every two states differ by 12 or more (CIEDE2000) for people
with normal sight and for those who lack red, green or blue receptors; levels stand out of the ground at 3 to 1 or more,
and black or white words on every state at 4.5 to 1. In the light room the warning colours get darker as they get worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = get_args(Theme)

QUIET = "@quiet"  # normal is grey: colour is kept for what needs a person
UNKNOWN = "@unknown"  # silent, stale, blind: never calm, and never one of the four levels
BLUE, YELLOW, ORANGE, RED = "@blue", "@yellow", "@orange", "@red"
HELD = "@held"  # an alarm that stands but that somebody holds back: shelved, suppressed, under maintenance
DRILL = "@drill"  # an exercise
LINE = "@line"  # a trend
BAND = "@band"  # the normal band behind a trend
FAINT = "@faint"  # a second trend, an outline on the map
FAIR, POOR = "@fair", "@poor"  # ratings of figures: greys, the worse the stronger; colours are for levels alone
LEVEL_COLOURS: Mapping[int, str] = {1: BLUE, 2: YELLOW, 3: ORANGE, 4: RED}


@dataclass(frozen=True, slots=True)
class Palette:
    """One theme: the ground that panels stand on, the text on it, and the colour of each meaning (all `#RRGGBB`)."""

    ground: str
    text: str
    colours: Mapping[str, str]


PALETTES: Mapping[Theme, Palette] = MappingProxyType(
    {
        "dark": Palette(
            ground="#181B1F",
            text="#D8D9DA",
            colours=MappingProxyType(
                {
                    QUIET: "#3A3D44",
                    UNKNOWN: "#D59BFF",
                    BLUE: "#1F62FF",
                    YELLOW: "#FFE200",
                    ORANGE: "#FF8100",
                    RED: "#F2003C",
                    HELD: "#777D87",
                    DRILL: "#5FE3C0",
                    LINE: "#8E96A3",
                    BAND: "#4A505C",
                    FAINT: "#777D87",
                    FAIR: "#777D87",
                    POOR: "#D8D9DA",
                }
            ),
        ),
        "light": Palette(
            ground="#FFFFFF",
            text="#24292E",
            colours=MappingProxyType(
                {
                    QUIET: "#D0D3DA",
                    UNKNOWN: "#BB70FF",
                    BLUE: "#0049F5",
                    YELLOW: "#C08C00",
                    ORANGE: "#B84B00",
                    RED: "#990000",
                    HELD: "#565759",
                    DRILL: "#3E9584",
                    LINE: "#5F6672",
                    BAND: "#E4E6EA",
                    FAINT: "#8A9099",
                    FAIR: "#8A9099",
                    POOR: "#24292E",
                }
            ),
        ),
    }
)


def paint(made: Any, theme: Theme) -> Any:  # noqa: ANN401 - JSON of any shape in, the same shape out
    """The same JSON with every meaning replaced by its colour (KeyError for a meaning that no theme has)."""
    colours = PALETTES[theme].colours
    if isinstance(made, str):
        return colours[made] if made.startswith("@") else made
    if isinstance(made, dict):
        return {key: paint(value, theme) for key, value in made.items()}
    if isinstance(made, list):
        return [paint(value, theme) for value in made]
    return made
