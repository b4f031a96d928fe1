"""The picture in an e-mail: a sensor's last 24 hours with the thresholds, as a small PNG.

Every level has a line pattern of its own and its name beside it, so that nothing depends on colour. Text is drawn only
in a font that has all of its characters: else the picture says less, never boxes. Not for several threads at once.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from city.levels import Level
from city.words import say
from rules.notify.display import at, level_word, number, unit_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

MOST_BYTES = 60_000
_SIZE_IN, _DPI = (6.4, 3.2), 100
_COLOURS = {Level.BLUE: "#1f5fbf", Level.YELLOW: "#8a6d00", Level.ORANGE: "#c05000", Level.RED: "#c00000"}
_PATTERNS = {Level.BLUE: (0, (1, 2)), Level.YELLOW: (0, (4, 2)), Level.ORANGE: (0, (8, 2, 2, 2)), Level.RED: "solid"}
_CHINESE = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Noto Sans SC", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Noto Serif CJK SC", "Noto Serif CJK JP", "Droid Sans Fallback",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """A reading, or the mean of five minutes with its lowest and highest."""

    time: datetime
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn.

    Attributes
    ----------
    points
        Oldest first.
    until
        Right edge; the left is 24 hours before.
    gap
        Longer than this between two points, the line breaks.
    thresholds
        Level by value, in `unit`.
    raised
        When the alarm was raised.
    """

    title: str
    sensor: str
    unit: str
    points: Sequence[Point]
    until: datetime
    gap: timedelta
    thresholds: Mapping[float, Level]
    raised: datetime | None
    zone: ZoneInfo
    language: str


def warm() -> None:
    """Import what drawing needs and find the fonts: seconds, once a process."""
    _faces()


def draw(scene: Scene) -> bytes:
    """The PNG, at most `MOST_BYTES`; empty when it cannot be made that small."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    _paint(figure, scene)
    canvas.draw()
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    for colours in (64, 16):
        made = io.BytesIO()
        image.quantize(colours).save(made, "PNG", optimize=True)
        if made.tell() <= MOST_BYTES:
            return made.getvalue()
    return b""


def _paint(figure: Figure, scene: Scene) -> None:
    axes = figure.add_axes((0.1, 0.15, 0.74, 0.72))
    _line(axes, scene)
    _levels(axes, scene)
    since = scene.until - timedelta(days=1)
    axes.set_xlim(cast("Any", since), cast("Any", scene.until))
    if scene.raised is not None and since <= scene.raised <= scene.until:
        word = _said("raised_mark", scene.language)
        axes.axvline(cast("Any", scene.raised), color="black", linewidth=1, linestyle=(0, (2, 2)))
        axes.plot([cast("Any", scene.raised)], [1.0], marker="v", color="black", transform=axes.get_xaxis_transform(),
                  clip_on=False)  # fmt: skip
        axes.annotate(word, (cast("Any", scene.raised), 1.0), (0, 6), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", fontsize=8, font=_font(word))  # fmt: skip
    _dress(axes, scene)


def _line(axes: Axes, scene: Scene) -> None:
    for run in _runs(scene.points, scene.gap):
        times = cast("Any", [point.time for point in run])
        values = [point.value for point in run]
        if any(point.high > point.low for point in run):
            lows, highs = [point.low for point in run], [point.high for point in run]
            axes.fill_between(times, lows, highs, color="#9db4c8", linewidth=0)
        axes.plot(times, values, color="#123a5c", linewidth=1.4, marker="." if len(run) == 1 else "")


def _runs(points: Sequence[Point], gap: timedelta) -> list[list[Point]]:
    """Stretches without a gap."""
    runs: list[list[Point]] = []
    for point in points:
        if not runs or point.time - runs[-1][-1].time > gap:
            runs.append([])
        runs[-1].append(point)
    return runs


def _levels(axes: Axes, scene: Scene) -> None:
    for value, level in scene.thresholds.items():
        axes.axhline(value, color=_COLOURS[level], linestyle=cast("Any", _PATTERNS[level]), linewidth=1.3)
        word = level_word(level, scene.language)
        if _font(word) is None:
            word = level_word(level, "en")
        text = f"{word} {number(value)}"
        axes.annotate(text, (1.0, value), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center", fontsize=9, color=_COLOURS[level], font=_font(text),
                      annotation_clip=False)  # fmt: skip


def _dress(axes: Axes, scene: Scene) -> None:
    import matplotlib.dates

    dates: Any = matplotlib.dates  # it has no types
    axes.xaxis.set_major_locator(dates.AutoDateLocator(tz=scene.zone, minticks=4, maxticks=8))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M", tz=scene.zone))
    axes.tick_params(labelsize=8)
    axes.set_xlabel(at(scene.until, scene.zone, seconds=False), loc="right", fontsize=8)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.margins(y=0.12)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    sensor = f"{scene.sensor} ({unit_name(scene.unit, scene.language)})"
    texts = (f"{scene.title} · {sensor}", sensor, scene.sensor)
    title = next((text for text in texts if _font(text) is not None), "")
    clipped = title if len(title) <= 70 else f"{title[:69]}…"
    axes.set_title(clipped, fontsize=10, loc="left", pad=16, parse_math=False, font=_font(clipped))


def _said(key: str, language: str) -> str:
    text = say(f"notice.{key}", language)
    return text if _font(text) is not None else say(f"notice.{key}", "en")


def _font(text: str) -> FontProperties | None:
    """A font with every character of a text; None when no font here has them all."""
    wanted = {ord(sign) for sign in text if not sign.isspace()}
    return next((font for font, has in _faces() if wanted <= has), None)


@cache
def _faces() -> tuple[tuple[FontProperties, frozenset[int]], ...]:
    """Fonts to draw in, each with the characters it has: matplotlib's own, then the first Chinese one there is."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager
    from matplotlib.ft2font import FT2Font

    files = [str(findfont(FontProperties(family="DejaVu Sans")))]
    there = {entry.name: entry.fname for entry in reversed(fontManager.ttflist) if entry.weight in (400, "normal")}
    there = {entry.name: entry.fname for entry in fontManager.ttflist} | there
    files += [str(there[name]) for name in _CHINESE if name in there][:1]
    return tuple((FontProperties(fname=file), frozenset(FT2Font(file).get_charmap())) for file in files)
