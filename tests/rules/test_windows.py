"""Maintenance windows hold what they are about, exactly while they run, and tell what stands when they end."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz
from dateutil.rrule import rrulestr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from city.clock import to_us
from city.levels import Level
from rules.alarm.alarm import Alarm
from rules.alarm.windows import Planned, Selector, Window, Windows, upcoming
from rules.check import check_files, load_files
from rules.effects import MaintenanceOver, MaintenanceSet
from rules.inputs import HoldKind
from rules.language.windowlint import lint_windows
from tests.rules.small_city import FILES, T0_US, Desk, city_files, desk_of

HOUR_US = 3_600_000_000
PUMP = """
maintenance:
  - id: pump
    title: {en: Pump change, zh: 换泵}
    selector: {sites: [up-1]}
    start: "2026-07-01T18:05"
    duration: 1h
    reason: yearly service
"""
YELLOW, RED, DRY = [20.0] * 4, [50.0] * 2, [0.0] * 12


def window_desk(calendar: str = PUMP) -> Desk:
    """The small city, with windows; it is 18:00 there at second 0."""
    return desk_of(city_files(calendar=calendar))


def told(desk: Desk) -> list[tuple[str, str]]:
    return [(n.kind, n.content["facts"]["was_held"]) for n in desk.notices() if n.target == "li"]


# -- what people see -------------------------------------------------------------------------------------------------


def test_what_it_raises_is_held_and_recorded_and_told_when_it_ends() -> None:
    desk = window_desk()
    desk.series("wl-1", [0.0, *YELLOW, *YELLOW], start_s=300)
    alarm = desk.alarms()[0]
    assert (told(desk), alarm.state) == ([], "suppressed")
    assert alarm.hold_reason == "maintenance pump until 2026-07-01T11:05:00+00:00"
    desk.feed([("wl-1", 3840, 20.0)])
    desk.tick(3899)
    assert told(desk) == []
    desk.tick(3900)
    assert told(desk) == [("raise", "maintenance")]
    assert desk.events()[-1].reason == "no longer suppressed: maintenance pump is over"
    assert [(kind, note) for kind, note in desk.held()] == [
        ("maintenance_began", "until 2026-07-01T11:05:00+00:00: yearly service"), ("maintenance_ended", ""),
    ]  # fmt: skip


def test_what_stood_before_is_held_and_its_clear_is_told() -> None:
    desk = window_desk()
    desk.series("wl-1", YELLOW)
    assert told(desk) == [("raise", "")]
    desk.tick(301)
    assert desk.alarms()[0].hold == "suppressed"
    desk.series("wl-1", DRY, start_s=360)
    assert [kind for kind, _ in told(desk)] == ["raise", "clear"]


def test_a_higher_level_is_told_all_the_same_and_stays_so() -> None:
    desk = window_desk()
    desk.series("wl-1", YELLOW, start_s=360)
    desk.series("wl-1", RED, start_s=600)
    assert told(desk) == [("raise", "maintenance")]
    assert desk.events()[-1].reason == "no longer suppressed: broke through at red"
    desk.series("wl-1", [20.0] * 14, start_s=720)
    assert desk.alarms()[0].hold == ""


def test_with_an_approver_red_is_held_too() -> None:
    desk = window_desk(PUMP + "    up_to: red\n    allow_red: true\n    approver: li\n")
    desk.series("wl-1", RED, start_s=360)
    assert (told(desk), desk.alarms()[0].state) == ([], "suppressed")
    assert next(e for e in desk.effects if isinstance(e, MaintenanceSet)).approver == "Li Na"


def test_another_site_is_not_held() -> None:
    desk = window_desk()
    desk.series("wl-2", YELLOW, start_s=360)
    assert (desk.alarms()[0].hold, len(told(desk))) == ("", 1)


def test_a_restart_changes_nothing() -> None:
    stories = []
    for restarts in (False, True):
        desk = window_desk(PUMP + "    repeat: FREQ=HOURLY;INTERVAL=3;COUNT=4\n")
        for at in range(0, 30_000, 240):
            desk.feed([("wl-1", at, 20.0 if at % 4000 < 2500 else 0.0)])
            desk.tick(at)
            if restarts and at % 1200 == 0:
                desk.restart()
        stories.append(desk.effects)
    assert stories[0] == stories[1]
    assert [e.state for e in stories[0] if isinstance(e, MaintenanceOver)] == ["ended"] * 3


def test_a_changed_folder_ends_begins_and_drops_windows() -> None:
    desk = window_desk()
    desk.series("wl-1", YELLOW, start_s=360)
    desk.reload(city_files(calendar=PUMP.replace("1h", "2h")), 600)
    assert desk.alarms()[0].hold_reason == "maintenance pump until 2026-07-01T12:05:00+00:00"
    desk.reload(city_files(), 660)
    assert told(desk) == [("raise", "maintenance")]
    assert [e.state for e in desk.effects if isinstance(e, MaintenanceOver)] == ["ended"]


# -- what people ask for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["sensor/wl-1", "site/up-1", "gateway/g1"])
def test_a_person_puts_a_place_under_maintenance(target: str) -> None:
    desk = desk_of()
    desk.hold(HoldKind.MAINTAIN, target, 0, until_s=2 * 3600)
    desk.series("wl-1", [*YELLOW, *YELLOW])
    desk.series("wl-2", YELLOW)
    assert [(a.scope, a.state) for a in desk.alarms()] == [("wl-1", "suppressed"), ("wl-2", "unacknowledged")]
    reason = f"maintenance {target} until 2026-07-01T12:00:00+00:00 by Li: pump test"
    assert desk.alarms()[0].hold_reason == reason
    desk.hold(HoldKind.END_MAINTENANCE, target, 500, note="done")
    assert desk.alarms()[0].state == "unacknowledged"
    assert desk.events()[-1].reason == "no longer suppressed: end_maintenance by Li: done"
    assert told(desk)[-1] == ("raise", "maintenance")


def test_its_time_ends_it_and_red_breaks_through() -> None:
    desk = desk_of()
    desk.hold(HoldKind.MAINTAIN, "site/up-1", 0, until_s=600)
    desk.series("wl-1", YELLOW)
    desk.tick(601)
    assert desk.held()[-1] == ("maintenance_ended", "its time is up")
    assert told(desk) == [("raise", "maintenance")]
    desk.hold(HoldKind.MAINTAIN, "site/up-1", 620, until_s=1200)
    desk.series("wl-1", RED, start_s=660)
    assert desk.alarms()[0].hold == ""


def test_red_takes_two_people() -> None:
    desk = desk_of()
    desk.hold(HoldKind.MAINTAIN, "site/up-1", 0, until_s=3600, level=Level.RED)
    desk.hold(HoldKind.MAINTAIN, "site/up-1", 10, until_s=3600, level=Level.RED)
    desk.hold(HoldKind.MAINTAIN, "site/up-1", 20, until_s=1800, level=Level.RED, actor="Bo")
    assert [kind for kind, _ in desk.held()] == ["asked_maintain", "refused_maintain", "maintain"]
    desk.series("wl-1", RED, start_s=60)
    assert desk.alarms()[0].state == "suppressed"
    assert desk.engine.state.holds.maintained["site/up-1"].by == "Li and Bo"


@pytest.mark.parametrize(
    ("target", "note", "until_s", "why"),
    [
        ("site/up-9", "w", 100, "no site 'up-9'"),
        ("up-1", "w", 100, "not a place 'up-1': say sensor/…, site/… or gateway/…"),
        ("site/up-1", " ", 100, "maintain needs a note that says why"),
        ("site/up-1", "w", None, "it needs an end: say until when"),
        ("site/up-1", "w", 31 * 86400, "maintenance: at most 720 h, got 744 h"),
    ],
)
def test_what_cannot_be_is_refused(target: str, note: str, until_s: float | None, why: str) -> None:
    desk = desk_of()
    desk.hold(HoldKind.MAINTAIN, target, 0, note=note, until_s=until_s)
    ((kind, said),) = desk.held()
    assert (kind, why in said) == ("refused_maintain", True), said


# -- what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[up-1]", "[up-3]", "calendar.yaml:5:24: no such site, got 'up-3', try 'up-2'"),
        ("{sites: [up-1]}", "{}", "calendar.yaml:5:15: a selector says what the window is about"),
        ("{sites: [up-1]}", "{rules: [dept]}", "calendar.yaml:5:24: no such rule, got 'dept', try 'depth'"),
        ("{sites: [up-1]}", "{site_kind: tunel}", "calendar.yaml:5:27: unknown kind of site"),
        ('"2026-07-01T18:05"', "2026-07-01", "calendar.yaml:6:12: not a time"),
        ("1h", "31d", "calendar.yaml:7:15: a window lasts 30 days at most"),
        ("1h", "0s", "calendar.yaml:7:15: duration: expected a duration above 0"),
        ("yearly service", '""', "calendar.yaml:8:13: a window says why"),
        ("reason", "up_to: red\n    reason", "calendar.yaml:8:12: red is held only when somebody allows it"),
        ("reason", "allow_red: true\n    up_to: red\n    reason", "calendar.yaml:8:5: allow_red without approver"),
        ("reason", "timezone: Asia/Shangai\n    reason", "calendar.yaml:8:15: unknown time zone"),
        ("reason", "review_by: 2026-12-01\n    reason", "calendar.yaml:8:5: review_by without repeat"),
        ("reason", "repeat: FREQ=DAILY\n    review_by: soon\n    reason", "calendar.yaml:9:16: not a day, got 'soon'"),
        ("reason", "holidays: only\n    reason", "calendar.yaml:8:15: calendar.yaml lists no holidays"),
        ("reason", "repeat: FREQ=DAILY\n    reason", "calendar.yaml:8:13: repeat has no end"),
        ("reason", "repeat: FREQ=MINUTELY;COUNT=9\n    reason", "calendar.yaml:8:13: repeat: FREQ is one of YEARLY"),
        ("reason", "repeat: FREQ=DAILY;BYDAY=XX;COUNT=9\n    reason", "calendar.yaml:8:13: repeat: invalid 'BYDAY'"),
        (
            "reason",
            "repeat: FREQ=DAILY;BYMINUTE=9;COUNT=9\n    reason",
            "calendar.yaml:8:13: repeat: BYMINUTE is too fine",
        ),
        ("reason", "repeat: FREQ=DAILY;FOO=9;COUNT=9\n    reason", "calendar.yaml:8:13: repeat: unknown part 'FOO'"),
        (
            "reason",
            "repeat: FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=9\n    reason",
            "repeat: no such day in these months",
        ),
        (
            "reason",
            "repeat: FREQ=DAILY;COUNT=9;UNTIL=20270101\n    reason",
            "calendar.yaml:8:13: repeat: UNTIL and COUNT",
        ),
        (
            "reason",
            "repeat: FREQ=DAILY;UNTIL=20990101\n    reason",
            "calendar.yaml:8:13: repeat goes on for more than 10",
        ),
        (
            "reason",
            "repeat: FREQ=HOURLY;COUNT=9\n    reason",
            "calendar.yaml:7:15: it lasts 1h and begins again before",
        ),
        ("reason", "repeat: FREQ=DAILY;UNTIL=20260601\n    reason", "calendar.yaml:8:13: this window never begins"),
        ("reason", "except: [2026-07-01]\n    reason", "calendar.yaml:6:12: this window never begins"),
    ],
)
def test_every_fault_is_told_with_its_place(old: str, new: str, fault: str) -> None:
    faults = [str(one) for one in check_files(city_files(calendar=PUMP.replace(old, new, 1)))]
    assert any(fault in one for one in faults), faults


def test_two_windows_of_one_name_and_faults_elsewhere_are_told_at_once() -> None:
    twice = PUMP + PUMP.partition("maintenance:\n")[2].replace("up-1", "up-8")
    rules = FILES["rules/depth.yaml"].replace("above: 40 cm", "above: 40")
    faults = [str(one) for one in check_files(city_files(calendar=twice, rules__depth=rules))]
    assert sorted(one.split(", got")[0] for one in faults) == [
        "calendar.yaml:11:24: no such site",
        "calendar.yaml:9:9: a second window 'pump', try another id",
        "rules/depth.yaml:8:20: expected a number with a unit",
    ]


# -- time ------------------------------------------------------------------------------------------------------------

MOROCCO = "Africa/Casablanca"  # its summer time is the usual one, which dateutil takes wrong
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "Africa/Casablanca")
RULES = st.sampled_from(
    [
        "FREQ=DAILY;COUNT=40", "FREQ=DAILY;INTERVAL=3;COUNT=30", "FREQ=WEEKLY;BYDAY=SA,SU;COUNT=30",
        "FREQ=MONTHLY;BYDAY=-1SU;COUNT=12", "FREQ=MONTHLY;BYMONTHDAY=31,-1;COUNT=12", "FREQ=YEARLY;COUNT=3", "",
        "FREQ=HOURLY;INTERVAL=7;COUNT=50",
    ]
)  # fmt: skip


def local(text: str) -> datetime:
    """A time by a local clock."""
    return datetime.fromisoformat(text)


def window(rule: str, zone: str, start: datetime, hours: int, **more: object) -> Window:
    made = Window(
        "w", {"en": "w"}, Selector(), ZoneInfo(zone), start, hours * HOUR_US, rule, None, frozenset(), None,
        Level.ORANGE, "", "why",
    )  # fmt: skip
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]  # fields of a window


def by_dateutil(one: Window) -> list[int]:
    """The beginnings as dateutil's own zones have them: times that are left out come as much later."""
    zone = tz.gettz(one.zone.key)
    every = rrulestr(one.repeat, dtstart=one.start) if one.repeat else [one.start]
    return [to_us(tz.resolve_imaginary(at.replace(tzinfo=zone))) for at in every]


MINUTES = st.integers(0, 2 * 365 * 24 * 60)
STARTS = MINUTES.map(lambda minutes: local("2025-01-01T00:00") + timedelta(minutes=minutes))


@given(rule=RULES, zone=st.sampled_from([zone for zone in ZONES if zone != MOROCCO]), start=STARTS)
@example("FREQ=DAILY;COUNT=3", "Europe/Berlin", local("2026-03-28T02:30"))  # left out on the 29th
@example("FREQ=DAILY;COUNT=3", "Europe/Berlin", local("2026-10-24T02:30"))  # twice on the 25th
@settings(max_examples=150, deadline=None)
def test_it_begins_when_dateutil_says_so(rule: str, zone: str, start: datetime) -> None:
    one = window(rule, zone, start, 2)
    assert list(one.starts_us()) == by_dateutil(one)


def test_it_begins_by_the_clock_on_the_wall_where_dateutil_is_mistaken() -> None:
    """On 23 February 2025 Morocco's clocks went back from 03:00 (UTC+1) to 02:00: 03:00 came once, in UTC+0."""
    one = window("FREQ=DAILY;COUNT=2", MOROCCO, local("2025-02-22T03:00"), 2)
    assert list(one.starts_us()) == [
        to_us(datetime(2025, 2, 22, 2, tzinfo=UTC)),
        to_us(datetime(2025, 2, 23, 3, tzinfo=UTC)),
    ]


@given(
    rule=RULES, zone=st.sampled_from(ZONES), start=STARTS, hours=st.integers(1, 6),
    waits=st.lists(st.integers(0, 200 * 60), min_size=1, max_size=40), chance=st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_at_any_time_it_runs_exactly_inside_its_occurrences(
    rule: str, zone: str, start: datetime, hours: int, waits: list[int], chance: object
) -> None:
    one = window(rule, zone, start, hours)
    spans = [(at, at + hours * HOUR_US) for at in by_dateutil(one)]
    alarm = desk_alarm()
    planned: dict[str, Planned] = {}
    now_us = spans[0][0] - HOUR_US
    windows = Windows({"w": one}, CITY, planned)
    windows.turn(now_us, all_=True)
    for wait in waits:
        now_us += wait * 60_000_000
        if wait % 3 == 0:  # a restart
            windows = Windows({"w": one}, CITY, planned)
        due_us = windows.due_us()
        inside = any(begin <= now_us < end for begin, end in spans)
        changed = bool(windows.turn(now_us))
        assert changed == (due_us is not None and due_us <= now_us)
        assert (windows.by(alarm) is not None) is inside
        shown = upcoming([one], now_us)
        assert [(at.start_us, at.end_us) for at in shown] == [
            span for span in spans if span[1] > now_us and span[0] <= now_us + 14 * 24 * HOUR_US
        ]


CITY = load_files(FILES).city


@cache
def desk_alarm() -> Alarm:
    """An alarm of the small city."""
    desk = desk_of()
    desk.series("wl-1", YELLOW)
    return desk.alarms()[0]


def test_exceptions_holidays_and_the_end_are_by_local_days() -> None:
    daily = window("FREQ=DAILY", "Asia/Shanghai", local("2026-09-29T00:30"), 1, last=local("2026-10-04T23:59"))
    skip = frozenset({date(2026, 10, 1), date(2026, 10, 2)})
    days = [at.start_us for at in dataclasses.replace(daily, skipped=skip).occurrences()]
    first = to_us(datetime(2026, 9, 29, 0, 30, tzinfo=ZoneInfo("Asia/Shanghai")))
    assert [(at - first) / (24 * HOUR_US) for at in days] == [0, 1, 4, 5]
    only = [at.start_us for at in dataclasses.replace(daily, only=skip).occurrences()]
    assert [(at - first) / (24 * HOUR_US) for at in only] == [2, 3]


def test_the_calendars_holidays_and_review_day_count() -> None:
    text = """
holidays: [2026-07-04]
maintenance:
  - id: saturdays
    selector: {quantities: [water_depth], districts: [north]}
    start: "2026-07-04T01:00+08:00"
    duration: 4h
    repeat: FREQ=WEEKLY;BYDAY=SA
    review_by: 2026-07-31
    holidays: skip
    except: [2026-07-18]
    reason: cleaning
"""
    found = upcoming(desk_of(city_files(calendar=text)).checked.book.windows.values(), T0_US, 90 * 24 * HOUR_US)
    here = ZoneInfo("Asia/Shanghai")
    epoch = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
    days = [(epoch + timedelta(microseconds=at.start_us)).astimezone(here).isoformat() for at in found]
    assert days == ["2026-07-11T01:00:00+08:00", "2026-07-25T01:00:00+08:00"]


def test_what_is_hardly_meant_is_warned_of() -> None:
    text = """
maintenance:
  - id: nothing
    selector: {sites: [up-1], quantities: [rainfall]}
    start: "2026-07-04T01:00"
    duration: 4h
    reason: cleaning
  - id: past
    selector: {sites: [up-1]}
    start: "2026-06-04T01:00"
    duration: 4h
    repeat: FREQ=DAILY;COUNT=3
    reason: cleaning
  - id: first
    selector: {gateways: [g1]}
    start: "2026-07-04T01:00"
    duration: 4h
    repeat: FREQ=WEEKLY;COUNT=9
    reason: cleaning
  - id: second
    selector: {gateways: [g1]}
    start: "2026-07-10T23:00"
    duration: 4h
    repeat: FREQ=DAILY;COUNT=9
    reason: cleaning
"""
    files = city_files(calendar=text)
    assert [str(one) for one in lint_windows(files, load_files(files).book, T0_US)] == [
        "calendar.yaml:4:15: nothing matches nothing, try another selector [idle-window]",
        "calendar.yaml:10:12: past does not come again, try removing it [past-window]",
        "calendar.yaml:21:15: second is about the same as first and runs with it, first at 2026-07-11T01:00:00+08:00, "
        "try one of them [double-window]",
    ]
