"""Every rule of the lint finds what it is there for, and nothing on the pages that ship."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from dashboards.builder import Json
from dashboards.lint import RULES, lint
from dashboards.pages import all_dashboards
from dashboards.palette import THEMES, Theme

CONSOLE = "https://lifeline.example.org"
Spoil = Callable[[Json], object]


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_is_wrong_with_the_pages_that_ship(theme: Theme) -> None:
    assert [str(one) for one in lint(all_dashboards(CONSOLE, theme=theme), theme)] == []


def test_a_page_of_the_other_theme_has_the_wrong_colours() -> None:
    found = lint(all_dashboards(CONSOLE, theme="light"), "dark")
    assert {one.rule for one in found} == {"colours"}


def sql(text: str, shape: str = "table") -> Spoil:
    """Let the first panel ask something else."""
    return lambda page: page["panels"][0]["targets"][0].update(rawSql=text, format=shape)


def first(**parts: object) -> Spoil:
    """Change parts of the first panel."""
    return lambda page: page["panels"][0].update(parts)


def defaults(**parts: object) -> Spoil:
    """Change how the first panel's values are written."""
    return lambda page: page["panels"][0]["fieldConfig"]["defaults"].update(parts)


def override(name: str, value: object) -> Spoil:
    """Give a column of the first panel a property."""
    one = {"matcher": {"id": "byName", "options": "x"}, "properties": [{"id": name, "value": value}]}
    return lambda page: page["panels"][0]["fieldConfig"]["overrides"].append(one)


def whole(**parts: object) -> Spoil:
    """Change parts of the page."""
    return lambda page: page.update(parts)


def variable(**parts: object) -> Spoil:
    """Change the drop-down."""
    return lambda page: page["templating"]["list"][-1].update(parts)


def place(x: int, y: int, w: int, h: int) -> Spoil:
    """Put the first panel somewhere else."""
    return first(gridPos={"x": x, "y": y, "w": w, "h": h})


def link(url: str, title: str = "there") -> Spoil:
    """Let the first panel lead somewhere."""
    return first(links=[{"title": title, "url": url, "targetBlank": True}])


def page_link(url: str, title: str = "there", *, kept: bool = True) -> Spoil:
    """Let the page lead somewhere."""
    return whole(links=[{"type": "link", "title": title, "url": url, "keepTime": kept, "includeVars": kept}])


def more_panels(page: Json) -> None:
    """Thirteen panels, side by side."""
    for number in range(12):
        page["panels"].append(deepcopy(page["panels"][0]) | {"id": 10 + number, "gridPos": row(number)})


def row(number: int) -> Json:
    """A place below all others."""
    return {"x": 0, "y": 10 + number, "w": 24, "h": 1}


def public(page: Json) -> None:
    """Call the page public without making it so."""
    page["tags"] = [*page["tags"], "public"]


def named_source(page: Json) -> None:
    """A target with a data source of its own."""
    page["panels"][0]["targets"][0]["datasource"] = {"type": "postgres", "uid": "P1234"}


def again(page: Json) -> None:
    """The same panel twice, beside each other."""
    page["panels"].append(deepcopy(page["panels"][0]) | {"gridPos": row(0)})


def two_queries(page: Json) -> None:
    """Two questions of one name."""
    page["panels"][0]["targets"].append(deepcopy(page["panels"][0]["targets"][0]))


def state_timeline(color: str = "thresholds", **custom: object) -> Spoil:
    """Draw states."""
    given = {"defaults": {"color": {"mode": color}, "custom": custom}, "overrides": []}
    return first(type="state-timeline", fieldConfig=given)


def geomap(basemap: str = "xyz", location: str = "coords", shape: str = "table") -> Spoil:
    """Draw a map."""

    def spoil(page: Json) -> None:
        where = {"mode": location, "latitude": "latitude", "longitude": "longitude"}
        options = {"basemap": {"type": basemap}, "layers": [{"type": "markers", "location": where}]}
        page["panels"][0].update(type="geomap", options=options)
        page["panels"][0]["targets"][0].update(format=shape, rawSql='SELECT now AS "time" FROM city.x ORDER BY 1')

    return spoil


def many(*spoils: Spoil) -> Spoil:
    """One after the other."""
    return lambda page: [spoil(page) for spoil in spoils]


ASKED = "SELECT count(*) AS n FROM city.alarms WHERE district = ANY(ARRAY[${district:sqlstring}]::text[])"
NUMBERS = {"mode": "absolute", "steps": [{"color": "#3A3D44", "value": None}, {"color": "#3A3D44", "value": 5}]}
FALLING = {"mode": "absolute", "steps": [*NUMBERS["steps"], {"color": "#3A3D44", "value": 2}]}

# rule -> ways to break it
BROKEN: dict[str, list[Spoil]] = {
    "uid": [whole(uid="the wall"), whole(uid="x" * 41), whole(uid="lifeline-other")],
    "page-whole": [
        whole(schemaVersion=41), whole(id=7), whole(version=3), whole(title=""), whole(description=""),
        whole(tags=["en"]),
    ],
    "uneditable": [whole(editable=True), lambda page: page.pop("editable")],
    "refresh": [whole(refresh="1s"), whole(refresh=""), lambda page: page.pop("refresh")],
    "panel-ids": [again, first(id=0), first(id="1")],
    "grid": [place(20, 0, 6, 4), place(-1, 0, 4, 4), place(0, 0, 0, 4), many(again, place(0, 10, 24, 4))],
    "one-screen": [many(whole(tags=["lifeline", "en", "level-1"]), more_panels),
                   many(whole(tags=["lifeline", "en", "level-1"]), place(0, 20, 4, 5))],
    "data-source": [named_source, public, lambda page: page["templating"]["list"].pop(0)],
    "variables": [
        variable(query={"rawSql": "SELECT 1"}), variable(refresh=1), variable(label=""), variable(multi=False),
        variable(allValue="'x'"),
    ],
    "page-links": [
        page_link("/d/elsewhere"), page_link("/d/lifeline-page", kept=False), page_link("/d/lifeline-page", title=""),
        page_link("nowhere"),
    ],
    "colours": [
        override("color", {"mode": "fixed", "fixedColor": "red"}), override("color", {"mode": "palette-classic"}),
        defaults(color={"mode": "continuous-GrYlRd"}), override("color", {"mode": "fixed", "fixedColor": "#123456"}),
    ],
    "language": [
        whole(title="总览"), first(description="说明"), override("displayName", "水位"), override("unit", "suffix: 条"),
        lambda page: page.update(tags=["lifeline", "zh"]),
        override("mappings", [{"type": "value", "options": {"1": {"text": "红色", "index": 0}}}]),
    ],
    "languages": [whole(uid="lifeline-page-fr", tags=["lifeline", "zh"])],
    "words": [first(title=""), first(description=" ")],
    "queries": [first(targets=[]), two_queries],
    "units": [defaults(unit="mmh"), override("unit", "metres")],
    "transformations": [
        first(transformations=[{"id": "filterFields", "options": {}}]),
        first(transformations=[{"id": "configFromData", "options": {"configRefId": "B"}}]),
    ],
    "min-interval": [sql("SELECT $__timeGroupAlias(at, $__interval), 1 AS v FROM city.x ORDER BY 1", "time_series")],
    "display-name": [many(defaults(displayName="x"), first(options={"reduceOptions": {"fields": "/x/"}}))],
    "state-colours": [state_timeline("fixed"), state_timeline(spanNulls=True)],
    "transparent": [first(options={"layers": [{"config": {"style": {"color": {"fixed": "transparent"}}}}]})],
    "thresholds": [
        override("thresholds", {"steps": [{"color": "#3A3D44", "value": None}, {"color": "#3A3D44", "value": -1}]}),
        defaults(thresholds=FALLING), override("thresholds", {"steps": [{"color": "#3A3D44", "value": 0}]}),
    ],
    "mappings": [
        defaults(mappings=[{"type": "value", "options": {"1": {"color": "#E02F44", "index": 0}}}]),
        override("mappings", [{"type": "value", "options": {"1": {"text": " "}}}]),
    ],
    "links": [
        link("/d/elsewhere?${__url_time_range}"), link("/d/lifeline-page"), link("${console:raw}/nothing/1"),
        link("https://example.org"), link("${console:raw}/sensors/${__data.fields.sensor}"),
        link("${console:raw}/health", title=""), override("links", [{"title": "x", "url": "/d/elsewhere"}]),
        many(link("${console:raw}/health"), lambda page: page["templating"]["list"].pop(1)),
    ],
    "repeat": [first(repeat="nobody"), first(repeat="console")],
    "map": [geomap(basemap="default"), geomap(location="auto"), geomap(shape="time_series")],
    "quiet": [first(options={"colorMode": "background"}), first(type="gauge")],
    "sql-variables": [
        sql("SELECT $district"), sql("SELECT ${district}"), sql("SELECT ${district:singlequote}"),
        sql("SELECT ${other:sqlstring}"), sql("SELECT [[district]]"),
    ],
    "sql-choice": [sql("SELECT 1 WHERE 'x' IN (${district:sqlstring})"), sql("SELECT ARRAY[${district:sqlstring}]")],
    "sql-macros": [
        sql("SELECT 1 WHERE $__timeFilter(to_timestamp(x))"), sql("SELECT 1 WHERE $__timeBetween(x)"),
        sql("SELECT $__timeFrom()"),
    ],
    "sql-order": [
        sql("SELECT at AS time, 1 AS v FROM city.x", "time_series"),
        sql("SELECT at AS time, 1 AS v FROM city.x ORDER BY 2", "time_series"),
        sql("WITH a AS (SELECT 1 ORDER BY 1) SELECT at AS time, 1 AS v FROM a", "time_series"),
        sql("SELECT at, 1 AS v FROM city.x ORDER BY 1", "time_series"),
    ],
    "sql-interval": [
        sql("SELECT city.now() - opened_at AS age FROM city.incidents"),
        sql("SELECT age(opened_at) FROM city.incidents"),
        sql("SELECT 3 * interval '1 second' AS x"), sql("SELECT x::interval FROM city.x"),
        sql("SELECT make_interval(secs => 3) AS x"),
    ],
    "sql-views": [sql("SELECT * FROM lifeline.alarms"), sql("SELECT now() AS x"), sql("SELECT CURRENT_TIMESTAMP AS x")],
    "sql-one": [sql("SELECT 1 -- one"), sql("SELECT /* one */ 1"), sql("SELECT 1; SELECT 2"),
                sql("DELETE FROM city.x")],
}  # fmt: skip


def page(uid: str = "lifeline-page", language: str = "en") -> Json:
    """A page that nothing is wrong with."""
    source = {"type": "grafana-postgresql-datasource", "uid": "${datasource}"}
    words = {"en": ("Page", "What it shows", "Panel"), "zh": ("页面", "说明", "面板")}[language]
    field = {"unit": "short", "color": {"mode": "thresholds"}, "thresholds": NUMBERS, "mappings": [], "custom": {}}
    target = {"refId": "A", "format": "table", "datasource": source}
    panel = {
        "id": 1,
        "type": "stat",
        "title": words[2],
        "description": words[1],
        "gridPos": {"x": 0, "y": 0, "w": 24, "h": 4},
        "datasource": source,
        "targets": [target | {"rawSql": ASKED}],
        "fieldConfig": {"defaults": field, "overrides": []},
        "options": {"colorMode": "background_solid"},
        "links": [{"title": words[0], "url": "${console:raw}/sensors/${__data.fields.s:percentencode}?lang=en"}],
    }
    variables = [
        {"type": "datasource", "name": "datasource", "label": "Lifeline", "query": source["type"]},
        {"type": "constant", "name": "console", "query": CONSOLE},
        {
            "type": "query",
            "name": "district",
            "label": words[0],
            "query": "SELECT district AS __text, district AS __value FROM city.sites ORDER BY 1",
            "refresh": 2,
            "multi": True,
            "includeAll": True,
        },
    ]
    return {
        "uid": uid,
        "title": words[0],
        "description": words[1],
        "tags": ["lifeline", "level-2", language],
        "schemaVersion": 42,
        "editable": False,
        "refresh": "1m",
        "templating": {"list": variables},
        "annotations": {"list": []},
        "links": [
            {"type": "link", "title": words[0], "url": "/d/lifeline-page", "keepTime": True, "includeVars": True}
        ],
        "panels": [panel],
    }


def shipped() -> dict[str, Json]:
    """The page in both languages."""
    return {"lifeline-page": page(), "lifeline-page-zh": page("lifeline-page-zh", "zh")}


def test_nothing_is_wrong_with_the_page_that_the_examples_break() -> None:
    assert lint(shipped()) == []


def examples() -> Iterator[Any]:
    """Each way to break a rule."""
    for rule, spoils in BROKEN.items():
        yield from (pytest.param(rule, spoil, id=f"{rule}-{place}") for place, spoil in enumerate(spoils, start=1))


@pytest.mark.parametrize(("rule", "spoil"), list(examples()))
def test_each_rule_finds_what_breaks_it(rule: str, spoil: Spoil) -> None:
    boards = shipped()
    spoil(boards["lifeline-page"])
    found = lint(boards)
    assert rule in {one.rule for one in found}, [str(one) for one in found]
    assert all(str(one).startswith(f"{one.page}: ") and one.said for one in found)


def test_every_rule_has_an_example() -> None:
    assert set(BROKEN) == set(RULES)


def test_a_page_must_stand_in_every_language_with_the_same_panels() -> None:
    alone = {"lifeline-page": page()}
    assert {one.said for one in lint(alone)} == {"is not there in zh"}
    moved = shipped()
    moved["lifeline-page-zh"]["panels"][0]["gridPos"]["h"] = 5
    assert {one.said for one in lint(moved)} == {"asks or places other panels in zh"}


def test_a_page_for_strangers_has_no_variable_and_names_its_source() -> None:
    boards = all_dashboards(CONSOLE)
    board = boards["lifeline-public"]
    assert board["templating"]["list"] == []
    assert {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]} == {"lifeline"}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT extract(epoch FROM city.now() - opened_at)::float8 AS age FROM city.incidents",
        "SELECT 1 AS n FROM city.alarms WHERE raised_at > city.now() - interval '1 day'",
        "WITH step AS (SELECT 3 * interval '1 second' AS width) SELECT count(*) AS n FROM step",
        "SELECT at - lag(at) OVER () <= interval '60 seconds' AS soon FROM city.x",
        "SELECT 'it''s $5; -- not a comment, lifeline.alarms' AS said",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    boards = shipped()
    sql(text)(boards["lifeline-page"])
    assert lint(boards) == []
