"""Who stands around whom: held against going through all of it."""

from __future__ import annotations

from math import cos, radians

from hypothesis import given, settings
from hypothesis import strategies as st

from city.geo import Place
from city.model import City, Gateway, Name, Sensor, Site
from city.quantity import QUANTITIES
from city.surroundings import MOST, Ask, Beside, asks_for, surroundings, usual

NAME = Name({"en": "x"})
METRE = 1 / 111_195.08  # degrees of latitude
KINDS = ("gas_pressure", "temperature", "gas_flow")


def town(places: list[tuple[Place, str, str]], context: dict[str, tuple[str, ...]] | None = None) -> City:
    """A sensor of a quantity at each place, on a pipe or on none."""
    sites = {f"s{at}": Site(f"s{at}", "gas_main", NAME, "d", place, pipe) for at, (place, _, pipe) in enumerate(places)}
    sensors = {}
    for at, (_, kind, _) in enumerate(places):
        quantity = QUANTITIES[kind]
        own = (context or {}).get(f"n{at}", ())
        sensors[f"n{at}"] = Sensor(f"n{at}", "g", f"s{at}", quantity, quantity.unit, 60, context=own)
    return City(NAME, "UTC", ("en",), {}, sites, {"g": Gateway("g", "d", 60)}, sensors)


def at(east_m: float, north_m: float, lat: float = 31.8, lon: float = 117.0) -> Place:
    return Place((lon + 180 + east_m * METRE / max(cos(radians(lat)), 0.01)) % 360 - 180, lat + north_m * METRE)


@st.composite
def crowds(draw: st.DrawFn) -> list[tuple[Place, str, str]]:
    lat, lon = draw(st.sampled_from([0.0, 31.8, -64.0, 89.9])), draw(st.sampled_from([117.0, 179.9995]))
    spread = draw(st.sampled_from([5, 400, 9000]))
    step = st.integers(-spread, spread)
    rows = draw(
        st.lists(
            st.tuples(step, step, st.sampled_from(KINDS), st.sampled_from(["", "a", "b"])), min_size=1, max_size=25
        )
    )
    return [(at(east, north, lat, lon), kind, pipe) for east, north, kind, pipe in rows]


@given(crowds(), st.sampled_from([1, 2, 30]), st.sampled_from([1.0, 250.0, 3000.0]), st.booleans())
@settings(max_examples=120, deadline=None)
def test_the_nearest_are_those_that_going_through_all_finds(
    places: list[tuple[Place, str, str]], many: int, within_m: float, pipe: bool
) -> None:
    city = town(places)
    found = surroundings(city, lambda sensor: [Ask("gas_pressure", many, within_m, pipe)])
    for sensor in city.sensors.values():
        here, site = city.place_of(sensor), city.sites[sensor.site]
        every = sorted(
            here.distance_m(city.place_of(other)) for other in city.sensors.values()
            if other.id != sensor.id and other.quantity.id == "gas_pressure"
            and (not pipe or (city.sites[other.site].along or other.site) == (site.along or site.id))
        )  # fmt: skip
        told = found.get(sensor.id, ())
        expected = [away for away in every if away <= within_m * 0.999][: min(many, MOST)]
        assert len(told) >= len(expected)
        assert len(told) <= min(len([away for away in every if away <= within_m * 1.001]), many, MOST)
        for one, away_m in zip(told, expected, strict=False):
            assert abs(one.away_m - away_m) < 0.11 + away_m * 1e-3


def test_what_the_register_names_comes_alone_and_in_its_order() -> None:
    places = [(at(0, 0), "gas_pressure", "a"), (at(50, 0), "gas_pressure", "a"), (at(9000, 0), "temperature", "")]
    found = surroundings(town(places, {"n0": ("n2", "n1")}))
    assert [one.sensor for one in found["n0"]] == ["n2", "n1"]
    assert found["n0"][1] == Beside("n1", 50.0)
    assert [one.sensor for one in found["n1"]] == ["n0", "n2"]


def test_peers_on_the_same_main_come_before_nearer_ones_beside_it() -> None:
    places = [
        (at(0, 0), "gas_pressure", "main"), (at(10, 0), "gas_pressure", "other"), (at(800, 0), "gas_pressure", "main"),
        (at(900, 0), "gas_flow", "main"), (at(40, 0), "temperature", ""),
    ]  # fmt: skip
    assert [one.sensor for one in surroundings(town(places))["n0"]] == ["n2", "n3", "n1", "n4"]


def test_a_city_may_say_which_quantities_count() -> None:
    assert asks_for("gas_pressure", ["temperature"]) == (Ask("temperature", 1, 10_000),)
    assert asks_for("gas_pressure", ["methane"]) == (Ask("methane", 1, 5000),)
    assert asks_for("gas_pressure", []) == ()
    assert usual("humidity")[0].quantity == "humidity"
    assert surroundings(town([(at(0, 0), "gas_pressure", "")])) == {}
