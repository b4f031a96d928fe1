"""Reads the maintenance windows of `calendar.yaml` against a city: every fault at once, with file:line:column."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from city.clock import from_us
from city.duration import write as write_duration
from city.errors import Fault
from city.identity import PLAIN_ID, id_problem, read_name
from city.levels import Level
from city.model import City
from city.positions import Path, nearest_or_all, show
from city.yamlfile import read
from rules.alarm.windows import DAY_US, Occurrence, Selector, Window
from rules.language.calendarfile import FILE, Calendars, read_dates, read_zone
from rules.language.grammar import FREQUENCIES, SELECTOR, WINDOW
from rules.language.reader import Reader

LONGEST_US = 30 * DAY_US
MOST = 10_000  # occurrences of one window: more is a rule that was not meant
YEARS = 10
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?")
# Parts of a rule that are numbers: the greatest, whether negative ones count from the end, and with which FREQ they go.
_NUMBERS: Mapping[str, tuple[int, bool, tuple[str, ...]]] = {
    "COUNT": (MOST, False, FREQUENCIES),
    "INTERVAL": (1000, False, FREQUENCIES),
    "BYHOUR": (23, False, FREQUENCIES),
    "BYMONTH": (12, False, FREQUENCIES),
    "BYMONTHDAY": (31, True, FREQUENCIES),
    "BYSETPOS": (366, True, ("YEARLY", "MONTHLY", "WEEKLY")),
    "BYYEARDAY": (366, True, ("YEARLY",)),
    "BYWEEKNO": (53, True, ("YEARLY",)),
}
_PARTS = ("FREQ", "UNTIL", "BYDAY", "WKST", *_NUMBERS)
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass
class _Known:
    """What a window may name, and what it is read with."""

    reader: Reader
    rules: Collection[str] | None
    people: Mapping[str, str]


def load_windows(
    files: Mapping[str, str], city: City, calendars: Calendars, rules: Collection[str] | None,
    people: Mapping[str, str], *, whole: bool = True,
) -> tuple[dict[str, Window], list[Fault]]:  # fmt: skip
    """The windows of a city folder by id, and every fault of them.

    Parameters
    ----------
    rules
        The ids of all rules; None when the rules have faults, so that any may be among them.
    people
        The names of those in escalation.yaml, by id; an approver may be one of them.
    whole
        Whether the register is free of faults; if not, what a window names may just be missing from it.
    """
    written = read(files[FILE], FILE) if FILE in files else None
    listed = written.data.get("maintenance") if written and isinstance(written.data, Mapping) else None
    if written is None or not written.whole or listed is None:
        return {}, []
    own: list[Fault] = []
    known = _Known(Reader(written.positions, city, own, whole=whole, calendars=calendars), rules, people)
    seen: set[object] = set()
    found: dict[str, Window] = {}
    if not isinstance(listed, list):
        known.reader.fault(("maintenance",), "maintenance: expected a list of windows", show(listed), "- id: …")
        return {}, written.positions.fresh(own)
    for at, data in enumerate(listed):
        path: Path = ("maintenance", at)
        name = data.get("id") if isinstance(data, Mapping) else None
        if isinstance(name, str) and name in seen:
            known.reader.fault((*path, "id"), f"a second window {name!r}", hint="another id")
        seen.add(name if isinstance(name, str) else "")
        window = _window(known, data, path)
        if window is not None:
            found[window.id] = window
    return found, written.positions.fresh(own)


def _window(known: _Known, data: object, path: Path) -> Window | None:
    reader, before = known.reader, len(known.reader.faults)
    given = reader.check(data, WINDOW, path)
    if not given:
        return None
    name = given.get("id")
    if "id" in given and (
        problem := id_problem(str(name), PLAIN_ID) if isinstance(name, str) else ("an id must be text", "quotes")
    ):
        reader.fault((*path, "id"), problem[0], show(name), problem[1])
    title = given.get("title", name)
    titles = read_name(title, (*path, "title"), reader.positions, reader.faults).by_language if "title" in given else {}
    zone = read_zone(given, "timezone", path, reader.positions, reader.faults, reader.calendars.timezone)
    duration_us = reader.span_us(given, "duration", path)
    if duration_us > LONGEST_US:
        reader.fault((*path, "duration"), "a window lasts 30 days at most", show(given["duration"]), "30d")
    up_to, approver = _red(known, given, path)
    reason = given.get("reason", "")
    if "reason" in given and not (isinstance(reason, str) and reason.strip()):
        reader.fault((*path, "reason"), "a window says why", show(reason), "reason: pump service")
    start = _start(reader, given, path, zone)
    selector = _selector(known, given, path)
    last = _last(reader, given, path, zone, start)
    skipped, only = _days(reader, given, path)
    if len(reader.faults) > before or start is None or selector is None:
        return None
    repeat = _bare(_rule_parts(str(given.get("repeat", ""))))
    window = Window(
        str(name), titles or {"en": str(name)}, selector, zone, start, duration_us, repeat, last, skipped, only, up_to,
        approver, str(reason).strip(),
    )  # fmt: skip
    return window if _fits(reader, window, path) else None


def _red(known: _Known, given: Mapping[str, object], path: Path) -> tuple[Level, str]:
    """Up to which level it holds, and who approved it; red takes both words."""
    reader = known.reader
    up_to = Level.of(reader.word(given, "up_to", path, WINDOW["up_to"].words, "orange"))
    approver = given.get("approver", "")
    if "approver" in given and not (isinstance(approver, str) and approver.strip()):
        reader.fault((*path, "approver"), "an approver is a person", show(approver), "approver: li")
    allowed = given.get("allow_red", False)
    if not isinstance(allowed, bool):
        reader.fault((*path, "allow_red"), "allow_red: expected true or false", show(allowed), "allow_red: true")
    elif up_to is Level.RED and not allowed:
        reader.fault(
            (*path, "up_to"), "red is held only when somebody allows it", "red", "allow_red: true and approver: …"
        )
    elif allowed and up_to is not Level.RED:
        what = f"allow_red, and yet it holds only up to {up_to.word}"
        reader.faults.append(reader.positions.key_fault((*path, "allow_red"), what, hint="up_to: red"))
    if allowed is True and not approver:
        reader.faults.append(
            reader.positions.key_fault((*path, "allow_red"), "allow_red without approver", hint="approver: …")
        )
    return up_to, known.people.get(str(approver), str(approver).strip())


def _start(reader: Reader, given: Mapping[str, object], path: Path, zone: ZoneInfo) -> datetime | None:
    """When it first begins, by the local clock."""
    text = given.get("start")
    if "start" not in given:
        return None
    try:
        if isinstance(text, str) and re.match(_LOCAL, text):
            at = datetime.fromisoformat(text)
            return at.astimezone(zone).replace(tzinfo=None) if at.tzinfo else at
    except ValueError:
        pass
    reader.fault((*path, "start"), "not a time", show(text), '"2026-10-03T22:00", with an offset or by the local clock')
    return None


def _selector(known: _Known, given: Mapping[str, object], path: Path) -> Selector | None:
    reader, city, inside = known.reader, known.reader.city, (*path, "selector")
    if "selector" not in given:
        return None
    data = reader.check(given["selector"], SELECTOR, inside)
    names: dict[str, Mapping[str, object] | Collection[str]] = {
        "sites": city.sites, "districts": city.districts, "gateways": city.gateways, "sensors": city.sensors,
        "quantities": city.quantities, "rules": known.rules or (),
        "tags": {tag for sensor in city.sensors.values() for tag in sensor.tags},
    }  # fmt: skip
    found: dict[str, frozenset[str]] = {}
    for key, there in names.items():
        texts = reader.texts(data, key, inside)
        for at, text in enumerate(texts or ()):
            if reader.whole and text not in there and (key != "rules" or known.rules is not None):
                what = f"no such {'quantity' if key == 'quantities' else key[:-1]}"
                reader.fault((*inside, key, at), what, show(text), nearest_or_all(text, there))
        if texts is not None and not texts:
            reader.fault((*inside, key), f"{key}: an empty list", hint=f"leaving {key} out")
        found[key] = frozenset(texts or ())
    kind = reader.site_kind(data, "site_kind", inside)
    found["site_kind"] = frozenset({kind} if kind else ())
    if isinstance(given["selector"], Mapping) and not data:
        reader.fault(inside, "a selector says what the window is about", hint="{sites: [up-1]}")
    return Selector(**found)


def _rule_parts(text: str) -> dict[str, str]:
    """The parts of a recurrence rule by name, in capitals."""
    bare = text.strip().upper().removeprefix("RRULE:").rstrip(";")
    pairs = (part.partition("=") for part in bare.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _bare(parts: Mapping[str, str]) -> str:
    """The rule without its end, which `Window.last` has."""
    return ";".join(f"{name}={value}" for name, value in parts.items() if name != "UNTIL")


def _last(
    reader: Reader, given: Mapping[str, object], path: Path, zone: ZoneInfo, start: datetime | None
) -> datetime | None:
    """The local time after which it does not begin; faults of the rule are remembered."""
    asked = {"review_by": [given["review_by"]]} if "review_by" in given else {}
    review = read_dates(asked, "review_by", path, reader.positions, reader.faults)
    reviewed = datetime.combine(next(iter(review)), time.max) if review else None
    if "repeat" not in given:
        if "review_by" in given:
            what = "review_by without repeat: it happens once"
            reader.faults.append(reader.positions.key_fault((*path, "review_by"), what, hint="leaving it out"))
        return None
    at: Path = (*path, "repeat")
    if not isinstance(given["repeat"], str):
        reader.fault(at, "repeat: expected a rule of RFC 5545", show(given["repeat"]), "FREQ=WEEKLY;BYDAY=SA;COUNT=10")
        return None
    parts, before = _rule_parts(given["repeat"]), len(reader.faults)
    _check_parts(reader, parts, at)
    until = _until(reader, parts, at, zone)
    if len(reader.faults) == before and start is not None:
        try:
            rrulestr(_bare(parts), dtstart=start)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            reader.fault(at, f"repeat: {error}", show(given["repeat"]), "FREQ=WEEKLY;BYDAY=SA;COUNT=10")
    if not parts.keys() & {"UNTIL", "COUNT"} and reviewed is None and "review_by" not in given:
        reader.fault(
            at, "repeat has no end", show(given["repeat"]), "UNTIL=20271231, COUNT=10, or review_by: 2027-12-31"
        )
    last = min((end for end in (until, reviewed) if end is not None), default=None)
    if start is not None and last is not None and last > start + timedelta(days=366 * YEARS):
        reader.fault(at, f"repeat goes on for more than {YEARS} years", last.date().isoformat(), "an earlier end")
    return last


def _check_parts(reader: Reader, parts: Mapping[str, str], at: Path) -> None:
    for name in parts:
        if name in ("BYMINUTE", "BYSECOND"):
            reader.fault(at, f"repeat: {name} is too fine for maintenance", name, "the minute of `start`")
        elif name not in _PARTS:
            reader.fault(at, f"repeat: unknown part {name!r}", hint=nearest_or_all(name, _PARTS))
    if (often := parts.get("FREQ", "")) not in FREQUENCIES:
        what = f"repeat: FREQ is one of {', '.join(FREQUENCIES)}"
        reader.fault(at, what, often or "none", nearest_or_all(often, FREQUENCIES))
    for name in parts.keys() & _NUMBERS.keys():
        _check_numbers(reader, name, parts, at)
    if "UNTIL" in parts and "COUNT" in parts:
        reader.fault(at, "repeat: UNTIL and COUNT", hint="one of them")


def _check_numbers(reader: Reader, name: str, parts: Mapping[str, str], at: Path) -> None:
    """Numbers that can never be met would be looked for without end."""
    most, from_end, with_ = _NUMBERS[name]
    if (often := parts.get("FREQ")) in FREQUENCIES and often not in with_:
        reader.fault(at, f"repeat: {name} does not go with FREQ={often}", hint=f"FREQ={with_[0]}")
    numbers = [int(text) if re.fullmatch(r"[-+]?\d{1,5}", text) else None for text in parts[name].split(",")]
    least = 0 if name == "BYHOUR" else 1
    for number in numbers:
        if number is None or not least <= (abs(number) if from_end else number) <= most:
            reader.fault(at, f"repeat: {name} is not from {least} to {most}", parts[name], f"{name}={least}")
            return
    months = [int(text) for text in parts.get("BYMONTH", "").split(",") if text.isdecimal() and 1 <= int(text) <= 12]
    longest = max((_MONTH_DAYS[month - 1] for month in months), default=31)
    if name == "BYMONTHDAY" and all(abs(number) > longest for number in numbers if number is not None):
        reader.fault(at, "repeat: no such day in these months", parts[name], f"BYMONTHDAY={longest}")


def _until(reader: Reader, parts: Mapping[str, str], at: Path, zone: ZoneInfo) -> datetime | None:
    """The end of a rule as a local time; a day counts to its end."""
    text = parts.get("UNTIL")
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        reader.fault(at, "repeat: UNTIL is no time", text, "UNTIL=20271231 or UNTIL=20271231T160000Z")
        return None
    if "T" not in text:
        return datetime.combine(found.date(), time.max)
    return found.astimezone(zone).replace(tzinfo=None) if found.tzinfo else found


def _days(reader: Reader, given: Mapping[str, object], path: Path) -> tuple[frozenset[date], frozenset[date] | None]:
    """The days on which it does not begin, and the only ones on which it does (None: all)."""
    skipped = read_dates(given, "except", path, reader.positions, reader.faults)
    word = reader.word(given, "holidays", path, WINDOW["holidays"].words, "")
    free = reader.calendars.free
    if word == "only" and not free and reader.calendars.whole:
        reader.fault((*path, "holidays"), "calendar.yaml lists no holidays", "only", "holidays: [2026-10-01]")
    return (skipped | free if word == "skip" else skipped), (free if word == "only" else None)


def _fits(reader: Reader, window: Window, path: Path) -> bool:
    """Whether it happens at all, not too often, and ends each time before it begins again."""
    before = len(reader.faults)
    every = list(islice(window.occurrences(), MOST + 1))
    at: Path = (*path, "repeat" if window.repeat else "start")
    if not every:
        reader.fault(at, "this window never begins", window.repeat, "another rule, or fewer exceptions")
    if len(every) > MOST:
        reader.fault(at, f"repeat: more than {MOST} times", window.repeat, "an earlier end")
    for one, other in pairwise(every):
        if other.start_us <= one.end_us:
            again = from_us(other.start_us).astimezone(window.zone).isoformat()
            what = f"it lasts {write_duration(window.duration_us / 1e6)} and begins again before that is over"
            reader.fault((*path, "duration"), what, again, "a shorter duration")
            break
    return len(reader.faults) == before


def overlap(one: Window, other: Window) -> Occurrence | None:
    """The first occurrence of `one` during which `other` runs too."""
    others: Iterator[Occurrence] = other.occurrences()
    beside = next(others, None)
    for own in one.occurrences():
        while beside is not None and beside.end_us <= own.start_us:
            beside = next(others, None)
        if beside is None:
            return None
        if beside.start_us < own.end_us:
            return own
    return None
