"""A page: its panels, its variables and the links at its top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.builder.fields import Json
from dashboards.builder.panels import POSTGRES, SOURCE, Panel, Query
from dashboards.palette import Theme, paint

SCHEMA_VERSION = 42
SOURCE_UID = "lifeline"
FOLDER_UID = "lifeline"


@dataclass(frozen=True, slots=True)
class Variable:
    """A drop-down filled by SQL (columns `__text`, `__value`).

    `several`: more than one value may be chosen, and at first all are; otherwise one, at first the first.
    """

    name: str
    label: str
    sql: str
    several: bool = True
    hide: bool = False

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
            "multi": self.several,
            "includeAll": self.several,
            "hide": 2 if self.hide else 0,
            "sort": 0,
            "regex": "",
            "options": [],
            "current": {"text": ["All"], "value": ["$__all"]} if self.several else {},
        }


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks over the trends: rows `time`, `timeend`, `text`, `tags`."""

    name: str
    colour: str
    sql: str

    def json(self) -> Json:
        """The annotation as Grafana stores it."""
        target = Query(self.sql, ref_id="Anno").json()
        made: Json = {"name": self.name, "datasource": SOURCE, "enable": True, "hide": False}
        return made | {"iconColor": self.colour, "target": target, "mappings": {}}


def page_link(title: str, url: str, *, keep: bool = True) -> Json:
    """A link at a page's top; it keeps the time range and the variables unless it leaves Grafana."""
    return {
        "type": "link",
        "title": title,
        "url": url,
        "icon": "dashboard" if keep else "external link",
        "targetBlank": not keep,
        "asDropdown": False,
        "includeVars": keep,
        "keepTime": keep,
        "tags": [],
        "tooltip": "",
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


def typed(name: str, label: str) -> Json:
    """A field to type one value into; a link may fill it with whatever there is, listed or not."""
    return {"type": "textbox", "name": name, "label": label, "query": "", "hide": 0} | {
        "options": [{"text": "", "value": "", "selected": True}],
        "current": {"text": "", "value": ""},
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
    theme: Theme = "dark"
    annotations: Sequence[Annotation] = ()

    def json(self) -> Json:
        """Classic dashboard JSON without `id` and `version`: the server that takes it owns those."""
        made: Json = {
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
            "annotations": {"list": [mark.json() for mark in self.annotations]},
            "links": list(self.links),
            "panels": [panel.json(number) for number, panel in enumerate(self.panels, start=1)],
        }
        return dict(paint(made, self.theme))
