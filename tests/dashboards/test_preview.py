"""Pages drawn without a Grafana: what stands where, in which words and colours, from real answers."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from typer.testing import CliRunner

from city.errors import InputError
from dashboards.pages import PAGES, pages
from dashboards.preview import Look, preview
from dashboards.preview.canvas import Area, Box, Canvas, Dot, Words, fitted, on, width_of
from dashboards.preview.canvas import Path as Line
from dashboards.preview.draw import THEMES, Sheet, stat, table
from dashboards.preview.fields import address, colour, column, number, written
from dashboards.preview.maps import geomap
from dashboards.preview.page import MARK, drawn, laid_out
from dashboards.preview.reshape import Data, reshape
from dashboards.preview.svg import html
from dashboards.preview.trends import state_timeline, time_series
from dashboards.proof import Frame, ProofError, Range, Wide
from lifeline.cli import app
from store.connection import connect

T0 = datetime(2026, 7, 1, 8, tzinfo=UTC)
SPAN = Range(T0, T0 + timedelta(hours=1))
CONSOLE = "https://lifeline.example.org"
LEVELS = {"mode": "absolute", "steps": [{"color": "#111111", "value": None}, {"color": "#EE0000", "value": 1}]}


def panel(kind: str, overrides: list[dict[str, Any]] | None = None, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    defaults = {"unit": "none", "color": {"mode": "thresholds"}, "thresholds": LEVELS, "mappings": [], "custom": {}}
    config = {"defaults": defaults | {"noValue": "nothing here"}, "overrides": overrides or []}
    return {"type": kind, "title": "T", "fieldConfig": config, "options": options}


def sheet() -> Sheet:
    return Sheet(Canvas(800, 400, "#000000"), THEMES["dark"], {"console": CONSOLE}, SPAN, {})


AREA = Area(0, 0, 800, 400)


def words(made: Sheet) -> list[str]:
    return [shape.text for shape in made.canvas.shapes if isinstance(shape, Words)]


def boxes(made: Sheet) -> list[Box]:
    return [shape for shape in made.canvas.shapes if isinstance(shape, Box)]


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (3.0, "none", None, "3"),
        (0.12345, "short", None, "0.123"),
        (67133.0, "short", None, "67.1 K"),
        (12.34, "percent", 1, "12.3%"),
        (0.5, "percentunit", 0, "50%"),
        (2.5, "s", 1, "2.5 s"),
        (90.0, "s", None, "1.5 min"),
        (3600.0, "s", 0, "1 hour"),
        (9000.0, "s", 1, "2.5 hours"),
        (2048.0, "bytes", None, "2 KiB"),
        (12.0, "suffix:mm/h", 0, "12 mm/h"),
        (9000.0, "dtdurations", 1, "2 hours, 30 minutes"),
        (0.0, "dtdurations", 0, "0 seconds"),
    ],
)
def test_numbers_are_written_with_their_unit(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert number(value, unit, decimals) == text


def test_overrides_apply_in_their_order_and_mappings_come_first() -> None:
    def rule(by: str, options: str, name: str, value: object) -> dict[str, Any]:
        return {"matcher": {"id": by, "options": options}, "properties": [{"id": name, "value": value}]}

    mapped = [{"type": "value", "options": {"4": {"text": "RED", "color": "#FF0000"}}}]
    drawn = panel(
        "table",
        [
            rule("byRegexp", "/^le/", "displayName", "first"),
            rule("byName", "level", "displayName", "Level"),
            rule("byName", "level", "mappings", mapped),
            rule("byFrameRefID", "B", "custom.hidden", value=True),
        ],
    )
    level = column(drawn, "level", "number")
    assert (level.shown, level.hidden, written(level, 4), colour(level, 4, "")) == ("Level", False, "RED", "#FF0000")
    assert (written(level, 1), colour(level, 1, ""), colour(level, 0, "")) == ("1", "#EE0000", "#111111")
    assert column(drawn, "other", "number", "B").hidden
    assert drawn["fieldConfig"]["defaults"]["custom"] == {}  # another panel's settings stay its own


def test_nothing_known_has_the_lowest_steps_colour_as_in_grafana() -> None:
    one = column(panel("stat"), "x", "number")
    assert (written(one, None), colour(one, None, "")) == ("nothing here", "#111111")


def test_links_carry_the_rows_fields_safely() -> None:
    url = "${console:raw}/incidents/${__data.fields.incident:percentencode}?${__url_time_range}"
    assert address(url, {"incident": "I/1 a"}, {"console": CONSOLE}, {"__url_time_range": "from=1&to=2"}) == (
        f"{CONSOLE}/incidents/I%2F1%20a?from=1&to=2"
    )


def test_a_stat_has_a_tile_for_each_number_in_its_colour() -> None:
    made, reduce = sheet(), {"values": False, "calcs": ["lastNotNull"], "fields": ""}
    data = Data("A", Frame({"red": "number", "name": "text", "blue": "number"}, [[1, "x", 0]]))
    stat(made, panel("stat", reduceOptions=reduce, colorMode="background_solid", orientation="vertical"), AREA, [data])
    assert [(box.fill, box.area.x) for box in boxes(made)] == [("#EE0000", 0), ("#111111", 403)]
    assert words(made) == ["red", "1", "blue", "0"]


def test_a_table_hides_fills_links_and_says_what_did_not_fit() -> None:
    made = sheet()
    rule = {"matcher": {"id": "byName", "options": "level"}}
    filled = rule | {"properties": [{"id": "custom.cellOptions", "value": {"type": "color-background"}}]}
    link = {"id": "links", "value": [{"title": "", "url": "${console:raw}/i/${__data.fields.id:percentencode}"}]}
    titled = {"matcher": {"id": "byName", "options": "title"}, "properties": [link]}
    hidden = {"matcher": {"id": "byName", "options": "id"}, "properties": [{"id": "custom.hidden", "value": True}]}
    rows = [[n % 2, "a <b> title", f"I{n}"] for n in range(30)]
    data = Data("A", Frame({"level": "number", "title": "text", "id": "text"}, rows))
    table(made, panel("table", [filled, titled, hidden]), AREA, [data])
    assert words(made)[:2] == ["level", "title"]
    assert "I0" not in words(made)
    assert {box.fill for box in boxes(made)} >= {"#111111", "#EE0000"}
    assert [w.href for w in made.canvas.shapes if isinstance(w, Words) and w.href][:2] == [
        f"{CONSOLE}/i/I0", f"{CONSOLE}/i/I1",
    ]  # fmt: skip
    assert words(made)[-1] == "… 20 more rows below (scroll)"


def test_a_panel_without_rows_says_so() -> None:
    for draw, kind in ((table, "table"), (time_series, "timeseries"), (state_timeline, "state-timeline")):
        made = sheet()
        draw(made, panel(kind, layers=[]), AREA, [])
        assert words(made) == ["nothing here"]


def test_lines_break_at_gaps_and_limits_come_from_the_database() -> None:
    made = sheet()
    at = [T0 + timedelta(minutes=n) for n in range(5)]
    wide: Wide = {"level": dict(zip(at, (1.0, 2.0, None, 3.0, 4.0), strict=True))}
    frame = Frame({"time": "time", "level": "number"}, [])
    limits = Data("B", Frame({"hi": "number", "hihi": "number"}, [[3.5, None]]))
    mappings = [{"fieldName": name, "handlerKey": f"threshold{n}"} for n, name in enumerate(("hi", "hihi"), 1)]
    step = {"id": "configFromData", "options": {"configRefId": "B", "mappings": mappings}}
    time_series(made, panel("timeseries"), AREA, reshape([Data("A", frame, wide), limits], [step]))
    lines = [shape for shape in made.canvas.shapes if isinstance(shape, Line) and not shape.fill]
    assert [len(line.points) for line in lines if line.stroke == "#EE0000"] == [2, 2]
    assert sum(line.dashed for line in lines) == 1


def test_a_transformation_it_does_not_know_is_an_error_not_a_lie() -> None:
    with pytest.raises(ProofError, match="fancyJoin"):
        reshape([], [{"id": "fancyJoin"}])


def test_equal_neighbours_of_a_timeline_are_one_piece() -> None:
    made = sheet()
    at = [T0 + timedelta(minutes=15 * n) for n in range(4)]
    wide: Wide = {"pump": dict(zip(at, (0.0, 0.0, 1.0, 1.0), strict=True))}
    data = Data("A", Frame({"time": "time", "metric": "text", "value": "number"}, []), wide)
    state_timeline(made, panel("state-timeline"), AREA, [data])
    quiet, loud = boxes(made)
    assert (quiet.fill, loud.fill) == ("#111111", "#EE0000")
    assert quiet.area.w == pytest.approx(loud.area.w)
    assert quiet.area.x + quiet.area.w == pytest.approx(loud.area.x)


def test_a_map_keeps_its_shape_north_up_and_marks_by_size() -> None:
    made = sheet()
    style = {"color": {"field": "level"}, "size": {"field": "size", "min": 5, "max": 15}}
    layer = {"type": "markers", "name": "m", "config": {"style": style}}
    columns = {"latitude": "number", "longitude": "number", "level": "number", "size": "number"}
    data = Data("A", Frame(columns, [[31.0, 121.0, 0, 0], [31.2, 121.2, 1, 4]]))  # type: ignore[arg-type]  # literals
    geomap(made, panel("geomap", layers=[layer]), AREA, [data])
    south, north = [shape for shape in made.canvas.shapes if isinstance(shape, Dot)]
    assert (south.radius, north.radius, north.fill) == (5, 15, "#EE0000")
    assert south.x < north.x
    assert south.y > north.y
    assert (south.y - north.y) / (north.x - south.x) == pytest.approx(1.168, abs=0.01)  # 1 / cos 31.1°


def test_districts_are_outlined_under_the_markers() -> None:
    ring = [[121.0, 31.0], [121.2, 31.0], [121.2, 31.2], [121.0, 31.0]]
    shape = {"type": "MultiPolygon", "coordinates": [[ring]]}
    outlined = {"features": [{"geometry": shape}, {"geometry": {"type": "Polygon", "coordinates": [ring]}}]}
    ground = {"type": "geojson", "config": {"src": f"{CONSOLE}/districts.geojson", "style": {}}}
    markers = {"type": "markers", "name": "m", "config": {"style": {"color": {}, "size": {"min": 5, "max": 9}}}}
    data = Data("A", Frame({"latitude": "number", "longitude": "number"}, [[31.0, 121.0], [31.2, 121.2]]))
    for outlines, lines, said in ((outlined, 2, []), (None, 0, ["outlines: /districts.geojson"])):
        made = replace(sheet(), outlines=outlines)
        geomap(made, panel("geomap", layers=[ground, markers]), AREA, [data])
        assert sum(isinstance(one, Line) for one in made.canvas.shapes) == lines
        assert words(made) == said
        assert isinstance(made.canvas.shapes[-1], Dot)


def test_a_repeated_panel_stands_once_for_each_value_and_pushes_what_follows() -> None:
    def one(number: int, y: int, **more: object) -> dict[str, Any]:
        return {"id": number, "gridPos": {"x": 0, "y": y, "w": 24, "h": 5}, **more}

    board = [one(1, 0, repeat="sensor", maxPerRow=2), one(2, 5)]
    placed = list(laid_out(board, {"sensor": ["a", "b", "c"]}))
    assert [(p["id"], p["gridPos"]["x"], p["gridPos"]["y"], p["gridPos"]["w"]) for p, _ in placed] == [
        (1, 0, 0, 12), (1, 12, 0, 12), (1, 0, 5, 12), (2, 0, 10, 24),
    ]  # fmt: skip
    assert [values["sensor"] for _, values in placed] == [["a"], ["b"], ["c"], ["a", "b", "c"]]


def test_text_is_cut_to_its_room_and_readable_on_its_ground() -> None:
    assert fitted("城市生命线", 10, 30) == "城市…"
    assert width_of(fitted("Alarms standing", 14, 60), 14) <= 60
    assert fitted("x", 14, 2) == ""
    assert (on("#E5C000"), on("#3A3D44")) == ("#000000", "#FFFFFF")


def test_nothing_of_a_name_becomes_markup() -> None:
    canvas = Canvas(100, 100, "#000000")
    canvas.add(Words(0, 0, "<script>'&\"", 12, "#FFFFFF", href='javascript:"x"'), Box(AREA, "#000000", tip="</title>"))
    made = html(canvas, "<b>", "en")
    assert "<script>" not in made
    assert "</title></title>" not in made
    etree.fromstring(made[made.index("<svg") : made.index("</svg>") + 6])


def page_of(*panels: dict[str, Any]) -> dict[str, Any]:
    made = [
        one | {"id": n, "gridPos": {"x": 0, "y": 5 * n, "w": 24, "h": 5}, "description": "d"}
        for n, one in enumerate(panels, 1)
    ]
    page = {"uid": "lifeline-x", "title": "X", "time": {"from": "now-1h"}, "panels": made, "links": []}
    return page | {"templating": {"list": []}, "annotations": {"list": []}}


def test_a_question_that_fails_is_told_on_its_own_panel(empty_city: str) -> None:
    def asking(kind: str, sql: str) -> dict[str, Any]:
        return panel(kind) | {"targets": [{"refId": "A", "format": "table", "rawSql": sql}]}

    board = page_of(
        asking("table", "SELECT nothing FROM city.nowhere"),
        asking("table", "SELECT $__timeFilter(to_timestamp(x))"),
        asking("piechart", "SELECT 7 AS slices"),
        panel("text", content="# Head\n- **one** of `${console}`"),
    )
    with connect(empty_city, autocommit=True) as connection:
        said = [shape.text for shape in drawn(connection, board, Look()).shapes if isinstance(shape, Words)]
    assert 'error: relation "city.nowhere" does not exist' in said
    assert any(text.startswith("error: ") and "timeFilter" in text for text in said)
    assert {"slices", "7", "piechart: shown as a table in this preview", "Head"} <= set(said)


def drawn_words(path: Path) -> str:
    made = path.read_text(encoding="utf-8")
    root = etree.fromstring(made[made.index("<svg") : made.index("</svg>") + 6])
    return "\n".join(one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_shows_every_panel_with_its_answers(
    seeded_city: str, tmp_path: Path, now: datetime, language: str
) -> None:
    made = preview(tmp_path, seeded_city, Look(language=language, last=now + timedelta(minutes=1), console_url=CONSOLE))
    boards = [board.json() for board in pages(language, CONSOLE)]
    assert [path.stem for path in made] == [board["uid"] for board in boards]
    assert len(made) == len(PAGES)
    for path, board in zip(made, boards, strict=True):
        said = drawn_words(path)
        assert MARK in said
        assert "error:" not in said, [line for line in said.splitlines() if "error:" in line]
        for one in board["panels"]:
            if not one.get("repeat") and "$" not in one["title"]:
                assert fitted(one["title"], 14, one["gridPos"]["w"] * 79 - 48)[:10] in said, one["title"]
        assert "http" not in re.sub(
            r"http://www\.w3\.org/2000/svg|https://lifeline\.example\.org", "", path.read_text()
        )


def test_the_wall_tells_the_seeded_city(seeded_city: str, tmp_path: Path, now: datetime) -> None:
    [page] = preview(tmp_path, seeded_city, Look(only=["lifeline-wall"], last=now, console_url=CONSOLE))
    text = page.read_text(encoding="utf-8")
    assert f"{CONSOLE}/incidents/I-2" in text
    assert "EXERCISE" in text
    assert "North underpass" in text
    [other] = preview(
        tmp_path, seeded_city, Look(only=["lifeline-wall"], last=now, chosen={"district": ["so'uth"]}, theme="light")
    )
    south = other.read_text(encoding="utf-8")
    assert "North underpass" not in drawn_words(other)
    assert THEMES["light"].panel in south


def test_a_picture_is_one_screen_and_not_blank(seeded_city: str, tmp_path: Path, now: datetime) -> None:
    page, picture = preview(tmp_path, seeded_city, Look(language="zh", only=["lifeline-wall-zh"], last=now, png=True))
    raw = picture.read_bytes()
    assert struct.unpack(">II", raw[16:24]) == (1920, 1080)
    assert len(raw) > 40_000
    assert page.stem == picture.stem


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (Look(only=["lifeline-none"]), "no page lifeline-none, try lifeline-wall"),
        (Look(only=["lifeline-wall"], chosen={"street": ["x"]}), "has no variable street"),
        (Look(first=T0, last=T0), "the span ends before it begins"),
    ],
)
def test_what_cannot_be_drawn_is_said(empty_city: str, tmp_path: Path, look: Look, said: str) -> None:
    with pytest.raises(InputError, match=said):
        preview(tmp_path, empty_city, look)


def test_the_command_draws_one_page(seeded_city: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELINE_DATA", str(tmp_path / "data"))
    asked = ["dashboards", "preview", str(tmp_path), "--database-url", seeded_city, "--page", "lifeline-wall"]
    done = CliRunner().invoke(app, [*asked, "--from", "2026-07-01T00:00:00Z", "--to", "2026-07-02T00:00:00Z"])
    assert (done.exit_code, done.output.split()) == (0, [str(tmp_path / "lifeline-wall.html")])
    assert "2026-07-01 00:00 – 2026-07-02 00:00 UTC" in (tmp_path / "lifeline-wall.html").read_text(encoding="utf-8")
    wrong = CliRunner().invoke(app, [*asked, "--var", "district"])
    assert isinstance(wrong.exception, InputError) or wrong.exit_code == 1
