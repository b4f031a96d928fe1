"""Rules of one panel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dashboards.builder import Json
from dashboards.builder.fields import LOWEST
from dashboards.lint.known import FREE_UNITS, TRANSFORMATIONS, UNITS
from dashboards.lint.page import Page, leads, walk

WITHOUT_QUERY = ("text", "row", "alertlist", "dashlist")
GLARING = ("background", "gradient")  # colour that runs out looks like a value in between


def _defaults(panel: Json) -> Json:
    return dict(panel.get("fieldConfig", {}).get("defaults", {}))


def _overrides(panel: Json) -> Iterator[tuple[str, Any]]:
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        yield from ((given["id"], given["value"]) for given in override["properties"])


def _words(panel: Json, page: Page) -> Iterator[str]:
    if panel["type"] != "row":
        yield from (f"has no {part}" for part in ("title", "description") if not str(panel.get(part, "")).strip())


def _asks(panel: Json, page: Page) -> Iterator[str]:
    if panel["type"] not in WITHOUT_QUERY and not panel.get("targets"):
        yield "asks nothing"
    refs = [target.get("refId") for target in panel.get("targets", ())]
    if len(set(refs)) < len(refs) or not all(refs):
        yield f"its queries need a refId each: {refs}"


def _units(panel: Json, page: Page) -> Iterator[str]:
    units = [_defaults(panel).get("unit"), *(value for key, value in _overrides(panel) if key == "unit")]
    for unit in units:
        if unit is not None and unit not in UNITS and not str(unit).startswith(FREE_UNITS):
            yield f"Grafana has no unit {unit!r}"


def _transformations(panel: Json, page: Page) -> Iterator[str]:
    refs = {target.get("refId") for target in panel.get("targets", ())}
    for one in panel.get("transformations", ()):
        if one.get("id") not in TRANSFORMATIONS:
            yield f"Grafana has no transformation {one.get('id')!r}"
        wanted = one.get("options", {}).get("configRefId")
        if wanted is not None and wanted not in refs:
            yield f"takes its limits from query {wanted!r}, which it does not ask"


def _interval(panel: Json, page: Page) -> Iterator[str]:
    asked = " ".join(target.get("rawSql", "") for target in panel.get("targets", ()))
    if ("$__interval" in asked or "$__timeGroup" in asked) and not panel.get("interval"):
        yield "has no shortest interval: closer than sensors send, lines fall into dots"


def _display_name(panel: Json, page: Page) -> Iterator[str]:
    chosen = panel.get("options", {}).get("reduceOptions", {}).get("fields")
    if chosen and "displayName" in _defaults(panel):
        yield "a displayName for all fields hides them from `reduceOptions.fields`: No data"


def _state_colours(panel: Json, page: Page) -> Iterator[str]:
    if panel["type"] in ("state-timeline", "status-history"):
        if _defaults(panel).get("color", {}).get("mode") != "thresholds":
            yield "its states need color.mode thresholds"
        spans = _defaults(panel).get("custom", {}).get("spanNulls", False)
        if spans is not False:
            yield "bridges spans in which nothing is known"


def _transparent(panel: Json, page: Page) -> Iterator[str]:
    for path, value in walk({"options": panel.get("options"), "fieldConfig": panel.get("fieldConfig")}):
        if value == "transparent":
            yield f"{path}: transparent is painted black on a map"


def _thresholds(panel: Json, page: Page) -> Iterator[str]:
    of_columns = [value for key, value in _overrides(panel) if key == "thresholds"]
    for given in (_defaults(panel).get("thresholds"), *of_columns):
        values: list[Any] = [step["value"] for step in given["steps"]] if given else [None]
        rest = values[1:]
        if not values or values[0] not in (None, LOWEST) or None in rest or rest != sorted(set(rest)):
            yield f"thresholds begin with null and ascend, got {values}"
        elif given in of_columns and values[0] is None and any(value < 0 for value in rest):
            yield f"Grafana takes a column's null for 0, and {min(rest)} is below that: begin with {LOWEST:g}"


def _mappings(panel: Json, page: Page) -> Iterator[str]:
    given = [_defaults(panel).get("mappings", ()), *(value for key, value in _overrides(panel) if key == "mappings")]
    for mapping in (one for mappings in given for one in mappings):
        if mapping["type"] == "value":
            for value, result in mapping["options"].items():
                if not str(result.get("text", "")).strip():
                    yield f"the value {value} is shown as nothing: never colour alone"


def _data_links(panel: Json, page: Page) -> Iterator[str]:
    links = [*panel.get("links", ()), *_defaults(panel).get("links", ())]
    links += [link for key, value in _overrides(panel) if key == "links" for link in value]
    for link in links:
        if not link.get("title"):
            yield f"a link has no title: {link.get('url')!r}"
        yield from leads(link.get("url", ""), page)


def _repeat(panel: Json, page: Page) -> Iterator[str]:
    if panel.get("repeat") and not page.variables.get(panel["repeat"], {}).get("multi"):
        yield f"repeats by {panel['repeat']!r}, of which nobody can choose several"


def _map(panel: Json, page: Page) -> Iterator[str]:
    if panel["type"] != "geomap":
        return
    options = panel["options"]
    if options.get("basemap", {}).get("type") not in ("xyz", "geojson"):
        yield "Grafana's own ground asks a server on the internet: give one"
    for layer in options.get("layers", ()):
        where = layer.get("location", {})
        if layer["type"] == "markers" and not (
            where.get("mode") == "coords" and where.get("latitude") and where.get("longitude")
        ):
            yield "markers need both columns of their place by name"
    if any(target.get("format") != "table" for target in panel.get("targets", ())):
        yield "a map takes rows as they are: format table"


def _quiet(panel: Json, page: Page) -> Iterator[str]:
    if panel.get("options", {}).get("colorMode") in GLARING:
        yield "colour is solid or none: a gradient looks like a value in between"
    if panel["type"] in ("gauge", "bargauge", "piechart"):
        yield f"a {panel['type']} says less than its number with its trend"


RULES: Mapping[str, Callable[[Json, Page], Iterator[str]]] = {
    "words": _words,
    "queries": _asks,
    "units": _units,
    "transformations": _transformations,
    "min-interval": _interval,
    "display-name": _display_name,
    "state-colours": _state_colours,
    "transparent": _transparent,
    "thresholds": _thresholds,
    "mappings": _mappings,
    "links": _data_links,
    "repeat": _repeat,
    "map": _map,
    "quiet": _quiet,
}
