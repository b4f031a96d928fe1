"""Districts' outlines for maps elsewhere: open, the folder's in force, and nothing else of it."""

from __future__ import annotations

import json

import httpx
from psycopg.types.json import Jsonb

from tests.http.conftest import World

SHAPE = {"type": "Polygon", "coordinates": [[[121.6, 38.9], [121.7, 38.9], [121.7, 39.0], [121.6, 38.9]]]}


def test_anybody_may_fetch_the_outlines_of_the_folder_in_force(client: httpx.Client, world: World) -> None:
    assert client.get("/districts.geojson").json() == {"type": "FeatureCollection", "features": []}
    feature = {"type": "Feature", "properties": {"id": "east", "note": "secret"}, "geometry": SHAPE}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    world.run("INSERT INTO lifeline.bundles VALUES ('b2', %s, %s)", Jsonb({"districts.geojson": text}), world.now)
    world.run("UPDATE lifeline.current_bundle SET bundle = 'b2'")
    answer = client.get("/districts.geojson")
    assert answer.json()["features"] == [{"type": "Feature", "properties": {"id": "east"}, "geometry": SHAPE}]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Content-Type"].startswith("application/geo+json")
