"""Plots of a backtest's report, as inline SVG: no scripts, no style attributes, no files beside the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from city.clock import from_us
from city.levels import COLOURS, Level
from city.words import say
from rules import statistics
from rules.notify.display import number
from rules.trials.report import Report, Side, count

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 56, 16, 12, 30
_MOST_BARS = 60
_RULE_LEFT, _ROW, _GAP = 190, 15, 8


@dataclass(frozen=True, slots=True)
class _Bars:
    """Values of each side over equal stretches of a span."""

    from_us: int
    to_us: int
    values: Sequence[tuple[str, Sequence[int]]]


def raised_over_time(report: Report, language: str) -> Markup:
    """Alarms raised, in up to sixty stretches of whole ten minutes."""
    bars = _bars(report, sum)
    return _columns(bars, say("backtest.raised_over_time", language), None)


def peak_over_time(report: Report, language: str) -> Markup:
    """The most alarms in ten minutes, in the same stretches, with the limit."""
    bars = _bars(report, max)
    return _columns(bars, say("backtest.peak_over_time", language), statistics.FLOOD_STARTS)


def _bars(report: Report, of: Callable[[Sequence[int]], int]) -> _Bars:
    span = report.span
    bins = -(-(span.to_us - span.from_us) // statistics.BIN_US)
    wide = max(1, -(-bins // _MOST_BARS))
    values = []
    for side in report.sides:
        times_us = [o.raised_us for o in side.outcome.occurrences if not o.diagnostic]
        counts = statistics.binned(times_us, span.from_us, span.to_us)
        parts = [counts[start : start + wide] for start in range(0, len(counts), wide)]
        values.append((side.name, [of(part) for part in parts]))
    return _Bars(span.from_us, span.from_us + wide * len(values[0][1]) * statistics.BIN_US, values)


def _columns(bars: _Bars, label: str, limit: int | None) -> Markup:
    height = 190
    top = max([1, *(value for _, values in bars.values for value in values), *([limit + 1] if limit else [])])
    ticks = _whole_ticks(top)
    top = max(top, ticks[-1])

    def y(value: float) -> float:
        return height - BOTTOM - value / top * (height - TOP - BOTTOM)

    inner = WIDTH - LEFT - RIGHT
    each = inner / len(bars.values[0][1])
    thin = each * 0.84 / len(bars.values)
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">']
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for order, (name, values) in enumerate(bars.values):
        for at, value in enumerate(values):
            if value:
                x = LEFT + at * each + each * 0.08 + order * thin
                box = f'x="{x:.1f}" y="{y(value):.1f}" width="{max(1.0, thin - 0.6):.1f}"'
                parts.append(f'<rect class="{name}" {box} height="{y(0) - y(value):.1f}"><title>{value}</title></rect>')
    if limit is not None:
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>')
    parts += [*_times(bars, height), "</svg>"]
    return Markup("".join(parts))  # noqa: S704 - every text in it went through escape()


def _times(bars: _Bars, height: int) -> Iterable[str]:
    long = bars.to_us - bars.from_us > 3 * statistics.DAY_US
    for step in range(5):
        time = from_us(bars.from_us + (bars.to_us - bars.from_us) * step // 4)
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / 4
        anchor = ("start", "middle", "middle", "middle", "end")[step]
        text = f"{time:%Y-%m-%d}" if long else f"{time:%m-%d %H:%M}"
        yield f'<text class="tick" x="{x:.1f}" y="{height - 8}" text-anchor="{anchor}">{text}</text>'


def _whole_ticks(top: int) -> list[int]:
    step = 10 ** math.floor(math.log10(max(1, top)))
    step = next(s for s in (max(1, step // 5), max(1, step // 2), step, step * 2) if top / s <= 6)
    return list(range(0, math.ceil(top / step) * step + 1, step))


def minutes_by_rule(report: Report, language: str) -> Markup | None:
    """How long each rule stood at each level, old beside new, on a scale of powers of ten."""
    counted = {side.name: count(side.outcome.occurrences, report.span) for side in report.sides}
    rows = sorted({row for found in counted.values() for row in found}, key=lambda row: (row[0], -row[1]))
    if not rows:
        return None
    decades = max(1, math.ceil(math.log10(max(10.0, *(c.minutes for f in counted.values() for c in f.values())))))
    height = TOP + len(rows) * (len(report.sides) * _ROW + _GAP) + BOTTOM
    label = say("backtest.minutes_by_rule", language)
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">']

    def x(minutes: float) -> float:
        return _RULE_LEFT + min(1.0, math.log10(max(1.0, minutes)) / decades) * (WIDTH - _RULE_LEFT - 70)

    for power in range(decades + 1):
        at = x(10.0**power)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{height - BOTTOM + 4}"/>')
        text = say("units.minutes", language, n=number(10.0**power))
        parts.append(f'<text class="tick" x="{at:.1f}" y="{height - 8}" text-anchor="middle">{escape(text)}</text>')
    y = float(TOP)
    for rule, level in rows:
        name = f"{rule} · {say(f'levels.{level.word}', language)}"
        middle = y + len(report.sides) * _ROW / 2 + 4
        parts.append(
            f'<text class="name" x="{_RULE_LEFT - 8}" y="{middle:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        for side in report.sides:
            found = counted[side.name].get((rule, level))
            if found:
                wide = max(2.0, x(found.minutes) - _RULE_LEFT)
                parts.append(
                    f'<rect class="{side.name} {level.word}" x="{_RULE_LEFT}" y="{y + 1:.1f}" width="{wide:.1f}"'
                    f' height="{_ROW - 2}"/><text class="tick" x="{_RULE_LEFT + wide + 5:.1f}" y="{y + 11:.1f}">'
                    f"{number(round(found.minutes))}</text>"
                )
            y += _ROW
        y += _GAP
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - every text in it went through escape()


def leads(report: Report, language: str) -> Markup | None:
    """Lead times by level: a line from p10 to p90 with its median."""
    rows = [
        (side, score.level, score.lead_s)
        for level in reversed(COLOURS)
        for side in report.sides
        for score in (side.scored.scores if side.scored else ())
        if score.level is level and score.lead_s is not None
    ]
    if not rows:
        return None
    low = min(0.0, *(lead[1] for _, _, lead in rows)) / 60
    high = max(1.0, *(lead[2] for _, _, lead in rows)) / 60
    margin = (high - low) * 0.06
    low, high, height = low - margin, high + margin, TOP + len(rows) * 24 + BOTTOM
    label = say("backtest.lead_plot", language)
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">']

    def x(seconds: float) -> float:
        return _RULE_LEFT + (seconds / 60 - low) / (high - low) * (WIDTH - _RULE_LEFT - 30)

    for minutes in _even(low, high):
        at = x(minutes * 60)
        kind = "zero" if minutes == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{height - BOTTOM + 4}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{height - 8}" text-anchor="middle">{number(minutes)}</text>')
    for at_row, (side, level, lead) in enumerate(rows):
        parts += _lead_row(side, level, [x(seconds) for seconds in lead], TOP + at_row * 24 + 14, language)
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - every text in it went through escape()


def _lead_row(side: Side, level: Level, at: Sequence[float], y: float, language: str) -> Iterable[str]:
    name = f"{say(f'levels.{level.word}', language)} · {say(f'backtest.{side.name}', language)}"
    yield f'<text class="name" x="{_RULE_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
    yield f'<line class="range {side.name}" x1="{at[1]:.1f}" x2="{at[2]:.1f}" y1="{y}" y2="{y}"/>'
    yield f'<circle class="{side.name} {level.word}" cx="{at[0]:.1f}" cy="{y}" r="5.5"/>'


def _even(low: float, high: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 8)
    return [round(n * step, 9) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
