"""Units, mappings, colours, transformations and links of every page, as Grafana's own library reads them."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from city.clock import to_us
from dashboards.builder import Json
from dashboards.pages import all_dashboards
from dashboards.proof import Answer, Question, Range, ask, choose, questions, to_wide
from store.connection import connect
from store.testing import drop_database, fresh_database
from tests.dashboards import grafana_node
from tests.dashboards.proofcity import NOW, storm

pytestmark = pytest.mark.skipif(bool(grafana_node.MISSING), reason=grafana_node.MISSING or "it is here")

CONSOLE = "https://lifeline.example.org"
BOARDS = all_dashboards(CONSOLE)
# Pages of the console, where one can act.
CONSOLE_PAGES = re.compile(
    r"/|/(incidents|sensors|gateways|sites)/[^/]+|/(incidents|sensors|gateways|statistics|shelves|maintenance|rosters|"
    r"rejections|floods|health|drills|notices)"
)
GRAFANA_KINDS = {"text": "string"}
ROWS = 500


@pytest.fixture(scope="module")
def found(postgres_dsn: str) -> dict[str, Any]:
    """What the library says of every page with the rows of a city in a storm."""
    dsn = fresh_database(postgres_dsn)
    span = Range(NOW - timedelta(hours=6), NOW)
    frames: dict[str, dict[str, list[Json]]] = {}
    with connect(dsn, autocommit=True) as conn:
        storm(conn, days=1, rolled=False)
        for uid, board in BOARDS.items():
            values = choose(conn, board, span)
            for question in (one for one in questions(board) if one.panel is not None):
                assert question.panel is not None  # by the line above
                answer = ask(conn, question, question.within(span.first, span.last), values)
                frames.setdefault(uid, {}).setdefault(str(question.panel["id"]), []).append(
                    as_grafana(question, answer)
                )
    drop_database(dsn)
    return grafana_node.check(boards=BOARDS, frames=frames, values=single_values(), spans=spans())


def single_values() -> dict[str, str]:
    """One value for every variable of every page, none of them harmless in an address."""
    names = {variable["name"] for board in BOARDS.values() for variable in board["templating"]["list"]}
    return dict.fromkeys(names, "a b&c/d") | {"console": CONSOLE}


def as_grafana(question: Question, answer: Answer) -> Json:
    """A frame as the library takes it: the first rows, times in ms, series side by side."""
    made = answer.frame
    if question.format == "time_series":
        wide = to_wide(made, answer.fill)
        times = sorted({at for series in wide.values() for at in series})
        columns: list[tuple[str, str, list[Any]]] = [("time", "time", list(times))]
        columns += [(name, "number", [series.get(at) for at in times]) for name, series in wide.items()]
    else:
        columns = [(name, kind, made.column(name)) for name, kind in made.kinds.items()]
    return {
        "fields": [
            {"name": name, "type": GRAFANA_KINDS.get(kind, kind), "values": [plain(value) for value in values[:ROWS]]}
            for name, kind, values in columns
        ]
    }


def plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return to_us(value) // 1000
    return value if value is None or isinstance(value, (bool, int, float, str)) else float(str(value))


def spans() -> list[list[Any]]:
    """Ranges, widths of panels and least intervals; the last as the library takes it."""
    first = datetime(2026, 7, 1, tzinfo=UTC)
    return [
        [to_us(first) // 1000, to_us(first + timedelta(seconds=seconds)) // 1000, points, f"{least}s"]
        for seconds in (1, 60, 300, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400, 400 * 86_400)
        for points in (1, 7, 160, 480, 1000, 1920)
        for least in (1, 10, 60)
    ]


def test_units_mappings_colours_and_values_are_what_pages_mean(found: dict[str, Any]) -> None:
    assert found["units"] > 250
    assert found["faults"] == []
    assert len(found["shown"]) > 20


def test_every_link_leads_to_a_page_there_is_with_its_value_whole(found: dict[str, Any]) -> None:
    assert found["links"]
    for where, href, title in found["links"]:
        assert "${" not in href + title, f"{where}: {href}"
        leads_somewhere(where, href)


@pytest.mark.parametrize("uid", BOARDS)
def test_links_at_the_top_of_a_page_lead_somewhere(uid: str) -> None:
    for link in BOARDS[uid]["links"]:
        if link["type"] == "link":
            leads_somewhere(uid, link["url"].replace("${console:raw}", CONSOLE))


def leads_somewhere(where: str, href: str) -> None:
    """To a page of ours with variables it has, or to a page of the console."""
    parts = urlsplit(href)
    if href.startswith(CONSOLE):
        assert CONSOLE_PAGES.fullmatch(parts.path or "/"), f"{where}: {href}"
        return
    page = re.fullmatch(r"(?:/grafana)?/d/([^/]+)(?:/.*)?", parts.path)
    assert page, f"{where}: {href}"
    assert page[1] in BOARDS, f"{where}: {href}"
    variables = {f"var-{variable['name']}" for variable in BOARDS[page[1]]["templating"]["list"]}
    assert {name for name in parse_qs(parts.query) if name.startswith("var-")} <= variables | {
        f"var-{name}" for name in single_values()
    }


def test_our_intervals_are_the_browsers(found: dict[str, Any]) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    ours = [
        Range.of(
            epoch + timedelta(milliseconds=a), epoch + timedelta(milliseconds=b), points, int(least[:-1])
        ).interval_s
        for a, b, points, least in spans()
    ]
    assert [interval_s * 1000 for interval_s in ours] == found["intervals"]


def test_what_grafana_does_not_know_is_found() -> None:
    board = copy.deepcopy(BOARDS["lifeline-wall"])
    stat = next(panel for panel in board["panels"] if panel["type"] == "stat")
    stat["fieldConfig"]["defaults"]["unit"] = "mmh"
    stat["options"]["reduceOptions"]["calcs"] = ["newest"]
    stat["transformations"] = [{"id": "sortBi", "options": {}}]
    stat["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": "red"}, "properties": [{"id": "unti", "value": "s"}]}
    ]
    frames = {"w": {str(stat["id"]): [{"fields": [{"name": "red", "type": "number", "values": [1]}]}]}}
    wrong = grafana_node.check(boards={"w": board | {"panels": [stat]}}, frames=frames, values={}, spans=[])["faults"]
    assert [fault.rpartition(": ")[2] for fault in wrong] == [
        "no transformation sortBi", "no reducer newest", "no unit mmh", "no property unti",
    ]  # fmt: skip
