"""A city of a few sensors, written inside a rule test: a rule file can be tried without a register.

Every sensor needs its quantity and the kind of its site; all else has a plain default (its canonical unit, a site of
its own name, one gateway `gw` for all, one reading a minute, one place for all). Quantities and kinds of site that the
folder's `city.yaml` adds are known here, too.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from city import duration
from city.errors import Fault, InputError
from city.load import load_city_faults
from city.model import City
from city.positions import Path, Positions, check_keys, nearest_or_all, show
from city.quantity import QUANTITIES
from city.yamlfile import parse
from rules.book import Book
from rules.check import Checked
from rules.desk.escalationfile import load_escalation
from rules.language.bookfile import load_book

HEAD_KEYS = ("timezone", "sites")
SENSOR_KEYS = ("unit", "site", "at", "gateway", "interval", "tags", "along", "district")
SITE_KEYS = ("at", "along", "district")
_REGISTER = ("city.yaml", "sites.geojson", "districts.geojson", "gateways.csv", "sensors.csv", "calibrations.csv")
_DISTRICT, _GATEWAY, _PLACE = "district", "gw", [117.0, 31.0]
_DESK = """
people: {duty: {name: Duty officer, webhook: "https://crew.example.org/duty"}}
channels: {webhook: {type: webhook, secret_env: LIFELINE_WEBHOOK_SECRET}}
chains:
"""


def tiny_city(
    data: object, path: Path, positions: Positions, files: Mapping[str, str]
) -> tuple[Checked | None, list[Fault]]:
    """The city under `city:` of a rule test, with the rules of `files` as far as they find a sensor in it."""
    added = _added(files)
    units = {name: quantity.unit for name, quantity in QUANTITIES.items()} | _units(added)
    faults = _faults(data, path, positions, units)
    if faults or not isinstance(data, Mapping):
        return None, faults
    own = {name: text for name, text in files.items() if name not in _REGISTER} | _register(data, added, units)
    own.setdefault("escalation.yaml", _desk(own))
    city, wrong = load_city_faults(own)
    faults += [_here(fault, data, path, positions) for fault in wrong]
    if faults:
        return None, faults
    return load_around(city, own)


def load_around(city: City, files: Mapping[str, str]) -> tuple[Checked | None, list[Fault]]:
    """Rules and escalation for a city that may lack what some of the rules watch."""
    escalation, faults = load_escalation(files, city, whole=False)
    chains = escalation.chains if escalation else ()
    book, more = load_book(files, city, chains, whole=False)
    if not isinstance(book, Book) or escalation is None or faults or more:
        return None, [*faults, *more]
    return Checked(city, book, escalation), []


def _added(files: Mapping[str, str]) -> dict[str, object]:
    """What the folder's city adds to what Lifeline knows."""
    data = parse(files.get("city.yaml", "{}"), "city.yaml")[0]
    return {key: data[key] for key in ("quantities", "site_kinds") if key in data} if isinstance(data, Mapping) else {}


def _units(added: Mapping[str, object]) -> dict[str, str]:
    """The unit of each quantity that the city adds, as far as it is written as it should be."""
    entries = added.get("quantities")
    found = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    return {str(entry.get("id")): str(entry.get("unit")) for entry in found}


def _faults(data: object, path: Path, positions: Positions, units: Mapping[str, str]) -> list[Fault]:
    faults = check_keys(data, path, positions, required=("sensors",), optional=HEAD_KEYS)
    if not isinstance(data, Mapping):
        return faults
    for part, required, optional in (
        ("sensors", ("quantity", "site_kind"), SENSOR_KEYS),
        ("sites", ("site_kind",), SITE_KEYS),
    ):
        here: Path = (*path, part)
        entries = data.get(part, {})
        if not isinstance(entries, Mapping) or (part == "sensors" and not entries):
            faults.append(
                positions.fault(here, f"{part}: expected names with what they are", show(entries), "a-1: {…}")
            )
            continue
        for name, entry in entries.items():
            faults += check_keys(entry, (*here, name), positions, required=required, optional=optional)
            if isinstance(entry, Mapping):
                faults += _entry(entry, (*here, name), positions, units)
    return faults


def _entry(entry: Mapping[str, object], path: Path, positions: Positions, units: Mapping[str, str]) -> list[Fault]:
    faults = []
    quantity, interval, place = entry.get("quantity"), entry.get("interval", "1m"), entry.get("at", _PLACE)
    if quantity is not None and quantity not in units:
        hint = nearest_or_all(str(quantity), units)
        faults.append(positions.fault((*path, "quantity"), "unknown quantity", show(quantity), hint))
    try:
        duration.parse_s(str(interval))
    except InputError as error:
        faults.append(positions.fault((*path, "interval"), f"interval: {error}"))
    numbers = [part for part in place if isinstance(part, int | float)] if isinstance(place, list) else []
    if len(numbers) != 2:
        faults.append(positions.fault((*path, "at"), "at: expected a place", show(place), "[117.2, 31.8] (lon, lat)"))
    return faults


def _here(fault: Fault, data: Mapping[str, object], path: Path, positions: Positions) -> Fault:
    """A fault of the register that was made, at the place in the test that it was made from."""
    where: Path = (*path, "sensors")
    names = list(_mapping(data["sensors"]))
    if fault.file == "sensors.csv" and 0 <= fault.line - 2 < len(names):
        where = (*where, names[fault.line - 2])
    elif fault.file == "city.yaml":
        where = path
    return positions.fault(where, fault.what, fault.got, fault.hint)


def _register(data: Mapping[str, object], added: Mapping[str, object], units: Mapping[str, str]) -> dict[str, str]:
    """The four files of a register."""
    sensors = {name: _mapping(entry) for name, entry in _mapping(data["sensors"]).items()}
    sites = {name: _mapping(entry) for name, entry in _mapping(data.get("sites", {})).items()}
    for name, sensor in sensors.items():
        sites.setdefault(str(sensor.get("site", name)), sensor)
    gateways = {str(s.get("gateway", _GATEWAY)): str(s.get("district", _DISTRICT)) for s in sensors.values()}
    districts = {str(entry.get("district", _DISTRICT)) for entry in [*sensors.values(), *sites.values()]}
    rows = [
        [name, s.get("gateway", _GATEWAY), s.get("site", name), s["quantity"],
         s.get("unit") or units[str(s["quantity"])], _interval(s), *s.get("at", ["", ""]),
         " ".join(map(str, s.get("tags", [])))]
        for name, s in sensors.items()
    ]  # fmt: skip
    return {
        "city.yaml": json.dumps(
            {
                "name": "Test city",
                "timezone": data.get("timezone", "UTC"),
                "districts": [{"id": name, "name": name} for name in sorted(districts)],
                **added,
            }
        ),
        "sites.geojson": json.dumps({"type": "FeatureCollection", "features": [_site(*it) for it in sites.items()]}),
        "gateways.csv": _table(["gateway", "district", "interval_s"], [[*it, 60] for it in gateways.items()]),
        "sensors.csv": _table(
            ["sensor", "gateway", "site", "quantity", "unit", "interval_s", "lon", "lat", "tags"], rows
        ),
    }


def _site(name: str, entry: Mapping[str, object]) -> dict[str, object]:
    properties = {
        "id": name,
        "kind": entry["site_kind"],
        "name": name,
        "district": entry.get("district", _DISTRICT),
        **({"along": entry["along"]} if "along" in entry else {}),
    }
    place = {"type": "Point", "coordinates": entry.get("at", _PLACE)}
    return {"type": "Feature", "geometry": place, "properties": properties}


def _interval(sensor: Mapping[str, object]) -> float:
    return duration.parse_s(str(sensor.get("interval", "1m")))


def _table(header: list[str], rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _desk(files: Mapping[str, str]) -> str:
    """An escalation for whatever chains the rules name: one person, told at once."""
    chains: set[str] = set()
    for name, text in files.items():
        if name.startswith("rules/") and name.endswith((".yaml", ".yml")) and ".test." not in name:
            data = parse(text, name)[0]
            rules: object = data.get("rules") if isinstance(data, Mapping) else None
            for rule in rules if isinstance(rules, list) else []:
                if isinstance(rule, Mapping) and isinstance(rule.get("escalate"), str):
                    chains.add(rule["escalate"])
    steps = "steps: [{notify: person/duty, via: [webhook]}]"
    return _DESK + "".join(f"  {json.dumps(chain)}: {{{steps}}}\n" for chain in sorted(chains or {"duty"}))


def _mapping(value: object) -> Mapping[str, dict[str, object]]:
    return value if isinstance(value, Mapping) else {}
