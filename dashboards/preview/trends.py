"""Time series and state timelines on a canvas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from dashboards.builder import Json
from dashboards.preview.canvas import Area, Box, Canvas, Path, fitted, on, width_of
from dashboards.preview.draw import Sheet
from dashboards.preview.fields import Column, colour, column, number, written
from dashboards.preview.reshape import Data

AXIS = 12.0
STEPS_S = (10, 30, 60, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000)
PALETTE = ("#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0")
Series = tuple[Column, Mapping[datetime, float | None]]


class Scale:
    """Where a time and a value stand."""

    def __init__(self, area: Area, first: datetime, last: datetime, low: float, high: float) -> None:
        self.area, self.first, self.last, self.low, self.high = area, first, last, low, high

    def x(self, moment: datetime) -> float:
        """Pixels from the left, not outside."""
        share = (moment - self.first) / (self.last - self.first)
        return self.area.x + self.area.w * min(1.0, max(0.0, share))

    def y(self, value: float) -> float:
        """Pixels from the top, not outside."""
        share = (value - self.low) / (self.high - self.low)
        return self.area.y + self.area.h * (1 - min(1.0, max(0.0, share)))


def time_series(sheet: Sheet, panel: Json, area: Area, made: list[Data]) -> None:
    """Lines, bars or points with their limits, axes and annotations."""
    series = list(_series(panel, made))
    drawn = [(one, points) for one, points in series if not one.hidden]
    if not any(value is not None for _, points in drawn for value in points.values()):
        sheet.message(area, str(panel["fieldConfig"]["defaults"].get("noValue") or "No data"))
        return
    legend = bool(panel["options"].get("legend", {}).get("showLegend"))
    limits = _limits(panel, made, drawn)
    low, high = _bounds(drawn, limits)
    ticks = _ticks(low, high, area.h, str(drawn[0][0].settings.get("unit", "")))
    room = min(area.w * 0.25, max(52.0, *(width_of(text, AXIS) + 12 for _, text in ticks)))
    plot = area.inside(room, 6, 10, 22 + (20 if legend else 0))
    scale = Scale(plot, sheet.span.first, sheet.span.last, low, high)
    _axes(sheet, scale, ticks, room)
    _bands(sheet, scale, drawn)
    _annotations(sheet, scale)
    for order, (one, points) in enumerate(drawn):
        _one(sheet, scale, one, points, _paint(one, points, order))
    for value, paint in limits:
        y = scale.y(value)
        sheet.canvas.add(Path([(plot.x, y), (plot.x + plot.w, y)], paint, 1.5, dashed=True))
    if legend:
        _legend(sheet, area, [(one.shown, _paint(one, points, n)) for n, (one, points) in enumerate(drawn)])


def _series(panel: Json, made: list[Data]) -> list[Series]:
    found: list[Series] = []
    for data in made:
        wide = data.wide
        if wide is None and data.frame.kinds.get("time") == "time":  # a table with a time is drawn too
            names = [name for name, kind in data.frame.kinds.items() if kind == "number"]
            wide = {name: {row["time"]: row[name] for row in data.frame.dicts()} for name in names}
        for name, points in (wide or {}).items():
            one = column(panel, name, "number", data.ref_id)
            if data.unit:
                one.settings["unit"] = data.unit
            found.append((one, points))
    return found


def _paint(one: Column, points: Mapping[datetime, float | None], order: int) -> str:
    mode = one.settings.get("color", {}).get("mode", "")
    if mode == "thresholds" or mode == "fixed":
        last = next((value for value in reversed(list(points.values())) if value is not None), None)
        return colour(one, last, PALETTE[0])
    return PALETTE[order % len(PALETTE)]


def _limits(panel: Json, made: list[Data], drawn: Sequence[Series]) -> list[tuple[float, str]]:
    """Limits drawn as lines: from a query of limits, or from thresholds that the panel shows."""
    from_query = [value for data in made for value in (data.thresholds or {}).values()]
    if from_query:
        return [(value, "#E02F44") for value in from_query]
    found: dict[float, str] = {}
    for one, _ in drawn:
        if one.custom("thresholdsStyle", {}).get("mode", "off") != "off":
            steps = one.settings.get("thresholds", {}).get("steps", [])[1:]
            found |= {float(step["value"]): str(step["color"]) for step in steps}
    return list(found.items())


def _bounds(drawn: Sequence[Series], limits: Sequence[tuple[float, str]]) -> tuple[float, float]:
    values = [float(value) for _, points in drawn for value in points.values() if value is not None]
    soft = [one.custom(key) for one, _ in drawn for key in ("axisSoftMin", "axisSoftMax")]
    soft += [one.settings.get(key) for one, _ in drawn for key in ("min", "max")]
    values += [float(value) for value in soft if value is not None]
    low, high = min(values), max(values)
    near = [value for value, _ in limits if low - (high - low) <= value <= high + (high - low)]
    low, high = min([low, *near]), max([high, *near])
    room = (high - low) * 0.06 or max(1.0, abs(high) * 0.1)
    return (low if low == 0 else low - room), high + room


def _ticks(low: float, high: float, height: float, unit: str) -> list[tuple[float, str]]:
    """Round values of the axis, each as it is written."""
    step = _nice((high - low) / max(2, height // 45))
    first = math.ceil(low / step)
    values = [round(place * step, 9) for place in range(first, math.floor(high / step) + 1)]
    return [(value, number(value, unit, None)) for value in values]


def _axes(sheet: Sheet, scale: Scale, ticks: Sequence[tuple[float, str]], room: float) -> None:
    plot, ink = scale.area, sheet.colours.faint
    for value, text in ticks:
        y = scale.y(value)
        sheet.canvas.add(Path([(plot.x, y), (plot.x + plot.w, y)], sheet.colours.border))
        sheet.canvas.words(plot.x - 6, y + 4, text, AXIS, ink, room - 6, anchor="end")
    time_axis(sheet, scale)


def time_axis(sheet: Sheet, scale: Scale) -> None:
    """Ticks of whole minutes, hours or days (UTC), each with its time."""
    plot = scale.area
    wanted_s = (scale.last - scale.first).total_seconds() / max(2, plot.w // 90)
    step_s = next((step for step in STEPS_S if step >= wanted_s), STEPS_S[-1])
    at = datetime.fromtimestamp(math.ceil(scale.first.timestamp() / step_s) * step_s, UTC)
    while at <= scale.last:
        x = scale.x(at)
        sheet.canvas.add(Path([(x, plot.y), (x, plot.y + plot.h)], sheet.colours.border))
        text = at.strftime("%m/%d" if step_s >= 86400 else "%H:%M" if step_s >= 60 else "%H:%M:%S")
        if x + 24 < plot.x + plot.w + 10:
            sheet.canvas.words(x, plot.y + plot.h + 16, text, AXIS, sheet.colours.faint, anchor="middle")
        at += timedelta(seconds=step_s)


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step)) if step > 0 else 1.0
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def _one(sheet: Sheet, scale: Scale, one: Column, points: Mapping[datetime, float | None], paint: str) -> None:
    style, width = one.custom("drawStyle", "line"), float(one.custom("lineWidth", 1) or 0)
    if style == "bars":
        _bars(sheet.canvas, scale, one, points, paint)
        return
    runs = _runs(points, spanning=bool(one.custom("spanNulls")))
    dashed = one.custom("lineStyle", {}).get("fill") == "dash"
    for run in runs:
        places = [(scale.x(at), scale.y(value)) for at, value in run if scale.first <= at <= scale.last]
        if one.custom("lineInterpolation") == "stepAfter":
            places = (
                [p for a, b in zip(places, [*places[1:], places[-1]], strict=True) for p in (a, (b[0], a[1]))]
                if places
                else []
            )
        fill = float(one.custom("fillOpacity", 0) or 0) / 100
        if fill and len(places) > 1 and not one.custom("fillBelowTo"):
            base = scale.y(max(scale.low, 0.0))
            sheet.canvas.add(Path([(places[0][0], base), *places, (places[-1][0], base)], fill=paint, opacity=fill))
        if width and len(places) > 1 and style == "line":
            sheet.canvas.add(Path(places, paint, max(1.0, width), dashed=dashed))
        if style == "points" or len(places) == 1 or one.custom("showPoints") == "always":
            size = float(one.custom("pointSize", 5)) / 2
            for x, y in places:
                sheet.canvas.add(Box(Area(x - size, y - size, size * 2, size * 2), paint))


def _runs(points: Mapping[datetime, float | None], *, spanning: bool) -> list[list[tuple[datetime, float]]]:
    runs: list[list[tuple[datetime, float]]] = [[]]
    for at, value in points.items():
        if value is not None:
            runs[-1].append((at, float(value)))
        elif not spanning and runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _bars(canvas: Canvas, scale: Scale, one: Column, points: Mapping[datetime, float | None], paint: str) -> None:
    times = sorted(points)
    gaps = [b - a for a, b in pairwise(times)]
    w = max(1.0, scale.area.w * (min(gaps) / (scale.last - scale.first)) * 0.7 if gaps else 8.0)
    opacity = float(one.custom("fillOpacity", 80) or 80) / 100
    shift = {1: 0.0, -1: -w}.get(one.custom("barAlignment", 0), -w / 2)
    for at, value in points.items():
        if value and scale.first <= at <= scale.last:
            top, base = scale.y(float(value)), scale.y(max(0.0, scale.low))
            canvas.add(Box(Area(scale.x(at) + shift, min(top, base), w, abs(base - top)), paint, opacity=opacity))


def _bands(sheet: Sheet, scale: Scale, drawn: Sequence[Series]) -> None:
    """What one series fills down to another."""
    named = {name: points for one, points in drawn for name in (one.name, one.shown)}
    for order, (one, points) in enumerate(drawn):
        below = named.get(str(one.custom("fillBelowTo", "")))
        if below is None:
            continue
        both = [at for at, value in points.items() if value is not None and below.get(at) is not None]
        top = [(scale.x(at), scale.y(float(points[at] or 0))) for at in both]
        low = [(scale.x(at), scale.y(float(below[at] or 0))) for at in reversed(both)]
        if top:
            fill = float(one.custom("fillOpacity", 20) or 20) / 100
            sheet.canvas.add(Path([*top, *low], fill=_paint(one, points, order), opacity=fill))


def _annotations(sheet: Sheet, scale: Scale) -> None:
    for data, paint in zip(sheet.notes, sheet.note_colours, strict=True):
        for row in data.frame.dicts():
            begin, end = row.get("time"), row.get("timeend")
            if not isinstance(begin, datetime) or begin > scale.last:
                continue
            x, plot = scale.x(begin), scale.area
            if isinstance(end, datetime):
                wide = Area(x, plot.y, scale.x(end) - x, plot.h)
                sheet.canvas.add(Box(wide, paint, tip=str(row.get("text", "")), opacity=0.15))
            sheet.canvas.add(Path([(x, plot.y), (x, plot.y + plot.h)], paint, 1.2, dashed=True))


def _legend(sheet: Sheet, area: Area, entries: Sequence[tuple[str, str]]) -> None:
    x, y = area.x + 8, area.y + area.h - 4
    for text, paint in entries:
        if x > area.x + area.w - 40:
            return
        sheet.canvas.add(Box(Area(x, y - 5, 14, 4), paint))
        shown = fitted(text, AXIS, area.x + area.w - x - 24)
        sheet.canvas.words(x + 18, y, shown, AXIS, sheet.colours.text)
        x += width_of(shown, AXIS) + 34


def state_timeline(sheet: Sheet, panel: Json, area: Area, made: list[Data]) -> None:
    """One bar per series; equal neighbours are one piece with its words on it."""
    rows = _state_rows(panel, made)
    if not rows:
        sheet.message(area, str(panel["fieldConfig"]["defaults"].get("noValue") or "No data"))
        return
    room = min(area.w * 0.45, max(width_of(one.shown, AXIS) for one, _ in rows) + 14)
    plot = area.inside(room, 0, 10, 22)
    scale = Scale(plot, sheet.span.first, sheet.span.last, 0, 1)
    time_axis(sheet, scale)
    height = plot.h / len(rows)
    thick = height * float(panel["options"].get("rowHeight", 0.9))
    for place, (one, points) in enumerate(rows):
        y = plot.y + place * height + (height - thick) / 2
        sheet.canvas.words(plot.x - 8, y + thick / 2 + 4, one.shown, AXIS, sheet.colours.text, room - 10, anchor="end")
        for begin, end, value in _pieces(points, sheet.span.last):
            _piece(sheet, Area(scale.x(begin), y, scale.x(end) - scale.x(begin), thick), one, value, panel)


def _state_rows(panel: Json, made: list[Data]) -> list[tuple[Column, Mapping[datetime, Any]]]:
    rows: list[tuple[Column, Mapping[datetime, Any]]] = []
    for data in made:
        if data.wide is not None:
            rows += [(column(panel, name, "number", data.ref_id), points) for name, points in data.wide.items()]
        else:
            names = [name for name in data.frame.kinds if name != "time"]
            for name in names:
                points = {row["time"]: row[name] for row in data.frame.dicts()}
                rows.append((column(panel, name, data.frame.kinds[name], data.ref_id), points))
    return rows


def _pieces(points: Mapping[datetime, Any], last: datetime) -> list[tuple[datetime, datetime, Any]]:
    times = sorted(points)
    pieces: list[tuple[datetime, datetime, Any]] = []
    for at, until in zip(times, [*times[1:], last], strict=True):
        value = points[at]
        if pieces and pieces[-1][2] == value:
            pieces[-1] = (pieces[-1][0], max(at, until), value)
        else:
            pieces.append((at, max(at, until), value))
    return pieces


def _piece(sheet: Sheet, area: Area, one: Column, value: Any, panel: Json) -> None:  # noqa: ANN401 - of the database
    if value is None:
        return
    paint, text = colour(one, value, sheet.colours.border), written(one, value)
    sheet.canvas.add(Box(area, paint, tip=f"{one.shown}: {text}"))
    if panel["options"].get("showValue") != "never" and area.h > AXIS and area.w > width_of(text, AXIS) + 6:
        sheet.canvas.words(area.x + 4, area.y + area.h / 2 + 4, text, AXIS, on(paint))
