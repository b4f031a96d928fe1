"""What a good city folder becomes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city import schemas
from city.errors import InputError
from city.example import example_files, write_example
from city.folder import bundle_hash, read_folder
from city.geo import Place
from city.load import FILES, load_city, load_city_faults
from city.quantity import QUANTITIES
from city.words import languages

GOOD = read_folder(Path(__file__).parent / "faults" / "_good")


def test_names_come_in_both_languages() -> None:
    city = load_city(GOOD)
    assert (city.name.in_("en"), city.name.in_("zh")) == ("Test City", "测试市")
    assert city.districts["north"].name.in_("zh") == "North"
    assert city.sites["br-1"].name.in_("zh") == "桥"


def test_a_line_is_placed_at_the_mean_of_its_vertices_and_a_ring_counts_its_end_once() -> None:
    assert load_city(GOOD).sites["br-1"].place == Place(118.065, 32.155)
    ring = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
    sites = GOOD["sites.geojson"].replace("LineString", "Polygon").replace(
        "[[118.06, 32.15], [118.07, 32.16]]", json.dumps([ring])
    )  # fmt: skip
    assert load_city({**GOOD, "sites.geojson": sites}).sites["br-1"].place == Place(1.0, 1.0)


def test_ranges_are_converted_to_the_canonical_unit() -> None:
    sensor = load_city(GOOD).sensors["wl-1"]
    assert (sensor.unit, sensor.range_min, sensor.range_max) == ("mm", 0.0, 300.0)
    assert (sensor.name, sensor.installed, sensor.tags) == (
        "Lowest point, north",
        date(2024, 4, 12),
        frozenset({"safety"}),
    )


def test_a_sensor_has_its_own_place_or_its_sites() -> None:
    city = load_city(GOOD)
    assert city.place_of(city.sensors["st-1"]) == Place(118.065, 32.155)
    assert city.place_of(city.sensors["wl-1"]) == city.sites["up-1"].place
    assert city.sensors["st-1"].context == ("t-1",)


def test_a_calibration_day_begins_at_midnight_in_the_city() -> None:
    table = "sensor,from,scale,offset\nwl-1,2025-06-01,2,0\nwl-1,2025-05-20T09:30:00+08:00,1,-1.2\n"
    first, second = load_city({**GOOD, "calibrations.csv": table}).calibrations["wl-1"]
    assert first.from_ == datetime(2025, 5, 20, 1, 30, tzinfo=UTC)
    assert second.from_ == datetime(2025, 5, 31, 16, tzinfo=UTC)


def test_a_city_adds_quantities_and_kinds_of_site() -> None:
    added = "quantities:\n  - {id: humidity, unit: '%RH', domain: weather, name: Humidity, min: 0, max: 100}\n"
    files = {
        **GOOD,
        "city.yaml": GOOD["city.yaml"] + added + "site_kinds: [water_tower]\n",
        "sites.geojson": GOOD["sites.geojson"].replace("underpass", "water_tower"),
        "sensors.csv": GOOD["sensors.csv"].replace("temperature,°C", "humidity,%"),
    }
    city = load_city(files)
    assert city.sensors["t-1"].quantity == city.quantities["humidity"]
    assert set(QUANTITIES) < set(city.quantities)
    assert "water_tower" in city.site_kinds


def test_calibrations_and_optional_columns_may_be_missing() -> None:
    files = {name: text for name, text in GOOD.items() if name != "calibrations.csv"}
    files["sensors.csv"] = "sensor,gateway,site,quantity,unit,interval_s\nwl-1,gw-1,up-1,water_depth,cm,0.02\n"
    city = load_city(files)
    assert city.sensors["wl-1"].interval_s == 0.02
    assert city.calibrations == {}


def test_a_table_with_a_header_alone_is_an_empty_table() -> None:
    files = {
        **GOOD,
        "sensors.csv": "sensor,gateway,site,quantity,unit,interval_s\n",
        "calibrations.csv": "sensor,from,scale,offset\n",
    }
    assert load_city(files).sensors == {}
    files["gateways.csv"] = "gateway,district,interval_s\n"
    assert load_city(files).gateways == {}
    files["sensors.csv"] += "wl-1,gw-1,up-1,water_depth,cm,60\n"
    assert [str(fault) for fault in load_city_faults(files)[1]] == ["sensors.csv:2:6: unknown gateway, got 'gw-1'"]


def test_a_column_that_is_gone_is_passed_over() -> None:
    files = dict(GOOD)
    head, *rows = GOOD["gateways.csv"].splitlines()
    files["gateways.csv"] = "\n".join([f"{head},priority", *(f"{row},high" for row in rows)]) + "\n"
    assert load_city(files).gateways == load_city(GOOD).gateways
    files["gateways.csv"] = files["gateways.csv"].replace(",priority", ",priorty")
    assert "unknown column 'priorty'" in str(load_city_faults(files)[1][0])


def test_the_example_city_loads_and_has_what_it_promises() -> None:
    city = load_city(example_files())
    kinds = {site.kind for site in city.sites.values()}
    assert {"underpass", "manhole", "gas_main", "ground", "bridge", "rain_gauge"} <= kinds
    assert len(city.districts) == 2
    assert {sensor.quantity.domain for sensor in city.sensors.values()} >= {
        "gas",
        "waterlogging",
        "bridge",
        "settlement",
    }
    assert all(set(site.name.by_language) == set(languages) for site in city.sites.values())


def test_the_example_is_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "city"
    written = write_example(folder)
    for_editors = {f"{schemas.FOLDER}/{name}.json" for name in schemas.PATTERNS}
    assert {path.relative_to(folder).as_posix() for path in written} == set(example_files()) | for_editors
    assert read_folder(folder) == {name: schemas.hint(name) + text for name, text in example_files().items()}
    with pytest.raises(InputError, match="not empty"):
        write_example(folder)
    with pytest.raises(InputError, match="this is no folder"):
        write_example(written[0])


def test_the_example_explains_each_of_its_files() -> None:
    files = example_files()
    together = {"rules": "rules/*.yaml", "rosters": "rosters/*.ics"}
    named = {f"`{together.get(name.partition('/')[0], name)}`" for name in files if name != "README.md"}
    assert all(name in files["README.md"] for name in named)


def test_every_quantity_is_named_in_the_example() -> None:
    assert [q for q in QUANTITIES if f"`{q}`" not in example_files()["README.md"]] == []


@given(st.sampled_from(FILES), st.data())
def test_no_damage_to_a_file_makes_the_loader_fail_in_another_way(name: str, data: st.DataObject) -> None:
    text = GOOD[name]
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 8))
    instead = data.draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4))
    files = {**GOOD, name: text[:start] + instead + text[start + length :]}
    city, faults = load_city_faults(files)
    assert all(s.gateway in city.gateways and s.site in city.sites for s in city.sensors.values())
    lines = {file: text.count("\n") + 1 for file, text in files.items()}
    assert all(1 <= fault.line <= lines[fault.file] and fault.column >= 1 for fault in faults)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_a_bundle_hash_knows_names_from_contents(files: dict[str, str]) -> None:
    assert bundle_hash(files) == bundle_hash(dict(reversed(files.items())))
    moved = {name + "x": text for name, text in files.items()}
    assert not files or bundle_hash(files) != bundle_hash(moved)
