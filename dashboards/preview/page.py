"""One page: its variables' values, its panels' answers, and where each panel stands."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from city.errors import InputError, OutsideError
from dashboards.builder import Json
from dashboards.files import DEFAULT_CONSOLE, TIMESCALEDB
from dashboards.pages import pages
from dashboards.palette import Theme
from dashboards.preview import draw, maps, trends
from dashboards.preview.canvas import Area, Canvas, width_of
from dashboards.preview.draw import THEMES, Sheet
from dashboards.preview.png import write_png
from dashboards.preview.reshape import Data, reshape
from dashboards.preview.svg import html
from dashboards.proof import (
    ProofError,
    Question,
    Range,
    Values,
    ask,
    choose,
    interpolate,
    interval_s,
    questions,
    to_wide,
)
from store.connection import Connection, connect, describe

WIDTH, LEAST_HEIGHT = 1920, 1080
CELL_W, CELL_H, GAP, TOP = (WIDTH - 8) / 24, 38, 8, 84
MOST_REPEATS = 40
ALL_TIMES = ("__url_time_range", "__all_variables")
MARK = "preview, not Grafana"
log = logging.getLogger(__name__)
DRAW = {
    "stat": draw.stat,
    "table": draw.table,
    "timeseries": trends.time_series,
    "state-timeline": trends.state_timeline,
    "geomap": maps.geomap,
}


@dataclass(frozen=True, slots=True)
class Look:
    """What is drawn: pages by uid (all when empty), how, of which span, with which variables chosen."""

    language: str = "en"
    theme: Theme = "dark"
    only: Sequence[str] = ()
    first: datetime | None = None
    last: datetime | None = None
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    console_url: str = DEFAULT_CONSOLE
    png: bool = False
    outlines: Json | None = None  # the districts', which Grafana takes from the console


def preview(folder: Path, dsn: str, look: Look) -> list[Path]:
    """Draw pages with the answers of the database at `dsn`; returns the files, each page's HTML first.

    Raises
    ------
    InputError
        No page or variable is called so, or the span is none.
    OutsideError
        Nobody answers at the database.
    """
    boards = [board.json() for board in pages(look.language, look.console_url, theme=look.theme)]
    if unknown := set(look.only) - {board["uid"] for board in boards}:
        raise InputError(f"no page {', '.join(sorted(unknown))}, try {', '.join(board['uid'] for board in boards)}")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [board for board in boards if not look.only or board["uid"] in look.only]
    try:
        with connect(dsn, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = on")
            connection.execute("SET statement_timeout = '30s'")
            return [path for board in wanted for path in _written(folder, board, drawn(connection, board, look), look)]
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        raise OutsideError(f"database {describe(dsn)} went away: {said}; try again once it runs") from error


def _written(folder: Path, board: Json, canvas: Canvas, look: Look) -> Iterator[Path]:
    path = folder / f"{board['uid']}.html"
    path.write_text(html(canvas, f"{board['title']} · {MARK}", look.language), encoding="utf-8")
    yield path
    if look.png:
        write_png(canvas, path.with_suffix(".png"))
        yield path.with_suffix(".png")


def drawn(connection: Connection, board: Json, look: Look) -> Canvas:
    """One page on a canvas."""
    [(now, timescaledb)] = connection.execute(f"SELECT city.now(), {TIMESCALEDB}".encode()).fetchall()
    last = look.last or now
    first = look.first or last - timedelta(seconds=interval_s(board["time"]["from"].removeprefix("now-")))
    if first >= last:
        raise InputError(f"the span ends before it begins, got {first} to {last}")
    span = Range.of(first, last)
    values = choose(connection, board, span, timescaledb=timescaledb) | _given(board, look)
    panels = list(laid_out(board["panels"], values))
    height = max([LEAST_HEIGHT, *(TOP + CELL_H * (g["y"] + g["h"]) + GAP for g in (p["gridPos"] for p, _ in panels))])
    colours = THEMES[look.theme]
    canvas = Canvas(WIDTH, height, colours.page)
    notes, note_colours = _notes(connection, board, span, values, timescaledb=timescaledb)
    sheet = Sheet(canvas, colours, values, span, _times(first, last, board, values), notes, note_colours, look.outlines)
    _head(sheet, board, first, last)
    for panel, own in panels:
        asked = _Asked(connection, board["uid"], span, own, timescaledb)
        _panel(sheet, panel, own, asked)
    return canvas


def laid_out(panels: Sequence[Json], values: Values) -> Iterator[tuple[Json, Values]]:
    """Every panel with its place and its variables; one that repeats stands once for each value, in rows."""
    pushed = 0
    for panel in sorted(panels, key=lambda one: (one["gridPos"]["y"], one["gridPos"]["x"])):
        place = panel["gridPos"] | {"y": panel["gridPos"]["y"] + pushed}
        if not panel.get("repeat"):
            yield panel | {"gridPos": place}, values
            continue
        chosen = values[panel["repeat"]]
        several = [chosen] if isinstance(chosen, str) else list(chosen)[:MOST_REPEATS]
        a_row = max(1, min(panel.get("maxPerRow", 4), len(several)))
        w = 24 // a_row
        for order, value in enumerate(several):
            grid = {"x": order % a_row * w, "y": place["y"] + order // a_row * place["h"], "w": w, "h": place["h"]}
            yield panel | {"gridPos": grid}, {**values, panel["repeat"]: [value]}
        pushed += max(0, (len(several) - 1) // a_row) * place["h"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A way to ask one panel's questions."""

    connection: Connection
    page: str
    span: Range
    values: Values
    timescaledb: bool

    def of(self, panel: Json) -> list[Data]:
        """The answers to all its queries, reshaped."""
        made = []
        points = max(100, int(panel["gridPos"]["w"] * CELL_W))
        least_s = interval_s(panel["interval"]) if panel.get("interval") else 10
        span = Range.of(self.span.first, self.span.last, points, least_s)
        for target in panel.get("targets", ()):
            shape = target.get("format", "time_series")
            question = Question(self.page, panel["title"], panel["type"], target["rawSql"], shape, panel)
            answer = ask(self.connection, question, span, self.values, timescaledb=self.timescaledb)
            series = to_wide(answer.frame, answer.fill, span) if shape == "time_series" else None
            made.append(Data(target["refId"], answer.frame, series))
        return reshape(made, panel.get("transformations", []))


def _panel(sheet: Sheet, panel: Json, values: Values, asked: _Asked) -> None:
    g = panel["gridPos"]
    area = Area(GAP + g["x"] * CELL_W, TOP + g["y"] * CELL_H, g["w"] * CELL_W - GAP, g["h"] * CELL_H - GAP)
    own = replace(sheet, values=values)
    title = interpolate(str(panel.get("title", "")), values)
    if panel["type"] == "row":
        sheet.canvas.words(area.x + 4, area.y + 22, "▾ " + title, 16, sheet.colours.text, bold=True)
        return
    inside = draw.frame(own, panel, area, title)
    if panel["type"] == "text":
        draw.prose(own, panel, inside, interpolate(str(panel["options"].get("content", "")), values))
        return
    try:
        made = asked.of(panel)
    except (ProofError, psycopg.Error) as error:
        if asked.connection.closed:
            raise
        log.warning("preview_failed %s: %s", title, error, extra={"action": "preview_failed"})
        own.message(inside, f"error: {str(error).splitlines()[0]}")
        return
    DRAW.get(panel["type"], draw.plain)(own, panel, inside, made)


def _notes(
    connection: Connection, board: Json, span: Range, values: Values, *, timescaledb: bool
) -> tuple[tuple[Data, ...], tuple[str, ...]]:
    """The annotations of a page and their colours."""
    made = []
    for question in questions(board):
        if question.kind == "annotation":
            answer = ask(connection, question, span, values, timescaledb=timescaledb)
            made.append(Data("Anno", answer.frame))
    colours = [one["iconColor"] for one in board["annotations"]["list"] if "rawSql" in one.get("target", {})]
    return tuple(made), tuple(colours)


def _given(board: Json, look: Look) -> dict[str, str | Sequence[str]]:
    """Values from the command line, as each variable takes them."""
    known = {one["name"]: one for one in board["templating"]["list"]}
    if (unknown := set(look.chosen) - set(known)) and look.only:
        raise InputError(f"{board['uid']} has no variable {', '.join(sorted(unknown))}, try {', '.join(known)}")
    return {
        name: list(value) if known[name].get("multi") else value[0]
        for name, value in look.chosen.items()
        if name in known
    }


def _times(first: datetime, last: datetime, board: Json, values: Values) -> dict[str, str]:
    """What a link that keeps range and variables carries."""
    from urllib.parse import quote

    span = f"from={round(first.timestamp() * 1000)}&to={round(last.timestamp() * 1000)}"
    parts = []
    for one in board["templating"]["list"]:
        value: Any = values.get(one["name"], "")
        for each in [value] if isinstance(value, str) else value:
            parts.append(f"var-{one['name']}={quote(each, safe='')}")
    return dict(zip(ALL_TIMES, (span, "&".join(parts)), strict=True))


def _head(sheet: Sheet, board: Json, first: datetime, last: datetime) -> None:
    ink, canvas = sheet.colours, sheet.canvas
    canvas.words(GAP + 4, 26, board["title"], 20, ink.text, 900, bold=True)
    text = f"{MARK}  ·  {first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M} UTC"
    canvas.words(
        WIDTH - 12,
        26,
        text,
        15,
        "#D9822B",
        anchor="end",
        bold=True,
    )
    x = GAP + 4.0
    for variable in board["templating"]["list"]:
        if variable.get("hide") == 2 or variable["type"] in ("datasource", "constant"):
            continue
        value = sheet.values.get(variable["name"], "")
        several = [value] if isinstance(value, str) else list(value)
        everything = variable.get("includeAll") and len(several) > 3
        text = f"{variable.get('label') or variable['name']}: {'All' if everything else ' + '.join(several)}"
        canvas.words(x, 60, text, 14, ink.text, 420)
        x += min(420, width_of(text, 14)) + 28
    for link in board["links"]:
        canvas.words(x, 60, f"↗ {link['title']}", 14, ink.link, href=interpolate(link.get("url") or "", sheet.values))
        x += width_of(link["title"], 14) + 40
