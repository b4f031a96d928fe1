"""A city folder for the FloodNet recordings, so that real street floods can be replayed against a real rule.

Boroughs are the districts, each with one gateway; every sensor is a low point on a road. Installation dates are left
out on purpose: two recorded floods are older than the date their sensor's metadata gives.
"""

from __future__ import annotations

import csv
import io
import json
import re
from importlib.resources import files
from pathlib import Path

from city.errors import InputError
from gateway.cityfolder import write_files
from gateway.mapping import Mapping, load_mapping
from gateway.recorded import Row, find_files, read_rows

_BOROUGHS = {
    "BK": ("brooklyn", "Brooklyn", "布鲁克林区"),
    "BX": ("bronx", "Bronx", "布朗克斯区"),
    "M": ("manhattan", "Manhattan", "曼哈顿区"),
    "Q": ("queens", "Queens", "皇后区"),
    "SI": ("staten-island", "Staten Island", "斯塔滕岛"),
}
_METADATA = "sensor-metadata.csv"
_MIDDLE = (-73.95, 40.7)  # where a sensor goes whose metadata is missing: the middle of the city

_CITY = """\
name: {en: New York street floods (recorded), zh: 纽约街道积水（实测记录）}
timezone: America/New_York
languages: [en, zh]
districts:
"""
_RULES = """\
# Thresholds of an example: nobody has confirmed them for New York.
version: 1
rules:
  - id: street-depth
    title: {en: Water standing on a street, zh: 道路积水}
    watch: {quantity: water_depth}
    ladder:
      red:    {above: 40 cm, for: 1m, deadband: 5 cm}
      orange: {above: 27 cm, for: 2m, deadband: 3 cm}
      yellow: {above: 15 cm, for: 3m, deadband: 3 cm}
    clear_after: 10m
    stale_after: 30m
    escalate: drainage
    guidance:
      en: Close the street to cars; look for blocked drains.
      zh: 封闭道路，排查排水口堵塞。
    source: {text: example profile, status: unverified}
"""
_ESCALATION = """\
# A replay must not ring anybody: the only address ends in nothing.
people:
  desk: {name: {en: Replay desk, zh: 回放值班台}, language: en, webhook: "http://127.0.0.1:9/replay"}
channels:
  webhook: {type: webhook, secret_env: LIFELINE_WEBHOOK_SECRET}
chains:
  drainage:
    steps:
      - {notify: person/desk, via: [webhook]}
"""


def floodnet_mapping() -> Mapping:
    """The mapping shipped for `flood-events.csv.gz`."""
    text = (files("gateway") / "examples" / "floodnet" / "mapping.yaml").read_text(encoding="utf-8")
    return load_mapping(text, "mapping.yaml")


def write_floodnet_city(recorded: Path, folder: Path) -> None:
    """Write a city folder for the sensors in `recorded` (its metadata, and the events for sensors only there).

    Raises
    ------
    InputError
        There are no events in `recorded`, or a sensor's id does not begin with a borough.
    """
    places = _places(recorded)
    districts = [f"  - {{id: {name}, name: {{en: {en}, zh: {zh}}}}}\n" for name, en, zh in _BOROUGHS.values()]
    gateways = [f"floodnet-{name},{name},60,FloodNet {en}\n" for name, en, _ in _BOROUGHS.values()]
    features, sensors = [], io.StringIO()
    writer = csv.writer(sensors, lineterminator="\n")
    writer.writerow(("sensor", "gateway", "site", "quantity", "unit", "interval_s"))
    for sensor, (name, place) in sorted(places.items()):
        found = re.match(r"[A-Z]+(?=-)", sensor)
        if found is None or found[0] not in _BOROUGHS:
            raise InputError(f"floodnet {recorded}: no borough in the sensor's id {sensor!r}, try BK-…, BX-…, M-…")
        borough = _BOROUGHS[found[0]][0]
        properties = {"id": f"street-{sensor}", "kind": "road", "name": name, "district": borough}
        geometry = {"type": "Point", "coordinates": place}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
        writer.writerow((sensor, f"floodnet-{borough}", f"street-{sensor}", "water_depth", "in", 60))
    sites = {"type": "FeatureCollection", "features": features}
    contents = {
        "city.yaml": _CITY + "".join(districts),
        "sites.geojson": json.dumps(sites, ensure_ascii=False, indent=1) + "\n",
        "gateways.csv": "gateway,district,interval_s,name\n" + "".join(gateways),
        "sensors.csv": sensors.getvalue(),
        "rules/streets.yaml": _RULES,
        "escalation.yaml": _ESCALATION,
    }
    write_files(folder, contents)


def _places(recorded: Path) -> dict[str, tuple[str, tuple[float, float]]]:
    """Name and place of every sensor."""
    mapping, places = floodnet_mapping(), {}
    metadata = recorded / _METADATA
    for row in read_rows(metadata, mapping) if metadata.is_file() else ():
        if isinstance(row, Row):
            cells = {key: str(value) for key, value in row.cells.items()}
            place = (round(float(cells["longitude"]), 6), round(float(cells["latitude"]), 6))
            places[cells["sensor_id"]] = (cells["sensor_name"], place)
    for path in find_files(recorded, mapping):
        for row in read_rows(path, mapping):
            if isinstance(row, Row):
                places.setdefault(str(row.cells["sensor_id"]), (str(row.cells["sensor_name"]), _MIDDLE))
    return places
