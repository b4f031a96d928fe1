"""The pages' JSON: the bytes we shipped, where clicks lead, and what an operator could misread."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from city.words import languages
from dashboards.files import build, text
from dashboards.links import DOMAIN_PAGES, uid
from dashboards.pages import PAGES
from dashboards.palette import PALETTES, THEMES, Theme

GOLDEN = Path(__file__).with_name("golden")
CONSOLE = "https://lifeline.example.org"
OURS = ("wall", *DOMAIN_PAGES, "sensor", "incident")
FIGURES = ("statistics", "quality", "platform", "public")
REVIEWED = (("wall", "zh"), *((page, "en") for page in ("wall", "gas", "sensor", "incident", *FIGURES)))
BOARDS = {language: build(language, CONSOLE) for language in languages}
DRAWN = {"table", "geomap"}  # what has rows or markers to click


def of(page: str, language: str = "en") -> dict[str, Any]:
    return BOARDS[language][uid(page, language)]


def links(panel: dict[str, Any]) -> list[str]:
    """Every address a click on the panel's values or title may lead to."""
    values = panel["fieldConfig"]["defaults"]["links"] + [
        link
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "links"
        for link in one["value"]
    ]
    return [link["url"] for link in values + panel["links"]]


@pytest.mark.parametrize(("page", "language"), REVIEWED)
def test_a_page_is_the_one_that_was_reviewed(page: str, language: str) -> None:
    """Write the golden files anew with LIFELINE_TEST_GOLDEN=write, then read the difference."""
    board = of(page, language)
    path = GOLDEN / f"{board['uid']}.json"
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        path.write_text(text(board), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text(board)


@pytest.mark.parametrize("page", OURS)
def test_building_twice_gives_the_same_bytes(page: str) -> None:
    assert text(build("zh", CONSOLE)[uid(page, "zh")]) == text(of(page, "zh"))


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_show_the_same_panels_in_their_own_words(page: str) -> None:
    en, zh = (BOARDS[lang][page if lang == "en" else f"{page}-{lang}"] for lang in ("en", "zh"))
    assert [(p["id"], p["type"], p["gridPos"]) for p in en["panels"]] == [
        (p["id"], p["type"], p["gridPos"]) for p in zh["panels"]
    ]
    told = [p[part] for p in zh["panels"] for part in ("title", "description") if not p[part].startswith("${")]
    assert all(re.search("[\u4e00-\u9fff]", words) for words in told), told


def test_domain_pages_are_one_page() -> None:
    panels = [[(p["type"], p["gridPos"]) for p in of(domain)["panels"]] for domain in DOMAIN_PAGES]
    assert all(one == panels[0] for one in panels)
    asked = ["".join(t["rawSql"] for p in of(domain)["panels"] for t in p["targets"]) for domain in DOMAIN_PAGES]
    assert len(set(asked)) == len(DOMAIN_PAGES)
    assert all(f"'{domain}'" in sql for domain, sql in zip(DOMAIN_PAGES, asked, strict=True))


def test_the_wall_fits_one_screen() -> None:
    grids = [panel["gridPos"] for panel in of("wall")["panels"]]
    assert len(grids) <= 12
    assert max(g["y"] + g["h"] for g in grids) <= 24  # 24 rows of 38 pixels: 912 of 1080
    area = sum(g["w"] * g["h"] for g in grids)
    assert area == 24 * 24, "no hole on the wall"


@pytest.mark.parametrize("page", OURS)
def test_every_table_and_map_leads_to_the_console_where_one_can_act(page: str) -> None:
    for panel in of(page)["panels"]:
        if panel["type"] in DRAWN:
            assert any(url.startswith("${console:raw}/") for url in links(panel)), panel["title"]


@pytest.mark.parametrize("page", OURS)
@pytest.mark.parametrize("language", languages)
def test_a_link_to_a_page_of_ours_exists_and_carries_the_range(page: str, language: str) -> None:
    board = of(page, language)
    urls = [url for panel in board["panels"] for url in links(panel) if url.startswith("/d/")]
    assert urls
    for url in urls:
        target, _, query = url.removeprefix("/d/").partition("?")
        assert target in BOARDS[language], url
        assert "${__url_time_range}" in query
    for link in board["links"]:
        ours = link["url"].startswith("/d/")
        assert (link["keepTime"], link["includeVars"], link["targetBlank"]) == (ours, ours, not ours)
        assert link["url"].removeprefix("/d/") in BOARDS[language] if ours else link["url"].startswith(CONSOLE)


def test_from_the_wall_to_raw_readings_in_three_clicks() -> None:
    def reaches(page: str) -> set[str]:
        pages = {url.removeprefix("/d/").partition("?")[0] for p in of(page)["panels"] for url in links(p)}
        return {one.removeprefix("lifeline-") for one in pages if one in BOARDS["en"]}

    assert set(DOMAIN_PAGES) <= reaches("wall")  # one click on a domain's tile,
    assert all("sensor" in reaches(domain) for domain in DOMAIN_PAGES)  # a second on a sensor:
    assert any("city.readings r" in t["rawSql"] for p in of("sensor")["panels"] for t in p["targets"])  # its readings
    assert "sensor" in reaches("incident") & reaches("wall")


@pytest.mark.parametrize("page", OURS)
def test_without_tiles_nothing_asks_the_internet(page: str) -> None:
    for panel in (p for p in of(page)["panels"] if p["type"] == "geomap"):
        assert panel["options"]["basemap"]["config"]["url"].startswith("data:")
        sources = {layer["config"]["src"] for layer in panel["options"]["layers"] if layer["type"] == "geojson"}
        assert sources == {f"{CONSOLE}/districts.geojson"}
    tiles = "https://tiles.example.org/{z}/{x}/{y}.png"
    for panel in (p for p in build("en", CONSOLE, tiles)[uid(page, "en")]["panels"] if p["type"] == "geomap"):
        assert panel["options"]["basemap"]["config"]["url"] == tiles


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_is_one_of_the_theme(theme: Theme) -> None:
    for board in build("en", CONSOLE, theme=theme).values():
        written = json.dumps(board)
        assert '"@' not in written
        assert set(re.findall(r'"(#[0-9A-Fa-f]{6})"', written)) <= set(PALETTES[theme].colours.values())


@pytest.mark.parametrize("page", OURS)
def test_a_level_never_stands_without_its_word(page: str) -> None:
    for panel in of(page)["panels"]:
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["options"] == "level":
                mappings = next(p["value"] for p in override["properties"] if p["id"] == "mappings")
                words = {value: how["text"] for value, how in mappings[0]["options"].items()}
                assert {"-1", "0", "0.5", "1", "2", "3", "4"} <= set(words)
                assert len(set(words.values())) == len(words)


def test_silence_is_drawn_as_another_sign_than_a_level() -> None:
    for page in ("wall", *DOMAIN_PAGES):
        (drawn,) = (p for p in of(page)["panels"] if p["type"] == "geomap")
        symbols = [
            (layer["filterData"]["options"], layer["config"]["style"]["symbol"]["fixed"])
            for layer in drawn["options"]["layers"]
            if layer["type"] == "markers"
        ]
        assert len(set(symbols)) == len({symbol for _, symbol in symbols}) == 2


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ValueError, match="en, zh"):
        build("fr")
