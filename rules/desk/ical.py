"""Turns from an iCalendar file (RFC 5545): who its events are about, and when they happen.

Events are expanded a fortnight at a time, when somebody first asks about it, and remembered. What a file may hold is
bounded where it is read (`icalfile`), so that no fortnight is dear.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from city.clock import from_us, to_us
from rules.desk.roster import DAY_US, DaysOff, Turn

STUMBLES = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)  # the libraries', on nonsense
AMBIGUOUS = ""  # stands for whom, where several people have the same name
_BLOCK_US = 14 * DAY_US
_MARGIN = timedelta(days=2)  # floating times and whole days are another place's
_REMEMBERED = 200  # fortnights
MAX_ZONES = 50  # that a file defines itself: for each the whole of it is gone through
_OWN_ZONE = re.compile(r"^BEGIN:VTIMEZONE\n(?:(?!END:VTIMEZONE)[^\n]*\n)*?TZID:([^\n]+)$", re.MULTILINE | re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:[,;/&+、，；]|\band\b|和)\s*")


def persons(event: Any, names: Mapping[str, str]) -> tuple[list[str], list[str]]:  # noqa: ANN401 - icalendar's event
    """Whom an event is about: the ids of people, and what names nobody.

    Its attendees, by their mail, without rooms and those who declined; if it has none its summary: a name, a mail or
    an id, or several of them.

    Parameters
    ----------
    event
        A VEVENT.
    names
        What people are called, in small letters, and their ids (`AMBIGUOUS` when several are called so).
    """
    attendees = event.get("ATTENDEE", [])
    attendees = attendees if isinstance(attendees, list) else [attendees]
    if attendees:
        mails = [_mail(one) for one in attendees if _comes(one)]
        return _known(mails, names)
    summary = str(event.get("SUMMARY", "")).strip()
    if names.get(summary.casefold()):
        return [names[summary.casefold()]], []
    return _known([part for part in _BETWEEN.split(summary) if part] or [summary], names)


def _known(written: Iterable[str], names: Mapping[str, str]) -> tuple[list[str], list[str]]:
    ids = {one: names.get(one.casefold(), AMBIGUOUS) for one in written}
    return [found for found in ids.values() if found], [one for one, found in ids.items() if not found]


def _mail(attendee: object) -> str:
    return re.sub(r"^mailto:", "", str(attendee).strip(), flags=re.IGNORECASE)


def _comes(attendee: Any) -> bool:  # noqa: ANN401 - icalendar's address
    said = {str(k).upper(): str(v).upper() for k, v in getattr(attendee, "params", {}).items()}
    return said.get("PARTSTAT") != "DECLINED" and said.get("CUTYPE") not in ("ROOM", "RESOURCE")


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar file as a source of turns.

    Attributes
    ----------
    file
        Its path in the city folder.
    text
        What it says; without faults.
    names
        As `persons` takes them.
    people
        Everybody its events are about.
    """

    file: str
    text: str = field(repr=False)
    names: Mapping[str, str] = field(repr=False)
    people: frozenset[str]
    _query: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    _blocks: dict[tuple[int, str], list[Turn]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Feed, (self.file, self.text, self.names, self.people)

    def take(self, calendar: Any) -> None:  # noqa: ANN401 - icalendar's calendar
        """Go by this calendar, which was read from the text: reading it is most of the work."""
        from recurring_ical_events import of

        for event in calendar.walk("VEVENT"):
            event.subcomponents.clear()  # reminders ring elsewhere
        self._query[:] = [of(calendar)]

    def turns(self, start_us: int, end_us: int, zone: ZoneInfo, off: DaysOff) -> Iterator[Turn]:
        """All turns that touch a span; times without a zone are by `zone`."""
        told: set[Turn] = set()
        for block in range(start_us // _BLOCK_US, -(-end_us // _BLOCK_US)):
            for turn in self._block(block, zone):
                if turn.start_us < end_us and turn.end_us > start_us and turn not in told:
                    told.add(turn)
                    yield turn

    def _block(self, block: int, zone: ZoneInfo) -> list[Turn]:
        found = self._blocks.get((block, zone.key))
        if found is None:
            if len(self._blocks) >= _REMEMBERED:
                self._blocks.clear()
            found = self._blocks[block, zone.key] = self._expand(block, zone)
        return found

    def _expand(self, block: int, zone: ZoneInfo) -> list[Turn]:
        if not self._query:
            self.take(parse(self.text))
        begin, end = from_us(block * _BLOCK_US), from_us((block + 1) * _BLOCK_US)
        found = []
        try:
            events = self._query[0].between(begin - _MARGIN, end + _MARGIN)
        except STUMBLES:  # a fortnight without anybody is told of as a gap, and the next step fires: an error stops all
            return []
        for event in events:
            if str(event.get("STATUS", "")).upper() != "CANCELLED":
                start_us, end_us = (instant_us(event.decoded(key), zone) for key in ("DTSTART", "DTEND"))
                if start_us < to_us(end) and end_us > max(to_us(begin), start_us):
                    order = (start_us, end_us, str(event.get("UID", "")))
                    people = persons(event, self.names)[0]
                    found += [(*order, at, Turn(start_us, end_us, person)) for at, person in enumerate(people)]
        return [turn for *_, turn in sorted(found, key=lambda one: one[:-1])]


def parse(text: str) -> Any:  # noqa: ANN401 - icalendar's calendar
    """A calendar from its text.

    The library remembers time zones by their names for the whole process, the first of a name for ever: those that a
    file defines itself get names that no other file has.
    """
    from icalendar import Calendar  # a tenth of a second, for those who have a calendar
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    text = re.sub(r"\n[ \t]", "", text)
    mark = hashlib.sha256(text.encode()).hexdigest()[:12]
    defined = set(_OWN_ZONE.findall(text))
    if len(defined) > MAX_ZONES:
        raise ValueError(f"more than {MAX_ZONES} time zones of its own")
    for name in {name for name in defined if name not in WINDOWS_TO_OLSON and not _is_zone(name)}:
        written = re.compile(rf'(TZID[=:])("?){re.escape(name)}\2(?=[:;\n])', re.IGNORECASE)
        own = f"{name} {mark}".replace("\\", "\\\\")
        text = written.sub(rf"\g<1>\g<2>{own}\g<2>", text)
    return Calendar.from_ical(text)


def instant_us(moment: date, zone: ZoneInfo) -> int:
    """A date or time of a calendar in microseconds since 1970; midnight of a date, `zone` where it names none."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(0), zone)
    return to_us(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        return False
