"""The wall's JSON: the bytes we shipped, and the mistakes no schema finds."""

from __future__ import annotations

import json
import os
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from city.words import languages
from dashboards.files import build, text

GOLDEN = Path(__file__).with_name("golden")
UNITS = {"none", "short", "s", "dtdurations"}  # those in use, each known to Grafana
WALLS = {language: next(iter(build(language, "https://lifeline.example.org").values())) for language in languages}


@pytest.fixture(params=languages)
def wall(request: pytest.FixtureRequest) -> dict[str, Any]:
    return WALLS[request.param]


def queries(wall: dict[str, Any]) -> list[str]:
    return [t["rawSql"] for p in wall["panels"] for t in p["targets"]] + [
        v["query"] for v in wall["templating"]["list"] if v["type"] == "query"
    ]


def test_the_wall_is_the_one_that_was_reviewed(wall: dict[str, Any]) -> None:
    """Write the golden files anew with LIFELINE_TEST_GOLDEN=write, then read the difference."""
    path = GOLDEN / f"{wall['uid']}.json"
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        path.write_text(text(wall), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text(wall)


def test_building_twice_gives_the_same_bytes() -> None:
    assert text(build("zh")["lifeline-wall-zh"]) == text(build("zh")["lifeline-wall-zh"])


def test_both_languages_ask_and_show_the_same_panels() -> None:
    en, zh = ([(p["id"], p["type"], p["gridPos"]) for p in WALLS[lang]["panels"]] for lang in ("en", "zh"))
    assert en == zh
    assert WALLS["en"]["uid"] != WALLS["zh"]["uid"]


def test_the_chinese_wall_is_chinese() -> None:
    names = [o for p in WALLS["zh"]["panels"] for o in (p["title"], p["description"])]
    assert all(re.search("[\u4e00-\u9fff]", name) for name in names)


def test_panels_fit_one_screen_without_overlap(wall: dict[str, Any]) -> None:
    grids = [panel["gridPos"] for panel in wall["panels"]]
    assert len(grids) <= 12
    assert all(g["x"] >= 0 and g["x"] + g["w"] <= 24 and g["y"] + g["h"] <= 24 for g in grids)  # 24 rows: 912 px
    for a, b in combinations(grids, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


def test_ids_are_unique_and_every_panel_explains_itself(wall: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in wall["panels"]]
    assert len(set(ids)) == len(ids)
    assert re.fullmatch("[A-Za-z0-9_-]{1,40}", wall["uid"])
    assert "id" not in wall
    assert wall["schemaVersion"] == 42
    assert not wall["editable"]
    for panel in wall["panels"]:
        assert all(panel[part] for part in ("title", "description", "targets"))
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_query_takes_its_source_from_the_variable(wall: dict[str, Any]) -> None:
    sources = [p["datasource"] for p in wall["panels"]] + [
        t["datasource"] for p in wall["panels"] for t in p["targets"]
    ]
    assert {source["uid"] for source in sources} == {"${datasource}"}


def test_queries_read_public_views_only_and_quote_variables_safely(wall: dict[str, Any]) -> None:
    for sql in queries(wall):
        assert "lifeline." not in sql
        assert "--" not in sql  # older versions expand macros inside comments too
        assert all(spelled.endswith(":sqlstring}") for spelled in re.findall(r"\$\{[^}]*\}", sql))
        assert not re.search(r"\$(?!__|\{)", sql)
        assert not re.search(r"\$__\w+\([^)]*\(", sql)
        assert not re.search(r"(?<!city\.)\bnow\(\)", sql)


def test_units_exist_and_traps_are_avoided(wall: dict[str, Any]) -> None:
    for panel in wall["panels"]:
        defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
        units = {p["value"] for o in overrides for p in o["properties"] if p["id"] == "unit"} | {defaults["unit"]}
        assert units <= UNITS
        assert "displayName" not in defaults  # reduceOptions.fields would match nothing
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None
        assert [s["value"] for s in steps[1:]] == sorted(s["value"] for s in steps[1:])
        assert "transparent" not in json.dumps(panel["options"])  # painted black on a map
    for panel in (p for p in wall["panels"] if p["type"] == "state-timeline"):
        assert panel["fieldConfig"]["defaults"]["color"]["mode"] == "thresholds"
    for target in (t for p in wall["panels"] for t in p["targets"] if t["format"] == "time_series"):
        assert "ORDER BY 1" in target["rawSql"]


def test_links_lead_to_the_operations_page(wall: dict[str, Any]) -> None:
    written = json.dumps(wall)
    assert wall["links"][-1]["url"].startswith("https://lifeline.example.org/?lang=")
    assert "${console:raw}/incidents/${__data.fields.incident:percentencode}" in written
    assert "${console:raw}/sensors/${__data.fields.sensor:percentencode}" in written
    assert "${console:raw}/gateways" in written
    constants = {v["name"]: v["query"] for v in wall["templating"]["list"] if v["type"] == "constant"}
    assert constants == {"console": "https://lifeline.example.org"}


def test_nothing_on_the_wall_asks_the_internet(wall: dict[str, Any]) -> None:
    ground = next(p for p in wall["panels"] if p["type"] == "geomap")["options"]["basemap"]
    assert ground["config"]["url"].startswith("data:")
    tiled = build("en", tiles="https://tiles.example.org/{z}/{x}/{y}.png")["lifeline-wall"]
    ground = next(p for p in tiled["panels"] if p["type"] == "geomap")["options"]["basemap"]
    assert ground["config"]["url"] == "https://tiles.example.org/{z}/{x}/{y}.png"


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ValueError, match="en, zh"):
        build("fr")
