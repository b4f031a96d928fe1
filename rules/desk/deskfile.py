"""Reads what `escalation.yaml` says besides chains: clocks, desks, what makes an incident, the heartbeat."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from city.identity import read_name
from city.levels import Level
from city.positions import Path, show
from rules.desk.channelfile import check_variable
from rules.desk.escalationkeys import CLOCK, CLOCK_ORDER, DESK, HEARTBEAT, INCIDENTS, LEVELS
from rules.desk.plan import Clocks, DeskPlan, Grouping, Heartbeat
from rules.language.reader import Reader

LEAST_BEAT_US = 10_000_000


def read_clocks(reader: Reader, data: Mapping[str, object]) -> dict[Level, Clocks]:
    """How long things may take, by level."""
    found = {}
    for name, clock, path in reader.entries(data, "clocks"):
        if name not in LEVELS:
            reader.faults.append(reader.positions.key_fault(path, "not a level", show(name), "red"))
            continue
        reader.check(clock, CLOCK, path)
        if not clock:
            reader.fault(path, "says no time", hint="acknowledge: 3m")
        given = {key: reader.span_us(clock, key, path) if key in clock else None for key in CLOCK}
        times = {f"{key}_us": given[key] for key in CLOCK_ORDER}
        found[Level.of(name)] = Clocks(**times, expires_us=given["acknowledgement_expires"])
    return found


def read_desks(reader: Reader, data: Mapping[str, object], chains: Collection[str]) -> tuple[DeskPlan, ...]:
    """The operators' positions, in their order."""
    known: Mapping[str, tuple[str, Collection[str]]] = {
        "districts": ("district", reader.city.districts),
        "domains": ("domain", sorted({quantity.domain for quantity in reader.city.quantities.values()} | {"platform"})),
        "chains": ("chain", chains),
    }
    found = []
    for name, desk, path in reader.entries(data, "desks"):
        reader.check(desk, DESK, path)
        own: dict[str, frozenset[str]] = {}
        for key, (what, names) in known.items():
            own[key] = frozenset(reader.texts(desk, key, path) or ())
            if desk.get(key) == []:
                reader.fault((*path, key), f"{key}: an empty list", hint="leaving it out for all of them")
            for at, one in enumerate(desk[key] if isinstance(desk.get(key), list) else ()):
                if reader.whole or key == "chains":
                    reader.known(one, (*path, key, at), what, names)
        called = read_name(desk.get("name", name), (*path, "name"), reader.positions, reader.faults)
        found.append(DeskPlan(name, called.by_language, **own))
    return tuple(found)


def read_grouping(reader: Reader, data: Mapping[str, object]) -> Grouping:
    """What makes alarms one incident."""
    usual, path = Grouping(), ("incidents",)
    if "incidents" not in data:
        return usual
    written = reader.check(data["incidents"], INCIDENTS, path)
    return Grouping(
        reader.distance_m(written, "group_within", path) or usual.within_m,
        reader.span_us(written, "group_window", path, usual.window_us),
        reader.duration_us(written, "falls_after", path, usual.falls_after_us),
    )


def read_platform(reader: Reader, data: Mapping[str, object], chains: Collection[str]) -> str:
    """The chain for what Lifeline says of itself; empty: none."""
    if "platform" not in data:
        return ""
    reader.known(data["platform"], ("platform",), "chain", chains)
    return str(data["platform"])


def read_heartbeat(reader: Reader, data: Mapping[str, object]) -> Heartbeat | None:
    """The sign of life that leaves the house; None: there is none."""
    path: Path = ("heartbeat",)
    if "heartbeat" not in data:
        return None
    written = reader.check(data["heartbeat"], HEARTBEAT, path)
    variable = reader.text(written, "url_env", path)
    if variable:
        check_variable(reader, variable, (*path, "url_env"))
    every_us = reader.duration_us(written, "every", path, Heartbeat("").every_us)
    if every_us < LEAST_BEAT_US and isinstance(written.get("every"), str):
        reader.fault((*path, "every"), "every: at most every 10 seconds", show(written["every"]), "1m")
    return Heartbeat(variable, every_us)
