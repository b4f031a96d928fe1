"""Rosters: shifts over midnight, over the switch of clocks, on holidays, with exceptions; against a plain oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from city.clock import from_us, to_us
from rules.desk.gaps import Gap, gaps
from rules.desk.icalfile import read_calendar
from rules.desk.roster import DAY_US, DAYS, DaysOff, Override, Roster, Shift

MINUTE_US = 60_000_000
SWITCHES = (  # a zone and a day of UTC near which its clocks are changed
    ("Asia/Shanghai", date(2026, 7, 1)),  # never
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 4)),  # by half an hour
    ("America/Santiago", date(2026, 9, 6)),  # at midnight
    ("Pacific/Apia", date(2011, 12, 30)),  # by a whole day
)
HOURS = st.sampled_from([time(h, m) for h in (0, 1, 2, 3, 8, 20, 23) for m in (0, 15, 30)])
SHIFTS = st.builds(
    Shift, st.sampled_from(["li", "bo", "wang"]), st.frozensets(st.sampled_from(DAYS), min_size=1), HOURS, HOURS
)


class Plain:
    """What a clock on the wall shows at each minute, and when it first shows a time."""

    def __init__(self, zone: str, day: date) -> None:
        first = datetime.combine(day - timedelta(days=5), time(0), UTC)
        self.start_us = to_us(first)
        self.minutes = [self.start_us + at * MINUTE_US for at in range(9 * 24 * 60)]
        self.shown = [from_us(at).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in self.minutes]
        self.first: dict[datetime, int] = {}
        for at_us, shown in zip(self.minutes, self.shown, strict=True):
            self.first.setdefault(shown, at_us)

    def instant(self, local: datetime) -> int:
        """When the clock first shows it; if it never does, as if it had not been put forward."""
        if local in self.first:
            return self.first[local]
        last = next((i for i, shown in enumerate(self.shown) if shown > local), len(self.shown)) - 1
        return self.minutes[last] + int((local - self.shown[last]) / timedelta(minutes=1)) * MINUTE_US

    def turns(self, shift: Shift) -> list[tuple[int, int]]:
        days = sorted({shown.date() for shown in self.shown})
        days = [
            d
            for d in (days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days))
            if _weekday(d) in shift.days
        ]
        return [
            (
                self.instant(datetime.combine(d, shift.from_)),
                self.instant(datetime.combine(d + timedelta(days=shift.to <= shift.from_), shift.to)),
            )
            for d in days
        ]


@cache
def _plain(zone: str, day: date) -> Plain:
    return Plain(zone, day)


def _weekday(day: date) -> str:
    return DAYS[day.weekday()]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SWITCHES), st.lists(SHIFTS, min_size=1, max_size=4))
@example(
    SWITCHES[2],
    [Shift("li", frozenset(DAYS), time(20), time(2, 30)), Shift("bo", frozenset(DAYS), time(2, 30), time(20))],
)
@example(
    SWITCHES[1],
    [Shift("li", frozenset(DAYS), time(20), time(2, 30)), Shift("bo", frozenset(DAYS), time(2, 30), time(20))],
)
def test_every_minute_around_a_switch_is_as_a_plain_clock_says(switch: tuple[str, date], shifts: list[Shift]) -> None:
    zone, day = switch
    plain, roster = _plain(zone, day), Roster("r", zone, tuple(shifts))
    turns = [(begin, end, shift.person) for shift in shifts for begin, end in plain.turns(shift)]
    told = dict(roster.changes(plain.start_us, plain.start_us + 9 * DAY_US))
    now: tuple[str, ...] = ()
    for at_us in plain.minutes[2 * 24 * 60 : 7 * 24 * 60]:
        on = {person for begin, end, person in turns if begin <= at_us < end}
        assert set(roster.at(at_us)) == on, from_us(at_us)
    for at_us in plain.minutes:
        now = told.get(at_us, now)
        assert now == roster.at(at_us)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SWITCHES[:-1]), SHIFTS, st.booleans())
def test_a_calendar_that_repeats_weekly_says_what_a_weekly_shift_says(
    switch: tuple[str, date], shift: Shift, floating: bool
) -> None:
    zone, day = switch
    begin = day - timedelta(days=21)
    begin += timedelta(days=next(n for n in range(7) if _weekday(begin + timedelta(days=n)) in shift.days))
    end = begin + timedelta(days=shift.to <= shift.from_)
    tz = "" if floating else f";TZID={zone}"
    days = ",".join(name[:2].upper() for name in sorted(shift.days))
    text = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n"
        f"DTSTART{tz}:{begin:%Y%m%d}T{shift.from_:%H%M%S}\nDTEND{tz}:{end:%Y%m%d}T{shift.to:%H%M%S}\n"
        f"RRULE:FREQ=WEEKLY;BYDAY={days}\nSUMMARY:{shift.person}\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    feed, faults = read_calendar("rosters/r.ics", text, {"li": "li", "bo": "bo", "wang": "wang"})
    assert faults == []
    assert feed is not None
    span = (
        to_us(datetime.combine(day, time(0), UTC)) - 9 * DAY_US,
        to_us(datetime.combine(day, time(0), UTC)) + 9 * DAY_US,
    )
    by_file, by_shift = (Roster("r", zone, (source,)) for source in (feed, shift))
    assert list(by_file.changes(*span)) == list(by_shift.changes(*span))


def at(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


WORKS = Shift("li", frozenset(DAYS[:5]), time(8), time(20), "skip")
WEEKEND = Shift("bo", frozenset(DAYS[5:]), time(8), time(20), "skip")
FEAST = Shift("wang", frozenset(DAYS), time(8), time(20), "only")
OFF = DaysOff(frozenset({date(2026, 10, 1), date(2026, 10, 2)}), frozenset({date(2026, 10, 10)}))


@pytest.mark.parametrize(
    ("day", "who"),
    [
        ("2026-09-30", ("li",)),
        ("2026-10-01", ("wang",)),  # a holiday
        ("2026-10-03", ("bo",)),  # a Saturday
        ("2026-10-10", ("li",)),  # a Saturday that is worked
        ("2026-10-11", ("bo",)),
    ],
)
def test_holidays_and_days_worked_instead(day: str, who: tuple[str, ...]) -> None:
    roster = Roster("r", "Asia/Shanghai", (WORKS, WEEKEND, FEAST), off=OFF)
    assert roster.at(at(f"{day}T12:00:00+08:00")) == who


def test_a_night_before_a_holiday_lasts_into_it() -> None:
    night = Roster("r", "Asia/Shanghai", (Shift("li", frozenset(DAYS), time(20), time(8), "skip"),), off=OFF)
    assert night.at(at("2026-10-01T07:59:00+08:00")) == ("li",)
    assert night.at(at("2026-10-01T21:00:00+08:00")) == ()


def test_exceptions_put_one_in_place_of_another_or_of_all() -> None:
    always = tuple(Shift(person, frozenset(DAYS), time(0), time(0)) for person in ("li", "bo"))
    swapped = Override(at("2026-10-01T08:00:00+08:00"), at("2026-10-02T08:00:00+08:00"), "wang", "li")
    alone = Override(at("2026-10-01T12:00:00+08:00"), at("2026-10-01T13:00:00+08:00"), "zhao")
    away = Override(at("2026-10-01T18:00:00+08:00"), at("2026-10-01T19:00:00+08:00"), "", "bo")
    roster = Roster("r", "Asia/Shanghai", always, (swapped, alone, away))
    told = {f"{from_us(us).astimezone(ZoneInfo('Asia/Shanghai')):%d %H:%M}": who for us, who in roster.changes(
        at("2026-10-01T00:00:00+08:00"), at("2026-10-03T00:00:00+08:00"))}  # fmt: skip
    assert told == {
        "01 00:00": ("li", "bo"), "01 08:00": ("wang", "bo"), "01 12:00": ("zhao",), "01 13:00": ("wang", "bo"),
        "01 18:00": ("wang",), "01 19:00": ("wang", "bo"), "02 08:00": ("li", "bo"),
    }  # fmt: skip


def test_somebody_who_stands_in_for_one_who_is_not_there_is_not_there_either() -> None:
    days = Shift("li", frozenset(DAYS), time(8), time(20))
    stand_in = Override(at("2026-10-01T00:00:00+08:00"), at("2026-10-02T00:00:00+08:00"), "bo", "li")
    roster = Roster("r", "Asia/Shanghai", (days,), (stand_in,))
    assert roster.at(at("2026-10-01T07:00:00+08:00")) == ()
    assert roster.at(at("2026-10-01T09:00:00+08:00")) == ("bo",)


def test_gaps_are_found_and_joined_and_count_who_cannot_be_reached() -> None:
    days = Shift("li", frozenset(DAYS), time(8), time(20))
    late = Shift("bo", frozenset(DAYS), time(20), time(0))
    roster = Roster("r", "Asia/Shanghai", (days, late))
    start, end = at("2026-10-01T10:00:00+08:00"), at("2026-10-03T06:00:00+08:00")
    first, then = at("2026-10-02T00:00:00+08:00"), at("2026-10-03T00:00:00+08:00")
    morning, evening = at("2026-10-02T08:00:00+08:00"), at("2026-10-01T20:00:00+08:00")
    assert gaps(roster, start, end) == [Gap(first, morning), Gap(then, end)]
    later = at("2026-10-02T20:00:00+08:00")
    assert gaps(roster, start, end, {"li"}.__contains__) == [Gap(evening, morning, ("bo",)), Gap(later, end, ("bo",))]
    assert gaps(roster, start, end, set().__contains__) == [Gap(start, end, ("li", "bo"))]


@settings(max_examples=40, deadline=None)
@given(st.lists(SHIFTS, min_size=1, max_size=4), st.integers(0, 3 * 24 * 60), st.integers(1, 5 * 24 * 60))
def test_gaps_are_exactly_the_minutes_without_anybody(shifts: list[Shift], offset: int, length: int) -> None:
    roster = Roster("r", "Europe/Berlin", tuple(shifts))
    start = at("2026-10-23T00:00:00+02:00") + offset * MINUTE_US
    end = start + length * MINUTE_US
    found = gaps(roster, start, end)
    empty = {us for us in range(start, end, MINUTE_US) if not roster.at(us)}
    assert {us for gap in found for us in range(gap.start_us, gap.end_us, MINUTE_US)} == empty
    assert all(one.end_us < other.start_us for one, other in pairwise(found))
