"""A sensor's readings as an inline SVG: line, thresholds, suspect and failed values, late data, and gaps as gaps.

No style attributes and no scripts: the page's policy forbids both. Each mark has a shape of its own, so that nothing
depends on colour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from city.levels import Flag
from city.words import say
from rules.notify.display import at, number

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 96, 16, 34
GAP_INTERVALS = 3.5
BAND_GAP = timedelta(minutes=75)  # bands are kept every half hour
_THRESHOLD = re.compile(r"^(above|below) (-?[0-9.]+)(?: |$)")


@dataclass(frozen=True, slots=True)
class Point:
    """One reading."""

    time: datetime
    value: float
    flag: int
    late: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """An alarm was raised (or cleared), and the highest level it reached."""

    time: datetime
    level: str
    raised: bool


@dataclass(frozen=True, slots=True)
class Band:
    """Between what a reading was expected to lie at a time."""

    time: datetime
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bound:
    """A threshold of a rule: its value in the sensor's unit, and the level it raises."""

    value: float
    level: str


def bounds(rows: Iterable[Mapping[str, Any]], sensor: str) -> list[Bound]:
    """Thresholds that evidence of alarms names for a sensor (rows with `to_level` and `evidence`), lowest first."""
    found: dict[float, str] = {}
    for row in rows:
        for seen in row["evidence"] if isinstance(row["evidence"], list) else []:
            match = _THRESHOLD.match(str(seen.get("test", ""))) if isinstance(seen, dict) else None
            if match and seen.get("sensor") == sensor and row["to_level"] != "none":
                found.setdefault(float(match[2]), row["to_level"])
    return [Bound(value, level) for value, level in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class Frame:
    """What is shown: the span of time, the spacing of points (s), the zone of its ticks, and words.

    `label` says what it is, for screen readers.
    """

    since: datetime
    until: datetime
    interval_s: float
    zone: ZoneInfo
    label: str
    language: str


@dataclass(frozen=True, slots=True)
class _Scale:
    since: datetime
    until: datetime
    low: float
    high: float

    def x(self, time: datetime) -> float:
        return LEFT + (time - self.since) / (self.until - self.since) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def draw(
    points: Sequence[Point],
    thresholds: Sequence[Bound],
    frame: Frame,
    moments: Sequence[Moment] = (),
    bands: Sequence[Band] = (),
) -> Markup:
    """The picture of `points` and `bands` (oldest first), with the moments at which alarms were raised and cleared."""
    scale = _scale(points, thresholds, frame.since, frame.until)
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(frame.label)}">',
        f"<title>{escape(frame.label)}</title>",
        *_band(scale, bands),
        *_axes(scale, frame.zone),
        *(_bound(scale, bound, frame.language) for bound in thresholds if scale.low <= bound.value <= scale.high),
        *(_moment(scale, moment, frame) for moment in moments),
        *_line(scale, points, timedelta(seconds=GAP_INTERVALS * frame.interval_s)),
        *_marks(scale, points),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every text in it went through escape()


def _scale(points: Sequence[Point], thresholds: Sequence[Bound], since: datetime, until: datetime) -> _Scale:
    values = [point.value for point in points if point.flag != Flag.FAIL] or [point.value for point in points]
    values = [*values, *(bound.value for bound in thresholds)] or [0.0, 1.0]
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return _Scale(since, max(until, since + timedelta(seconds=1)), low - margin, high + margin)


def _band(scale: _Scale, bands: Sequence[Band]) -> Iterable[str]:
    """Surfaces between low and high, cut off where the plot ends: a wide band must not flatten the readings."""
    run: list[Band] = []
    for band in [*bands, None]:
        if run and (band is None or band.time - run[-1].time > BAND_GAP):
            over = [f"{scale.x(one.time):.1f},{_within(scale, one.high):.1f}" for one in run]
            under = [f"{scale.x(one.time):.1f},{_within(scale, one.low):.1f}" for one in reversed(run)]
            yield f'<polygon class="band" points="{" ".join([*over, *under])}"/>'
            run = []
        if band is not None:
            run.append(band)


def _within(scale: _Scale, value: float) -> float:
    return min(max(scale.y(value), TOP), HEIGHT - BOTTOM)


def _axes(scale: _Scale, zone: ZoneInfo) -> Iterable[str]:
    for value in _ticks(scale.low, scale.high):
        y = scale.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
    for step in range(5):
        time = scale.since + (scale.until - scale.since) * step / 4
        anchor = ("start", "middle", "middle", "middle", "end")[step]
        text = at(time, zone, seconds=False, day=False)
        yield f'<text class="tick" x="{scale.x(time):.1f}" y="{HEIGHT - 12}" text-anchor="{anchor}">{text}</text>'


def _ticks(low: float, high: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 5)
    return [round(n * step, 9) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _bound(scale: _Scale, bound: Bound, language: str) -> str:
    y, word = scale.y(bound.value), say(f"levels.{bound.level}", language)
    return (
        f'<line class="bound {escape(bound.level)}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{WIDTH - RIGHT + 4}" y="{y + 4:.1f}">{number(bound.value)} {escape(word)}</text>'
    )


def _moment(scale: _Scale, moment: Moment, frame: Frame) -> str:
    x = scale.x(moment.time)
    word = say("console.plot_raised" if moment.raised else "console.plot_cleared", frame.language)
    told = f"{word} {say(f'levels.{moment.level}', frame.language)} {at(moment.time, frame.zone)}"
    shape = f"M{x:.1f} {TOP - 1}l5 -9h-10z" if moment.raised else f"M{x - 5:.1f} {TOP - 6}h10"
    return (
        f'<g class="moment {"raised" if moment.raised else "cleared"} {escape(moment.level)}">'
        f"<title>{escape(told)}</title>"
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/><path d="{shape}"/></g>'
    )


def _line(scale: _Scale, points: Sequence[Point], gap: timedelta) -> Iterable[str]:
    run: list[str] = []
    last: datetime | None = None
    for point in [p for p in points if p.flag != Flag.FAIL]:
        if last is not None and point.time - last > gap:
            yield from _run(run)
            run = []
        run.append(f"{scale.x(point.time):.1f},{scale.y(point.value):.1f}")
        last = point.time
    yield from _run(run)


def _run(run: list[str]) -> Iterable[str]:
    if len(run) == 1:
        x, y = run[0].split(",")
        yield f'<circle class="lone" cx="{x}" cy="{y}" r="2"/>'
    elif run:
        yield f'<polyline class="line" points="{" ".join(run)}"/>'


def _marks(scale: _Scale, points: Sequence[Point]) -> Iterable[str]:
    for point in points:
        x, y = scale.x(point.time), _within(scale, point.value)
        if point.flag == Flag.FAIL:
            yield f'<path class="fail" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/>'
        elif point.flag == Flag.SUSPECT:
            yield f'<circle class="suspect" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        if point.late:
            yield f'<path class="late" d="M{x:.1f} {HEIGHT - BOTTOM - 8}l4 8h-8z"/>'


def thin(points: Sequence[Point], most: int = 2000) -> list[Point]:
    """At most about `most` points: of each slice the lowest, the highest and all that carry a mark."""
    if len(points) <= most:
        return list(points)
    width = math.ceil(len(points) / (most / 2))
    kept: list[Point] = []
    for start in range(0, len(points), width):
        part = points[start : start + width]
        ends = {id(min(part, key=lambda p: p.value)), id(max(part, key=lambda p: p.value))}
        kept += [p for p in part if id(p) in ends or p.flag in (Flag.SUSPECT, Flag.FAIL)]
    return kept
