"""Geomaps on a canvas: markers of each layer over district outlines, on a blank ground."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from dashboards.builder import Json
from dashboards.preview.canvas import Area, Box, Dot, Path, Point, on
from dashboards.preview.draw import Sheet
from dashboards.preview.fields import Column, colour, column, link, written
from dashboards.preview.reshape import Data

CORNERS = {"square": (4, math.pi / 4), "triangle": (3, -math.pi / 2), "x-mark": (4, 0.0), "star": (5, -math.pi / 2)}


def geomap(sheet: Sheet, panel: Json, area: Area, made: list[Data]) -> None:
    """Every layer in its order, the last on top."""
    layers = [layer for layer in panel["options"]["layers"] if layer["type"] == "markers"]
    rows = [row for layer in layers for row in _rows(layer, made)]
    places = [(float(row["longitude"]), float(row["latitude"])) for row in rows]
    if not places:
        sheet.message(area, str(panel["fieldConfig"]["defaults"].get("noValue") or "No data"))
        return
    to_page = _fit(places, area)
    sheet.canvas.add(Box(area, sheet.colours.page))
    for layer in panel["options"]["layers"]:
        if layer["type"] == "geojson":
            _outlines(sheet, layer, area, to_page)
        else:
            _markers(sheet, panel, layer, made, to_page)


def _rows(layer: Json, made: list[Data]) -> list[dict[str, Any]]:
    data = _data(layer, made)
    found = data.frame.dicts() if data is not None and "latitude" in data.frame.kinds else ()
    return [row for row in found if row["latitude"] is not None and row["longitude"] is not None]


def _data(layer: Json, made: list[Data]) -> Data | None:
    wanted = layer.get("filterData", {}).get("options")
    return next((data for data in made if wanted in (None, data.ref_id)), None)


class _fit:
    """Longitude and latitude to pixels: all places inside, the same scale both ways."""

    def __init__(self, places: list[Point], area: Area) -> None:
        xs, ys = zip(*(_mercator(*place) for place in places), strict=True)
        self.middle = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
        wide, high = max(max(xs) - min(xs), 1e-4), max(max(ys) - min(ys), 1e-4)
        self.scale = min((area.w - 60) / wide, (area.h - 60) / high)
        self.area = area

    def __call__(self, lon: float, lat: float) -> Point:
        x, y = _mercator(lon, lat)
        return (
            self.area.x + self.area.w / 2 + (x - self.middle[0]) * self.scale,
            self.area.y + self.area.h / 2 - (y - self.middle[1]) * self.scale,
        )


def _mercator(lon: float, lat: float) -> Point:
    return math.radians(lon), math.asinh(math.tan(math.radians(lat)))


def _outlines(sheet: Sheet, layer: Json, area: Area, to_page: _fit) -> None:
    """The districts' outlines where they are known; else where Grafana would fetch them."""
    source = str(layer["config"].get("src", ""))
    style = layer["config"].get("style", {}).get("color", {}).get("fixed", sheet.colours.faint)
    if sheet.outlines is None:
        note = f"outlines: {urlsplit(source).path}"
        sheet.canvas.words(area.x + 8, area.y + area.h - 8, note, 11, sheet.colours.faint, area.w - 16)
        return
    for ring in _rings(sheet.outlines):
        points = [to_page(lon, lat) for lon, lat in ring]
        inside = [(min(max(x, area.x), area.x + area.w), min(max(y, area.y), area.y + area.h)) for x, y in points]
        sheet.canvas.add(Path(inside, style, 1.2))


def _rings(made: Json) -> Iterator[list[Point]]:
    for feature in made.get("features", [made]):
        shape = feature.get("geometry", feature)
        parts = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
        for rings in parts:
            for ring in rings:
                yield [(float(point[0]), float(point[1])) for point in ring]


def _markers(sheet: Sheet, panel: Json, layer: Json, made: list[Data], to_page: _fit) -> None:
    data = _data(layer, made)
    if data is None:
        return
    style = layer["config"]["style"]
    columns = {name: column(panel, name, kind, data.ref_id) for name, kind in data.frame.kinds.items()}
    rows = _rows(layer, made)
    sizes = [float(row.get(style["size"].get("field")) or 0) for row in rows]
    low, high = (min(sizes), max(sizes)) if sizes else (0.0, 0.0)
    symbol = str(style.get("symbol", {}).get("fixed", "circle")).rpartition("/")[2].removesuffix(".svg")
    for row, size in zip(rows, sizes, strict=True):
        share = (size - low) / (high - low) if high > low else 0.0
        radius = style["size"]["min"] + (style["size"]["max"] - style["size"]["min"]) * share
        if style["size"].get("field") not in columns:
            radius = style["size"].get("fixed", 6)
        _marker(sheet, symbol, to_page(row["longitude"], row["latitude"]), radius, columns, row, style)


def _marker(
    sheet: Sheet, symbol: str, at: Point, radius: float, columns: dict[str, Column], row: dict[str, Any], style: Json
) -> None:
    by = columns.get(str(style["color"].get("field", "")))
    paint = colour(by, row[by.name], sheet.colours.faint) if by else str(style["color"].get("fixed", ""))
    shown = [one for one in columns.values() if not one.custom("hideFrom", {}).get("tooltip")]
    tip = "\n".join(f"{one.shown}: {written(one, row[one.name])}" for one in shown)
    href = next((to for one in columns.values() if (to := link(one, row, sheet.values, sheet.times))), "")
    x, y = at
    sheet.canvas.add(Dot(x, y, radius, paint if symbol not in CORNERS else "#00000000", "", tip, href))
    if symbol in CORNERS:
        count, turn = CORNERS[symbol]
        reach = radius * 1.25
        corners = [
            (x + reach * math.cos(turn + n * math.tau / count), y + reach * math.sin(turn + n * math.tau / count))
            for n in range(count)
        ]
        if symbol == "x-mark":
            half = radius * 0.9
            sheet.canvas.add(Path([(x - half, y - half), (x + half, y + half)], paint, 3))
            sheet.canvas.add(Path([(x - half, y + half), (x + half, y - half)], paint, 3))
        else:
            sheet.canvas.add(Path(corners, fill=paint))
    if word := style.get("text", {}).get("field"):
        ink = on(paint) if len(paint) == 7 else sheet.colours.text
        sheet.canvas.words(x, y + 4, str(row.get(word) or ""), 11, ink, anchor="middle", bold=True)
