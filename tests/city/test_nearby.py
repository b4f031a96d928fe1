"""What is near what, held against going through all of it."""

from __future__ import annotations

from math import cos, radians

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.geo import Place
from city.lines import away_m, inside, project_m
from city.load import load_city
from city.model import City, Gateway, Name, Sensor, Site
from city.nearby import Nearby, Wanted
from city.quantity import QUANTITIES

NAME = Name({"en": "x"})
METRE = 1 / 111_195.08  # degrees of latitude


def town(places: list[tuple[Place, str]], areas: dict[str, Site] | None = None) -> City:
    """A sensor at each place, all methane but every third."""
    sites = {f"s{at}": Site(f"s{at}", kind, NAME, "d", place) for at, (place, kind) in enumerate(places)}
    sensors = {}
    for at in range(len(places)):
        quantity = QUANTITIES["tilt" if at % 3 == 2 else "methane"]
        sensors[f"n{at}"] = Sensor(f"n{at}", "g", f"s{at}", quantity, quantity.unit, 60)
    return City(NAME, "UTC", ("en",), {}, {**sites, **(areas or {})}, {"g": Gateway("g", "d", 60)}, sensors)


@st.composite
def crowds(draw: st.DrawFn) -> list[tuple[Place, str]]:
    lat, lon = draw(st.sampled_from([0.0, 31.8, -64.0, 89.9])), draw(st.sampled_from([117.0, 179.9995, -180.0]))
    steps = draw(st.lists(st.tuples(st.integers(-400, 400), st.integers(-400, 400)), min_size=1, max_size=25))
    return [
        (
            Place((lon + 180 + east * METRE / max(cos(radians(lat)), 0.01)) % 360 - 180, lat + north * METRE),
            "manhole" if east % 2 else "drain",
        )
        for east, north in steps
    ]


@given(crowds(), st.sampled_from([1.0, 30.0, 250.0, 2000.0]), st.sampled_from(["", "drain"]))
@settings(max_examples=150)
def test_neighbours_are_all_within_the_distance_nearest_first(
    places: list[tuple[Place, str]], within_m: float, kind: str
) -> None:
    city = town(places)
    nearby = Nearby(city)
    for sensor in city.sensors.values():
        here = city.place_of(sensor)
        others = [
            (here.distance_m(city.place_of(other)), other.id) for other in city.sensors.values()
            if other.id != sensor.id and other.quantity.id == "methane" and kind in ("", city.sites[other.site].kind)
        ]  # fmt: skip
        found = nearby.sensors(sensor, Wanted(frozenset({"methane"}), within_m, site_kind=kind))
        assert set(found) == {name for away, name in others if away <= within_m}
        away = dict((name, away) for away, name in others)
        assert [away[name] for name in found] == pytest.approx(sorted(away[name] for name in found))


@given(crowds(), st.sampled_from([5.0, 60.0, 700.0]), st.tuples(st.integers(-300, 300), st.integers(-300, 300)))
@settings(max_examples=100)
def test_the_nearest_line_or_area_is_found_wherever_it_passes(
    places: list[tuple[Place, str]], within_m: float, step: tuple[int, int]
) -> None:
    first = places[0][0]
    corner = Place((first.lon + 180 + step[0] * METRE) % 360 - 180, first.lat + step[1] * METRE / 10)
    line = Site("main", "gas_main", NAME, "d", first, lines=((first, corner),))
    pit = Site("pit", "pit", NAME, "d", first, rings=((first, corner, Place(first.lon, corner.lat)),))
    city = town(places, {"main": line, "pit": pit})
    nearby = Nearby(city)
    for sensor in city.sensors.values():
        place = city.place_of(sensor)
        for site in (line, pit):
            expected_m = away_m(place, site.lines, site.rings)
            found = nearby.site(sensor, site.kind, within_m)
            assert (found == (site.id, expected_m)) if expected_m <= within_m else (found is None)


def test_along_a_line_and_away_from_it() -> None:
    line = (Place(117, 0), Place(117 + 100 * METRE, 0), Place(117 + 100 * METRE, 100 * METRE))
    assert project_m(line, Place(117 + 40 * METRE, 7 * METRE)) == pytest.approx((40, 7), rel=1e-4)
    assert project_m(line, Place(117 + 90 * METRE, 50 * METRE)) == pytest.approx((150, 10), rel=1e-4)
    assert project_m(line, Place(117 - 3 * METRE, -4 * METRE)) == pytest.approx((0, 5), rel=1e-4)


def test_inside_an_area_the_distance_is_nothing() -> None:
    ring = (Place(117, 0), Place(117.01, 0), Place(117.01, 0.01), Place(117, 0.01))
    assert inside(ring, Place(117.005, 0.005))
    assert not inside(ring, Place(117.011, 0.005))
    assert away_m(Place(117.005, 0.005), (), (ring,)) == 0
    assert away_m(Place(117.005, -0.0001), (), (ring,)) == pytest.approx(11.1, abs=0.1)


def test_the_register_keeps_the_shapes_of_its_sites() -> None:
    def feature(name: str, kind: str, coordinates: str) -> str:
        return (
            f'{{"type": "Feature", "geometry": {{"type": "{kind}", "coordinates": {coordinates}}},'
            f' "properties": {{"id": "{name}", "kind": "ground", "name": "x", "district": "d"}}}}'
        )

    square = "[[1, 1], [2, 1], [2, 2], [1, 1]]"
    features = [
        feature("point", "Point", "[1, 1]"), feature("points", "MultiPoint", "[[1, 1], [2, 2]]"),
        feature("line", "LineString", "[[1, 1, 5], [2, 2, 5]]"),
        feature("lines", "MultiLineString", "[[[1, 1], [2, 2]], [[3, 3], [4, 4]]]"),
        feature("area", "Polygon", f"[{square}, [[1.2, 1.1], [1.3, 1.1], [1.3, 1.2], [1.2, 1.1]]]"),
        feature("areas", "MultiPolygon", f"[[{square}], [{square}]]"),
    ]  # fmt: skip
    files = {
        "city.yaml": "name: x\ntimezone: UTC\ndistricts: [{id: d, name: D}]\n",
        "sites.geojson": f'{{"type": "FeatureCollection", "features": [{", ".join(features)}]}}',
        "gateways.csv": "gateway,district,interval_s\n",
        "sensors.csv": "sensor,gateway,site,quantity,unit,interval_s\n",
    }  # fmt: skip
    sites = load_city(files).sites
    ring = (Place(1, 1), Place(2, 1), Place(2, 2))
    assert {name: (site.lines, site.rings) for name, site in sites.items()} == {
        "point": ((), ()), "points": ((), ()), "line": (((Place(1, 1), Place(2, 2)),), ()),
        "lines": (((Place(1, 1), Place(2, 2)), (Place(3, 3), Place(4, 4))), ()),
        "area": ((), (ring,)), "areas": ((), (ring, ring)),
    }  # fmt: skip
