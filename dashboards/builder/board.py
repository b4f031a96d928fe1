"""A page: its panels, its variables and the links at its top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.builder.fields import Json
from dashboards.builder.panels import POSTGRES, SOURCE, Panel
from dashboards.palette import Theme, paint

SCHEMA_VERSION = 42
SOURCE_UID = "lifeline"
FOLDER_UID = "lifeline"


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
    theme: Theme = "dark"

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
            "annotations": {"list": []},
            "links": list(self.links),
            "panels": [panel.json(number) for number, panel in enumerate(self.panels, start=1)],
        }
        return dict(paint(made, self.theme))
