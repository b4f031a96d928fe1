"""Maps: markers, outlines and the ground below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dashboards.builder.fields import Json
from dashboards.builder.panels import Panel
from dashboards.palette import QUIET


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
