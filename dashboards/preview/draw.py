"""Panels on a canvas: the frame with its title, tiles, tables and text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.builder import Json
from dashboards.preview.canvas import Area, Box, Canvas, fitted, on, width_of
from dashboards.preview.fields import Column, address, colour, column, link, written
from dashboards.preview.reshape import Data
from dashboards.proof import Range, Values

HEADER = 32.0
ROW = 36.0
SMALL = 14.0
LEAST_COLUMN = 150.0


@dataclass(frozen=True, slots=True)
class Colours:
    """A theme's colours of what is not data."""

    page: str
    panel: str
    border: str
    text: str
    faint: str
    link: str


THEMES: Mapping[str, Colours] = {
    "dark": Colours("#111217", "#181B1F", "#2C3036", "#D8D9DA", "#8E929A", "#6E9FFF"),
    "light": Colours("#F4F5F5", "#FFFFFF", "#DCDFE4", "#24292E", "#6A707A", "#1F62E0"),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything a panel is drawn with."""

    canvas: Canvas
    colours: Colours
    values: Values
    span: Range
    times: Mapping[str, str]  # how links spell the range
    notes: tuple[Data, ...] = ()
    note_colours: tuple[str, ...] = ()
    outlines: Json | None = None

    def message(self, area: Area, text: str) -> None:
        """A sentence in the middle."""
        self.canvas.words(
            area.x + area.w / 2, area.y + area.h / 2, text, SMALL, self.colours.faint, area.w - 16, anchor="middle"
        )


def frame(sheet: Sheet, panel: Json, area: Area, title: str) -> Area:
    """The panel's own ground, border and title; returns what is left for the data."""
    tip = str(panel.get("description", ""))
    border = "" if panel.get("transparent") else sheet.colours.border
    sheet.canvas.add(Box(area, sheet.colours.panel, border, tip))
    links = panel.get("links") or ()
    href = address(str(links[0]["url"]), {}, sheet.values, sheet.times) if links else ""
    if not title:
        return area.inside(8, 8, 8, 8)
    ink = sheet.colours.text
    sheet.canvas.words(area.x + 10, area.y + 21, title, SMALL, ink, area.w - 40, bold=True, href=href)
    if links:
        spot = area.x + 10 + min(width_of(title, SMALL) * 1.05, area.w - 40) + 10
        sheet.canvas.words(spot, area.y + 21, "↗", SMALL, sheet.colours.link, href=href)
    return area.inside(8, HEADER, 8, 8)


def stat(sheet: Sheet, panel: Json, area: Area, made: list[Data]) -> None:
    """One tile per number, in its colour."""
    tiles = _tiles(panel, made)
    if not tiles:
        sheet.message(area, str(panel["fieldConfig"]["defaults"].get("noValue") or "No data"))
        return
    options = panel["options"]
    side = options.get("orientation") == "vertical" or (options.get("orientation") == "auto" and area.w > area.h * 1.5)
    gap = 6.0
    across, down = (len(tiles), 1) if side else (1, len(tiles))
    w, h = (area.w - gap * (across - 1)) / across, (area.h - gap * (down - 1)) / down
    texts = [(name, written(one, value)) for one, name, value in tiles]
    size = min(_largest(text, w, h) for _, text in texts)
    for place, (one, _, value) in enumerate(tiles):
        x, y = (area.x + place * (w + gap), area.y) if side else (area.x, area.y + place * (h + gap))
        _tile(sheet, options, Area(x, y, w, h), texts[place], colour(one, value, sheet.colours.text), size)


def _largest(text: str, w: float, h: float) -> float:
    """The largest size at which a value fits into its tile below its name."""
    return max(9.0, min((h - 26) * 0.72, 100.0, (w - 12) / max(0.5, width_of(text, 1.0))))


def _tile(sheet: Sheet, options: Json, area: Area, text: tuple[str, str], paint: str, size: float) -> None:
    filled = str(options.get("colorMode", "")).startswith("background")
    if filled:
        sheet.canvas.add(Box(area, paint))
    ink = on(paint) if filled else paint if options.get("colorMode") == "value" else sheet.colours.text
    middle, mode = area.x + area.w / 2, options.get("textMode", "auto")
    name_ink = ink if filled else sheet.colours.text
    if mode != "value":
        small = max(10.0, min(18.0, area.h * 0.16, (area.w - 8) / max(0.5, width_of(text[0], 1.0))))
        sheet.canvas.words(middle, area.y + small + 5, text[0], small, name_ink, area.w - 8, anchor="middle")
    if mode != "name":
        low = area.y + (area.h + size * 0.7) / 2 + (8 if mode != "value" else 0)
        sheet.canvas.words(middle, low, text[1], size, ink, area.w - 4, anchor="middle", bold=True)


def _tiles(panel: Json, made: list[Data]) -> list[tuple[Column, str, Any]]:
    """Column, name and value of each tile."""
    reduce = panel["options"].get("reduceOptions", {})
    wanted = str(reduce.get("fields", ""))
    tiles: list[tuple[Column, str, Any]] = []
    for data in made:
        columns = [column(panel, name, kind, data.ref_id) for name, kind in data.frame.kinds.items()]
        shown = [one for one in columns if _wanted(one, wanted) and not one.hidden]
        rows = list(data.frame.dicts())
        if reduce.get("values"):
            label = next((one.name for one in columns if one.kind == "text"), None)
            tiles += [
                (one, str(row[label]) if label and len(shown) == 1 else one.shown, row[one.name])
                for row in rows
                for one in shown
            ]
        elif rows or data.frame.kinds:
            last = {
                one.name: next((r[one.name] for r in reversed(rows) if r[one.name] is not None), None) for one in shown
            }
            tiles += [(one, one.shown, last[one.name]) for one in shown] if rows else []
    return tiles


def _wanted(one: Column, fields: str) -> bool:
    if not fields:
        return one.kind == "number"
    if fields.startswith("/"):
        return re.search(fields.strip("/"), one.shown) is not None or re.search(fields.strip("/"), one.name) is not None
    return fields in (one.name, one.shown)


def table(sheet: Sheet, panel: Json, area: Area, made: list[Data]) -> None:
    """Header and as many rows as there is room for."""
    if not made or not made[0].frame.rows:
        sheet.message(area, str(panel["fieldConfig"]["defaults"].get("noValue") or "No data"))
        return
    data = made[0]
    columns = [column(panel, name, kind, data.ref_id) for name, kind in data.frame.kinds.items()]
    shown = [one for one in columns if not one.hidden]
    edges = _edges(shown, area)
    beyond, shown = len(shown) - len(edges), shown[: len(edges)]
    for one, (x, w) in zip(shown, edges, strict=True):
        _cell(sheet, Area(x, area.y, w, ROW), one.shown, sheet.colours.link, one, bold=True)
    rows = list(data.frame.dicts())
    room = int((area.h - ROW) // ROW)
    for place, row in enumerate(rows[:room]):
        y = area.y + ROW * (place + 1)
        sheet.canvas.add(Box(Area(area.x, y, area.w, 1), sheet.colours.border))
        for one, (x, w) in zip(shown, edges, strict=True):
            _value(sheet, Area(x, y, w, ROW), one, row)
    hidden = [f"{len(rows) - room} more rows below"] if len(rows) > room else []
    hidden += [f"{beyond} more columns to the right"] if beyond else []
    if hidden:
        more = f"… {', '.join(hidden)} (scroll)"
        sheet.canvas.words(area.x + area.w, area.y + area.h + 4, more, 11, sheet.colours.faint, anchor="end")


def _edges(shown: list[Column], area: Area) -> list[tuple[float, float]]:
    """Where each column begins and how wide it is, as far as there is room: the rest is reached by scrolling.

    Columns without a width of their own share what is left, but none is narrower than Grafana's least.
    """
    own = [float(one.custom("width") or 0) for one in shown]
    free = max(0.0, area.w - sum(own)) / max(1, own.count(0.0))
    widths = [
        width or max(free, float(one.custom("minWidth") or LEAST_COLUMN)) for one, width in zip(shown, own, strict=True)
    ]
    begins = [area.x + sum(widths[:place]) for place in range(len(widths))]
    right = area.x + area.w
    return [(x, min(w, right - x)) for x, w in zip(begins, widths, strict=True) if x < right - 8]


def _value(sheet: Sheet, area: Area, one: Column, row: Mapping[str, Any]) -> None:
    value = row[one.name]
    text, cell = written(one, value), one.custom("cellOptions", {}).get("type", "auto")
    ink, href = sheet.colours.text, link(one, row, sheet.values, sheet.times)
    if cell == "color-background":
        paint = colour(one, value, sheet.colours.panel)
        sheet.canvas.add(Box(area.inside(0, 1, 0, 0), paint))
        ink = on(paint)
    elif cell == "color-text":
        ink = colour(one, value, ink)
    elif href:
        ink = sheet.colours.link
    _cell(sheet, area, text, ink, one, href=href)


def _cell(sheet: Sheet, area: Area, text: str, ink: str, one: Column, *, bold: bool = False, href: str = "") -> None:
    align = one.custom("align", "auto")
    right = align == "right" or (align in ("auto", None) and one.kind == "number" and not one.settings.get("mappings"))
    x = area.x + area.w - 8 if right else area.x + area.w / 2 if align == "center" else area.x + 8
    anchor = "end" if right else "middle" if align == "center" else "start"
    cut = fitted(text.replace("\n", " "), SMALL, area.w - 12)
    sheet.canvas.words(x, area.y + ROW / 2 + 5, cut, SMALL, ink, anchor=anchor, bold=bold, href=href)


def prose(sheet: Sheet, panel: Json, area: Area, text: str) -> None:
    """Markdown, as far as headings, lists and plain lines go."""
    y = area.y + 18
    for line in text.splitlines():
        head = re.match(r"#+ ", line)
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)|\*\*|`", r"\1", line[head.end() if head else 0 :])
        plain = re.sub(r"^[-*] ", "• ", re.sub(r"<[^>]+>", "", plain))
        size = 20.0 if head else SMALL
        for part in _wrapped(plain, size, area.w):
            if y > area.y + area.h:
                return
            sheet.canvas.words(area.x + 4, y, part, size, sheet.colours.text, bold=bool(head))
            y += size * 1.45


def _wrapped(text: str, size: float, room: float) -> list[str]:
    lines, line = [], ""
    for word in re.findall(r"[^\s\u3000-\u9fff]+\s*|[\u3000-\u9fff]|\s+", text):
        if line and width_of(line + word.rstrip(), size) > room - 8:
            lines.append(line)
            line = ""
        line += word
    return [*lines, line]


def plain(sheet: Sheet, panel: Json, area: Area, made: list[Data]) -> None:
    """A panel of a type that is not drawn here: its rows as a table, and a note that says so."""
    table(sheet, panel, area.inside(0, 0, 0, 18), made)
    note = f"{panel['type']}: shown as a table in this preview"
    sheet.canvas.words(area.x + 8, area.y + area.h, note, 11, sheet.colours.faint)
