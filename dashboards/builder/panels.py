"""Panels: what one is called, where it stands, what it asks, and how each type is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from dashboards.builder.fields import Field, Json, Link, Override

POSTGRES = "grafana-postgresql-datasource"
SOURCE: Json = {"type": POSTGRES, "uid": "${datasource}"}
PLAIN = Field()


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
class Panel(ABC):
    """One panel: what it is called, what it says about itself, where it stands, what it asks."""

    kind: ClassVar[str]
    title: str
    description: str
    grid: Grid
    query: Query
    field: Field = PLAIN
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
