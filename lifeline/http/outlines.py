"""The districts' outlines as GeoJSON, for maps elsewhere: open to everybody, for it says no more than a street map."""

from __future__ import annotations

import logging

import msgspec
from fastapi import APIRouter, Response

from city.errors import FaultyInput
from city.outlines import FILE, outlines
from lifeline.http.data import WAIT_S, Data
from store import bundle

_log = logging.getLogger(__name__)
NONE = b'{"type":"FeatureCollection","features":[]}'


def router(data: Data) -> APIRouter:
    """The route `/districts.geojson`; a city without outlines has none to draw."""
    routes = APIRouter(include_in_schema=False)
    drawn: dict[str, bytes] = {}  # the folder in force and its outlines

    @routes.get(f"/{FILE}")
    def districts() -> Response:
        with data.connections.connection(timeout=WAIT_S) as conn:
            name = bundle.current_hash(conn) or ""
            if name not in drawn:
                files = bundle.get(conn, name) or {}
                drawn.clear()
                drawn[name] = _drawn(files.get(FILE, ""))
        # Grafana's pages fetch it from their own address, without cookies.
        headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=300"}
        return Response(drawn[name], media_type="application/geo+json", headers=headers)

    return routes


def _drawn(text: str) -> bytes:
    if not text:
        return NONE
    try:
        return msgspec.json.encode(outlines(text))
    except (FaultyInput, KeyError, TypeError) as error:  # in force from a version that did not read it
        _log.warning("outlines_unread %s", error, extra={"action": "outlines_unread"})
        return NONE
