"""Reads which sensors a rule watches, and rules of silence."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from city.levels import Level
from city.model import City, Gateway, Sensor
from city.positions import Path, nearest_or_all, show
from city.quantity import Quantity
from rules.book import Rule, Watch
from rules.conditions.kinds import Silent
from rules.language.conditionfile import read_condition
from rules.language.grammar import LEVELS, NOT_IN_SILENCE
from rules.language.reader import ANY, Reader
from rules.language.wording import Where

STALE_INTERVALS = 3


class Register:
    """The sensors of a city by what rules choose them by, so that thousands of rules are read in seconds."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._by: dict[tuple[str, str], list[Sensor]] = {}
        for sensor in city.sensors.values():
            site = city.sites[sensor.site]
            own = [("quantity", sensor.quantity.id), ("site_kind", site.kind), ("district", site.district)]
            for key in [*own, *(("tag", tag) for tag in sensor.tags)]:
                self._by.setdefault(key, []).append(sensor)

    def find(self, names: Collection[str] | None, wanted: Mapping[str, str], tags: Collection[str]) -> list[Sensor]:
        """Sensors by name (None: all) that are all that is wanted and have all the tags, in the register's order."""
        city = self._city
        pools: list[list[Sensor]] = [self._by.get((key, value), []) for key, value in wanted.items()]
        pools += [self._by.get(("tag", tag), []) for tag in tags]
        if names is not None:
            pools.append([city.sensors[name] for name in dict.fromkeys(names) if name in city.sensors])
        pool = min(pools, key=len) if pools else list(city.sensors.values())
        named = None if names is None else set(names)
        return [
            sensor for sensor in pool
            if (named is None or sensor.id in named)
            and wanted.get("quantity", sensor.quantity.id) == sensor.quantity.id
            and ("site_kind" not in wanted or city.sites[sensor.site].kind == wanted["site_kind"])
            and ("district" not in wanted or city.district_of(sensor) == wanted["district"])
            and sensor.tags.issuperset(tags)
        ]  # fmt: skip


def watched(
    reader: Reader, register: Register, watch: Mapping[str, object], path: Path, quantity: Quantity | None
) -> list[Sensor]:
    """The sensors a rule watches; a fault when there are none. `path`: where `watch` stands."""
    city, before = reader.city, len(reader.faults)
    names, tags = reader.texts(watch, "sensors", path), reader.texts(watch, "tags", path)
    for at, name in enumerate(names or ()):
        if reader.whole and name not in city.sensors:
            reader.fault((*path, "sensors", at), "no such sensor", show(name), nearest_or_all(name, city.sensors))
    district = watch.get("district")
    if reader.whole and district is not None and str(district) not in city.districts:
        hint = nearest_or_all(str(district), city.districts)
        reader.fault((*path, "district"), "no such district", show(district), hint)
    kind = reader.site_kind(watch, "site_kind", path)
    if len(reader.faults) > before:
        return []
    wanted = {"quantity": quantity.id if quantity else "", "site_kind": kind, "district": str(district or "")}
    found = register.find(names, {key: value for key, value in wanted.items() if value}, tags or ())
    if not found and reader.whole:
        reader.fault(path, "the rule watches no sensor of this city", hint="another quantity, site_kind or tag")
    return found


def read_silence(
    reader: Reader, register: Register, rule: Rule, data: Mapping[str, object], path: Path
) -> dict[str, Watch]:
    """A rule of `silent` levels: watches gateways (`gateways: all`) or sensors, one level, no other condition."""
    watch, ladder = data["watch"], data["ladder"]
    if not isinstance(watch, Mapping) or not isinstance(ladder, Mapping):
        return {}
    for key in NOT_IN_SILENCE:
        if key in data:
            what = f"{key} does not go with a rule of silence"
            reader.faults.append(reader.positions.key_fault((*path, key), what, hint=f"leaving {key} out"))
    if len(ladder) != 1:
        got = ", ".join(map(str, ladder))
        reader.fault((*path, "ladder"), "a silence rule has one level", got, "one rule for each")
        return {}
    colour, level = next(iter(ladder.items()))
    plan = read_condition(reader, level, (*path, "ladder", colour), ANY)
    sensors = list(reader.city.sensors.values())
    if plan is None or colour not in LEVELS or not sensors:
        return {}
    silent = plan.make(sensors[0])
    if not isinstance(silent, Silent):
        reader.fault((*path, "ladder", colour), "a rule of silence asks for nothing else", hint="{silent: 10m}")
        return {}
    where: Path = (*path, "watch")
    if "gateways" in watch:
        if watch["gateways"] != "all" or len(watch) > 1:
            hint = "{gateways: all}"
            reader.fault(where, "expected all gateways and nothing else", show(watch["gateways"]), hint)
        made = [_watch(rule, Level.of(colour), silent, reader.city, None, g) for g in reader.city.gateways.values()]
    else:
        quantity = reader.quantity(watch, where)
        if "quantity" in watch and quantity is None:
            return {}
        found, gateways = watched(reader, register, watch, where, quantity), reader.city.gateways
        made = [_watch(rule, Level.of(colour), silent, reader.city, s, gateways[s.gateway]) for s in found]
    return {one.key: one for one in made}


def _watch(rule: Rule, level: Level, silent: Silent, city: City, sensor: Sensor | None, gateway: Gateway) -> Watch:
    interval_s = gateway.interval_s if sensor is None else sensor.interval_s
    after_us = max(silent.after_us, round(STALE_INTERVALS * interval_s * 1e6))
    site, district = (gateway.id, gateway.district) if sensor is None else (sensor.site, city.district_of(sensor))
    where = Where.of(city, site, district, sensor, sensor.id if sensor else gateway.name or gateway.id)
    return Watch(rule, level, after_us, sensor, gateway, site, district, silent.written, where)
