"""Reads `escalation.yaml`: people, rosters, groups, channels and chains; every fault at once, with file:line:column."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from city.errors import Fault
from city.identity import PLAIN_ID, id_problem, read_name
from city.levels import COLOURS, Level
from city.model import City
from city.positions import Path, nearest_or_all, show
from city.words import languages
from city.yamlfile import Read, read
from rules.desk.escalationkeys import (
    CHAIN,
    CHANNELS,
    CLOCK,
    ESCALATION,
    MET,
    PERSON,
    REACH,
    REPEAT,
    ROSTER,
    SHIFT,
    SMTP,
    STEP,
    WEEKLY,
)
from rules.desk.plan import Chain, ChainStep, Clocks, Escalation, Person
from rules.desk.roster import DAYS, Roster, Shift
from rules.language.reader import Reader

FILE = "escalation.yaml"
_HOUR = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


def load_escalation(files: Mapping[str, str], city: City) -> tuple[Escalation | None, list[Fault]]:
    """The escalation of a city folder; an empty one when the file is missing, None with the faults if there are any."""
    if FILE not in files:
        return Escalation(), []
    written = read(files[FILE], FILE)
    if not written.whole:
        return None, written.faults
    found, faults = _read_file(written, city)
    faults = [*written.faults, *written.positions.fresh(faults)]
    return (None, faults) if faults else (found, [])


def _read_file(written: Read, city: City) -> tuple[Escalation | None, list[Fault]]:
    data, positions = written.data, written.positions
    reader = Reader(positions, city, [])
    reader.check(data, ESCALATION, ())
    if not isinstance(data, Mapping):
        return None, reader.faults
    found = Escalation(
        people={n: _person(reader, n, d, p) for n, d, p in _items(reader, data, "people")},
        rosters={n: _roster(reader, data, n, d, p) for n, d, p in _items(reader, data, "rosters")},
        groups={n: _group(reader, d, p) for n, d, p in _items(reader, data, "groups", list)},
        channels={n: _channel(reader, d, p) for n, d, p in _items(reader, data, "channels")},
        chains={n: _chain(reader, data, n, d, p) for n, d, p in _items(reader, data, "chains")},
        clocks=_clocks(reader, data),
    )
    _check_targets(reader, found, data)
    return found, reader.faults


def _items(reader: Reader, data: Mapping[str, object], section: str, kind: type = dict) -> list[tuple[str, Any, Path]]:
    """The well-formed entries of a section, with their paths."""
    entries = data.get(section, {})
    if not isinstance(entries, Mapping):
        reader.fault((section,), f"{section}: expected a mapping", show(entries), "name: …")
        return []
    good = []
    for name, entry in entries.items():
        path: Path = (section, name)
        if (problem := id_problem(name, PLAIN_ID)) is not None:
            reader.faults.append(reader.positions.key_fault(path, problem[0], show(name), problem[1]))
        if isinstance(entry, Mapping if kind is dict else kind):
            good.append((str(name), entry, path))
        else:
            reader.fault(path, f"expected a {'list' if kind is list else 'mapping'}", show(entry))
    return good


def _person(reader: Reader, name: str, data: Mapping[str, object], path: Path) -> Person:
    reader.check(data, PERSON, path)
    named = read_name(data.get("name", name), (*path, "name"), reader.positions, reader.faults).by_language
    language = reader.word(data, "language", path, languages, "en")
    reach: dict[str, str] = {}
    for key in REACH:
        if key not in data:
            continue
        value = data[key]
        if not isinstance(value, str) or not value.strip():
            reader.fault((*path, key), f"{key}: expected text", show(value), "quotes around it")
        elif key == "webhook" and not value.startswith(("http://", "https://")):
            reader.fault((*path, key), "webhook: expected an http(s) address", show(value), "https://…")
        elif key == "email" and "@" not in value:
            reader.fault((*path, key), "email: expected an address", show(value), "name@example.org")
        else:
            reach[key] = value
    if not reach:
        reader.fault(path, "cannot be reached at all", hint="an email or a webhook")
    return Person(name, named, language, reach)


def _roster(reader: Reader, whole: Mapping[str, object], name: str, data: Mapping[str, object], path: Path) -> Roster:
    reader.check(data, ROSTER, path)
    timezone = data.get("timezone", reader.city.timezone)
    try:
        ZoneInfo(str(timezone))
    except (KeyError, ValueError, OSError):
        reader.fault((*path, "timezone"), "no such time zone", show(timezone), "Asia/Shanghai")
    people, shifts = whole.get("people"), data.get("shifts")
    if not isinstance(shifts, list) or not shifts:
        reader.fault(
            (*path, "shifts"), "expected a list of shifts", show(shifts), "- {person: …, days: […], from: …, to: …}"
        )
        shifts = []
    good = []
    for at, shift in enumerate(shifts):
        here: Path = (*path, "shifts", at)
        reader.check(shift, SHIFT, here)
        if not isinstance(shift, Mapping) or not all(key in shift for key in WEEKLY):
            continue
        if not isinstance(people, Mapping) or not _names(people, shift["person"]):
            known = people if isinstance(people, Mapping) else ()
            reader.fault(
                (*here, "person"), "no such person", show(shift["person"]), nearest_or_all(str(shift["person"]), known)
            )
        days = shift["days"] if isinstance(shift["days"], list) else [shift["days"]]
        for day in days:
            if not isinstance(day, str) or day not in DAYS:
                reader.fault((*here, "days"), "not a day", show(day), ", ".join(DAYS))
        from_, to = (_hour(reader, shift[key], (*here, key)) for key in ("from", "to"))
        good.append(Shift(str(shift["person"]), frozenset(map(str, days)), from_, to))
    return Roster(name, str(timezone), tuple(good))


def _names(known: Mapping[str, object], name: object) -> bool:
    """Whether it is the name of something known (what is written there may be anything)."""
    return isinstance(name, str) and name in known


def _hour(reader: Reader, value: object, path: Path) -> time:
    if not isinstance(value, str) or not _HOUR.fullmatch(value):
        reader.fault(path, "not a time of day", show(value), '"08:00"')
        return time(0)
    return time(0) if value == "24:00" else time.fromisoformat(value)


def _group(reader: Reader, data: object, path: Path) -> tuple[str, ...]:
    members = data if isinstance(data, list) else []
    if not members:
        reader.fault(path, "a group needs somebody", hint="[person, …]")
    return tuple(map(str, members))


def _channel(reader: Reader, data: Mapping[str, object], path: Path) -> Mapping[str, object]:
    kind = reader.word(data, "type", path, tuple(CHANNELS), "")
    if not kind:
        reader.fault(path, "a channel needs its type", hint="type: " + " or ".join(CHANNELS))
        return {}
    reader.check(data, CHANNELS[kind], path)
    reader.word(data, "tls", path, SMTP["tls"].words, "auto")
    for key in ("secret_env", "password_env", "host", "from", "user", "ca_file"):
        if key in data and not isinstance(data[key], str):
            reader.fault((*path, key), f"{key}: expected text", show(data[key]), "quotes around it")
    port = data.get("port", 587)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        reader.fault((*path, "port"), "port: expected a number up to 65535", show(port), "587")
    return dict(data)


def _chain(reader: Reader, whole: Mapping[str, object], name: str, data: Mapping[str, object], path: Path) -> Chain:
    reader.check(data, CHAIN, path)
    steps = data.get("steps")
    if not isinstance(steps, list) or not steps:
        reader.fault((*path, "steps"), "expected a list of steps", show(steps), "- {notify: roster/…, via: [webhook]}")
        steps = []
    version = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:12]
    good = [_step(reader, whole, step, (*path, "steps", at)) for at, step in enumerate(steps)]
    return Chain(name, version, tuple(step for step in good if step), str(data.get("fallback", "")))


def _step(reader: Reader, whole: Mapping[str, object], data: object, path: Path) -> ChainStep | None:
    reader.check(data, STEP, path)
    if not isinstance(data, Mapping):
        return None
    channels, via = whole.get("channels"), data.get("via")
    known = channels if isinstance(channels, Mapping) else {}
    if not isinstance(via, list) or not via:
        reader.fault((*path, "via"), "via: expected a list of channels", show(via), "[webhook]")
        via = []
    for at, channel in enumerate(via):
        if not _names(known, channel):
            reader.fault((*path, "via", at), "no such channel", show(channel), nearest_or_all(str(channel), known))
    levels = data.get("levels", [])
    levels = levels if isinstance(levels, list) else [levels]
    words = [colour.word for colour in COLOURS]
    for level in levels:
        if not isinstance(level, str) or level not in words:
            reader.fault((*path, "levels"), "not a level", show(level), nearest_or_all(str(level), words))
    chosen = frozenset(Level.of(level) for level in levels if isinstance(level, str) and level in words)
    repeat, every_us, until = data.get("repeat"), 0, ""
    if repeat is not None:
        reader.check(repeat, REPEAT, (*path, "repeat"))
        if isinstance(repeat, Mapping):
            every_us = reader.duration_us(repeat, "every", (*path, "repeat"))
            until = reader.word(repeat, "until", (*path, "repeat"), MET, "")
            if "every" in repeat and every_us < 1_000_000:
                reader.fault((*path, "repeat", "every"), "repeats at most once a second", show(repeat["every"]), "5m")
    return ChainStep(
        str(data.get("notify")), tuple(map(str, via)), reader.duration_us(data, "after", path),
        reader.word(data, "unless", path, MET, ""), chosen, every_us, until,
    )  # fmt: skip


def _clocks(reader: Reader, data: Mapping[str, object]) -> dict[Level, Clocks]:
    expires = {}
    for name, clock, path in _items(reader, data, "clocks"):
        if name not in {colour.word for colour in COLOURS}:
            reader.faults.append(reader.positions.key_fault(path, "not a level", show(name), "red"))
            continue
        reader.check(clock, CLOCK, path)
        expires[Level.of(name)] = Clocks(expires_us=reader.duration_us(clock, "acknowledgement_expires", path))
    return expires


def _check_targets(reader: Reader, found: Escalation, data: Mapping[str, object]) -> None:
    """Everybody named by a group, step or fallback must exist."""
    for group, members in found.groups.items():
        for at, member in enumerate(members):
            _check_target(reader, found, member if "/" in member else f"person/{member}", ("groups", group, at))
    chains = data.get("chains")
    for name, chain in chains.items() if isinstance(chains, Mapping) else ():
        if not isinstance(chain, Mapping):
            continue
        if "fallback" in chain:
            _check_target(reader, found, str(chain["fallback"]), ("chains", name, "fallback"))
        steps = chain.get("steps")
        for at, step in enumerate(steps if isinstance(steps, list) else []):
            if isinstance(step, Mapping) and "notify" in step:
                _check_target(reader, found, str(step["notify"]), ("chains", name, "steps", at, "notify"))


def _check_target(reader: Reader, found: Escalation, target: str, path: Path) -> None:
    kind, _, name = target.partition("/")
    known: Mapping[str, object] | None = {"person": found.people, "roster": found.rosters, "group": found.groups}.get(
        kind
    )
    if path[0] == "groups" and kind == "group":
        reader.fault(path, "a group does not hold groups", show(target), "person/… or roster/…")
    elif known is None or not name:
        reader.fault(path, "expected person/…, roster/… or group/…", show(target), f"person/{target}")
    elif name not in known:
        reader.fault(path, f"no such {kind}", show(name), nearest_or_all(name, known))
