"""Maps: markers, outlines and the ground below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dashboards.builder.fields import Json
from dashboards.builder.panels import Panel
from dashboards.palette import FAINT, QUIET

BLANK_TILE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one clear pixel
SYMBOLS = "img/icons/marker/"


@dataclass(frozen=True, slots=True)
class Markers:
    """One layer: the rows of query `ref_id`, as one symbol (`circle`, `square`, `triangle`, `x-mark` …).

    A row has columns `latitude`, `longitude`, `level` (its colour) and `size`; `word` names one written on the marker.
    """

    name: str
    ref_id: str = "A"
    symbol: str = "circle"
    word: str = ""
    smallest: int = 5
    largest: int = 16

    def json(self) -> Json:
        """The layer as Grafana stores it."""
        style: Json = {
            "color": {"field": "level", "fixed": QUIET},
            "size": {"field": "size", "fixed": 6, "min": self.smallest, "max": self.largest},
            "opacity": 0.9,
            "symbol": {"mode": "fixed", "fixed": f"{SYMBOLS}{self.symbol}.svg"},
            "symbolAlign": {"horizontal": "center", "vertical": "center"},
        }
        if self.word:
            style["text"] = {"mode": "field", "field": self.word, "fixed": ""}
            style["textConfig"] = {"fontSize": 11, "textAlign": "center", "textBaseline": "middle"} | {
                "offsetX": 0,
                "offsetY": 0,
            }
        return {
            "type": "markers",
            "name": self.name,
            "filterData": {"id": "byRefId", "options": self.ref_id},
            "location": {"mode": "coords", "latitude": "latitude", "longitude": "longitude"},
            "tooltip": True,
            "config": {"showLegend": False, "style": style},
        }


@dataclass(frozen=True, slots=True)
class Geomap(Panel):
    """Layers of markers on outlines on the ground, fitted to the markers.

    Attributes
    ----------
    tiles
        Address of a tile server (`https://tiles.example.org/{z}/{x}/{y}.png`). Without one the ground is blank:
        Grafana's own default would ask a server on the internet.
    outlines
        Address of a GeoJSON file with the districts; none are drawn without.
    layers
        Drawn in this order, the last on top; by default one of circles.
    """

    kind: ClassVar[str] = "geomap"
    tiles: str = ""
    outlines: str = ""
    layers: Sequence[Markers] = ()

    def options(self) -> Json:
        """Fitted to the data; worst rows last, so that they are drawn on top."""
        markers = [layer.json() for layer in self.layers or [Markers(self.title)]]
        return {
            "view": {"id": "fit", "lat": 0, "lon": 0, "zoom": 12, "allLayers": False, "layer": markers[0]["name"]},
            "basemap": {
                "type": "xyz",
                "name": "ground",
                "config": {"url": self.tiles or BLANK_TILE, "attribution": ""},
            },
            "layers": [*([_outlines(self.outlines)] if self.outlines else []), *markers],
            "controls": {"showZoom": True, "mouseWheelZoom": True, "showAttribution": False, "showScale": True},
            "tooltip": {"mode": "details"},
        }


def _outlines(source: str) -> Json:
    """The districts' outlines: lines, no areas, for an area would tint what stands on it."""
    style = {"color": {"fixed": FAINT}, "opacity": 0.9, "lineWidth": 1, "size": {"fixed": 2, "min": 2, "max": 2}}
    return {
        "type": "geojson",
        "name": "districts",
        "tooltip": False,
        "config": {"src": source, "rules": [], "style": style},
    }
