"""Writes the simulated city as a city folder, the same files a real city would edit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from city.errors import InputError, OutsideError
from city.words import languages, say
from gateway.town import PlannedSite, Town, degrees_of, plan

_GATEWAY_COLUMNS = ("gateway", "district", "interval_s", "name", "lon", "lat")
_SENSOR_COLUMNS = ("sensor", "gateway", "site", "quantity", "unit", "interval_s", "lon", "lat", "tags", "context")
_DRILLS = ("underpass-flood", "gas-manhole", "bridge-strain")
_EDGE_M = 250.0  # a district reaches so far beyond its sites
_RULES = ("waterlogging", "gas", "bridges", "ground", "platform")


def city_files(seed: int, crew_url: str) -> dict[str, str]:
    """The folder's files by relative path.

    Parameters
    ----------
    seed
        Decides where exactly things stand.
    crew_url
        Where people's notices go: each person's webhook is `{crew_url}/{person}`.
    """
    if not crew_url.startswith(("http://", "https://")):
        raise InputError(f"crew_url: expected an http address, got {crew_url!r}, try http://127.0.0.1:8080/crew")
    town = plan(seed)
    shipped = files("gateway") / "demo_city"
    escalation = (shipped / "escalation.yaml").read_text(encoding="utf-8")
    names = [f"rules/{rules}{ending}" for rules in _RULES for ending in (".yaml", ".test.yaml")]
    names += ["calendar.yaml", "rosters/gas-nights.ics", *(f"drills/{drill}.yaml" for drill in _DRILLS)]
    rules = {name: shipped.joinpath(name).read_text(encoding="utf-8") for name in names}
    return {
        "city.yaml": _city_yaml(town),
        "sites.geojson": _sites(town),
        "districts.geojson": _outlines(town),
        "gateways.csv": _table(_GATEWAY_COLUMNS, _gateways(town)),
        "sensors.csv": _table(_SENSOR_COLUMNS, _sensors(town)),
        "escalation.yaml": escalation.replace("@CREW_URL@", crew_url.rstrip("/")),
        **rules,
    }


def write_city(folder: Path, seed: int, crew_url: str) -> None:
    """Write the simulated city into `folder` (made if missing; its files of the same names are replaced)."""
    write_files(folder, city_files(seed, crew_url))


def write_files(folder: Path, contents: Mapping[str, str]) -> None:
    """Write texts under `folder`, each whole or not at all."""
    try:
        for name, text in contents.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.new")  # hidden: readers of city folders pass over it
            partial.write_text(text, encoding="utf-8")
            partial.replace(target)
    except OSError as error:
        raise OutsideError(f"city folder {folder}: {error.strerror}, try another folder") from error


def _by_language(key: str) -> str:
    return "{" + ", ".join(f"{lang}: {json.dumps(say(key, lang), ensure_ascii=False)}" for lang in languages) + "}"


def _city_yaml(town: Town) -> str:
    districts = [f"  - {{id: {name}, name: {_by_language(f'simulation.{name}')}}}" for name in town.districts]
    head = f"name: {_by_language('simulation.city')}\ntimezone: Asia/Shanghai\nlanguages: [{', '.join(languages)}]\n"
    return "# Written by the simulator; edits may be replaced.\n" + head + "districts:\n" + "\n".join(districts) + "\n"


def _feature(site: PlannedSite) -> dict[str, object]:
    properties = {"id": site.id, "kind": site.kind, "name": dict(site.name), "district": site.district}
    if site.along:
        properties["along"] = site.along
    if site.line:
        geometry: dict[str, object] = {"type": "LineString", "coordinates": [degrees_of(point) for point in site.line]}
    else:
        geometry = {"type": "Point", "coordinates": degrees_of(site.at)}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _sites(town: Town) -> str:
    return _collection(map(_feature, town.sites.values()))


def _outlines(town: Town) -> str:
    """Each district's area: around all its sites, with the corners cut."""
    return _collection(
        [_outline(name, [s for s in town.sites.values() if s.district == name]) for name in town.districts]
    )


def _outline(district: str, sites: Sequence[PlannedSite]) -> dict[str, object]:
    points = [point for site in sites for point in (site.line or (site.at,))]
    west, east = (edge(x for x, _ in points) for edge in (min, max))
    south, north = (edge(y for _, y in points) for edge in (min, max))
    w, e, s, n = west - _EDGE_M, east + _EDGE_M, south - _EDGE_M, north + _EDGE_M
    ring = [(west, s), (east, s), (e, south), (e, north), (east, n), (west, n), (w, north), (w, south), (west, s)]
    geometry = {"type": "Polygon", "coordinates": [[degrees_of(corner) for corner in ring]]}
    return {"type": "Feature", "geometry": geometry, "properties": {"id": district}}


def _collection(features: Iterable[Mapping[str, object]]) -> str:
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    return f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _gateways(town: Town) -> Iterable[Sequence[object]]:
    for gateway in town.gateways.values():
        yield gateway.id, gateway.district, gateway.interval_s, gateway.name, *degrees_of(gateway.at)


def _sensors(town: Town) -> Iterable[Sequence[object]]:
    for s in town.sensors.values():
        place = degrees_of(s.at) if s.at else ("", "")
        lists = " ".join(s.tags), " ".join(s.context)
        yield s.id, s.gateway, s.site, s.quantity, s.unit, s.interval_s, *place, *lists
