"""A city folder's texts become a `City`, or every fault there is in them, at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from city import units, words
from city.errors import Fault, FaultyInput
from city.identity import PLAIN_ID, TOPIC_ID, id_problem, read_name
from city.keys import Key, Kind, optional, required
from city.model import City, District, Name, Site
from city.outlines import FILE as OUTLINES
from city.outlines import check_outlines
from city.positions import Path, Positions, check_keys, nearest, nearest_or_all, show
from city.quality import TESTS, Quality, read_quality
from city.quantity import DOMAINS, QUANTITIES, Quantity
from city.register import Register
from city.retention import RETENTION, Retention, read_retention
from city.sites import SITE_KINDS, read_sites
from city.yamlfile import read

DISTRICT: Mapping[str, Key] = {
    "id": Key(Kind.ID, "Its short name, a part of MQTT topics: letters a-z, digits, - and _.", required=True),
    "name": Key(Kind.NAME, "What people call it.", required=True),
}
QUANTITY: Mapping[str, Key] = {
    "id": Key(Kind.ID, "Its name in files, topics and views.", required=True),
    "unit": Key(Kind.TEXT, "Its canonical unit: everything inside is in it.", required=True),
    "domain": Key(Kind.WORD, "What it belongs to.", required=True, words=DOMAINS),
    "name": Key(Kind.NAME, "What people call it.", required=True),
    "min": Key(Kind.PLAIN, "Less than this no working sensor reports.", required=True),
    "max": Key(Kind.PLAIN, "More than this no working sensor reports.", required=True),
}
CITY: Mapping[str, Key] = {
    "name": Key(Kind.NAME, "The city's name.", required=True),
    "timezone": Key(Kind.TEXT, "Whose clock rosters, calendars and reports go by: an IANA time zone.", required=True),
    "districts": Key(Kind.MAPPINGS, "Parts of the city with their own operators.", required=True, keys=DISTRICT),
    "languages": Key(Kind.WORDS, "What notices and screens may speak; the first is usual.", words=words.languages),
    "quantities": Key(Kind.MAPPINGS, "Quantities that the city adds.", keys=QUANTITY),
    "site_kinds": Key(Kind.WORDS, "Kinds of site that the city adds."),
    "retention": Key(Kind.MAPPING, "How long what is measured is kept.", keys=RETENTION),
    "quality": Key(Kind.NAMED, "Tests of quality that differ from what is built in, by quantity.", keys=TESTS),
}
NEEDED = ("city.yaml", "sites.geojson", "gateways.csv", "sensors.csv")
FILES = (*NEEDED, "calibrations.csv")


def load_city(files: Mapping[str, str]) -> City:
    """The city that these texts (by relative path) describe.

    Raises
    ------
    FaultyInput
        With every fault of every register file.
    """
    city, faults = load_city_faults(files)
    if faults:
        raise FaultyInput(faults)
    return city


def load_city_faults(files: Mapping[str, str]) -> tuple[City, list[Fault]]:
    """The city and every fault of the register files (`FILES`), sorted by file and place.

    With faults, the city is what could be read and hangs together: good enough to look for faults in what refers to it.
    """
    faults = [_missing(name, files) for name in NEEDED if name not in files]
    faults += [
        Fault(name, 1, 1, "this ending is not read", hint="naming it .yaml") for name in files if name.endswith(".yml")
    ]
    head = _read_head(files["city.yaml"], "city.yaml", faults) if "city.yaml" in files else _Head()
    site_ids: set[str] | None = None
    sites: dict[str, Site] = {}
    if "sites.geojson" in files:
        before = len(faults)
        sites, named = read_sites(files["sites.geojson"], "sites.geojson", head.district_ids, head.kinds, faults)
        site_ids = named if named or len(faults) == before else None
    register = Register(head.district_ids, site_ids, head.quantities, head.zone, faults)
    if "gateways.csv" in files:
        register.read_gateways(files["gateways.csv"], "gateways.csv")
    if "sensors.csv" in files:
        register.read_sensors(files["sensors.csv"], "sensors.csv")
    if "calibrations.csv" in files:
        register.read_calibrations(files["calibrations.csv"], "calibrations.csv")
    if OUTLINES in files:
        check_outlines(files[OUTLINES], OUTLINES, head.district_ids, faults)
    sensors = {s.id: s for s in register.sensors.values() if s.gateway in register.gateways and s.site in sites}
    city = City(
        name=head.name, timezone=head.zone.key if head.zone else "UTC", languages=head.languages,
        districts=head.districts, sites=sites, gateways=register.gateways, sensors=sensors,
        calibrations=register.calibrations, quantities=head.quantities, site_kinds=head.kinds, retention=head.retention,
        quality=head.quality,
    )  # fmt: skip
    return city, sorted(set(faults))


def _missing(name: str, files: Mapping[str, str]) -> Fault:
    other = nearest(name, files)
    return Fault(
        name, 1, 1, "file is missing", hint=f"renaming {other!r}" if other else "'lifeline init' for an example"
    )


@dataclass
class _Head:
    """What `city.yaml` says; `district_ids` is None while it cannot be read."""

    name: Name = field(default_factory=lambda: Name({"en": "?"}))
    zone: ZoneInfo | None = None
    languages: tuple[str, ...] = words.languages
    districts: Mapping[str, District] = field(default_factory=dict)
    district_ids: set[str] | None = None
    quantities: Mapping[str, Quantity] = field(default_factory=lambda: QUANTITIES)
    kinds: frozenset[str] = SITE_KINDS
    retention: Retention = field(default_factory=Retention)
    quality: Mapping[str, Quality] = field(default_factory=dict)


def _read_head(text: str, file: str, faults: list[Fault]) -> _Head:
    found = read(text, file)
    faults += found.faults
    if not found.whole:
        return _Head()
    own: list[Fault] = []
    head = _head_of(found.data, found.positions, own)
    faults += found.positions.fresh(own)
    return head


def _head_of(data: object, positions: Positions, faults: list[Fault]) -> _Head:
    head = _Head()
    faults += check_keys(data, (), positions, required=required(CITY), optional=optional(CITY))
    if not isinstance(data, Mapping):
        return head
    if "name" in data:
        head.name = read_name(data["name"], ("name",), positions, faults)
    if "timezone" in data:
        head.zone = _zone(data["timezone"], positions, faults)
    if "languages" in data:
        head.languages = _languages(data["languages"], positions, faults)
    if "districts" in data:
        head.districts, head.district_ids = _districts(data["districts"], positions, faults)
    if "quantities" in data:
        head.quantities = {**QUANTITIES, **_quantities(data["quantities"], positions, faults)}
    if "site_kinds" in data:
        head.kinds = SITE_KINDS | _site_kinds(data["site_kinds"], positions, faults)
    if "retention" in data:
        head.retention = read_retention(data["retention"], head.quantities, positions, faults)
    if "quality" in data:
        head.quality = read_quality(data["quality"], head.quantities, positions, faults)
    return head


def _items(value: object, path: Path, positions: Positions, faults: list[Fault], example: str) -> list[object]:
    if isinstance(value, list) and value:
        return value
    faults.append(positions.fault(path, "expected a list", show(value), example))
    return []


@cache
def _zones() -> set[str]:
    """Every time zone there is: a walk over hundreds of files."""
    return available_timezones()


def _zone(value: object, positions: Positions, faults: list[Fault]) -> ZoneInfo | None:
    zones = _zones()
    if isinstance(value, str) and value in zones:
        return ZoneInfo(value)
    hint = nearest(value, zones) if isinstance(value, str) else ""
    faults.append(positions.fault(("timezone",), "unknown time zone", show(value), hint or "Asia/Shanghai"))
    return None


def _languages(value: object, positions: Positions, faults: list[Fault]) -> tuple[str, ...]:
    spoken = _items(value, ("languages",), positions, faults, "[en, zh]")
    for index, language in enumerate(spoken):
        if language not in words.languages:
            hint = " or ".join(words.languages)
            faults.append(positions.fault(("languages", index), "unknown language", show(language), hint))
    return tuple(str(language) for language in spoken) or words.languages


def _districts(value: object, positions: Positions, faults: list[Fault]) -> tuple[dict[str, District], set[str] | None]:
    """Districts by id, and the ids; None for those when one is faulty, lest every file that names it complain."""
    found: dict[str, District] = {}
    before = len(faults)
    for index, item in enumerate(_items(value, ("districts",), positions, faults, "- {id: north, name: North}")):
        path: Path = ("districts", index)
        faults += check_keys(item, path, positions, required=required(DISTRICT))
        if not isinstance(item, Mapping) or "id" not in item:
            continue
        id_, at = item["id"], (*path, "id")
        problem = id_problem(id_, TOPIC_ID) if isinstance(id_, str) else ("id must be text", "quotes around it")
        if problem:
            faults.append(positions.fault(at, problem[0], show(id_), problem[1]))
        elif id_ in found:
            faults.append(positions.fault(at, "duplicate district", show(id_), "another id"))
        name = read_name(item["name"], (*path, "name"), positions, faults) if "name" in item else Name({"en": "?"})
        found.setdefault(str(id_), District(str(id_), name))
    return found, set(found) if len(faults) == before else None


def _quantities(value: object, positions: Positions, faults: list[Fault]) -> dict[str, Quantity]:
    """The quantities that this city adds."""
    found: dict[str, Quantity] = {}
    example = "- {id: humidity, unit: %RH, domain: weather, name: Humidity, min: 0, max: 100}"
    for index, item in enumerate(_items(value, ("quantities",), positions, faults, example)):
        path: Path = ("quantities", index)
        before = len(faults)
        faults += check_keys(item, path, positions, required=required(QUANTITY))
        if not isinstance(item, Mapping) or len(faults) > before:
            continue
        id_, unit, domain, low, high = (item[key] for key in ("id", "unit", "domain", "min", "max"))
        if not isinstance(id_, str) or id_problem(id_, PLAIN_ID):
            faults.append(positions.fault((*path, "id"), "an id has letters, digits and _", show(id_), "humidity"))
        elif id_ in QUANTITIES or id_ in found:
            faults.append(positions.fault((*path, "id"), "this quantity exists already", show(id_), "another id"))
        if domain not in DOMAINS:
            hint = nearest_or_all(str(domain), DOMAINS)
            faults.append(positions.fault((*path, "domain"), "unknown domain", show(domain), hint))
        try:
            units.parse(str(unit))
        except units.UnitError as error:
            faults.append(
                positions.fault((*path, "unit"), "unknown unit", show(unit), str(error).rpartition("try ")[2])
            )
        bounds = [
            float(bound) for bound in (low, high) if isinstance(bound, (int, float)) and not isinstance(bound, bool)
        ]
        if len(bounds) < 2 or bounds[0] >= bounds[1]:
            faults.append(
                positions.fault((*path, "max"), "max must be a number above min", show(high), "a larger number")
            )
            continue
        name = read_name(item["name"], (*path, "name"), positions, faults)
        found[str(id_)] = Quantity(str(id_), str(unit), str(domain), name.by_language, *bounds)
    return found


def _site_kinds(value: object, positions: Positions, faults: list[Fault]) -> frozenset[str]:
    """The kinds of site that this city adds."""
    kinds = _items(value, ("site_kinds",), positions, faults, "[water_tower]")
    for index, kind in enumerate(kinds):
        if not isinstance(kind, str) or id_problem(kind, PLAIN_ID):
            what = "a site kind has letters, digits and _"
            faults.append(positions.fault(("site_kinds", index), what, show(kind), "water_tower"))
    return frozenset(str(kind) for kind in kinds)
