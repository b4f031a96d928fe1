"""A small typed builder for classic dashboard JSON; the same input always gives the same bytes.

::

    fields.py  how values are written, coloured and linked
    panels.py  panels of each type but maps
    maps.py    maps
    board.py   a page of panels, its variables and annotations

Colours are meanings of `dashboards.palette` until the page is written for one theme.
"""

from dashboards.builder.board import FOLDER_UID, SOURCE_UID, Dashboard, Variable, constant, source_variable
from dashboards.builder.fields import Field, Json, Link, Override, Steps, level_steps, words_mapping
from dashboards.builder.maps import Geomap
from dashboards.builder.panels import (
    POSTGRES,
    SOURCE,
    Grid,
    Panel,
    Query,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
)

__all__ = [
    "FOLDER_UID",
    "POSTGRES",
    "SOURCE",
    "SOURCE_UID",
    "Dashboard",
    "Field",
    "Geomap",
    "Grid",
    "Json",
    "Link",
    "Override",
    "Panel",
    "Query",
    "Stat",
    "StateTimeline",
    "Steps",
    "Table",
    "TimeSeries",
    "Variable",
    "constant",
    "level_steps",
    "source_variable",
    "words_mapping",
]
