"""Reads `calendar.yaml`, and the calendars that rules write beside `only`; every fault with file:line:column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from zoneinfo import ZoneInfo, available_timezones

from city.errors import Fault
from city.identity import PLAIN_ID, id_problem
from city.positions import Path, Positions, check_keys, nearest, nearest_or_all, show
from city.yamlfile import read
from rules.conditions.calendar import DAYS, MIDNIGHT, Calendar
from rules.language.grammar import CALENDAR, CALENDAR_FILE

FILE = "calendar.yaml"
_HOUR = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Calendars:
    """What `calendar.yaml` says.

    Attributes
    ----------
    timezone
        The city's, for calendars that name none.
    named
        Its calendars.
    free, exchanged
        Public holidays, and weekend days worked instead.
    whole
        Whether the file could be understood; if not, a name that is missing here may stand in it.
    """

    timezone: str = "UTC"
    named: Mapping[str, Calendar] = field(default_factory=dict)
    free: frozenset[date] = frozenset()
    exchanged: frozenset[date] = frozenset()
    whole: bool = True


def load_calendars(files: Mapping[str, str], timezone: str) -> tuple[Calendars, list[Fault]]:
    """The calendars of a city folder (none when the file is missing) and every fault of the file."""
    if FILE not in files:
        return Calendars(timezone), []
    written = read(files[FILE], FILE)
    if not written.whole:
        return Calendars(timezone, whole=False), written.faults
    own: list[Fault] = []
    found = _read_file(written.data, written.positions, own, timezone)
    faults = [*written.faults, *written.positions.fresh(own)]
    return found, faults


def _read_file(data: object, positions: Positions, faults: list[Fault], timezone: str) -> Calendars:
    if data is None:  # everything commented out
        return Calendars(timezone)
    faults += check_keys(data, (), positions, optional=CALENDAR_FILE)
    if not isinstance(data, Mapping):
        return Calendars(timezone, whole=False)
    free = read_dates(data, "holidays", (), positions, faults)
    exchanged = read_dates(data, "workdays", (), positions, faults)
    for day in sorted(free & exchanged):
        faults.append(positions.fault(("workdays",), "a day is both a holiday and worked", str(day), "one of them"))
    bare = Calendars(timezone, {}, free, exchanged)
    entries = data.get("calendars", {})
    if not isinstance(entries, Mapping):
        faults.append(
            positions.fault(("calendars",), "calendars: expected a mapping", show(entries), "name: {days: …}")
        )
        return bare
    named: dict[str, Calendar] = {}
    known = True
    for name, entry in entries.items():
        path: Path = ("calendars", name)
        if (problem := id_problem(str(name), PLAIN_ID)) is not None:
            faults.append(positions.key_fault(path, problem[0], show(name), problem[1]))
        calendar = _read_calendar(entry, path, positions, faults, bare, str(name))
        known = known and calendar is not None
        if calendar is not None:
            named[str(name)] = calendar
    return Calendars(timezone, named, free, exchanged, whole=known)


def read_only(
    value: object, path: Path, positions: Positions, faults: list[Fault], calendars: Calendars
) -> Calendar | None:
    """The calendar written beside `only`: a name of calendar.yaml, or its keys; None when it has faults."""
    if isinstance(value, Mapping):
        return _read_calendar(value, path, positions, faults, calendars, "")
    if isinstance(value, str) and value in calendars.named:
        return calendars.named[value]
    if not isinstance(value, str):
        hint = 'the name of one, or {days: [mon], from: "08:00", to: "20:00"}'
        faults.append(positions.fault(path, "only: expected a calendar", show(value), hint))
    elif calendars.whole:
        hint = nearest_or_all(value, calendars.named) or f"adding it to {FILE}"
        faults.append(positions.fault(path, "no such calendar", show(value), hint))
    return None


def written_out(data: object, calendars: Calendars) -> object:
    """A rule's data with what each calendar beside `only` means: a changed calendar changes every rule that uses it."""
    if isinstance(data, list):
        return [written_out(item, calendars) for item in data]
    if not isinstance(data, Mapping):
        return data
    found = {key: written_out(value, calendars) for key, value in data.items()}
    if "only" in data:
        calendar = read_only(data["only"], (), Positions(FILE, ({}, {})), [], calendars)
        found["only"] = calendar.spelled if calendar is not None else ""
    return found


def _read_calendar(
    data: object, path: Path, positions: Positions, faults: list[Fault], calendars: Calendars, name: str
) -> Calendar | None:
    before = len(faults)
    faults += check_keys(data, path, positions, optional=CALENDAR)
    if not isinstance(data, Mapping):
        return None
    if not any(key in CALENDAR and key != "timezone" for key in data):
        faults.append(positions.fault(path, "a calendar says when", hint='{days: [mon], from: "08:00", to: "20:00"}'))
    for key, other in (("from", "to"), ("to", "from")):
        if key in data and other not in data:
            faults.append(positions.key_fault((*path, key), f"{key} without {other}", hint=f'{other}: "20:00"'))
    days = _list(data, "days", DAYS, path, positions, faults)
    months = _list(data, "months", range(1, 13), path, positions, faults)
    holidays = data.get("holidays", "")
    if "holidays" in data and holidays not in ("only", "never"):
        hint = nearest_or_all(str(holidays), ("only", "never"))
        faults.append(positions.fault((*path, "holidays"), "holidays: not one of only, never", show(holidays), hint))
    zone = _zone(data.get("timezone", calendars.timezone), (*path, "timezone"), positions, faults)
    from_, to = (_hour(data, key, path, positions, faults) for key in ("from", "to"))
    if len(faults) > before:
        return None
    return Calendar(
        zone, name or _written(data), frozenset(map(DAYS.index, map(str, days))) or frozenset(range(7)), from_, to,
        frozenset(m for m in months if isinstance(m, int)), str(holidays), calendars.free, calendars.exchanged,
    )  # fmt: skip


def _written(data: Mapping[str, object]) -> str:
    """An inline calendar in one line: `mon fri 22:00-06:00 months 6 7 holidays never`."""
    parts = [str(day) for day in days] if isinstance(days := data.get("days"), list) else []
    if "from" in data:
        parts.append(f"{data['from']}-{data['to']}")
    if isinstance(months := data.get("months"), list):
        parts += ["months", *map(str, months)]
    if "holidays" in data:
        parts += ["holidays", str(data["holidays"])]
    return " ".join(parts)


def _list(
    data: Mapping[str, object],
    key: str,
    known: Sequence[object],
    path: Path,
    positions: Positions,
    faults: list[Fault],
) -> list[object]:
    if key not in data:
        return []
    value, good = data[key], []
    if not isinstance(value, list) or not value:
        example = ", ".join(map(str, known[:2]))
        faults.append(positions.fault((*path, key), f"{key}: expected a list", show(value), f"[{example}]"))
        return []
    for at, item in enumerate(value):
        if item not in known or isinstance(item, bool):
            hint = (
                nearest(item, map(str, known)) if isinstance(item, str) else ""
            ) or f"one of {known[0]} to {known[-1]}"
            faults.append(positions.fault((*path, key, at), f"{key}: no such {key[:-1]}", show(item), hint))
        else:
            good.append(item)
    return good


def _zone(value: object, path: Path, positions: Positions, faults: list[Fault]) -> ZoneInfo:
    try:
        if isinstance(value, str) and value:
            return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        pass
    hint = nearest(str(value), available_timezones()) or "Asia/Shanghai"
    faults.append(positions.fault(path, "unknown time zone", show(value), hint))
    return ZoneInfo("UTC")


def _hour(data: Mapping[str, object], key: str, path: Path, positions: Positions, faults: list[Fault]) -> time:
    value = data.get(key, "24:00")
    if not isinstance(value, str) or not _HOUR.fullmatch(value):
        faults.append(positions.fault((*path, key), "not a time of day", show(value), '"08:00"'))
        return MIDNIGHT
    return MIDNIGHT if value == "24:00" else time.fromisoformat(value)


def read_zone(
    data: Mapping[str, object], key: str, path: Path, positions: Positions, faults: list[Fault], default: str
) -> ZoneInfo:
    """The time zone under `key`; a fault and UTC when it is none."""
    return _zone(data.get(key, default), (*path, key), positions, faults)


def read_dates(
    data: Mapping[str, object], key: str, path: Path, positions: Positions, faults: list[Fault]
) -> frozenset[date]:
    """The days listed under `key`; a fault for each that is none."""
    found: set[date] = set()
    value = data.get(key, [])
    if not isinstance(value, list):
        faults.append(positions.fault((*path, key), f"{key}: expected a list of days", show(value), "[2026-10-01]"))
        return frozenset()
    for at, item in enumerate(value):
        try:
            day = date.fromisoformat(item) if isinstance(item, str) and _DATE.fullmatch(item) else None
        except ValueError:
            day = None
        if day is None:
            faults.append(positions.fault((*path, key, at), "not a day", show(item), "2026-10-01"))
        elif day in found:
            faults.append(positions.fault((*path, key, at), "this day is there already", show(item), "removing it"))
        else:
            found.add(day)
    return frozenset(found)
