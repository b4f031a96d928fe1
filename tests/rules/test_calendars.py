"""Calendar files of rosters, each named for what it holds: who is on duty by them, and every fault with its line.

What is wrong with a file stands beside it in a `.txt`.
"""

from __future__ import annotations

import os
import pickle
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.clock import from_us, to_us
from rules.check import check_files, load_files
from rules.desk.icalfile import MAX_BYTES, MAX_EVENTS, read_calendar
from rules.desk.roster import Roster
from tests.rules.small_city import FILES, city_files

CALENDARS = Path(__file__).parent / "calendars"
FAULTY = sorted(path.stem for path in CALENDARS.glob("*.txt"))
RIGHT = ("all-day", "exdate", "floating", "moved-instance", "timezone")
ZONE = ZoneInfo("Asia/Shanghai")
NAMES = {
    "li": "li", "li na": "li", "李娜": "li", "li@example.org": "li", "bo": "bo", "bo@example.org": "bo", "wang wei": "",
}  # fmt: skip


def text_of(name: str) -> str:
    return (CALENDARS / f"{name}.ics").read_text(encoding="utf-8")


def roster_of(text: str) -> Roster:
    feed, faults = read_calendar("rosters/r.ics", text, NAMES)
    assert faults == []
    assert feed is not None
    return Roster("r", "Asia/Shanghai", (feed,))


def story(roster: Roster, day: str, days: int) -> list[str]:
    """Every change within some days, by the roster's clock."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZONE)
    changes = roster.changes(to_us(start), to_us(start + timedelta(days=days)))
    return [f"{from_us(us).astimezone(ZONE):%d %H:%M} {'+'.join(who)}".strip() for us, who in changes]


def test_repetitions_that_are_left_out_and_guests_who_do_not_come() -> None:
    told = story(roster_of(text_of("exdate")), "2026-07-01", 7)
    assert told == ["01 00:00", "01 20:00 li", "02 08:00", "03 20:00 li", "04 08:00", "05 20:00 li", "06 08:00"]


def test_an_instance_that_is_moved_and_one_that_is_cancelled() -> None:
    told = story(roster_of(text_of("moved-instance")), "2026-07-01", 6)
    assert told == ["01 00:00", "01 08:00 li", "01 16:00", "02 12:00 bo", "02 15:00",
                    "04 08:00 li", "04 16:00", "05 08:00 li", "05 16:00"]  # fmt: skip


def test_whole_days_are_from_midnight_to_midnight_of_the_roster_s_clock() -> None:
    told = story(roster_of(text_of("all-day")), "2026-06-30", 14)
    assert told == ["30 00:00", "01 00:00 li+bo", "02 00:00", "04 00:00 bo", "06 00:00", "11 00:00 bo", "13 00:00"]


def test_times_without_a_zone_are_the_roster_s_and_others_are_their_own() -> None:
    told = story(roster_of(text_of("floating")), "2026-07-01", 6)
    nights = [
        "01 20:00 li",
        "02 08:00",
        "02 20:00 bo",
        "03 08:00",
        "03 20:00 li",
        "04 08:00",
        "04 20:00 bo",
        "05 08:00",
    ]
    assert told == ["01 00:00", *nights, "05 20:00 li", "06 08:00"]


def test_a_zone_that_the_file_defines_switches_its_clocks() -> None:
    """20:00 to 08:00 of its own clock: an hour later by Shanghai's once its summer is over."""
    roster = roster_of(text_of("timezone"))
    assert story(roster, "2026-10-24", 1) == ["24 00:00", "24 02:00 li", "24 14:00"]
    assert story(roster, "2026-10-26", 1) == ["26 00:00", "26 03:00 li", "26 15:00"]


def test_zones_of_one_name_in_two_files_are_each_its_own() -> None:
    other = roster_of(text_of("timezone").replace("+0100", "+0900").replace("+0200", "+0900"))
    assert story(other, "2026-10-24", 1) == ["24 00:00 li", "24 07:00", "24 19:00 li"]
    assert story(roster_of(text_of("timezone")), "2026-10-24", 1) == ["24 00:00", "24 02:00 li", "24 14:00"]


def test_years_back_and_far_ahead_are_as_good_as_now() -> None:
    roster = roster_of(text_of("timezone"))
    assert story(roster, "2026-01-05", 2) == ["05 00:00", "06 03:00 li", "06 15:00"]  # its first night
    assert story(roster, "2016-07-01", 2) == ["01 00:00"]
    assert story(roster, "2041-07-01", 1) == ["01 00:00", "01 02:00 li", "01 14:00"]


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_wrong_is_told_at_once_with_its_lines(name: str) -> None:
    golden = CALENDARS / f"{name}.txt"
    feed, faults = read_calendar(f"{name}.ics", text_of(name), NAMES)
    told = "".join(f"{fault}\n" for fault in faults)
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        golden.write_text(told, encoding="utf-8")
    assert feed is None
    assert told == golden.read_text(encoding="utf-8")


def test_every_calendar_that_is_shipped_here_is_tried() -> None:
    assert {path.stem for path in CALENDARS.glob("*.ics")} == {*FAULTY, *RIGHT}


def many(events: int, rule: str = "", start: str = "20260101T080000") -> str:
    begin = datetime.fromisoformat(start)
    starts = [f"{begin + timedelta(hours=12 * n):%Y%m%dT%H%M%S}" for n in range(events)]
    parts = [
        f"BEGIN:VEVENT\nUID:{n}\nDTSTART:{at}\nDURATION:PT12H\n{rule}SUMMARY:Li\nEND:VEVENT\n"
        for n, at in enumerate(starts)
    ]
    return "BEGIN:VCALENDAR\n" + "".join(parts) + "END:VCALENDAR\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (many(1) + "X-A:" + "a" * MAX_BYTES, "more than 2 MB"),
        ("BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\nEND:VEVENT\n" * (MAX_EVENTS + 1), "r.ics:10002:1: more than 5000 events"),
        (many(101, "RRULE:FREQ=DAILY\n"), "r.ics:706:7: with this more than 100 turns may begin on one day"),
        (many(5, "RRULE:FREQ=HOURLY;COUNT=100000000\n"), "r.ics:34:7: with this more than 100 turns may begin"),
        ("", "r.ics:1:1: not an iCalendar file"),
        (many(1) * 2, "r.ics:9:1: a second calendar in one file"),
        ("BEGIN:VCALENDAR\nCALSCALE:HEBREW\nEND:VCALENDAR\n", "not a Gregorian calendar, got 'HEBREW'"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "r.ics:2:1: BEGIN:VEVENT without its end"),
    ],
)
def test_a_calendar_that_asks_for_too_much_or_is_none_is_refused_with_its_place(text: str, said: str) -> None:
    began_s = sum(os.times()[:2])  # of the processor, whatever else it does
    feed, faults = read_calendar("r.ics", text, NAMES)
    assert feed is None
    assert [said in str(fault) for fault in faults] == [True]
    assert sum(os.times()[:2]) - began_s < 10


def test_many_rules_after_one_another_are_not_too_much() -> None:
    assert read_calendar("r.ics", many(150, "RRULE:FREQ=DAILY;COUNT=7\n"), NAMES)[1] == []


def test_a_remembered_calendar_can_be_sent_to_another_process() -> None:
    roster = roster_of(text_of("all-day"))
    there = pickle.loads(pickle.dumps(roster.shifts[0]))  # noqa: S301 - our own bytes
    assert story(Roster("r", "Asia/Shanghai", (there,)), "2026-07-01", 2) == story(roster, "2026-07-01", 2)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["all-day", "exdate", "floating", "moved-instance", "timezone"]), st.randoms(use_true_random=False)
)
def test_damage_is_a_fault_or_harmless_never_an_error(name: str, chance: Random) -> None:
    lines = text_of(name).split("\n")
    others = text_of("endless").split("\n") + text_of("bad-times").split("\n")
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(lines))
        lines[place : place + chance.randint(0, 1)] = [chance.choice([*others, lines[-place], ""])]
    feed, faults = read_calendar("r.ics", "\n".join(lines), NAMES)
    assert (feed is None) == bool(faults)
    if feed is not None:
        assert story(Roster("r", "Europe/Berlin", (feed,)), "2026-07-01", 3)


GOOD = FILES["escalation.yaml"].replace(
    '{person: li, days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}', "{ical: rosters/nights.ics}"
)


def folder(calendar: str, escalation: str = GOOD) -> dict[str, str]:
    return {**city_files(escalation=escalation), "rosters/nights.ics": calendar}


def test_a_roster_of_the_city_folder_names_its_calendar() -> None:
    escalation = load_files(folder(text_of("floating"))).escalation
    now = datetime(2026, 7, 1, 21, 0, tzinfo=ZONE)
    assert [person.id for person in escalation.who("roster/day", now)] == ["li"]
    assert escalation.who("roster/day", now - timedelta(hours=2)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("nights.ics", "night.ics", "no such calendar, got 'rosters/night.ics', try rosters/nights.ics"),
        ("rosters/nights.ics", "escalation.yaml", "no such calendar, got 'escalation.yaml'"),
        ("rosters/nights.ics", "../nights.ics", "no such calendar, got '../nights.ics'"),
        ("{ical:", "{person: li, ical:", "person beside ical, try a shift of its own"),
    ],
)
def test_a_calendar_that_is_not_there_is_a_fault_of_the_roster(old: str, new: str, said: str) -> None:
    assert old in GOOD
    told = [str(fault) for fault in check_files(folder(text_of("floating"), GOOD.replace(old, new)))]
    assert [said in fault and fault.startswith("escalation.yaml:9:") for fault in told] == [True], told


def test_a_stranger_in_a_calendar_is_a_fault_of_the_folder() -> None:
    told = [str(fault) for fault in check_files(folder(text_of("unknown-person")))]
    assert "rosters/nights.ics:9:9: no such person, got 'Li Nah', try 'li na'" in told
