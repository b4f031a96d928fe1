"""Rules of a page as a whole, and of all pages together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, cast
from urllib.parse import urlsplit

from city.words import languages
from dashboards.builder import POSTGRES, SOURCE_UID, Json
from dashboards.builder.board import SCHEMA_VERSION
from dashboards.lint.known import COLOUR_NAMES, CONSOLE_PAGES
from dashboards.palette import PALETTES, Theme

Said = Iterator[tuple[str, str]]  # where, what is wrong
COLUMNS = 24
WALL_PANELS, WALL_ROWS = 12, 24  # 24 rows of 38 pixels: one screen of 1080 without Grafana's own bars
REFRESH = ("5s", "10s", "30s", "1m", "5m")
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_HEX = re.compile(r"#[0-9A-Fa-f]{3,8}")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_LATIN = re.compile("[A-Za-z]{2,}")
_NAMES = re.compile(r"\b(?:Lifeline|Grafana|ISA-18\.2|EEMUA|All|CAP|CSV|ID|PNG|GeoJSON|RSSI|min|cm|mm)\b|\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Page:
    """One page, the uids of all that are shipped with it, and the theme it was made for."""

    board: Json
    uids: frozenset[str]
    theme: Theme = "dark"

    @property
    def variables(self) -> dict[str, Json]:
        """Its variables by name."""
        return {variable["name"]: variable for variable in self.board["templating"]["list"]}

    @property
    def public(self) -> bool:
        """Whether it is for people without an account: Grafana fills in no variables for them."""
        return "public" in self.board["tags"]


def flat(board: Json) -> Iterator[Json]:
    """Every panel, those inside folded rows too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def walk(made: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf of JSON with its path."""
    if isinstance(made, dict):
        for key, value in made.items():
            yield from walk(value, f"{path}.{key}" if path else str(key))
    elif isinstance(made, list):
        for place, value in enumerate(made):
            yield from walk(value, f"{path}[{place}]")
    else:
        yield path, made


def _uid(page: Page) -> Said:
    uid = page.board.get("uid", "")
    if not _UID.fullmatch(uid):
        yield "page", f"uid has 1 to 40 letters, digits, _ and -, got {uid!r}"
    if uid not in page.uids:
        yield "page", f"shipped under another uid than its own, {uid!r}"


def _whole(page: Page) -> Said:
    board = page.board
    if board.get("schemaVersion") != SCHEMA_VERSION:
        yield "page", f"schemaVersion is {SCHEMA_VERSION}, got {board.get('schemaVersion')!r}"
    if owned := {"id", "version", "iteration"} & set(board):
        yield "page", f"belongs to the server that takes it: {', '.join(sorted(owned))}"
    yield from (("page", f"has no {part}") for part in ("title", "description") if not board.get(part))
    if "lifeline" not in board["tags"] or not set(languages) & set(board["tags"]):
        yield "page", "is tagged neither with our tag nor with its language"


def _uneditable(page: Page) -> Said:
    if page.board.get("editable") is not False:
        yield "page", "people's edits would be lost with the next push: editable must be false"


def _refresh(page: Page) -> Said:
    if page.board.get("refresh") not in REFRESH:
        yield "page", f"refresh is one of {', '.join(REFRESH)}, got {page.board.get('refresh')!r}"


def _ids(page: Page) -> Said:
    ids = [panel.get("id") for panel in flat(page.board)]
    if twice := sorted({str(one) for one in ids if ids.count(one) > 1}):
        yield "page", f"panels share an id: {', '.join(twice)}"
    if any(not isinstance(one, int) or one < 1 for one in ids):
        yield "page", "a panel's id is a whole number from 1 on"


def _grid(page: Page) -> Said:
    places = [(f"panel {panel.get('id')}", panel["gridPos"]) for panel in page.board["panels"]]
    for where, grid in places:
        if grid["x"] < 0 or grid["y"] < 0 or grid["w"] < 1 or grid["h"] < 1 or grid["x"] + grid["w"] > COLUMNS:
            yield where, f"does not lie within {COLUMNS} columns: {grid}"
    for (where, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        if not beside and a["y"] + a["h"] > b["y"] and b["y"] + b["h"] > a["y"]:
            yield where, f"lies over {other}"


def _one_screen(page: Page) -> Said:
    if "level-1" not in page.board["tags"]:
        return
    panels = list(flat(page.board))
    if len(panels) > WALL_PANELS:
        yield "page", f"nobody reads {len(panels)} panels in five seconds: at most {WALL_PANELS}"
    if (rows := max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)) > WALL_ROWS:
        yield "page", f"must be scrolled: {rows} rows, at most {WALL_ROWS}"


def _source(page: Page) -> Said:
    wanted = SOURCE_UID if page.public else "${datasource}"
    if not page.public and page.variables.get("datasource", {}).get("query") != POSTGRES:
        yield "page", f"needs a variable `datasource` of type {POSTGRES}"
    for path, value in walk(page.board):
        if path.endswith("datasource.uid") and value != wanted:
            yield path, f"data source is {wanted!r}, got {value!r}"
    if page.public and page.variables:
        yield "page", f"nobody fills in variables for strangers: {', '.join(page.variables)}"


def _variables(page: Page) -> Said:
    for name, variable in page.variables.items():
        where = f"variable {name}"
        if variable["type"] == "query":
            if not isinstance(variable["query"], str):
                yield where, "its query is an object: versions before 13.2 fail on it"
            if variable.get("refresh") != 2:
                yield where, "is not asked again when the range moves: refresh must be 2"
            if variable.get("hide") != 2 and not variable.get("label"):
                yield where, "has no label"
        if variable.get("includeAll") and not variable.get("multi"):
            yield where, "`includeAll` without `multi` is quoted differently by each version"
        if variable.get("allValue"):
            yield where, "`allValue` goes into SQL as it is"


def _links(page: Page) -> Said:
    for link in page.board["links"]:
        where = f"link {link.get('title')}"
        if link.get("type") != "link" or not link.get("title"):
            yield where, "needs a title and an address"
        elif link["url"].startswith("/d/"):
            yield from ((where, said) for said in leads(link["url"], page, kept=True))
            if not (link.get("keepTime") and link.get("includeVars")):
                yield where, "drops the time range or the variables"
        elif urlsplit(link["url"]).scheme not in ("http", "https"):
            yield where, f"leads nowhere: {link['url']!r}"


def leads(url: str, page: Page, *, kept: bool = False) -> Iterator[str]:
    """What is wrong with where a link leads; `kept`: Grafana adds range and variables itself."""
    path, _, asked = url.partition("?")
    if path.startswith("/d/"):
        uid = path.split("/")[2]
        if uid not in page.uids:
            yield f"leads to a page that is not shipped: {uid!r}"
        if not kept and "${__url_time_range}" not in asked:
            yield f"drops the time range: {url!r}"
    elif path.startswith("${console:raw}/"):
        if "console" not in page.variables:
            yield "names the console, and the page does not know where it is"
        first = path.split("/")[1]
        if first not in CONSOLE_PAGES and not first.startswith("${__data.fields."):
            yield f"the console has no page {first!r}"
    else:
        yield f"leads neither to a page of ours nor to the console: {url!r}"
    for name in re.findall(r"\$\{__data\.fields\.[^}:]+\}|\$\{__value\.raw\}", url):
        yield f"{name} is not percent-encoded: a name with & or / breaks the address"


def _colours(page: Page) -> Said:
    ours = {colour.upper() for colour in PALETTES[page.theme].colours.values()}
    ours |= {PALETTES[page.theme].ground.upper(), PALETTES[page.theme].text.upper()}
    for path, value in walk(page.board):
        key = path.rpartition(".")[2].lower()
        if not isinstance(value, str) or path.startswith("templating"):
            continue
        if _HEX.fullmatch(value) and value.upper() not in ours:
            yield path, f"colour {value} is none of the {page.theme} palette"
        elif key in ("color", "fixedcolor", "iconcolor", "fixed", "fill") and value in COLOUR_NAMES:
            yield path, f"colour {value!r} is Grafana's, not one of ours"
        elif key == "mode" and (value.startswith("palette-") or value.startswith("continuous-")):
            yield path, f"{value} gives colours a meaning that they do not have"


def texts(board: Json) -> Iterator[tuple[str, str]]:
    """Every text that people read, with its path."""
    yield from ((part, board[part]) for part in ("title", "description") if board.get(part))
    shown = {"title", "description", "label", "noValue", "displayName", "text", "name", "content"}
    for part in ("links", "panels", "annotations", "templating"):
        for path, value in walk(board.get(part), part):
            key = path.rpartition(".")[2]
            if key not in shown or not isinstance(value, str) or not value.strip():
                continue
            if (part == "templating" and key != "label") or ".current." in path or ".config.src" in path:
                continue
            if key == "name" and part == "panels":
                continue
            yield path, value
    for panel in flat(board):
        for override in panel.get("fieldConfig", {}).get("overrides", ()):
            where = f"panel {panel.get('id')} {override['matcher']['options']}"
            for given in override["properties"]:
                key, value = given["id"], given["value"]
                if key in ("displayName", "noValue") or (key == "unit" and str(value).startswith("suffix:")):
                    yield where, str(value).removeprefix("suffix:")


def _in_its_language(page: Page) -> Said:
    language = next((one for one in languages if one in page.board["tags"]), "en")
    for path, text in texts(page.board):
        left = _NAMES.sub("", text)
        if language == "en" and _CHINESE.search(left):
            yield path, f"is not English: {text!r}"
        elif language != "en" and _LATIN.search(left) and not _CHINESE.search(left):
            yield path, f"is not translated: {text!r}"


def _same_in_each_language(boards: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    """Every page stands in every language, with the same panels in the same places."""
    english = {uid: board for uid, board in boards.items() if "en" in board["tags"]}
    for uid, board in english.items():
        for language in languages[1:]:
            other = boards.get(f"{uid}-{language}")
            if other is None:
                yield uid, "page", f"is not there in {language}"
            elif shape(board) != shape(other):
                yield uid, "page", f"asks or places other panels in {language}"
    for uid in set(boards) - {f"{one}{end}" for one in english for end in ("", *(f"-{x}" for x in languages[1:]))}:
        yield uid, "page", "is no page in English with its language at the end"


def shape(board: Json) -> list[tuple[Any, ...]]:
    """What must be the same in every language: panels, places, and how often each asks."""
    return [
        (panel.get("id"), panel["type"], cast(Json, panel["gridPos"]), len(panel.get("targets", ())))
        for panel in flat(board)
    ]


RULES: Mapping[str, Callable[[Page], Said]] = {
    "uid": _uid,
    "page-whole": _whole,
    "uneditable": _uneditable,
    "refresh": _refresh,
    "panel-ids": _ids,
    "grid": _grid,
    "one-screen": _one_screen,
    "data-source": _source,
    "variables": _variables,
    "page-links": _links,
    "colours": _colours,
    "language": _in_its_language,
}
SET_RULES: Mapping[str, Callable[[Mapping[str, Json]], Iterator[tuple[str, str, str]]]] = {
    "languages": _same_in_each_language,
}
