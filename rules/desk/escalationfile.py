"""Reads `escalation.yaml`: people, groups, and the rest by its own readers; every fault at once, with its place."""

from __future__ import annotations

from collections.abc import Mapping

from city.errors import Fault
from city.identity import read_name
from city.model import City
from city.positions import Path, nearest_or_all, show
from city.words import languages
from city.yamlfile import Read, read
from rules.cap.capfile import read_cap
from rules.desk.chainfile import read_chain
from rules.desk.channelfile import read_channel
from rules.desk.deskfile import read_clocks, read_desks, read_grouping, read_heartbeat, read_platform
from rules.desk.escalationkeys import ESCALATION, PERSON, REACH
from rules.desk.plan import Escalation, Person
from rules.desk.rosterfile import RosterReader
from rules.language.calendarfile import load_calendars
from rules.language.reader import Reader

FILE = "escalation.yaml"


def load_escalation(
    files: Mapping[str, str], city: City, *, whole: bool = True
) -> tuple[Escalation | None, list[Fault]]:
    """The escalation of a city folder; an empty one when the file is missing, None with the faults if there are any.

    Parameters
    ----------
    files
        The folder: the file itself, and the calendars (`calendar.yaml`, `*.ics`) it goes by.
    city
        Whose districts and domains it may name.
    whole
        The city has no faults of its own, so that a district which is not there is a fault.
    """
    if FILE not in files:
        return Escalation(), []
    written = read(files[FILE], FILE)
    if not written.whole:
        return None, written.faults
    calendars, _ = load_calendars(files, city.timezone)  # its faults are told where rules are read
    reader = Reader(written.positions, city, [], whole=whole, calendars=calendars)
    found = _read_file(reader, written, files)
    faults = [*written.faults, *written.positions.fresh(reader.faults)]
    return (None, faults) if faults else (found, [])


def _read_file(reader: Reader, written: Read, files: Mapping[str, str]) -> Escalation | None:
    data = written.data
    reader.check(data, ESCALATION, ())
    if not isinstance(data, Mapping):
        return None
    people = {name: _person(reader, name, one, path) for name, one, path in reader.entries(data, "people")}
    rosters = RosterReader(reader, files, people)
    read_cap(reader, data)  # only its faults: nothing but the pages of messages goes by it
    chains = {name: read_chain(reader, data, name, one, path) for name, one, path in reader.entries(data, "chains")}
    found = Escalation(
        people=people,
        rosters={name: rosters.read(name, one, path) for name, one, path in reader.entries(data, "rosters")},
        groups={name: _group(reader, one, path) for name, one, path in reader.entries(data, "groups", list)},
        channels={name: read_channel(reader, one, path) for name, one, path in reader.entries(data, "channels")},
        chains=chains,
        clocks=read_clocks(reader, data),
        grouping=read_grouping(reader, data),
        desks=read_desks(reader, data, chains),
        platform=read_platform(reader, data, chains),
        heartbeat=read_heartbeat(reader, data),
    )
    _check_targets(reader, found, data)
    return found


def _person(reader: Reader, name: str, data: Mapping[str, object], path: Path) -> Person:
    reader.check(data, PERSON, path)
    named = read_name(data.get("name", name), (*path, "name"), reader.positions, reader.faults).by_language
    language = reader.word(data, "language", path, languages, "en")
    given = {key: reader.text(data, key, path) for key in (*REACH, "account")}
    problems = {
        "webhook": (given["webhook"].startswith(("http://", "https://")), "an http(s) address", "https://…"),
        "email": ("@" in given["email"], "an address", "name@example.org"),
        "mqtt": (not set(given["mqtt"]) & set("+#\0"), "a part of a topic without + and #", "'crew/li'"),
    }
    for key, (fine, what, hint) in problems.items():
        if given[key] and not fine:
            reader.fault((*path, key), f"{key}: expected {what}", show(data[key]), hint)
    reach = {key: given[key] for key in REACH if given[key]}
    if not any(key in data for key in REACH):
        reader.fault(path, "cannot be reached at all", hint="an email or a webhook")
    return Person(name, named, language, reach, given["account"])


def _group(reader: Reader, data: object, path: Path) -> tuple[str, ...]:
    members = data if isinstance(data, list) else []
    if not members:
        reader.fault(path, "a group needs somebody", hint="[person, …]")
    return tuple(map(str, members))


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
