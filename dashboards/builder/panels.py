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
class Repeat:
    """One panel for each chosen value of a variable, side by side."""

    variable: str
    a_row: int = 4


@dataclass(frozen=True, slots=True)
class Panel(ABC):
    """One panel: what it is called, what it says about itself, where it stands, what it asks.

    Attributes
    ----------
    query, more
        What it asks, each with a `ref_id` of its own.
    transformations
        `(id, options)`, carried out in the browser in this order.
    repeat
        The panel stands once for each value of a variable, which its queries and title use.
    interval
        The shortest step of a trend (`10s`): no shorter than what sensors send at, or lines fall into dots.
    """

    kind: ClassVar[str]
    title: str
    description: str
    grid: Grid
    query: Query
    field: Field = PLAIN
    overrides: Sequence[Override] = ()
    links: Sequence[Link] = ()
    more: Sequence[Query] = ()
    transformations: Sequence[tuple[str, Json]] = ()
    repeat: Repeat | None = None
    interval: str = ""

    @abstractmethod
    def options(self) -> Json:
        """The options of this type of panel."""

    def json(self, panel_id: int) -> Json:
        """The panel as Grafana stores it."""
        grid = {"x": self.grid.x, "y": self.grid.y, "w": self.grid.w, "h": self.grid.h}
        made: Json = {
            "id": panel_id,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": grid,
            "datasource": SOURCE,
            "targets": [query.json() for query in (self.query, *self.more)],
            "fieldConfig": {"defaults": self.field.json(), "overrides": [o.json() for o in self.overrides]},
            "options": self.options(),
            "links": [link.json() for link in self.links],
            "transparent": False,
        }
        if self.transformations:
            made["transformations"] = [{"id": name, "options": options} for name, options in self.transformations]
        if self.repeat:
            made |= {"repeat": self.repeat.variable, "repeatDirection": "h", "maxPerRow": self.repeat.a_row}
        if self.interval:
            made["interval"] = self.interval
        return made


@dataclass(frozen=True, slots=True)
class Stat(Panel):
    """One tile per numeric column of one row; those in `fields` (a regular expression) where only some are shown."""

    kind: ClassVar[str] = "stat"
    fields: str = ""
    across: bool = False

    def options(self) -> Json:
        """Whole tiles in one colour: readable from across the room."""
        return {
            "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": self.fields},
            "orientation": "horizontal" if self.across else "vertical",
            "textMode": "value_and_name",
            "wideLayout": False,
            "colorMode": "background_solid",
            "graphMode": "none",
            "justifyMode": "center",
            "showPercentChange": False,
        }


@dataclass(frozen=True, slots=True)
class Table(Panel):
    """Rows as they come; `field.no_value` is said where there is none, an empty cell says only `–`."""

    kind: ClassVar[str] = "table"

    def json(self, panel_id: int) -> Json:
        """The panel as Grafana stores it: Grafana would write the sentence for no rows into every empty cell."""
        made = Panel.json(self, panel_id)
        empty = Override("/.*/", {"noValue": "–"}, by="byRegexp").json()
        made["fieldConfig"]["overrides"].insert(0, empty)
        return made

    def options(self) -> Json:
        """A plain table with a header."""
        return {"showHeader": True, "cellHeight": "sm"}


@dataclass(frozen=True, slots=True)
class StateTimeline(Panel):
    """One bar per series, cut where its state changes; `written`: its words stand on it."""

    kind: ClassVar[str] = "state-timeline"
    written: bool = True

    def options(self) -> Json:
        """Equal neighbours are one bar with its words on it."""
        return {
            "showValue": "auto" if self.written else "never",
            "mergeValues": True,
            "alignValue": "left",
            "rowHeight": 0.85,
            "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "single", "sort": "none"},
        }


@dataclass(frozen=True, slots=True)
class TimeSeries(Panel):
    """A trend; a `legend` only where the title does not say what is drawn."""

    kind: ClassVar[str] = "timeseries"
    legend: bool = False

    def options(self) -> Json:
        """One place for the pointer, and what stands there."""
        return {
            "legend": {"showLegend": self.legend, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        }
