"""A small typed builder for classic dashboard JSON; the same input always gives the same bytes.

::

    fields.py  how values are written, coloured and linked
    panels.py  panels of each type but maps
    maps.py    maps
    board.py   a page of panels, its variables and annotations

Colours are meanings of `dashboards.palette` until the page is written for one theme.
"""

from dashboards.builder.board import (
    FOLDER_UID,
    SOURCE_UID,
    Annotation,
    Dashboard,
    Variable,
    constant,
    page_link,
    source_variable,
    typed,
)
from dashboards.builder.fields import (
    FILLED,
    Field,
    Json,
    Link,
    Override,
    Steps,
    fixed,
    hidden,
    level_steps,
    words_mapping,
)
from dashboards.builder.maps import Geomap, Markers
from dashboards.builder.panels import (
    POSTGRES,
    SOURCE,
    Grid,
    Panel,
    Query,
    Repeat,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
)

__all__ = [
    "FILLED",
    "FOLDER_UID",
    "POSTGRES",
    "SOURCE",
    "SOURCE_UID",
    "Annotation",
    "Dashboard",
    "Field",
    "Geomap",
    "Grid",
    "Json",
    "Link",
    "Markers",
    "Override",
    "Panel",
    "Query",
    "Repeat",
    "Stat",
    "StateTimeline",
    "Steps",
    "Table",
    "TimeSeries",
    "Variable",
    "constant",
    "fixed",
    "hidden",
    "level_steps",
    "page_link",
    "source_variable",
    "typed",
    "words_mapping",
]
