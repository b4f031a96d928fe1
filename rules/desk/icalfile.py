"""Reads a roster's iCalendar file: every fault at once with its line, and bounds on what it may ask for."""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from city.errors import Fault
from city.positions import nearest, show
from rules.desk.ical import AMBIGUOUS, STUMBLES, Feed, instant_us, parse, persons
from rules.desk.plan import Person
from rules.desk.roster import DAY_US, DaysOff

_UTC = ZoneInfo("UTC")
Vevent = Any  # icalendar's event: what it holds is of thirty types

MAX_BYTES = 2_000_000
MAX_EVENTS = 5_000
MAX_A_DAY = 100  # repeated turns that begin on one day
MAX_TIMES_A_DAY = 24
MAX_DEPTH = 8  # of what stands in what: a calendar needs four
MAX_TURN = timedelta(days=400)
MAX_FAULTS = 50
EARLIEST, LATEST = 1990, 2200
_DAYS_A = {"HOURLY": 1 / 24, "DAILY": 1, "WEEKLY": 7, "MONTHLY": 28, "YEARLY": 365}
_LINE = re.compile(r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^":;])*)*):(.*)', re.DOTALL)
_ONCE = ("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "SUMMARY", "STATUS", "SEQUENCE")
_ZONE_RULE = re.compile(r"(?:(?:FREQ=YEARLY|(?:BYMONTH|BYDAY|BYMONTHDAY|UNTIL|COUNT|INTERVAL|WKST)=[^;]*)(?:;|$))+")
_TIME_KEYS = ("DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE", "RDATE")


@dataclass
class _Event:
    """Where an event and its properties stand."""

    line: int
    at: dict[str, tuple[int, int]] = field(default_factory=dict)
    data: Vevent = None


@dataclass
class _Reading:
    """One file being read."""

    file: str
    names: Mapping[str, str]
    faults: list[Fault] = field(default_factory=list)
    events: list[_Event] = field(default_factory=list)

    def fault(self, place: tuple[int, int], what: str, got: str = "", hint: str = "") -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(self.file, *place, what, got, hint))


def read_calendar(file: str, text: str, names: Mapping[str, str]) -> tuple[Feed | None, list[Fault]]:
    """The turns of an iCalendar file.

    Parameters
    ----------
    file, text
        Its path in the city folder, and what it says.
    names
        What people are called, in small letters, and their ids (see `rules.desk.ical.persons`).

    Returns
    -------
    feed, faults
        None when there are faults.
    """
    reading = _Reading(file, names)
    if len(text.encode()) > MAX_BYTES:
        reading.fault((1, 1), f"more than {MAX_BYTES // 1_000_000} MB", hint="a calendar of its own for each roster")
        return None, reading.faults
    _scan(reading, text)
    calendar = _parse(reading, text) if not reading.faults else None
    if reading.faults or calendar is None:
        return None, sorted(reading.faults)
    people = frozenset(person for event in reading.events for person in persons(event.data, names)[0])
    feed = Feed(file, text, names, people)
    try:  # whatever the library would still stumble on is a fault of the file, not of some night
        feed.take(calendar)
        starts = [instant_us(event.data.decoded("DTSTART"), _UTC) for event in reading.events]
        list(feed.turns(min(starts), min(starts) + DAY_US, _UTC, DaysOff()) if starts else ())
    except STUMBLES as error:
        return None, [Fault(file, 1, 1, f"cannot be expanded: {error}", hint="exporting it again")]
    return feed, []


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, folded ones put together."""
    number, line = 0, ""
    for at, part in enumerate(text.split("\n"), 1):
        if part[:1] in (" ", "\t") and number:
            line += part[1:]
            continue
        if line.strip():
            yield number, line
        number, line = at, part
    if line.strip():
        yield number, line


def _scan(reading: _Reading, text: str) -> None:
    """Find the events, and what is no iCalendar at all."""
    open_: list[tuple[str, int]] = []
    seen = False
    for number, line in _logical(text):
        match = _LINE.fullmatch(line)
        if match is None:
            reading.fault((number, 1), "not a line of iCalendar", show(line), "NAME:value, or a space before it")
            continue
        name, value = match[1].upper(), match[3]
        if not open_ and (name, value.strip().upper()) != ("BEGIN", "VCALENDAR"):
            reading.fault((number, 1), "outside the calendar", show(line), "BEGIN:VCALENDAR in the first line")
            return
        if name == "BEGIN":
            if not open_ and seen:
                reading.fault((number, 1), "a second calendar in one file", hint="one file for each")
                return
            seen = True
            open_.append((value.strip().upper(), number))
            if len(open_) > MAX_DEPTH:
                reading.fault((number, 1), f"nested deeper than {MAX_DEPTH} levels", hint="exporting it again")
                return
            kinds = [kind for kind, _ in open_]
            if kinds == ["VCALENDAR", "VEVENT"]:
                reading.events.append(_Event(number))
            elif "VEVENT" in kinds[-1:]:
                reading.fault((number, 1), "an event inside of something", show(line), "END of that before it")
                return
            if len(reading.events) > MAX_EVENTS:
                reading.fault(
                    (number, 1), f"more than {MAX_EVENTS} events", hint="rules (RRULE), or leaving out the past"
                )
                return
        elif name == "END":
            if open_[-1][0] != value.strip().upper():
                reading.fault(
                    (number, 1), f"END does not match BEGIN:{open_[-1][0]}", show(line), f"END:{open_[-1][0]}"
                )
                return
            open_.pop()
        elif open_[-1][0] == "VEVENT" and len(open_) == 2:
            if name in _ONCE and name in reading.events[-1].at:
                reading.fault((number, 1), f"{name} twice in one event", show(line), "one of them")
            reading.events[-1].at.setdefault(name, (number, match.start(3) + 1))
        elif name == "RRULE" and open_[1:2] and open_[1][0] == "VTIMEZONE" and not _ZONE_RULE.fullmatch(value.upper()):
            what = "clocks are changed once a year by a rule"
            reading.fault((number, match.start(3) + 1), what, show(value), "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU")
    if not seen:
        reading.fault((1, 1), "not an iCalendar file", hint="BEGIN:VCALENDAR in the first line")
    elif open_:
        reading.fault((open_[-1][1], 1), f"BEGIN:{open_[-1][0]} without its end", hint=f"END:{open_[-1][0]}")


def _parse(reading: _Reading, text: str) -> Vevent:
    """The calendar, with what is wrong with its events remembered."""
    try:
        calendar = parse(text)
    except STUMBLES as error:
        reading.fault((1, 1), f"cannot be understood: {str(error).splitlines()[0]}", hint="exporting it again")
        return None
    if str(calendar.get("CALSCALE", "GREGORIAN")).upper() != "GREGORIAN":
        reading.fault((1, 1), "not a Gregorian calendar", show(str(calendar["CALSCALE"])), "CALSCALE:GREGORIAN")
    for event, data in zip(reading.events, calendar.events, strict=True):
        event.data = data
        try:
            if len(reading.faults) < MAX_FAULTS:
                _check_event(reading, event, data)
        except STUMBLES as error:
            reading.fault((event.line, 1), f"cannot be understood: {error}", hint="exporting it again")
    _check_twins(reading)
    if not reading.faults:
        _check_burden(reading)
    return calendar


def _check_event(reading: _Reading, event: _Event, data: Vevent) -> None:
    here = (event.line, 1)
    broken = {str(name): str(why) for name, why in data.errors}
    for name, why in broken.items():
        reading.fault(event.at.get(name, here), f"{name} cannot be read: {why}")
    if not broken:
        _check_times(reading, event, data)
    if not broken and "RRULE" in data:
        _check_rule(reading, event, data)
    if str(data.get("STATUS", "")).upper() == "CANCELLED":
        return
    _, strangers = persons(data, reading.names)
    place = event.at.get("ATTENDEE", event.at.get("SUMMARY", here))
    for name in strangers:
        if not name:
            reading.fault(here, "does not say who is on duty", hint="SUMMARY: a person's name, or ATTENDEE")
        elif name.casefold() in reading.names:
            reading.fault(place, "several people are called so", show(name), "a mail address or id, or another name")
        else:
            near = nearest(name, reading.names)
            hint = repr(near) if near else "adding them to people"
            reading.fault(place, "no such person", show(name), hint)


def _check_times(reading: _Reading, event: _Event, data: Vevent) -> None:
    here = (event.line, 1)
    if "DTSTART" not in data:
        reading.fault(here, "does not say when it begins", hint="DTSTART")
        return
    for key in _TIME_KEYS:
        _check_zones(reading, event.at.get(key, here), data.get(key, []), key)
    start, given = data.decoded("DTSTART"), "DTEND" if "DTEND" in data else "DURATION"
    place = event.at.get(given, here)
    if given in data:
        end = data.decoded(given)
        end = start + end if given == "DURATION" else end
    elif isinstance(start, datetime):
        reading.fault(here, "does not say when it ends", hint="DTEND or DURATION")
        return
    else:
        end = start + timedelta(days=1)
    if type(start) is not type(end) or (isinstance(start, datetime) and (start.tzinfo is None) != (end.tzinfo is None)):
        reading.fault(place, f"{given} is not written like DTSTART", show(str(end)), "both days, or both times")
    elif not EARLIEST <= start.year <= LATEST:
        reading.fault(event.at["DTSTART"], "not in our time", show(str(start)), f"a year from {EARLIEST} on")
    elif not start < end:
        reading.fault(place, "ends before it begins", show(str(end)), f"after {start}")
    elif end - start > MAX_TURN:
        reading.fault(place, f"lasts longer than {MAX_TURN.days} days", show(str(end)), "RRULE for what comes again")


def _check_zones(reading: _Reading, place: tuple[int, int], value: Vevent, key: str) -> None:
    for one in value if isinstance(value, list) else [value]:
        zone = str(getattr(one, "params", {}).get("TZID", ""))
        for moment in [part.dt for part in one.dts] if hasattr(one, "dts") else [one.dt]:
            first = moment[0] if isinstance(moment, tuple) else moment
            if zone and isinstance(first, datetime) and first.tzinfo is None:
                reading.fault(place, f"{key}: no such time zone", show(zone), "Asia/Shanghai, or its VTIMEZONE")
                return


def _check_rule(reading: _Reading, event: _Event, data: Vevent) -> None:
    """Refuse a rule that is none, repeats too often, or never does."""
    from dateutil.rrule import rrulestr

    place, rule = event.at.get("RRULE", (event.line, 1)), data["RRULE"]
    if isinstance(rule, list):
        reading.fault(place, "more than one RRULE", hint="an event of its own for each")
        return
    often, often_a_day = str(rule.get("FREQ", [""])[0]).upper(), _times_a_day(rule)
    if often not in _DAYS_A or often_a_day > MAX_TIMES_A_DAY:
        what = f"no shift begins more than {MAX_TIMES_A_DAY} times a day"
        reading.fault(place, what, show(rule.to_ical().decode()), "FREQ=DAILY or rarer")
        return
    if int(rule.get("INTERVAL", [1])[0]) < 1:
        reading.fault(place, "INTERVAL: expected 1 or more", show(rule.to_ical().decode()), "INTERVAL=1")
        return
    written = re.sub(r";?(?:UNTIL|COUNT)=[^;]*", "", rule.to_ical().decode()).lstrip(";")
    begins = _plain(data.decoded("DTSTART"))
    try:
        first = next(iter(rrulestr(written, dtstart=begins.replace(year=_late_like(begins.year)))), None)
    except (ValueError, TypeError, OverflowError) as error:
        reading.fault(place, f"not a rule: {error}", show(rule.to_ical().decode()), "FREQ=WEEKLY;BYDAY=MO,TU")
        return
    if first is None:
        reading.fault(place, "never happens", show(rule.to_ical().decode()), "days that there are")


def _late_like(year: int) -> int:
    """A late year with the same days and weekdays: a rule that never happens is looked for until the last of years."""
    return next(late for late in range(9960, 9988) if _shape(late) == _shape(year))


def _shape(year: int) -> tuple[int, bool]:
    return date(year, 1, 1).weekday(), isleap(year)


def _times_a_day(rule: Mapping[str, Any]) -> float:
    """How often a rule happens on a day at most."""
    hours = len(rule.get("BYHOUR", [])) or (24 if str(rule.get("FREQ", [""])[0]).upper() == "HOURLY" else 1)
    return float(hours * max(1, len(rule.get("BYMINUTE", []))) * max(1, len(rule.get("BYSECOND", []))))


def _check_twins(reading: _Reading) -> None:
    """Of two events with one UID a calendar keeps one: the other would be lost without a word."""
    seen: dict[str, int] = {}
    for event in reading.events:
        uid = str(event.data.get("UID", "")) if event.data is not None else ""
        if uid and event.data is not None and "RECURRENCE-ID" not in event.data:
            if uid in seen:
                what = f"the same UID as the event in line {seen[uid]}"
                reading.fault(event.at.get("UID", (event.line, 1)), what, show(uid), "another UID")
            seen.setdefault(uid, event.line)


def _check_burden(reading: _Reading) -> None:
    """Refuse what would repeat too often together, at the first event that is too much."""
    edges: list[tuple[datetime, float, _Event]] = []
    for event in reading.events:
        if event.data is None or "RRULE" not in event.data:
            continue
        rule, begins = event.data["RRULE"], _plain(event.data.decoded("DTSTART"))
        rate, until = _times_a_day(rule), datetime.max  # noqa: DTZ901 - held against times of no zone only
        if count := int(rule.get("COUNT", [0])[0]):
            step = _DAYS_A[str(rule["FREQ"][0]).upper()] * int(rule.get("INTERVAL", [1])[0])
            until = _later(begins, min(count * step, 1e6))
        if given := rule.get("UNTIL"):
            until = min(until, _plain(given[0]))
        edges += [(begins, rate, event), (until, -rate, event)]
    now = 0.0
    for _, rate, event in sorted(edges, key=lambda edge: edge[:2]):
        now += rate
        if now > MAX_A_DAY:
            what = f"with this more than {MAX_A_DAY} turns may begin on one day"
            reading.fault(event.at.get("RRULE", (event.line, 1)), what, hint="a calendar of its own for each roster")
            return


def _later(begins: datetime, days: float) -> datetime:
    try:
        return begins + timedelta(days=days)
    except OverflowError:
        return datetime.max  # noqa: DTZ901 - held against times of no zone only


def _plain(moment: date) -> datetime:
    """A date or time without its zone."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time(0))
    return moment.replace(tzinfo=None)


def names_of(people: Mapping[str, Person]) -> dict[str, str]:
    """What calendars may call people: their ids, names and mail addresses, in small letters, and their ids."""
    found: dict[str, str] = {}
    for person in people.values():
        for name in {one.strip().casefold() for one in (*person.name.values(), person.reach.get("email", ""))} - {""}:
            found[name] = person.id if found.get(name, person.id) == person.id else AMBIGUOUS
    return found | {person.casefold(): person for person in people}
