"""Calendars: what `only` asks of the local clock, over midnight, over changes of the clock, on holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.clock import to_us
from city.errors import Fault
from city.levels import Level
from city.positions import Positions
from rules.check import load_files
from rules.conditions.calendar import DAYS, MIDNIGHT, Calendar
from rules.language.calendarfile import Calendars, load_calendars, read_only
from tests.rules.small_city import FILES, T0_US, desk_of

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NIGHT = Calendar(SHANGHAI, "night", frozenset({4}), time(22), time(6))


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone))


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    inside = ["2026-07-03T22:00", "2026-07-03T23:59:59", "2026-07-04T00:00", "2026-07-04T05:59:59.999999"]
    outside = ["2026-07-03T05:00", "2026-07-03T21:59:59", "2026-07-04T06:00", "2026-07-04T22:30"]
    assert [NIGHT.holds(at(text)) for text in inside] == [True] * 4
    assert [NIGHT.holds(at(text)) for text in outside] == [False] * 4
    june = Calendar(SHANGHAI, "", from_=time(22), to=time(6), months=frozenset({6}))
    assert june.holds(at("2026-07-01T05:00"))
    assert not june.holds(at("2026-06-01T05:00"))


def test_the_clock_is_the_one_people_read_when_it_is_put_back_and_forward() -> None:
    early = Calendar(BERLIN, "", from_=time(2), to=time(3))
    twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in range(4)]  # 02:30, 02:30, 03:30, 04:30
    assert [early.holds(to_us(moment)) for moment in twice] == [True, True, False, False]
    spring = [datetime(2026, 3, 29, hour, 30, tzinfo=UTC) for hour in range(3)]  # 01:30, 03:30, 04:30
    assert [early.holds(to_us(moment)) for moment in spring] == [False, False, False]
    night = Calendar(BERLIN, "", frozenset({6}), time(22), time(6))
    assert night.holds(at("2026-03-30T05:59", BERLIN))
    assert not night.holds(at("2026-03-30T06:00", BERLIN))


def test_holidays_and_the_weekend_days_worked_for_them() -> None:
    free, worked = frozenset({date(2026, 10, 1)}), frozenset({date(2026, 10, 10)})  # a Thursday; a Saturday

    def calendar(days: str, holidays: str) -> Calendar:
        own = frozenset(DAYS.index(day) for day in days.split()) or frozenset(range(7))
        return Calendar(SHANGHAI, "", own, holidays=holidays, free=free, exchanged=worked)

    thursday, saturday, next_saturday = (at(f"2026-10-{day}T12:00") for day in ("01", "10", "17"))
    office = calendar("mon tue wed thu fri", "never")
    assert [office.holds(t) for t in (thursday, saturday, next_saturday)] == [False, True, False]
    weekend = calendar("sat sun", "never")
    assert [weekend.holds(t) for t in (thursday, saturday, next_saturday)] == [False, False, True]
    feast = calendar("", "only")
    assert [feast.holds(t) for t in (thursday, saturday, next_saturday)] == [True, False, False]
    plain = calendar("mon tue wed thu fri", "")
    assert [plain.holds(t) for t in (thursday, saturday, next_saturday)] == [True, False, False]


def test_a_calendar_for_holidays_that_has_none_never_holds() -> None:
    free = frozenset({date(2026, 10, 1)})
    assert not Calendar(SHANGHAI, "", holidays="only").ever()
    assert Calendar(SHANGHAI, "", holidays="only", free=free).ever()
    assert not Calendar(SHANGHAI, "", holidays="only", free=free, months=frozenset({5})).ever()
    assert Calendar(SHANGHAI, "", months=frozenset({2})).ever()


_TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))


@given(
    st.sampled_from([SHANGHAI, BERLIN, ZoneInfo("America/St_Johns"), ZoneInfo("Australia/Lord_Howe")]),
    st.frozensets(st.integers(0, 6), min_size=1),
    _TIMES,
    _TIMES,
    st.frozensets(st.integers(1, 12)),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 - made aware below
)
def test_it_says_what_a_list_of_windows_says(
    zone: ZoneInfo, days: frozenset[int], from_: time, to: time, months: frozenset[int], naive: datetime
) -> None:
    calendar = Calendar(zone, "", days, from_, to, months)
    instant = naive.replace(tzinfo=UTC)
    clock = instant.astimezone(zone).replace(tzinfo=None)  # what the clock on the wall shows
    windows = []
    for back in (0, 1, 2):
        day = clock.date() - timedelta(days=back)
        if day.weekday() in days and (not months or day.month in months):
            end = day if from_ < to else day + timedelta(days=1)
            windows.append((datetime.combine(day, from_), datetime.combine(end, to)))
    assert calendar.holds(to_us(instant)) == any(begin <= clock < end for begin, end in windows)


GOOD = """
holidays: [2026-10-01, 2026-10-02]
workdays: [2026-10-10]
calendars:
  rush: {days: [mon, tue, wed, thu, fri], from: "07:00", to: "09:00", holidays: never}
  flood-season: {months: [5, 6, 7, 8, 9]}
  berlin-night: {from: "22:00", to: "06:00", timezone: Europe/Berlin}
"""


def test_a_calendar_file_is_read() -> None:
    calendars, faults = load_calendars({"calendar.yaml": GOOD}, "Asia/Shanghai")
    assert faults == []
    assert calendars.named["rush"].zone == SHANGHAI
    assert calendars.named["rush"].holds(at("2026-10-10T08:00"))
    assert calendars.named["berlin-night"].zone == BERLIN
    assert calendars.named["flood-season"].from_ == MIDNIGHT
    assert load_calendars({}, "Asia/Shanghai")[0].named == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("calendars:", "calendar:", "4:1: unknown key 'calendar', try 'calendars'"),
        ("calendars:", "shifts: []\ncalendars:", "4:1: unknown key 'shifts', try calendars"),
        ('"07:00"', "07:00", "5:49: without quotes this is the number 420 to some YAML readers, got 07:00, "
         'try "07:00"'),
        ('"07:00"', '"7:00"', "5:49: not a time of day, got '7:00', try \"08:00\""),
        (', to: "09:00"', "", '5:43: from without to, try to: "20:00"'),
        ("mon, tue", "mon, tues", "5:22: days: no such day, got 'tues', try tue"),
        ("[5, 6", "[5, 13", "6:30: months: no such month, got 13, try one of 1 to 12"),
        ("holidays: never", "holidays: nevr", "5:81: holidays: not one of only, never, got 'nevr', try 'never'"),
        ("Europe/Berlin", "Europe/Berlim", "7:56: unknown time zone, got 'Europe/Berlim', try Europe/Berlin"),
        ("2026-10-02", "2026-10-32", "2:24: not a day, got '2026-10-32', try 2026-10-01"),
        ("2026-10-02", "2026-10-01", "2:24: this day is there already, got '2026-10-01', try removing it"),
        ("2026-10-10", "2026-10-01", "3:11: a day is both a holiday and worked, got 2026-10-01, try one of them"),
        ("{months: [5, 6, 7, 8, 9]}", "{}", '6:17: a calendar says when, try {days: [mon]'),
        ("{months: [5, 6, 7, 8, 9]}", "[may]", "6:17: expected a mapping, got a list"),
        ("  flood-season:", "  flood season:", "6:3: an id has letters, digits and - _ . :, at most 64, got "
         "'flood season', try 'flood-season'"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_what_to_try(old: str, new: str, message: str) -> None:
    assert old in GOOD
    _, faults = load_calendars({"calendar.yaml": GOOD.replace(old, new, 1)}, "Asia/Shanghai")
    assert len(faults) == 1
    assert str(faults[0]).startswith(f"calendar.yaml:{message}"), str(faults[0])


def test_only_names_a_calendar_or_writes_one() -> None:
    calendars, _ = load_calendars({"calendar.yaml": GOOD}, "Asia/Shanghai")
    positions = Positions("r.yaml", ({(): (3, 4)}, {}))
    said: list[str] = []

    def only(value: object, known: Calendars = calendars) -> Calendar | None:
        faults: list[Fault] = []
        found = read_only(value, ("only",), positions, faults, known)
        said[:] = map(str, faults)
        return found

    assert only("rush") is calendars.named["rush"]
    inline = only({"days": ["fri"], "from": "22:00", "to": "06:00", "holidays": "never"})
    assert inline is not None
    assert inline.written == "fri 22:00-06:00 holidays never"
    assert inline.exchanged == frozenset({date(2026, 10, 10)})
    assert only("rushh") is None
    assert said == ["r.yaml:3:4: no such calendar, got 'rushh', try 'rush'"]
    assert only("rush", Calendars()) is None
    assert said == ["r.yaml:3:4: no such calendar, got 'rush', try adding it to calendar.yaml"]
    assert only("rush", Calendars(whole=False)) is None
    assert said == []
    assert only(7) is None
    assert said[0].startswith("r.yaml:3:4: only: expected a calendar, got 7")


DEPTH = FILES["rules/depth.yaml"].replace("deadband: 3 cm}", "deadband: 3 cm, only: rush}", 1)
RUSH = 'calendars: {rush: {from: "07:00", to: "09:00"}}\n'


def version(calendar: str, rule: str = DEPTH) -> tuple[str, str]:
    rule_ = load_files({**FILES, "rules/depth.yaml": rule, "calendar.yaml": calendar}).book.instances["depth/wl-1"].rule
    return rule_.version, rule_.logic


def test_a_changed_calendar_is_a_changed_rule_and_a_renamed_one_is_not() -> None:
    assert version(RUSH) == version(RUSH + "holidays: [2026-10-01]\n")
    later = version(RUSH.replace("09:00", "10:00"))
    assert later[0] != version(RUSH)[0]
    assert later[1] != version(RUSH)[1]
    feast = RUSH.replace("from", "holidays: never, from")
    assert version(feast) != version(feast + "holidays: [2026-10-01]\n")
    assert version(RUSH.replace("rush", "peak"), DEPTH.replace("rush", "peak")) == version(RUSH)


def test_outside_its_calendar_a_level_does_not_stand_and_ends() -> None:
    desk = desk_of({**FILES, "rules/depth.yaml": DEPTH.replace("only: rush", 'only: {from: "18:05", to: "18:20"}')})
    orange = [30.0] * 40  # from 18:00 local time on; orange is the level with the calendar
    desk.series("wl-1", orange)
    (alarm,) = desk.alarms()
    told = [(event.to_level, (event.at_us - T0_US) / 60e6) for event in desk.events() if event.alarm == alarm.id]
    assert told == [(Level.YELLOW, 3.0), (Level.ORANGE, 7.0), (Level.YELLOW, 30.0)]
