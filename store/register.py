"""The register in the database: what the city folder says, kept for views and history, with a number per sensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg.types.json import Jsonb

from city.geo import Place
from city.model import City
from store.connection import Connection
from store.statements import statements

_SQL = statements("register")
# Order matters: sensors are shown with their site's columns.
_UPSERTS = ("districts", "sites", "gateways", "sensors", "gone_sites", "gone_gateways", "gone_sensors")


def sync(conn: Connection, city: City) -> None:
    """Make the register say what `city` says, in one transaction; what vanished stays as `in_register = false`."""
    with conn.transaction():
        conn.execute(_SQL["stage"])
        conn.execute(_SQL["empty"])
        with conn.cursor() as cursor, cursor.copy(_SQL["copy"]) as copy:
            for part, id_, row in _rows(city):
                copy.write_row((part, id_, Jsonb(row)))
        for name in _UPSERTS:
            conn.execute(_SQL[name])


def size(conn: Connection) -> int:
    """How many sensors are in the register."""
    row = conn.execute(_SQL["size"]).fetchone()
    return int(row[0]) if row else 0


def ids(conn: Connection) -> dict[str, int]:
    """The number (`sensor_id`) of every sensor that ever was in the register, by name."""
    return dict(conn.execute(_SQL["ids"]).fetchall())


def _rows(city: City) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for district in city.districts.values():
        yield "district", district.id, {"name": dict(district.name.by_language)}
    for site in city.sites.values():
        own: dict[str, Any] = {"kind": site.kind, "name": dict(site.name.by_language), "district": site.district}
        yield "site", site.id, own | _place(site.place) | {"along": site.along, "owner": site.owner}
    for gateway in city.gateways.values():
        own = {"district": gateway.district, "name": gateway.name, "interval_s": gateway.interval_s}
        yield "gateway", gateway.id, own | (_place(gateway.place) if gateway.place else {})
    for sensor in city.sensors.values():
        quantity = sensor.quantity
        yield (
            "sensor",
            sensor.id,
            {
                "gateway": sensor.gateway,
                "site": sensor.site,
                "quantity": quantity.id,
                "domain": quantity.domain,
                "unit": quantity.unit,
                "interval_s": sensor.interval_s,
                "name": sensor.name,
                "range_min": sensor.range_min,
                "range_max": sensor.range_max,
                **_place(city.place_of(sensor)),
            },
        )


def _place(place: Place) -> dict[str, float]:
    return {"lon": place.lon, "lat": place.lat}
