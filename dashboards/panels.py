"""A small typed builder for classic dashboard JSON; the same input always gives the same bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Json = dict[str, Any]  # JSON of Grafana's own schema, checked by tests/dashboards

SCHEMA_VERSION = 42
POSTGRES = "grafana-postgresql-datasource"
SOURCE: Json = {"type": POSTGRES, "uid": "${datasource}"}

QUIET = "#3A3D44"  # normal is grey: colour is kept for what needs a person
PURPLE = "#8F5FBF"  # unknown, silent, stale: one meaning everywhere
LEVEL_COLOURS = {1: "#3274D9", 2: "#E5C000", 3: "#FF780A", 4: "#E02F44"}


@dataclass(frozen=True, slots=True)
class Grid:
    """Place on the 24-column grid; one row is 38 pixels high."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Query:
    """One SQL query; `time_series` needs a column `time`, ascending."""

    sql: str
    format: Literal["table", "time_series"] = "table"
    ref_id: str = "A"

    def json(self) -> Json:
        """The target as Grafana stores it."""
        return {
            "datasource": SOURCE,
            "refId": self.ref_id,
            "format": self.format,
            "rawQuery": True,
            "editorMode": "code",
            "rawSql": self.sql,
        }


@dataclass(frozen=True, slots=True)
class Link:
    """A link from a value; `url` may use `${console:raw}` and `${__data.fields.x:percentencode}`."""

    title: str
    url: str

    def json(self) -> Json:
        """The data link as Grafana stores it."""
        return {"title": self.title, "url": self.url, "targetBlank": True}


@dataclass(frozen=True, slots=True)
class Steps:
    """Thresholds: `base` below the first of `(value, colour)`, which ascend."""

    base: str = QUIET
    above: tuple[tuple[float, str], ...] = ()

    def json(self) -> Json:
        """The thresholds as Grafana stores them."""
        steps: list[Json] = [{"color": self.base, "value": None}]
        return {"mode": "absolute", "steps": steps + [{"color": c, "value": v} for v, c in self.above]}


def level_steps(unknown: str = QUIET) -> Steps:
    """Colours for a level as a number: below 0 unknown, 0 none, 1 blue … 4 red."""
    return Steps(base=unknown, above=((0, QUIET), *((float(value), c) for value, c in LEVEL_COLOURS.items())))


@dataclass(frozen=True, slots=True)
class Field:
    """How values are written and coloured. `words` maps a value (as text) to the words shown for it."""

    unit: str = "none"
    decimals: int | None = None
    steps: Steps = Steps()
    words: Mapping[str, str] = field(default_factory=dict)
    no_value: str = ""
    links: Sequence[Link] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> Json:
        """The field defaults as Grafana stores them."""
        made: Json = {
            "unit": self.unit,
            "color": {"mode": "thresholds"},
            "thresholds": self.steps.json(),
            "mappings": words_mapping(self.words),
            "links": [link.json() for link in self.links],
            "custom": dict(self.custom),
        }
        if self.decimals is not None:
            made["decimals"] = self.decimals
        if self.no_value:
            made["noValue"] = self.no_value
        return made


def words_mapping(words: Mapping[str, str]) -> list[Json]:
    """A value mapping; an empty one is none at all."""
    if not words:
        return []
    options = {value: {"text": text, "index": i} for i, (value, text) in enumerate(words.items())}
    return [{"type": "value", "options": options}]


@dataclass(frozen=True, slots=True)
class Override:
    """What one column has of its own, by property id (`displayName`, `unit`, `custom.width` …)."""

    column: str
    properties: Mapping[str, Any]

    def json(self) -> Json:
        """The override as Grafana stores it."""
        properties = [{"id": name, "value": value} for name, value in self.properties.items()]
        return {"matcher": {"id": "byName", "options": self.column}, "properties": properties}


@dataclass(frozen=True, slots=True)
class Panel(ABC):
    """One panel: what it is called, what it says about itself, where it stands, what it asks."""

    kind: ClassVar[str]
    title: str
    description: str
    grid: Grid
    query: Query
    field: Field = Field()
    overrides: Sequence[Override] = ()
    links: Sequence[Link] = ()

    @abstractmethod
    def options(self) -> Json:
        """The options of this type of panel."""

    def json(self, panel_id: int) -> Json:
        """The panel as Grafana stores it."""
        grid = {"x": self.grid.x, "y": self.grid.y, "w": self.grid.w, "h": self.grid.h}
        return {
            "id": panel_id,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": grid,
            "datasource": SOURCE,
            "targets": [self.query.json()],
            "fieldConfig": {"defaults": self.field.json(), "overrides": [o.json() for o in self.overrides]},
            "options": self.options(),
            "links": [link.json() for link in self.links],
            "transparent": False,
        }


@dataclass(frozen=True, slots=True)
class Stat(Panel):
    """One tile per numeric column of one row."""

    kind: ClassVar[str] = "stat"

    def options(self) -> Json:
        """Whole tiles in one colour: readable from across the room."""
        return {
            "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
            "orientation": "vertical",
            "textMode": "value_and_name",
            "wideLayout": False,
            "colorMode": "background_solid",
            "graphMode": "none",
            "justifyMode": "center",
            "showPercentChange": False,
        }


@dataclass(frozen=True, slots=True)
class Table(Panel):
    """Rows as they come."""

    kind: ClassVar[str] = "table"

    def options(self) -> Json:
        """A plain table with a header."""
        return {"showHeader": True, "cellHeight": "sm"}


@dataclass(frozen=True, slots=True)
class StateTimeline(Panel):
    """One bar per series, cut where its state changes."""

    kind: ClassVar[str] = "state-timeline"

    def options(self) -> Json:
        """Equal neighbours are one bar with its words on it."""
        return {
            "showValue": "auto",
            "mergeValues": True,
            "alignValue": "left",
            "rowHeight": 0.85,
            "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "single", "sort": "none"},
        }


@dataclass(frozen=True, slots=True)
class TimeSeries(Panel):
    """A trend."""

    kind: ClassVar[str] = "timeseries"

    def options(self) -> Json:
        """No legend: the title says what is drawn."""
        return {
            "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        }


@dataclass(frozen=True, slots=True)
class Geomap(Panel):
    """One marker per row at columns `latitude` and `longitude`; column `level` gives its colour and size.

    `tiles` is the address of a tile server (`https://tiles.example.org/{z}/{x}/{y}.png`). Without one the ground is
    blank: Grafana's own default would ask a server on the internet.
    """

    kind: ClassVar[str] = "geomap"
    tiles: str = ""

    def options(self) -> Json:
        """Fitted to the data; worst rows last, so that they are drawn on top."""
        markers = {
            "type": "markers",
            "name": self.title,
            "location": {"mode": "coords", "latitude": "latitude", "longitude": "longitude"},
            "tooltip": True,
            "config": {"showLegend": False, "style": _marker_style()},
        }
        return {
            "view": {"id": "fit", "lat": 0, "lon": 0, "zoom": 12, "allLayers": True},
            "basemap": {
                "type": "xyz",
                "name": "ground",
                "config": {"url": self.tiles or BLANK_TILE, "attribution": ""},
            },
            "layers": [markers],
            "controls": {"showZoom": True, "mouseWheelZoom": True, "showAttribution": False, "showScale": True},
            "tooltip": {"mode": "details"},
        }


BLANK_TILE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one clear pixel


def _marker_style() -> Json:
    return {
        "color": {"field": "level", "fixed": QUIET},
        "size": {"field": "size", "fixed": 6, "min": 5, "max": 16},
        "opacity": 0.9,
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
        "symbolAlign": {"horizontal": "center", "vertical": "center"},
    }


@dataclass(frozen=True, slots=True)
class Variable:
    """A drop-down filled by SQL (columns `__text`, `__value`); several or all of its values may be chosen."""

    name: str
    label: str
    sql: str

    def json(self) -> Json:
        """The variable as Grafana stores it, asked again whenever the time range moves (each refresh)."""
        return {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": SOURCE,
            "query": self.sql,
            "definition": self.sql,
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "hide": 0,
            "sort": 0,
            "regex": "",
            "options": [],
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def source_variable(uid: str, label: str) -> Json:
    """The variable every query takes its data source from."""
    current = {"text": label, "value": uid}
    return {"type": "datasource", "name": "datasource", "label": label, "query": POSTGRES, "hide": 2} | {
        "refresh": 1,
        "regex": "",
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": current,
    }


def constant(name: str, value: str) -> Json:
    """A hidden variable with one value."""
    chosen = {"text": value, "value": value, "selected": True}
    return {"type": "constant", "name": name, "query": value, "hide": 2, "options": [chosen], "current": chosen}


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels."""

    uid: str
    title: str
    description: str
    language: str
    tags: Sequence[str]
    variables: Sequence[Json]
    panels: Sequence[Panel]
    links: Sequence[Json] = ()
    refresh: str = "10s"
    since: str = "now-6h"

    def json(self) -> Json:
        """Classic dashboard JSON without `id` and `version`: the server that takes it owns those."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "weekStart": "",
            "fiscalYearStartMonth": 0,
            "refresh": self.refresh,
            "time": {"from": self.since, "to": "now"},
            "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
            "templating": {"list": list(self.variables)},
            "annotations": {"list": []},
            "links": list(self.links),
            "panels": [panel.json(number) for number, panel in enumerate(self.panels, start=1)],
        }
