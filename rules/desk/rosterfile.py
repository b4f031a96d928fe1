"""Reads the rosters of `escalation.yaml`: weekly shifts, calendar files, exceptions; every fault with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo, available_timezones

from city.clock import to_us
from city.positions import Path, nearest, show
from rules.desk.escalationkeys import OVERRIDE, ROSTER, SHIFT, WEEKLY
from rules.desk.icalfile import names_of, read_calendar
from rules.desk.plan import Person
from rules.desk.roster import DAYS, DaysOff, Override, Roster, Shift, Source
from rules.language.reader import Reader

_HOUR = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?([Zz]|[-+]\d{2}:?\d{2})?)?")
_EXAMPLE = "- {person: …, days: […], from: …, to: …}"


@dataclass
class RosterReader:
    """Reads rosters with what they need to know: the folder's files, and who there is."""

    reader: Reader
    files: Mapping[str, str]
    people: Mapping[str, Person]

    def read(self, name: str, data: Mapping[str, object], path: Path) -> Roster:
        """One roster; what is wrong with it is remembered by the reader."""
        reader = self.reader
        reader.check(data, ROSTER, path)
        zone = self._zone(data.get("timezone", reader.city.timezone), (*path, "timezone"))
        shifts = [self._shift(shift, (*path, "shifts", at)) for at, shift in self._list(data, "shifts", path)]
        overrides = [
            self._override(one, (*path, "overrides", at), zone) for at, one in self._list(data, "overrides", path)
        ]
        off = DaysOff(reader.calendars.free, reader.calendars.exchanged)
        meant = reader.word(data, "gaps", path, ("reported", "meant"), "reported") == "meant"
        return Roster(name, zone.key, tuple(s for s in shifts if s), tuple(o for o in overrides if o), off, meant)

    def _list(self, data: Mapping[str, object], key: str, path: Path) -> list[tuple[int, object]]:
        found = data.get(key, [])
        if not isinstance(found, list) or (key == "shifts" and not found):
            example = _EXAMPLE if key == "shifts" else "- {person: …, from: …, to: …}"
            got = "an empty list" if found == [] and key in data else show(data.get(key))
            self.reader.fault((*path, key), f"expected a list of {key}", got, example)
            return []
        return list(enumerate(found))

    def _zone(self, value: object, path: Path) -> ZoneInfo:
        try:
            return ZoneInfo(str(value))
        except (KeyError, ValueError, OSError):
            hint = nearest(str(value), available_timezones()) or "Asia/Shanghai"
            self.reader.fault(path, "no such time zone", show(value), hint)
            return ZoneInfo("UTC")

    def _shift(self, data: object, path: Path) -> Source | None:
        reader = self.reader
        reader.check(data, SHIFT, path)
        if not isinstance(data, Mapping):
            return None
        if "ical" in data:
            for other in sorted(key for key in data if key in SHIFT and key != "ical"):
                reader.faults.append(
                    reader.positions.key_fault((*path, other), f"{other} beside ical", hint="a shift of its own")
                )
            return self._calendar(reader.text(data, "ical", path, "rosters/nights.ics"), (*path, "ical"))
        missing = [key for key in WEEKLY if key not in data]
        for key in missing:
            reader.fault(path, f"missing key {key!r}", hint=f"adding '{key}: …'")
        if missing:
            return None
        reader.known(data["person"], (*path, "person"), "person", self.people)
        days = data["days"] if isinstance(data["days"], list) else [data["days"]]
        for day in days:
            if not isinstance(day, str) or day not in DAYS:
                reader.fault((*path, "days"), "not a day", show(day), ", ".join(DAYS))
        if not days:
            reader.fault((*path, "days"), "days: a shift needs one", show(days), "[mon, tue]")
        from_, to = (self._hour(data[key], (*path, key)) for key in ("from", "to"))
        holidays = reader.word(data, "holidays", path, ("skip", "only"), "")
        return Shift(str(data["person"]), frozenset(map(str, days)), from_, to, holidays)

    def _calendar(self, file: str, path: Path) -> Source | None:
        if not file:
            return None
        name = str(PurePosixPath(file))
        if name not in self.files or not name.lower().endswith(".ics"):
            calendars = [one for one in self.files if one.lower().endswith(".ics")]
            hint = nearest(name, calendars) or "a file that ends in .ics, by its path in the city folder"
            self.reader.fault(path, "no such calendar", show(file), hint)
            return None
        feed, faults = read_calendar(name, self.files[name], names_of(self.people))
        self.reader.faults += [fault for fault in faults if fault not in self.reader.faults]
        return feed

    def _hour(self, value: object, path: Path) -> time:
        if not isinstance(value, str) or not _HOUR.fullmatch(value):
            self.reader.fault(path, "not a time of day", show(value), '"08:00"')
            return time(0)
        return time(0) if value == "24:00" else time.fromisoformat(value)

    def _override(self, data: object, path: Path, zone: ZoneInfo) -> Override | None:
        reader = self.reader
        reader.check(data, OVERRIDE, path)
        if not isinstance(data, Mapping):
            return None
        person, instead_of = (reader.text(data, key, path) for key in ("person", "instead_of"))
        if "person" not in data and "instead_of" not in data:
            reader.fault(path, "says neither who is on duty nor in whose place", hint="person: …, instead_of: …")
        for key in ("person", "instead_of"):
            if isinstance(data.get(key), str):
                reader.known(data[key], (*path, key), "person", self.people)
        start, end = (self._moment(data[key], (*path, key), zone) if key in data else None for key in ("from", "to"))
        if start is None or end is None:
            return None
        if end <= start:
            reader.fault((*path, "to"), "ends before it begins", show(data["to"]), f"after {data['from']}")
        return Override(start, end, person, instead_of)

    def _moment(self, value: object, path: Path, zone: ZoneInfo) -> int | None:
        try:
            if isinstance(value, str) and _MOMENT.fullmatch(value.strip()):
                found = datetime.fromisoformat(value.strip().upper())
                return to_us(found if found.tzinfo is not None else found.replace(tzinfo=zone))
        except (ValueError, OverflowError):
            pass
        self.reader.fault(path, "not a time", show(value), "2026-10-01T08:00")
        return None
