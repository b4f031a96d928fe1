"""Reads the conditions that look around: neighbours' samples, their silence, and what stands beside a sensor."""

from __future__ import annotations

from collections.abc import Mapping

from city.model import Sensor
from city.nearby import Wanted
from city.positions import Path
from city.quantity import Quantity
from rules.conditions.kinds import Ask, Beside, Condition, Found, Near, Quiet
from rules.language.grammar import AGGREGATES, COMPARISONS, FORMS, ON, TRENDS, WHERE
from rules.language.plainfile import read_detect, read_trend, read_window
from rules.language.reader import ANY, Plan, Reader

_ASKS = (*AGGREGATES, *TRENDS, "detector", "silent")
_ALWAYS = ("near", "k_of_n", "min_valid")


def near_plan(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan | None:
    """What neighbours measured; `quantity` is the watched sensor's, which does not matter here."""
    where_path = (*path, "near")
    where = reader.check(data["near"], WHERE, where_path)
    asks = [key for key in _ASKS if key in data]
    if len(asks) != 1:
        what = "near needs an aggregate over a time and a comparison, a change, a detector with in_last, or silent"
        hint = "{near: {…}, sum: 30m, above: 15 mm} or {near: {…}, detector: name, in_last: 60m}"
        reader.fault(path, what, ", ".join(asks) or "none of them", hint)
    wanted = _wanted(reader, where, where_path, anything=asks[:1] in (["silent"], ["detector"]))
    need = reader.count(data, "k_of_n", path, 1)
    min_valid = reader.count(data, "min_valid", path, 0 if asks == ["silent"] else 1)
    other = ANY if where.get("quantity") == ANY.id else reader.city.quantities.get(str(where.get("quantity")))
    if len(asks) != 1 or other is None:
        return None
    ask, quantities, said = _ask(reader, data, path, asks[0], other)
    if ask is None or wanted is None:
        return None
    if quantities and other is ANY:
        wanted = Wanted(quantities, wanted.within_m, wanted.on, wanted.site_kind, wanted.tags)
    written = f"{_place(where)}: {said}" if need == 1 else f"{_place(where)}, {need} of them: {said}"
    nearby = reader.neighbourhoods()

    def make(sensor: Sensor) -> Condition:
        return Near(nearby.sensors(sensor, wanted), ask, need, min_valid, written)

    return Plan(make, shared=False)


def _wanted(reader: Reader, where: Mapping[str, object], path: Path, *, anything: bool) -> Wanted | None:
    """Which neighbours; None when that cannot be told."""
    before = len(reader.faults)
    name = where.get("quantity")
    quantities = None if name == ANY.id else frozenset({str(name)})
    if name == ANY.id and not anything:
        reader.fault((*path, "quantity"), "any goes with silent and detector only", hint="one quantity")
    elif name != ANY.id:
        reader.quantity(where, path)
    within_m = reader.distance_m(where, "within", path)
    on = reader.word(where, "on", path, ON, "")
    if "within" not in where and "on" not in where:
        reader.fault(path, "near needs within or on", hint="within: 300 m, or on: site")
    kind = reader.site_kind(where, "site_kind", path)
    tags = frozenset(reader.texts(where, "tags", path) or ())
    good = len(reader.faults) == before and "quantity" in where
    return Wanted(quantities, within_m, on, kind, tags) if good else None


def _place(where: Mapping[str, object]) -> str:
    """Where neighbours are, in a rule's words: `rainfall within 2 km`, `methane on the same pipe within 50 m`."""
    words = [str(where["quantity"])]
    if "on" in where:
        words.append(f"on the same {where['on']}")
    if "within" in where:
        words.append(f"within {where['within']}")
    return " ".join(words)


def _ask(
    reader: Reader, data: Mapping[str, object], path: Path, head: str, other: Quantity
) -> tuple[Ask | None, frozenset[str], str]:
    """What is asked of each neighbour, for which quantities only (empty: all), and how it is said."""
    before = len(reader.faults)
    _only_with(reader, data, path, head)
    ask: Ask | None
    quantities: frozenset[str] = frozenset()
    if head == "silent":
        ask = Quiet(reader.span_us(data, "silent", path))
        said = f"silent {data['silent']}"
    elif head == "detector":
        found = read_detect(reader, data, path, None if other is ANY else other)
        window_us = reader.span_us(data, "in_last", path)
        if "in_last" not in data:
            reader.fault(path, "a neighbour's detector needs in_last", hint="in_last: 60m")
        ask = None if found is None else Found(found[0], window_us)
        quantities = frozenset() if found is None else found[1]
        rare = found is not None and (found[0].years or found[0].channels)
        name = found[0].written if found is not None and rare else data["detector"]
        said = f"{name} in the last {data.get('in_last')}"
    elif head in TRENDS:
        trend = read_trend(reader, data, path, other)
        if "within" not in data:
            reader.fault(path, f"{head} needs a time to do it in", hint="within: 10m")
        ask, said = trend, trend.written
    else:
        window = read_window(reader, data, path, other)
        ask, said = window, "" if window is None else window.written
    return (ask if len(reader.faults) == before else None), quantities, said


def _only_with(reader: Reader, data: Mapping[str, object], path: Path, head: str) -> None:
    """Faults of keys that say something about another kind of question."""
    mine = {
        "detector": ("score", "direction", "once_in", "channel", "in_last"),
        "silent": (),
        **dict.fromkeys(TRENDS, ("within",)),
    }.get(head, COMPARISONS)
    for key in data:
        if key in FORMS["near"].keys and key not in (*_ALWAYS, head, *mine):
            reader.faults.append(
                reader.positions.key_fault((*path, key), f"{key} does not go with {head}", hint=f"leaving {key} out")
            )


def beside_plan(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan | None:
    """What stands near the sensor by the register; `quantity` does not matter."""
    before, inside = len(reader.faults), (*path, "beside")
    what = reader.check(data["beside"], FORMS["beside"].keys["beside"].keys, inside)
    kind = reader.site_kind(what, "kind", inside)
    within_m = reader.distance_m(what, "within", inside)
    if within_m is None or len(reader.faults) > before:
        return None
    nearby, limit_m = reader.neighbourhoods(), within_m
    written = f"{kind} within {what['within']}"

    def make(sensor: Sensor) -> Condition:
        site, away_m = nearby.site(sensor, kind, limit_m) or ("", 0.0)
        return Beside(site, away_m, limit_m, kind, written)

    return Plan(make, shared=False)
