"""Shapes on a page, in pixels from its upper left corner, and how wide text is."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle."""

    x: float
    y: float
    w: float
    h: float

    def inside(self, left: float, top: float, right: float, bottom: float) -> Area:
        """What is left of it within margins."""
        return Area(self.x + left, self.y + top, max(0.0, self.w - left - right), max(0.0, self.h - top - bottom))


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; `tip` is shown under the pointer, `href` is followed by a click."""

    area: Area
    fill: str = ""
    stroke: str = ""
    tip: str = ""
    href: str = ""
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Path:
    """A line through points, or a filled outline."""

    points: Sequence[Point]
    stroke: str = ""
    width: float = 1.0
    fill: str = ""
    dashed: bool = False
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A circle."""

    x: float
    y: float
    radius: float
    fill: str
    stroke: str = ""
    tip: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Text on a base line."""

    x: float
    y: float
    text: str
    size: float
    fill: str
    anchor: Anchor = "start"
    bold: bool = False
    href: str = ""


Shape = Box | Path | Dot | Words


@dataclass(slots=True)
class Canvas:
    """A page being drawn; later shapes lie on top."""

    width: float
    height: float
    ground: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Draw on top."""
        self.shapes.extend(shapes)

    def words(self, x: float, y: float, text: str, size: float, fill: str, room: float = 1e9, **more: object) -> None:
        """Text cut to `room` pixels."""
        cut = fitted(text, size, room)
        if cut:
            self.add(Words(x, y, cut, size, fill, **more))  # type: ignore[arg-type]  # the rest of Words by name


def width_of(text: str, size: float) -> float:
    """About how wide text is: a Chinese character is a square, a capital three quarters of it, the rest half."""
    return size * sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.74 if c.isupper() else 0.56 for c in text)


def fitted(text: str, size: float, room: float) -> str:
    """The text, cut with an ellipsis when there is no room for it; empty when there is not even room for that."""
    if width_of(text, size) <= room:
        return text
    while text and width_of(text + "…", size) > room:
        text = text[:-1]
    return text + "…" if text else ""


def on(colour: str) -> str:
    """Black or white, whichever reads better on a colour (`#RRGGBB`)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#FFFFFF"
